"""What leaves on a connection: gathered per tick of the loop, within the peer's windows."""

import asyncio
from collections.abc import Callable, Sequence

from kingpost.serving.grpc.call import Call
from kingpost.serving.grpc.errors import BrokenConnection, BrokenStream, Http2Error
from kingpost.serving.grpc.frames import (
    END_HEADERS,
    END_STREAM,
    FRAME_BYTES,
    LARGEST_WINDOW,
    WINDOW_BYTES,
    FrameType,
    frame,
)
from kingpost.serving.grpc.heads import ACCEPTED_ENCODINGS, CONTENT_TYPE
from kingpost.serving.grpc.hpack import Field, write_headers
from kingpost.serving.grpc.messages import PREFIX_BYTES, written
from kingpost.serving.grpc.status import Status, status_fields

__all__ = ["Sender"]

_STREAM_AT = 5


def _split(block: bytes, flags: int) -> tuple[bytes, bytes]:
    """Return the frame of a block before and behind the number of its stream."""
    whole = frame(FrameType.HEADERS, END_HEADERS | flags, 0, block)
    return whole[:_STREAM_AT], whole[_STREAM_AT + 4 :]


_OPENS = _split(write_headers([(b":status", b"200"), CONTENT_TYPE]), 0)
_OPENS_GZIP = _split(
    write_headers(
        [(b":status", b"200"), CONTENT_TYPE, (b"grpc-encoding", b"gzip"), ACCEPTED_ENCODINGS]
    ),
    0,
)
_ENDS = _split(write_headers(status_fields(Status.OK, "")), END_STREAM)
_DATA = b"\0\0"


class Sender:
    """The sending half of a connection.

    Attributes:
        finished: Told of each call whose answer has left.
        window: How many bytes of data the peer has room for.
        call_window: The same of a call that begins now.
        frame_bytes: The largest payload that the peer takes.
    """

    def __init__(
        self,
        transport: asyncio.WriteTransport,
        call_soon: Callable[[Callable[[], None]], object],
    ) -> None:
        self._transport, self._call_soon = transport, call_soon
        self.finished: Callable[[Call], None] = _ignore
        self._parts: list[bytes] = []
        self._is_due = False
        self._blocked: dict[int, Call] = {}
        self.window = self.call_window = WINDOW_BYTES
        self.frame_bytes = FRAME_BYTES

    def write(self, whole: bytes) -> None:
        """Send a frame with what else leaves in this tick."""
        self._parts.append(whole)
        if not self._is_due:
            self._is_due = True
            self._call_soon(self.flush)

    def flush(self) -> None:
        """Send what has gathered."""
        self._is_due = False
        parts = self._parts
        if parts:
            self._parts = []
            if not self._transport.is_closing():
                self._transport.write(parts[0] if len(parts) == 1 else b"".join(parts))

    def send(self, call: Call, message: bytes, fields: Sequence[Field]) -> None:
        """Send a message and status OK; `finished` is told now or when there was room."""
        is_gzip = call.head.is_gzip and call.head.takes_gzip
        prefix, message = written(message, takes_gzip=is_gzip)
        size = PREFIX_BYTES + len(message)
        number = call.stream.to_bytes(4, "big")
        before, behind = _OPENS_GZIP if is_gzip else _OPENS
        if size > self.window or size > call.window or size > self.frame_bytes:
            self.write(b"".join((before, number, behind)))
            call.ending = _ending(call, fields)
            call.unsent = memoryview(prefix + message)
            self._blocked[call.stream] = call
            self.send_unsent()
            return
        self.window -= size
        ends, status = _ENDS
        if fields:
            self.write(
                b"".join((
                    before, number, behind,
                    size.to_bytes(3, "big"), _DATA, number, prefix, message,
                    _ending(call, fields),
                ))
            )  # fmt: skip
            self.finished(call)
            return
        self.write(
            b"".join(
                (
                    before, number, behind,
                    size.to_bytes(3, "big"), _DATA, number, prefix, message,
                    ends, number, status,
                )
            )
        )  # fmt: skip
        self.finished(call)

    def send_only(self, call: Call, block: bytes) -> None:
        """Send an answer without a message."""
        flags = END_HEADERS | END_STREAM
        self.write(frame(FrameType.HEADERS, flags, call.stream, block))
        self.finished(call)

    def send_unsent(self) -> None:
        """Send what there is room for of what waits, a frame of each call by turns."""
        while self.window > 0:
            ready = [call for call in self._blocked.values() if call.window > 0]
            if not ready:
                return
            for call in ready:
                self._send_part(call)

    def forget(self, call: Call) -> None:
        """Send no more of a call."""
        self._blocked.pop(call.stream, None)
        call.unsent = None

    def widen(self, call: Call | None, size: int) -> None:
        """Note room for more bytes, of a call or of all of them together.

        Raises:
            BrokenConnection, BrokenStream: The window is larger than any may be.
        """
        if call is None:
            self.window += size
            if self.window > LARGEST_WINDOW:
                raise BrokenConnection(Http2Error.FLOW_CONTROL_ERROR, "the window is too large")
        else:
            call.window += size
            if call.window > LARGEST_WINDOW:
                problem = "the window is too large"
                raise BrokenStream(call.stream, Http2Error.FLOW_CONTROL_ERROR, problem)
        if self._blocked:
            self.send_unsent()

    def _send_part(self, call: Call) -> None:
        unsent = call.unsent
        assert unsent is not None  # it is blocked
        size = min(len(unsent), call.window, self.window, self.frame_bytes)
        if size <= 0:
            return
        self.window -= size
        call.window -= size
        call.unsent = unsent[size:]
        self.write(frame(FrameType.DATA, 0, call.stream, bytes(unsent[:size])))
        if not call.unsent:
            del self._blocked[call.stream]
            self.write(call.ending)
            self.finished(call)


def _ending(call: Call, fields: Sequence[Field]) -> bytes:
    block = write_headers([*status_fields(Status.OK, ""), *fields])
    return frame(FrameType.HEADERS, END_HEADERS | END_STREAM, call.stream, block)


def _ignore(_call: Call) -> None:
    """Nobody wants to be told."""
