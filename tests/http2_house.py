"""One connection of the gRPC server in memory: a caller's frames, a clock that waits, what left."""

import asyncio
import heapq
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from itertools import count
from typing import Any, NamedTuple

from hpack import Decoder

from kingpost.serving.grpc import Call, GrpcLimits, Method
from kingpost.serving.grpc.connection import Connection
from kingpost.serving.grpc.frames import (
    ACK,
    END_HEADERS,
    END_STREAM,
    HEAD,
    HEAD_BYTES,
    PREFACE,
    FrameType,
    frame,
    settings,
)
from kingpost.serving.grpc.house import House
from kingpost.serving.grpc.hpack import Field, write_headers

__all__ = [
    "ECHO",
    "SLOW",
    "SMALL",
    "WRONG",
    "Got",
    "Wire",
    "data",
    "head",
    "message",
    "payloads",
    "request",
]

ECHO, SLOW, WRONG = b"/t.Test/Echo", b"/t.Test/Slow", b"/t.Test/Wrong"
SMALL = GrpcLimits(
    max_message_bytes=100_000,
    max_streams=8,
    max_header_bytes=2000,
    max_held_bytes=150_000,
    message_timeout_s=10,
)


Does = Callable[..., object]


class Got(NamedTuple):
    """A frame that the server sent."""

    kind: FrameType
    flags: int
    stream: int
    payload: bytes


class WaitingLoop(asyncio.AbstractEventLoop):
    """A loop whose clock stands still until a test moves it."""

    def __init__(self) -> None:
        self._now_s, self._numbers = 1000.0, count()
        self._due: list[tuple[float, int, asyncio.TimerHandle]] = []

    def time(self) -> float:
        return self._now_s

    def call_soon(self, callback: Does, *args: Any, context: object = None) -> asyncio.Handle:
        return self.call_at(self._now_s, callback, *args)

    def call_later(
        self, delay: float, callback: Does, *args: Any, context: object = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self._now_s + delay, callback, *args)

    def call_at(
        self, when: float, callback: Does, *args: Any, context: object = None
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self)
        heapq.heappush(self._due, (when, next(self._numbers), handle))
        return handle

    def get_debug(self) -> bool:
        return False

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Nothing is kept of it."""

    def move(self, seconds: float) -> None:
        """Let so many seconds go by, and what is due happen."""
        end_s = self._now_s + seconds
        while self._due and self._due[0][0] <= end_s:
            when, _, handle = heapq.heappop(self._due)
            self._now_s = max(self._now_s, when)
            if not handle.cancelled():
                handle._run()  # pyright: ignore[reportPrivateUsage, reportUnknownMemberType, reportAttributeAccessIssue]  as a loop does
        self._now_s = end_s


class WrittenTransport(asyncio.Transport):
    """Keeps what was written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.is_closed = self.is_aborted = False
        self.is_reading_paused = False

    def write(self, data: "bytes | bytearray | memoryview[int]") -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_closed = self.is_aborted = True

    def pause_reading(self) -> None:
        self.is_reading_paused = True

    def resume_reading(self) -> None:
        self.is_reading_paused = False


