"""`kill -9` under load: no answer without its record, and features as if nothing happened."""

import json
import signal
import subprocess
import sys
import threading
from array import array
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from kingpost.calls import LoadClient, LoadReport
from kingpost.contracts import Event, events_of
from kingpost.core import SystemDisk, id_text
from kingpost.decisions import load_application
from kingpost.features import Histories, OnlineFeatures
from kingpost.journal import scan
from kingpost.records import decode_record
from tests.cli_app import HOUR_US, START_US, PreparedShop, kingpost

KILLS = 3
MOST_CALLS = 60_000
CALLS_BEFORE_THE_KILL = 1_000


def start(directory: Path) -> tuple["subprocess.Popen[bytes]", str]:
    server = subprocess.Popen(
        [sys.executable, "-m", "kingpost.cli", "--data-dir", str(directory / "data"),
         "run", "shop_app.py", "--port", "0", "--json"],
        cwd=directory,
        stdout=subprocess.PIPE,
    )  # fmt: skip
    assert server.stdout is not None
    line = server.stdout.readline()
    assert line, "the server did not start"
    return server, json.loads(line)["url"]


def end(server: "subprocess.Popen[bytes]", how: signal.Signals) -> int:
    with server:
        server.send_signal(how)
    return server.returncode


def bodies(run: int) -> Iterator[bytes]:
    rng = np.random.default_rng(run)
    at = START_US + 11 * 24 * HOUR_US + run * HOUR_US
    for number in range(MOST_CALLS):
        late_us = int(rng.integers(0, 3 * HOUR_US)) if number % 5 == 0 else 0
        moment = np.datetime64(at + number * 50_000 - late_us, "us")
        yield (
            f'{{"id":"r{run}-{number}","at":"{moment}Z","customer":"c{rng.integers(0, 45)}",'
            f'"amount":{round(float(rng.gamma(2, 30)), 2)}}}'
        ).encode()


def load_until_killed(directory: Path, secret: str, run: int) -> LoadReport:
    server, url = start(directory)
    where = urlsplit(url)
    assert where.hostname is not None
    assert where.port is not None
    client = LoadClient(
        where.hostname, where.port, {"authorization": f"Bearer {secret}"}, connections=48
    )
    reports: list[LoadReport] = []
    enough = threading.Event()

    def calls() -> Iterator[bytes]:
        for number, body in enumerate(bodies(run)):
            if number == CALLS_BEFORE_THE_KILL + 70 * run:
                enough.set()
            yield client.post("/v1/decisions/risk", body)

    load = threading.Thread(target=lambda: reports.append(client.run(calls())))
    load.start()
    assert enough.wait(120)
    end(server, signal.SIGKILL)
    load.join()
    return reports[0]


def test_every_answer_has_its_record_and_features_equal_a_clean_rebuild(
    prepared_shop: PreparedShop, tmp_path: Path
) -> None:
    secret = prepared_shop.copied(tmp_path)
    answered: dict[str, object] = {}
    for run in range(KILLS):
        report = load_until_killed(tmp_path, secret, run)
        assert not report.complete, "the kill came under load"
        for answer in report.answers:
            if answer.status == 200:
                told = json.loads(answer.body)
                answered[told["id"]] = told["answer"]

    # one more start: recovery from the last kill, and a clean end
    server, _ = start(tmp_path)
    assert end(server, signal.SIGTERM) == 0
    recorded = {
        id_text(record.id): json.loads(bytes(record.answer))
        for commit in scan(tmp_path / "data" / "journal" / "data", disk=SystemDisk())
        for entry in commit.entries
        if entry.kind == "record"
        for record in [decode_record(entry.body)]
    }
    assert len(answered) > 300
    assert {key: recorded.get(key) for key in answered} == answered

    verified = kingpost(tmp_path, "verify", "--json")
    assert verified["different"] == 0
    assert verified["records"] == len(recorded)

    assert_loaded_features_equal_those_applied_one_by_one(tmp_path)


def assert_loaded_features_equal_those_applied_one_by_one(directory: Path) -> None:
    """A restart loads in bulk; a server that never fell applied event by event."""
    application = load_application(directory / "shop_app.py")
    features = application.decisions["risk"].features
    histories = Histories(application.streams.values())
    for commit in scan(directory / "data" / "journal" / "data", disk=SystemDisk()):
        histories.add(commit)
    held = histories.of("default")
    views = [slot.view for slot in features.windows]
    loaded, applied = OnlineFeatures(views), OnlineFeatures(views)
    events: list[tuple[int, str, Event]] = []
    loaded.load(held)
    for name, history in held.items():
        for event, position in zip(
            events_of(application.streams[name], history.events),
            history.positions.tolist(),
            strict=True,
        ):
            events.append((position, name, event))
    for position, name, event in sorted(events, key=lambda one: one[0]):
        applied.apply(name, event, position)
    last = events[-1][0]
    width = len(features)
    one, other = array("d", bytes(8 * width)), array("d", bytes(8 * width))
    asked = [event for _, name, event in events if name == "order"][::7]
    readers = loaded.reader(features), applied.reader(features)
    for event in asked:
        readers[0].read(event, last, one, 0)
        readers[1].read(event, last, other, 0)
        assert one.tobytes() == other.tobytes()
