"""A replay sends what happened in its order, with each verdict in its place."""

import asyncio
import json
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress

import numpy as np
import pytest

from kingpost.calls import LoadClient
from kingpost.contracts import ColumnBatch
from solutions.fraud.replay import Decided, replay
from solutions.ground.asking import NotAnswered

HOUR = 3_600_000_000
NINE = 1_533_114_000_000_000  # 2018-08-01T09:00:00Z
Handler = Callable[[str, bytes], tuple[int, object]]


def transactions(times: list[int]) -> ColumnBatch:
    count = np.arange(len(times), dtype=np.int64)
    return ColumnBatch(
        len(times),
        {
            "id": count,
            "at": np.array(times, np.int64),
            "customer": count + 10,
            "terminal": count + 20,
            "amount": count + 0.57,
        },
        {},
    )


def verdicts(known: list[int]) -> ColumnBatch:
    count = np.arange(len(known), dtype=np.int64)
    return ColumnBatch(
        len(known),
        {
            "transaction": count + 100,
            "at": np.array(known, np.int64) - 168 * HOUR,
            "known_at": np.array(known, np.int64),
            "terminal": count + 20,
            "fraud": count % 2 == 0,
            "loss": count + 3.5,
        },
        {},
    )


@contextmanager
def server(handle: Handler) -> Generator[LoadClient]:
    """Serve in another thread until the block ends."""
    loop = asyncio.new_event_loop()
    ready = threading.Event()
    ports: list[int] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = int(head.lower().split("content-length: ")[1].split("\r\n")[0])
                status, value = handle(head.split()[1], await reader.readexactly(length))
                body = json.dumps(value, separators=(",", ":")).encode()
                start = f"HTTP/1.1 {status} X\r\ncontent-length: {len(body)}\r\n\r\n"
                writer.write(start.encode() + body)
        writer.close()

    async def serve() -> None:
        listening = await asyncio.start_server(answer, "127.0.0.1", 0)
        ports.append(listening.sockets[0].getsockname()[1])
        ready.set()
        async with listening:
            await stop.wait()

    stop = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    ready.wait(30)
    try:
        yield LoadClient("127.0.0.1", ports[0], {"authorization": "Bearer k"}, connections=1)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(30)
        loop.close()


class Recorder:
    """Answers as the API does and notes what it was sent."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.first_bodies: dict[str, bytes] = {}

    def __call__(self, path: str, body: bytes) -> tuple[int, object]:
        self.first_bodies.setdefault(path, body)
        if path == "/v1/events/verdict":
            self.seen.append(f"{len(body.splitlines())} verdicts")
            return 200, {"accepted": len(body.splitlines())}
        key = json.loads(body)["id"]
        self.seen.append(f"transaction {key}")
        return 200, {
            "id": f"r{key}",
            "outcome": "decided",
            "answer": {"fraud": False, "score": key / 10},
        }


def test_verdicts_go_out_at_the_full_hour_after_they_became_known() -> None:
    recorder = Recorder()
    known = [NINE - 1, NINE + 1, NINE + HOUR, NINE + HOUR + 1]

    with server(recorder) as client:
        replayed = replay(
            client, transactions([NINE + 5, NINE + 6, NINE + HOUR + 2]), verdicts(known)
        )

    assert recorder.seen == [
        "1 verdicts",
        "transaction 0",
        "transaction 1",
        "2 verdicts",
        "transaction 2",
        "1 verdicts",
    ]
    assert replayed.verdicts == 4
    assert replayed.decided == [
        Decided("r0", "decided", 0.0),
        Decided("r1", "decided", 0.1),
        Decided("r2", "decided", 0.2),
    ]
    assert replayed.decisions_per_s > 0
    assert 0 < replayed.p50_ms <= replayed.p99_ms


def test_bodies_are_what_the_contracts_ask_for() -> None:
    recorder = Recorder()

    with server(recorder) as client:
        replay(client, transactions([NINE]), verdicts([NINE]))

    assert json.loads(recorder.first_bodies["/v1/decisions/fraud"]) == {
        "id": 0,
        "at": "2018-08-01T09:00:00.000000Z",
        "customer": 10,
        "terminal": 20,
        "amount": 0.57,
    }
    assert json.loads(recorder.first_bodies["/v1/events/verdict"]) == {
        "transaction": 100,
        "at": "2018-07-25T09:00:00.000000Z",
        "known_at": "2018-08-01T09:00:00.000000Z",
        "terminal": 20,
        "fraud": True,
        "loss": 3.5,
    }


def test_a_refused_request_ends_the_replay_with_what_the_server_said() -> None:
    with (
        server(lambda _path, _body: (401, {"title": "no key"})) as client,
        pytest.raises(NotAnswered, match=r"2 requests failed.*401.*no key") as failed,
    ):
        replay(client, transactions([NINE, NINE + 1]), verdicts([]))

    assert failed.value.failures == 2


def test_a_decision_that_failed_is_asked_for_again_and_takes_its_place() -> None:
    recorder = Recorder()
    failures = [1, 1]

    def handle(path: str, body: bytes) -> tuple[int, object]:
        if failures and path != "/v1/events/verdict" and json.loads(body)["id"] == 1:
            failures.pop()
            return 503, {"code": "decision_failed"}
        return recorder(path, body)

    with server(handle) as client:
        replayed = replay(client, transactions([NINE, NINE + 1, NINE + 2]), verdicts([]))

    assert [one.record for one in replayed.decided] == ["r0", "r1", "r2"]
    assert replayed.retried == 2
