"""Connections: heads come in time or not at all, answers go out in one piece."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
import uvicorn
from uvicorn.server import ServerState

from kingpost.serving.http import HttpAnswer, Receive, Scope, Send
from kingpost.serving.protocol import MAX_HEAD_BYTES, BoundedProtocol

REQUEST = b"GET / HTTP/1.1\r\nhost: t\r\n\r\n"


class Impatient(BoundedProtocol):
    head_timeout_s = 0.005


class Wire(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.closed = asyncio.Event()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def is_closing(self) -> bool:
        return self.closed.is_set()

    def close(self) -> None:
        self.closed.set()

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class Connection:
    def __init__(self, kind: type[BoundedProtocol] = BoundedProtocol) -> None:
        self.wire = Wire()
        config = uvicorn.Config(app, interface="asgi3", lifespan="off", log_config=None)
        self.protocol = kind(config, ServerState(), {}, asyncio.get_running_loop())
        self.protocol.connection_made(self.wire)

    async def answered(self) -> bytes:
        async with asyncio.timeout(10):
            while not self.wire.written:
                await asyncio.sleep(0)
        return b"".join(self.wire.written)


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["path"] == "/parts":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        await send({"type": "http.response.body", "body": b"two"})
    else:
        await HttpAnswer(200, (), b"whole").send(send)


def run(scene: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(scene(), 20))


@pytest.mark.parametrize("sent", [b"", b"GET / HT", REQUEST[:-2]])
def test_a_head_that_does_not_come_closes_the_connection(sent: bytes) -> None:
    async def scene() -> None:
        connection = Connection(Impatient)
        if sent:
            connection.protocol.data_received(sent)
        await connection.wire.closed.wait()
        assert connection.wire.written == []

    run(scene)


def test_a_head_that_drips_gets_no_more_time_than_any_other() -> None:
    async def scene() -> None:
        connection = Connection(Impatient)
        connection.protocol.data_received(REQUEST[:-2] + b"x: ")
        async with asyncio.timeout(10):
            while not connection.wire.closed.is_set():
                connection.protocol.data_received(b"x")
                await asyncio.sleep(0.001)
        assert not b"".join(connection.wire.written).startswith(b"HTTP/1.1 200")

    run(scene)


def test_an_answered_connection_may_stay_silent() -> None:
    async def scene() -> None:
        connection = Connection(Impatient)
        connection.protocol.data_received(REQUEST)
        await connection.answered()
        await asyncio.sleep(0.01)
        assert not connection.wire.closed.is_set()
        connection.protocol.connection_lost(None)

    run(scene)


@pytest.mark.parametrize("size", [1, 1000, MAX_HEAD_BYTES])
def test_a_head_over_the_limit_is_refused_however_it_comes(size: int) -> None:
    async def scene() -> None:
        connection = Connection()
        head = REQUEST[:-2] + b"x: " + b"x" * MAX_HEAD_BYTES
        sent = 0
        while not connection.wire.closed.is_set():
            connection.protocol.data_received(head[sent : sent + size])
            sent += size
        assert connection.wire.written[0].startswith(b"HTTP/1.1 431 ")
        assert sent <= MAX_HEAD_BYTES + size
        connection.protocol.connection_lost(None)

    run(scene)


def test_head_and_body_of_an_answer_are_one_write() -> None:
    async def scene() -> None:
        connection = Connection()
        connection.protocol.data_received(REQUEST)
        await connection.answered()
        (written,) = connection.wire.written
        assert written.startswith(b"HTTP/1.1 200 OK\r\n")
        assert written.endswith(b"\r\n\r\nwhole")
        connection.protocol.connection_lost(None)

    run(scene)


@pytest.mark.parametrize(
    ("request_line", "end"),
    [
        (b"GET /parts HTTP/1.1", b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"),
        (b"HEAD / HTTP/1.1", b"content-length: 5\r\n\r\n"),
        (b"GET / HTTP/1.0", b"whole"),
    ],
)
def test_every_kind_of_answer_leaves_whole(request_line: bytes, end: bytes) -> None:
    async def scene() -> None:
        connection = Connection()
        connection.protocol.data_received(REQUEST.replace(b"GET / HTTP/1.1", request_line))
        async with asyncio.timeout(10):
            while not b"".join(connection.wire.written).endswith(end):
                await asyncio.sleep(0)
        assert b"".join(connection.wire.written).count(b"200 OK") == 1
        connection.protocol.connection_lost(None)

    run(scene)


def test_a_caller_that_closes_its_half_still_gets_its_answers() -> None:
    async def scene() -> None:
        connection = Connection()
        connection.protocol.data_received(REQUEST * 3)
        assert connection.protocol.eof_received()
        await connection.wire.closed.wait()
        assert b"".join(connection.wire.written).count(b"whole") == 3
        connection.protocol.connection_lost(None)

    run(scene)


def test_what_did_not_come_whole_is_not_waited_for_behind_it() -> None:
    async def scene() -> None:
        half = b"POST / HTTP/1.1\r\nhost: t\r\ncontent-length: 9\r\n\r\nx"
        for sent, answers in ((half, 0), (REQUEST + half, 1), (REQUEST + REQUEST[:9], 1), (b"", 0)):
            connection = Connection()
            connection.protocol.data_received(sent)
            if connection.protocol.eof_received():
                await connection.wire.closed.wait()
            assert b"".join(connection.wire.written).count(b"whole") == answers
            connection.protocol.connection_lost(None)

    run(scene)


def test_nothing_is_written_to_a_caller_that_is_gone() -> None:
    async def scene() -> None:
        connection = Connection()
        connection.protocol.data_received(REQUEST)
        connection.wire.close()
        for _ in range(20):
            await asyncio.sleep(0)
        assert connection.wire.written == []
        connection.protocol.connection_lost(None)

    run(scene)
