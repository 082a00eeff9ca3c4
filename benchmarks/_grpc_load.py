"""Load on a gRPC server: one connection, so many unary calls in flight, each answered before the next.

HTTP/2 of our own: a client of grpcio takes more CPU for a call than some servers do. The
head of a call is sent whole once, and as a few indexes from then on, as other clients do.
"""

import asyncio
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import cast

import uvloop

from kingpost.calls import Answer, LoadReport
from kingpost.serving.grpc.errors import TooManyHeaders
from kingpost.serving.grpc.frames import (
    ACK,
    END_HEADERS,
    END_STREAM,
    FRAME_BYTES,
    HEAD,
    HEAD_BYTES,
    LARGEST_WINDOW,
    PREFACE,
    WINDOW_BYTES,
    FrameType,
    Setting,
    frame,
    read_settings,
    settings,
    window_update,
)
from kingpost.serving.grpc.hpack import HeaderReader

__all__ = ["GrpcLoad"]

OK = 200
"""What `LoadReport` calls an answer with the gRPC status 0; others have 1000 and theirs."""
_STATIC = 61
_NAMES = {b":authority": 1, b":path": 4, b"content-type": 31, b"authorization": 23}


def _text(text: bytes) -> bytes:
    assert len(text) < 127 + 128  # two bytes say how long it is
    length = bytes((len(text),)) if len(text) < 127 else bytes((127, len(text) - 127))
    return length + text


class GrpcLoad:
    """A client for one method of one server.

    Args:
        metadata: Sent with every call.
        streams: Calls in flight.
    """

    def __init__(
        self, host: str, port: int, path: str, metadata: Mapping[str, str], streams: int
    ) -> None:
        self._host, self._port, self._streams = host, port, streams
        fields = [
            (b":path", path.encode()),
            (b":authority", f"{host}:{port}".encode()),
            (b"te", b"trailers"),
            (b"content-type", b"application/grpc"),
            *((name.encode(), value.encode()) for name, value in metadata.items()),
        ]
        method_and_scheme = b"\x83\x86"
        self.first_block = method_and_scheme + b"".join(
            (bytes((0x40 | _NAMES[name],)) if name in _NAMES else b"\x40" + _text(name))
            + _text(value)
            for name, value in fields
        )
        self.block = method_and_scheme + bytes(
            0x80 | _STATIC + len(fields) - place for place in range(len(fields))
        )

    def run(self, messages: Iterable[bytes]) -> LoadReport:
        """Send every message and wait for its answer, whose body is the message of the answer."""
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(self._drive(iter(messages)))

    async def _drive(self, messages: Iterator[bytes]) -> LoadReport:
        loop = asyncio.get_running_loop()
        over: asyncio.Future[None] = loop.create_future()
        client = _Client(self, messages, self._streams, over)
        transport, _ = await loop.create_connection(lambda: client, self._host, self._port)
        await over
        transport.close()
        return LoadReport(client.answers, client.is_done, (client.last_ns - client.begun_ns) / 1e9)


