"""Measurements in, decisions out, alarms as incidents: over the API, as computed offline."""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pytest

from kingpost.client import Client
from kingpost.contracts import microseconds
from solutions.anomaly.app import BOUNDS
from solutions.anomaly.data import MeasurementFiles
from solutions.anomaly.protocol import judge
from solutions.anomaly.simulator import Simulation, simulate, write_folder
from solutions.ground.server import Server

APP = Path(__file__).parents[2] / "solutions" / "anomaly" / "app.py"
WAIT_S = 60.0

Opened = Sequence[tuple[str, str]]
"""Series and moment of each alarm, in the order of time."""


def kingpost(directory: Path, *arguments: str) -> dict[str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "kingpost.cli", "--data-dir", str(directory), *arguments, "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> MeasurementFiles:
    folder = tmp_path_factory.mktemp("machines")
    write_folder(*simulate(Simulation(machines=3, days=14, every_minutes=60)), folder)
    return MeasurementFiles.find(folder)


def alarms_offline(files: MeasurementFiles) -> Opened:
    return sorted(
        (one.series.name, str(one.series.event_time_us[row]))
        for one in judge(files).declared
        for row in one.alarms
    )


def requests_of(files: MeasurementFiles) -> Sequence[dict[str, object]]:
    events = files.measurements()
    return [
        {"id": key, "at": f"{at}Z", "series": series, "value": value}
        for key, at, series, value in zip(
            events.values("id"),
            events.numbers("at").astype("datetime64[us]"),
            events.values("series"),
            events.values("value"),
            strict=True,
        )
    ]


def test_what_the_stream_was_answered_and_alarmed_is_what_is_computed_offline(
    files: MeasurementFiles, tmp_path: Path
) -> None:
    kingpost(tmp_path, "models", "register", str(APP))
    kingpost(tmp_path, "approve", str(APP), "--reason", "the README says how it was judged")
    scopes = [word for one in ("decide", "records", "review") for word in ("--scope", one)]
    secret = kingpost(tmp_path, "keys", "create", *scopes)["secret"]
    expected = alarms_offline(files)
    requests = requests_of(files)

    with Server(APP, tmp_path, 0) as server, Client(server.url, secret) as client:
        answers = [client.decide("anomaly", request) for request in requests]
        until = time.monotonic() + WAIT_S
        while len(list(client.incidents.find(decision="anomaly"))) < len(expected):
            assert time.monotonic() < until, "the observer did not see all alarms"
            time.sleep(0.1)
        incidents = list(client.incidents.find(decision="anomaly"))
        [first, *_] = sorted(incidents, key=lambda one: one.opened)
        record = client.records.get(first.records[0])
        tasks = list(client.tasks.find(state="open"))
        acknowledged = client.tasks.acknowledge(first.id, reason="a bearing was changed")

    assert len(answers) == len(requests)
    assert len(expected) >= 4
    assert [one.kind for one in incidents] == ["alarm"] * len(expected)
    assert (
        sorted(
            (one.columns[0], str(microseconds(datetime.fromisoformat(one.opened))))
            for one in incidents
        )
        == expected
    )
    assert record.answer is not None
    assert record.answer["anomalous"] is True
    beyond = ((record.features[name] or 0) / bound for name, bound in BOUNDS._asdict().items())
    assert max(beyond) >= 1
    assert {one.id for one in incidents} == {task.id for task in tasks}
    assert acknowledged.state == "closed"
    assert first.runbook == "solutions/anomaly/README.md#when-an-alarm-comes"
    assert kingpost(tmp_path, "verify")["different"] == 0
