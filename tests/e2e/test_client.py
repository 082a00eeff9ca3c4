"""Both clients against real servers, also while one is killed and started anew."""

import asyncio
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from kingpost.access import create_key
from kingpost.client import Answer, ApiError, AsyncClient, Client
from kingpost.core import SystemClock, SystemDisk, id_text, parse_id
from kingpost.journal import scan
from kingpost.records import DecisionRecord, decode_record
from kingpost.serving import task_of_review
from tests.e2e.review_server import open_sources
from tests.e2e.tiny_server import open_keys
from tests.review_house import line_of
from tests.tiny_app import fraud, payment
from tests.workflow_app import runs_in

SCOPES = ("decide", "ingest", "records", "review", "workflows")


def secret_of(directory: Path, *scopes: str) -> str:
    return create_key(open_keys(directory), SystemClock(), tenant="acme", scopes=scopes).secret


def records_in(directory: Path) -> Iterator[tuple[int, DecisionRecord]]:
    for commit in scan(directory / "data", disk=SystemDisk()):
        for entry in commit.entries:
            if entry.kind == "record":
                yield commit.offset, decode_record(entry.body)


def start(directory: Path, module: str, *arguments: str) -> tuple["subprocess.Popen[bytes]", str]:
    process = subprocess.Popen(
        [sys.executable, "-m", module, str(directory), *arguments], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    url = process.stdout.readline().decode().strip()
    assert url, "the server did not start"
    return process, url


@dataclass
class Place:
    directory: Path
    url: str
    secret: str

    def observe(self, identifier: str) -> None:
        """Do what the observer does with a record."""
        sources = open_sources(self.directory)
        for offset, record in records_in(self.directory):
            if record.id == parse_id(identifier):
                sources.records().add([line_of(record, offset)])
                sources.tasks().add([task_of_review(record, fraud)])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    ran = tmp_path_factory.mktemp("ran") / "ran.sqlite"
    runs_in(ran)
    directory = tmp_path_factory.mktemp("place")
    shutil.copytree(ran.parent, directory / "ran")
    secret = secret_of(directory, *SCOPES)
    process, url = start(directory, "tests.e2e.review_server")
    yield Place(directory, url, secret)
    with process:
        process.send_signal(signal.SIGTERM)
    assert process.returncode == 0


@pytest.fixture
def client(place: Place) -> Iterator[Client]:
    with Client(place.url, place.secret) as client:
        yield client


def test_events_are_sent_corrected_and_retracted(client: Client) -> None:
    rows = [payment("i1"), payment("i2"), payment("i2"), b'{"id":"i3"}']

    ingested = client.ingest("payment", rows)

    assert (ingested.accepted, ingested.duplicates) == (2, 1)
    assert [(one.line, one.code) for one in ingested.rejected] == [(4, "contract_violation")]
    assert client.correct("payment", "i1", payment("i1", 30)).status == "corrected"
    assert client.retract("payment", "i1").status == "retracted"
    assert client.retract("payment", "none/of..these").status == "held"
    with pytest.raises(ApiError) as refused:
        client.correct("payment", "never", payment("never"))
    assert (refused.value.code, refused.value.status) == ("event_not_found", 404)


def test_a_decision_its_record_and_its_review(client: Client, place: Place) -> None:
    answer = client.decide("fraud", payment("d1", 600), session="s1")
    again = client.decide("fraud", payment("d1", 600))
    place.observe(answer.id)

    record = client.records.get(answer.id)
    [line] = client.records.find("fraud", text="d1")
    [task] = client.tasks.find(state="open")

    assert (answer.outcome, again.id, again.is_replayed) == ("review", answer.id, True)
    assert (record.event.key, record.session, record.answer) == ("d1", "s1", answer.answer)
    assert record.features["amount"] == 600
    assert (line.id, task.subject) == (answer.id, answer.id)
    assert client.tasks.claim(task.id).state == "claimed"
    assert client.tasks.override(task.id, positive=False, reason="known").verdict == "overridden"
    assert client.tasks.get(task.id).state == "closed"
    assert client.records.explain(answer.id).record == answer.id
    assert client.records.override(answer.id, positive=True, reason="not so").positive
    assert list(client.incidents.find()) == []
    with pytest.raises(ApiError) as closed:
        client.tasks.claim(task.id)
    assert closed.value.code == "task_closed"


def test_what_runs_and_how_the_server_is(client: Client) -> None:
    [runs] = client.decisions()

    assert (runs.name, runs.request) == ("fraud", "payment")
    assert client.is_live()
    assert client.is_ready()


def test_workflows_are_started_once_shown_and_steered(client: Client) -> None:
    body = {"amount": 3, "customer": "ann"}
    started = client.workflows.start("order", body, key="order-17", after="1h")
    again = client.workflows.start("order", body, key="order-17", after="1h")

    shown = client.workflows.get(started.id)
    client.workflows.send("waits", "paid", {"amount": 3})

    assert (started.id, again.id) == ("acme:order-17", started.id)
    assert shown.input.value == body
    assert started.id in {one.id for one in client.workflows.find(workflow="order")}
    assert client.workflows.cancel(started.id).state == "cancelled"
    assert client.workflows.resume(started.id).id == started.id
    assert client.workflows.fork("order", step=2).forked_from == "order"
    with pytest.raises(ApiError) as unknown:
        client.workflows.get("nobody")
    assert unknown.value.code == "workflow_not_found"


def test_tasks_of_one_loop_do_the_same_at_once(place: Place) -> None:
    async def play() -> list[Answer[dict[str, object]]]:
        async with AsyncClient(place.url, place.secret, connections=8) as client:
            assert await client.is_ready()
            assert (await client.ingest("payment", [payment("a0")])).accepted == 1
            answers = await asyncio.gather(
                *(client.decide("fraud", payment(f"a{number}", 900)) for number in range(1, 65))
            )
            found = [line async for line in client.records.find("fraud", text="a0")]
            assert found == []
            return answers

    answers = asyncio.run(play())

    assert len({one.id for one in answers}) == 64


def test_a_refused_key_is_an_error_that_does_not_show_it(place: Place) -> None:
    with Client(place.url, "kp_nobody_secret") as client, pytest.raises(ApiError) as refused:
        client.decisions()

    assert refused.value.status == 401
    assert "kp_nobody_secret" not in repr(refused.value) + str(refused.value)


def test_a_killed_server_that_comes_back_answers_all_and_decides_each_once(
    tmp_path: Path,
) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port: int = taken.getsockname()[1]
    secret = secret_of(tmp_path, "decide")
    serving = ("tests.e2e.tiny_server", "0.005", "10", str(port))
    process, url = start(tmp_path, *serving)
    stop = threading.Event()

    with Client(url, secret, deadline="120s") as client:

        def decide_on(worker: int) -> list[Answer[dict[str, object]]]:
            answers: list[Answer[dict[str, object]]] = []
            while not stop.is_set():
                body = payment(f"{worker}-{len(answers)}", 900, card=f"c{worker}")
                answers.append(client.decide("fraud", body))
            return answers

        with ThreadPoolExecutor(8) as pool:
            workers = [pool.submit(decide_on, number) for number in range(8)]
            for _ in range(2):
                time.sleep(0.5)
                process.kill()
                process.communicate()
                process, _ = start(tmp_path, *serving)
            time.sleep(0.5)
            stop.set()
            answers = [answer for worker in workers for answer in worker.result()]
    with process:
        process.send_signal(signal.SIGTERM)

    made = [record for _, record in records_in(tmp_path)]
    assert len(answers) > 100
    assert {answer.id for answer in answers} == {id_text(record.id) for record in made}
    assert len({record.event_key for record in made}) == len(made)