class _Client(asyncio.Protocol):
    """The connection; a call is its number, when it was sent, and what came of its answer."""

    def __init__(
        self, load: GrpcLoad, messages: Iterator[bytes], streams: int, over: "asyncio.Future[None]"
    ) -> None:
        self._load, self._messages, self._streams, self._over = load, messages, streams, over
        self.answers: list[Answer] = []
        self.is_done = False
        self._sent: dict[int, int] = {}
        self._bodies: dict[int, bytes] = {}
        self._reader = HeaderReader(1 << 20)
        self._known: dict[bytes, int] = {}
        self._next = 1
        self._rest = b""
        self._window = WINDOW_BYTES
        self._waiting: deque[bytes] = deque()
        self.begun_ns = self.last_ns = time.perf_counter_ns()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        ours = settings({Setting.ENABLE_PUSH: 0, Setting.INITIAL_WINDOW_SIZE: LARGEST_WINDOW})
        widened = window_update(0, LARGEST_WINDOW - WINDOW_BYTES)
        self.begun_ns = time.perf_counter_ns()
        calls = [self._call() for _ in range(self._streams)]
        self._transport.write(PREFACE + ours + widened + b"".join(calls))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._over.done():
            self._over.set_exception(exc or ConnectionError("the server closed the connection"))

    def data_received(self, data: bytes) -> None:
        if self._rest:
            data = self._rest + data
        at, end = 0, len(data)
        out: list[bytes] = []
        while end - at >= HEAD_BYTES:
            high, low, kind, flags, stream = HEAD.unpack_from(data, at)
            behind = at + HEAD_BYTES + (high << 16 | low)
            if behind > end:
                break
            payload = data[at + HEAD_BYTES : behind]
            at = behind
            if kind == FrameType.DATA:
                self._bodies[stream] = self._bodies.get(stream, b"") + payload
            elif kind == FrameType.HEADERS:
                status = self._status(payload)
                if flags & END_STREAM:
                    self._end(stream, status)
                    out.append(self._call())
            else:
                self._on_other(kind, flags, stream, payload, out)
        self._rest = data[at:]
        if out:
            self._transport.write(b"".join(out))
        if not self._sent and not self._over.done():
            self._over.set_result(None)

    def _call(self) -> bytes:
        if self._waiting:
            message = self._waiting.popleft()
        else:
            found = next(self._messages, None)
            if found is None:
                self.is_done = True
                return b""
            message = found
        size = len(message) + 5
        assert size <= FRAME_BYTES
        if size > self._window:
            self._waiting.append(message)
            return b""
        self._window -= size
        stream, self._next = self._next, self._next + 2
        block = self._load.block if stream > 1 else self._load.first_block
        self._sent[stream] = time.perf_counter_ns()
        return b"".join(
            (
                HEAD.pack(0, len(block), FrameType.HEADERS, END_HEADERS, stream), block,
                HEAD.pack(0, size, FrameType.DATA, END_STREAM, stream),
                b"\0", len(message).to_bytes(4, "big"), message,
            )
        )  # fmt: skip

    def _end(self, stream: int, status: int) -> None:
        self.last_ns = now_ns = time.perf_counter_ns()
        sent_ns = self._sent.pop(stream)
        body = self._bodies.pop(stream, b"")[5:]
        code = OK if status == 0 else 1000 + status
        self.answers.append(
            Answer(stream // 2, code, body, sent_ns - self.begun_ns, now_ns - sent_ns)
        )

    def _status(self, block: bytes) -> int:
        """Return the status in a block of headers; -1 where there is none."""
        status = self._known.get(block)
        if status is not None:
            return status
        try:
            fields = dict(self._reader.read(block))
        except TooManyHeaders:
            fields = {}
        if self._reader.has_changed:
            self._known.clear()
        status = int(fields.get(b"grpc-status", b"-1"))
        if not self._reader.has_changed:
            self._known[block] = status
        return status

    def _on_other(
        self, kind: int, flags: int, stream: int, payload: bytes, out: list[bytes]
    ) -> None:
        if kind == FrameType.SETTINGS and not flags & ACK:
            sizes = dict(read_settings(payload))
            assert sizes.get(Setting.HEADER_TABLE_SIZE, 4096) >= 4096
            out.append(frame(FrameType.SETTINGS, ACK, 0))
        elif kind == FrameType.PING and not flags & ACK:
            out.append(frame(FrameType.PING, ACK, 0, payload))
        elif kind == FrameType.WINDOW_UPDATE and not stream:
            self._window += int.from_bytes(payload, "big")
            while self._waiting:
                call = self._call()
                if not call:
                    break
                out.append(call)
        elif kind in (FrameType.GOAWAY, FrameType.RST_STREAM):
            raise ConnectionError(f"the server ended {stream or 'the connection'}: {payload!r}")
