"""One connection of a gRPC server: frames in, calls to their methods, frames out.

The rule: a caller that breaks the protocol ends its stream or its connection, as RFC 9113
says which, and nothing else; nobody makes the server hold more than `GrpcLimits` lets it, or
work for nothing for long. There is no timer for a call, but one for the connection, set to
the first that is due.

Source: RFC 9113; gRPC over HTTP2.
"""

import asyncio
import ssl
from collections.abc import Callable
from math import inf
from typing import cast

from kingpost.serving.grpc.blocks import Block, Blocks
from kingpost.serving.grpc.calls import Calls
from kingpost.serving.grpc.errors import BrokenConnection, BrokenStream, Http2Error
from kingpost.serving.grpc.frames import (
    ACK,
    FRAME_BYTES,
    HEAD,
    HEAD_BYTES,
    LARGEST_FRAME,
    LARGEST_WINDOW,
    PADDED,
    PREFACE,
    WINDOW_BYTES,
    FrameType,
    Setting,
    frame,
    go_away,
    read_settings,
    settings,
    unpadded,
    window_update,
)
from kingpost.serving.grpc.house import House
from kingpost.serving.grpc.patience import Patience
from kingpost.serving.grpc.sender import Sender

__all__ = ["Connection"]

WINDOW = 16 * 1024 * 1024
"""How many bytes of data may be on their way to us; given back as they come."""
LAST_CALLS_S = 1.0
"""How long a draining connection waits for calls that were on their way."""
_TYPES = len(FrameType)
_DRAIN_PING = b"draining"
_FIXED = {
    FrameType.PRIORITY: 5,
    FrameType.RST_STREAM: 4,
    FrameType.PING: 8,
    FrameType.WINDOW_UPDATE: 4,
}