class Wire:
    """A connection, from its caller's side.

    Attributes:
        slow: The calls of `SLOW` that are at work.
    """

    def __init__(self, limits: GrpcLimits = SMALL, *, greets: bool = True) -> None:
        self.loop, self.transport = WaitingLoop(), WrittenTransport()
        self.slow: list[Call] = []
        methods: Mapping[bytes, Method] = {
            ECHO: lambda call: partial(_echo, call),
            SLOW: lambda call: partial(self._keep, call),
            WRONG: lambda call: partial(_break, call),
        }
        self.house = House(methods, limits)
        self.is_lost = False
        self.connection = Connection(self.house, self.loop, lambda _: True, self._left)
        self.connection.connection_made(self.transport)
        self._decoder = Decoder()
        if greets:
            self.send(PREFACE, settings({}))
            assert [one.kind for one in self.got()] == [4, 8, 4]

    def send(self, *frames: bytes) -> None:
        """Send frames in one piece."""
        self.send_bytes(b"".join(frames))

    def send_bytes(self, some: bytes) -> None:
        """Send bytes as they are."""
        if not self.transport.is_closing():
            self.connection.data_received(some)
        self.loop.move(0)
        if self.transport.is_closing() and not self.is_lost:
            self.lose()

    def lose(self) -> None:
        """Break the connection off."""
        self.connection.connection_lost(None)

    def got(self) -> list[Got]:
        """Return the frames that were sent since the last time."""
        self.loop.move(0)
        written, found, at = bytes(self.transport.written), list[Got](), 0
        while at < len(written):
            high, low, kind, flags, stream = HEAD.unpack_from(written, at)
            at += HEAD_BYTES
            end = at + (high << 16 | low)
            found.append(Got(FrameType(kind), flags, stream, written[at:end]))
            at = end
        assert at == len(written)
        self.transport.written.clear()
        return found

    def fields(self, got: Got) -> dict[str, str]:
        """Read a header block that was sent."""
        return {str(name): str(value) for name, value in self._decoder.decode(got.payload)}

    def status(self, stream: int = 1) -> str:
        """Return the status of a call that was answered, and no more frames than that."""
        ended = [
            one
            for one in self.got()
            if one.kind == FrameType.HEADERS and one.stream == stream and one.flags & END_STREAM
        ]
        assert len(ended) == 1
        return self.fields(ended[0])["grpc-status"]

    def went_away(self) -> int:
        """Return why the server ended the connection."""
        last = self.got()[-1]
        assert last.kind == FrameType.GOAWAY
        assert self.transport.is_closed
        return int.from_bytes(last.payload[4:8], "big")

    def was_reset(self, stream: int = 1) -> int:
        """Return why the server ended a stream, the last thing that it did."""
        last = self.got()[-1]
        assert (last.kind, last.stream) == (FrameType.RST_STREAM, stream)
        assert not self.transport.is_closed
        return int.from_bytes(last.payload, "big")

    def acknowledges(self) -> bool:
        """Tell whether the connection still lives."""
        self.got()
        self.send(frame(FrameType.PING, 0, 0, b"01234567"))
        return Got(FrameType.PING, ACK, 0, b"01234567") in self.got()

    def _keep(self, call: Call, _message: bytes) -> None:
        self.slow.append(call)

    def _left(self, _connection: Connection) -> None:
        self.is_lost = True


def _echo(call: Call, message: bytes) -> None:
    call.answer(message)


def _break(_call: Call, _message: bytes) -> None:
    raise ValueError("a method that breaks")


def head(path: bytes = ECHO, *others: Field, stream: int = 1, flags: int = END_HEADERS) -> bytes:
    """Write the frame that begins a call."""
    fields = [
        (b":method", b"POST"), (b":scheme", b"http"), (b":path", path), (b":authority", b"x"),
        (b"te", b"trailers"), (b"content-type", b"application/grpc"), *others,
    ]  # fmt: skip
    return frame(FrameType.HEADERS, flags, stream, write_headers(fields))


def message(content: bytes, flag: int = 0) -> bytes:
    """Write a message as it lies in the data."""
    return bytes((flag,)) + len(content).to_bytes(4, "big") + content


def data(payload: bytes, *, stream: int = 1, ends: bool = True) -> bytes:
    """Write the frames that carry some data."""
    pieces = [payload[at : at + 16384] for at in range(0, len(payload), 16384)] or [b""]
    last = len(pieces) - 1
    return b"".join(
        frame(FrameType.DATA, END_STREAM if ends and place == last else 0, stream, piece)
        for place, piece in enumerate(pieces)
    )


def request(
    content: bytes = b"hello", path: bytes = ECHO, *others: Field, stream: int = 1
) -> bytes:
    """Write a whole call."""
    return head(path, *others, stream=stream) + data(message(content), stream=stream)


def payloads(frames: Iterable[Got], stream: int = 1) -> bytes:
    """Join the data of a stream."""
    return b"".join(
        one.payload for one in frames if one.kind == FrameType.DATA and one.stream == stream
    )
