"""The header blocks of a connection: put together, read, and those known that come again."""

from typing import NamedTuple

from kingpost.serving.grpc.errors import BrokenConnection, Http2Error, TooManyHeaders
from kingpost.serving.grpc.frames import (
    END_HEADERS,
    FRAME_BYTES,
    PADDED,
    PRIORITY_SENT,
    unpadded,
)
from kingpost.serving.grpc.heads import Head, only_trailers, read_head
from kingpost.serving.grpc.hpack import HeaderReader
from kingpost.serving.grpc.patience import Patience
from kingpost.serving.grpc.status import Status

__all__ = ["Block", "Blocks"]

KNOWN_HEADS = 64
_MOST_BLOCKS = 4
"""A block, compressed, is no larger than so many times what it may hold."""
_PRIORITY_BYTES = 5
_SMALL = FRAME_BYTES // 16
_TOO_LARGE = Head(
    b"", {}, None, False, False, None,
    only_trailers(Status.RESOURCE_EXHAUSTED, "the metadata are too large"),
)  # fmt: skip


class Block(NamedTuple):
    """A block that is whole, with the flags that it came with."""

    stream: int
    flags: int
    data: bytes


class Blocks:
    """Reads blocks in their order.

    Args:
        max_bytes: The largest head of a call.

    Attributes:
        is_open: Whether a block has begun, so that nothing else may come.
    """

    def __init__(self, max_bytes: int, patience: Patience) -> None:
        self._reader = HeaderReader(max_bytes)
        self._most, self._patience = _MOST_BLOCKS * max_bytes, patience
        self._known: dict[bytes, Head] = {}
        self._begun: tuple[int, int, bytearray] | None = None

    @property
    def is_open(self) -> bool:
        return self._begun is not None

    def headers(self, flags: int, stream: int, payload: bytes) -> Block | None:
        """Take a frame HEADERS; return its block if that is whole."""
        if flags & PADDED:
            payload = unpadded(payload)
        if flags & PRIORITY_SENT:
            if len(payload) < _PRIORITY_BYTES:
                raise BrokenConnection(Http2Error.FRAME_SIZE_ERROR, "HEADERS is too short")
            payload = payload[_PRIORITY_BYTES:]
        if stream % 2 == 0:
            raise BrokenConnection(Http2Error.PROTOCOL_ERROR, "a call on an even stream")
        if flags & END_HEADERS:
            return Block(stream, flags, payload)
        self._begun = (stream, flags, bytearray(payload))
        return None

    def continuation(self, flags: int, stream: int, payload: bytes) -> Block | None:
        """Take a frame CONTINUATION; return the block if it is whole."""
        if self._begun is None or self._begun[0] != stream:
            raise BrokenConnection(Http2Error.PROTOCOL_ERROR, "CONTINUATION of nothing")
        if len(payload) < _SMALL:
            self._patience.take()
        _, begun_flags, data = self._begun
        data += payload
        if len(data) > self._most:
            problem = "a header block is far too large"
            raise BrokenConnection(Http2Error.ENHANCE_YOUR_CALM, problem)
        if not flags & END_HEADERS:
            return None
        self._begun = None
        return Block(stream, begun_flags, bytes(data))

    def head(self, block: Block) -> Head:
        """Return the head of a call.

        Raises:
            BrokenStream: It is none.
        """
        head = self._known.get(block.data)
        if head is not None:
            return head
        try:
            fields = self._reader.read(block.data)
        except TooManyHeaders:
            self._forget_if_changed()
            return _TOO_LARGE
        self._forget_if_changed()
        head = read_head(block.stream, fields)
        if not self._reader.has_changed:
            if len(self._known) >= KNOWN_HEADS:
                self._known.clear()
            self._known[block.data] = head
        return head

    def skip(self, block: Block) -> None:
        """Read a block that nobody asks for: the next ones build on it."""
        if block.data in self._known:
            return
        try:
            self._reader.read(block.data)
        except TooManyHeaders:
            pass
        self._forget_if_changed()

    def _forget_if_changed(self) -> None:
        if self._reader.has_changed:
            self._known.clear()