class Connection(asyncio.Protocol):
    """One connection.

    Args:
        joins: Asked whether there is room for it.
        leaves: Told when it is gone.
    """

    _transport: asyncio.Transport
    _sender: Sender
    _calls: Calls

    def __init__(
        self,
        house: House,
        loop: asyncio.AbstractEventLoop,
        joins: Callable[["Connection"], bool],
        leaves: Callable[["Connection"], None],
    ) -> None:
        self._house, self._loop = house, loop
        self._joins, self._leaves = joins, leaves
        self._limits = house.limits
        self._rest = b""
        self._has_preface = self._has_settings = False
        self._is_over = self._is_draining = False
        self._unread, self._window = 0, WINDOW
        self._patience = Patience(loop.time)
        self._blocks = Blocks(house.limits.max_header_bytes, self._patience)
        self._timer: asyncio.TimerHandle | None = None
        self._looks_s = inf
        self._partial_due_s = self._paused_due_s = inf
        self._on: tuple[Callable[[int, int, bytes], None], ...] = (
            self._on_data, self._on_headers, self._on_priority, self._on_reset,
            self._on_settings, self._on_push, self._on_ping, self._on_go_away,
            self._on_window_update, self._on_continuation,
        )  # fmt: skip

    # as asyncio calls a protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        loop = self._loop
        self._sender = Sender(self._transport, loop.call_soon)
        self._calls = Calls(
            self._house, self._sender, self._patience, loop.time, self._look_at, self._idle
        )
        tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
        if not self._joins(self) or (tls is not None and tls.selected_alpn_protocol() != "h2"):
            self._close()
            return
        ours = {
            Setting.MAX_CONCURRENT_STREAMS: self._limits.max_streams,
            Setting.INITIAL_WINDOW_SIZE: min(
                2 * self._limits.max_message_bytes + FRAME_BYTES, LARGEST_WINDOW
            ),
            Setting.MAX_HEADER_LIST_SIZE: self._limits.max_header_bytes,
        }
        self._sender.write(settings(ours) + window_update(0, WINDOW - WINDOW_BYTES))
        self._wait_for_rest()

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_over = True
        self._calls.drop_all()
        if self._timer is not None:
            self._timer.cancel()
        self._on = ()
        self._leaves(self)

    def pause_writing(self) -> None:
        """Read nothing from a caller that reads nothing."""
        self._transport.pause_reading()
        self._paused_due_s = self._loop.time() + self._limits.message_timeout_s
        self._look_at(self._paused_due_s)

    def resume_writing(self) -> None:
        self._paused_due_s = inf
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        if self._is_over:
            return
        if self._rest:
            data = self._rest + data
        try:
            at = self._read(data)
        except BrokenConnection as error:
            self._break(error)
            return
        self._rest = data[at:]
        if self._rest or self._blocks.is_open:
            if self._partial_due_s == inf:
                self._wait_for_rest()
        elif self._has_settings:
            self._partial_due_s = inf
        self._sender.flush()

    # ends

    def begin_drain(self) -> None:
        """Tell the caller to send no more calls; answer those that are here or on their way."""
        if self._is_draining or self._is_over:
            return
        self._is_draining = True
        if not self._has_settings:
            self._close()
            return
        self._sender.write(
            go_away(LARGEST_WINDOW, Http2Error.NO_ERROR) + frame(FrameType.PING, 0, 0, _DRAIN_PING)
        )
        self._loop.call_later(LAST_CALLS_S, self._take_no_more)

    def abort(self) -> None:
        """End at once."""
        self._is_over = True
        self._transport.abort()

    def _take_no_more(self) -> None:
        if self._calls.last_taken is None and not self._is_over:
            self._calls.last_taken = self._calls.last
            self._sender.write(go_away(self._calls.last, Http2Error.NO_ERROR))
            if not len(self._calls):
                self._close()

    def _idle(self) -> None:
        if self._calls.last_taken is not None:
            self._close()

    def _break(self, error: BrokenConnection) -> None:
        self._is_over = True
        self._sender.write(go_away(self._calls.last, error.reason, error.problem))
        self._calls.drop_all()
        self._close()

    def _close(self) -> None:
        self._is_over = True
        self._sender.flush()
        self._transport.close()

    # time

    def _wait_for_rest(self) -> None:
        self._partial_due_s = self._loop.time() + self._limits.message_timeout_s
        self._look_at(self._partial_due_s)

    def _look_at(self, due_s: float) -> None:
        if due_s < self._looks_s:
            if self._timer is not None:
                self._timer.cancel()
            self._looks_s = due_s
            self._timer = self._loop.call_at(due_s, self._look)

    def _look(self) -> None:
        """End what is overdue, and look again when the next is."""
        self._timer, self._looks_s = None, inf
        now_s = self._loop.time()
        if min(self._partial_due_s, self._paused_due_s) <= now_s:
            self._break(BrokenConnection(Http2Error.PROTOCOL_ERROR, "nothing goes on"))
            self._loop.call_later(LAST_CALLS_S, self._transport.abort)
            return
        next_s = self._calls.end_overdue(now_s)
        self._look_at(min(next_s, self._partial_due_s, self._paused_due_s))

    # frames

    def _read(self, data: bytes) -> int:
        """Take the frames that are whole; return where the next begins."""
        at, end = 0, len(data)
        if not self._has_preface:
            if not PREFACE.startswith(data[: len(PREFACE)]):
                raise _broken("this is not HTTP/2")
            if end < len(PREFACE):
                return 0
            self._has_preface, at = True, len(PREFACE)
        unpack = HEAD.unpack_from
        while end - at >= HEAD_BYTES:
            high, low, kind, flags, stream = unpack(data, at)
            length = high << 16 | low
            if length > FRAME_BYTES:
                raise _wrong_size()
            payload_at = at + HEAD_BYTES
            if payload_at + length > end:
                break
            at = payload_at + length
            self._expect(kind)
            if kind >= _TYPES:
                self._patience.take()
                continue
            try:
                self._on[kind](flags, stream & LARGEST_WINDOW, data[payload_at:at])
            except BrokenStream as error:
                self._patience.take()
                self._calls.reset(error.stream, error.reason)
            if self._is_over:
                break
        return at

    def _expect(self, kind: int) -> None:
        if self._blocks.is_open:
            if kind != FrameType.CONTINUATION:
                raise _broken("a header block is interrupted")
        elif not self._has_settings and kind != FrameType.SETTINGS:
            raise _broken("the first frame is not SETTINGS")

    def _on_headers(self, flags: int, stream: int, payload: bytes) -> None:
        self._on_block(self._blocks.headers(flags, stream, payload))

    def _on_continuation(self, flags: int, stream: int, payload: bytes) -> None:
        self._on_block(self._blocks.continuation(flags, stream, payload))

    def _on_block(self, block: Block | None) -> None:
        if block is None:
            return
        calls = self._calls
        if block.stream <= calls.last:
            self._blocks.skip(block)
            calls.trailers(block.flags, block.stream)
            return
        calls.last = block.stream
        calls.begin(block.flags, block.stream, self._blocks.head(block))

    def _on_data(self, flags: int, stream: int, payload: bytes) -> None:
        size = len(payload)
        self._unread += size
        self._window -= size
        if self._window < 0:
            raise BrokenConnection(Http2Error.FLOW_CONTROL_ERROR, "more data than was allowed")
        if self._unread >= WINDOW // 2:
            self._sender.write(window_update(0, self._unread))
            self._window += self._unread
            self._unread = 0
        if flags & PADDED:
            payload = unpadded(payload)
        self._calls.data(flags, stream, payload)

    def _on_priority(self, _flags: int, stream: int, payload: bytes) -> None:
        if stream == 0:
            raise _broken("PRIORITY of no stream")
        if len(payload) != _FIXED[FrameType.PRIORITY]:
            raise BrokenStream(stream, Http2Error.FRAME_SIZE_ERROR, "PRIORITY of a wrong size")
        self._patience.take()

    def _on_reset(self, _flags: int, stream: int, payload: bytes) -> None:
        if len(payload) != _FIXED[FrameType.RST_STREAM]:
            raise _wrong_size()
        self._calls.cancel(stream)

    def _on_settings(self, flags: int, stream: int, payload: bytes) -> None:
        if stream:
            raise _broken("SETTINGS of a stream")
        if len(payload) % 6 or (flags & ACK and payload):
            raise _wrong_size()
        if flags & ACK:
            if not self._has_settings:
                raise _broken("the first frame is not SETTINGS")
            return
        if self._has_settings:
            self._patience.take()
        self._has_settings = True
        for key, value in read_settings(payload):
            self._apply(key, value)
        self._sender.write(frame(FrameType.SETTINGS, ACK, 0))

    def _apply(self, key: int, value: int) -> None:
        sender = self._sender
        if key == Setting.INITIAL_WINDOW_SIZE:
            if value > LARGEST_WINDOW:
                raise BrokenConnection(Http2Error.FLOW_CONTROL_ERROR, "the window is too large")
            by, sender.call_window = value - sender.call_window, value
            try:
                self._calls.widen(by)
            except BrokenStream as error:
                raise BrokenConnection(error.reason, error.problem) from error
        elif key == Setting.MAX_FRAME_SIZE:
            if not FRAME_BYTES <= value <= LARGEST_FRAME:
                raise _broken("no such size of frames")
            sender.frame_bytes = value
        elif key == Setting.ENABLE_PUSH and value > 1:
            raise _broken("no such setting")

    def _on_push(self, _flags: int, _stream: int, _payload: bytes) -> None:
        raise _broken("a caller cannot promise anything")

    def _on_ping(self, flags: int, stream: int, payload: bytes) -> None:
        if stream:
            raise _broken("PING of a stream")
        if len(payload) != _FIXED[FrameType.PING]:
            raise _wrong_size()
        if not flags & ACK:
            self._patience.take()
            self._sender.write(frame(FrameType.PING, ACK, 0, payload))
        elif payload == _DRAIN_PING and self._is_draining:
            self._take_no_more()

    def _on_go_away(self, _flags: int, stream: int, payload: bytes) -> None:
        if stream:
            raise _broken("GOAWAY of a stream")
        if len(payload) < 8:
            raise _wrong_size()
        self._take_no_more()

    def _on_window_update(self, _flags: int, stream: int, payload: bytes) -> None:
        if len(payload) != _FIXED[FrameType.WINDOW_UPDATE]:
            raise _wrong_size()
        size = int.from_bytes(payload, "big") & LARGEST_WINDOW
        if stream == 0:
            if not size:
                raise _broken("a window is widened by nothing")
            self._sender.widen(None, size)
            return
        call = self._calls.find(stream)
        if not size:
            problem = "a window is widened by nothing"
            raise BrokenStream(stream, Http2Error.PROTOCOL_ERROR, problem)
        if call is not None:
            self._sender.widen(call, size)


def _broken(problem: str) -> BrokenConnection:
    return BrokenConnection(Http2Error.PROTOCOL_ERROR, problem)


def _wrong_size() -> BrokenConnection:
    return BrokenConnection(Http2Error.FRAME_SIZE_ERROR, "a frame of a wrong size")
