"""One end of the connection between an HTTP worker and its engine.

The rule: what is sent in one turn of the event loop goes in one write, so that the cost of a
system call is shared by all that waits; each message is led by its length.
"""

import asyncio
from collections.abc import Callable
from typing import cast

import msgspec

__all__ = ["Link", "LinkBroken"]

MOST_BYTES = 1 << 30
_LENGTH = 4


class LinkBroken(ConnectionError):
    """What came is no message of the other side."""


class Link(asyncio.Protocol):
    """One end.

    Args:
        kinds: The type of the messages that come.
        take: Takes each message.
        lost: Told once, when the other side is gone.
    """

    def __init__(
        self, kinds: object, take: Callable[[msgspec.Struct], None], lost: Callable[[], None]
    ) -> None:
        self._take, self._lost = take, lost
        self._decode = msgspec.msgpack.Decoder(kinds).decode
        self._encode = msgspec.msgpack.Encoder().encode
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._in = b""
        self._out: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._lost()

    def send(self, message: msgspec.Struct) -> None:
        """Send a message; nothing is sent to a side that is gone."""
        body = self._encode(message)
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out += (len(body).to_bytes(_LENGTH, "little"), body)

    def close(self) -> None:
        """Send what is waiting, and close."""
        self._flush()
        if self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        data = self._in + data if self._in else data
        at, end = 0, len(data)
        while end - at >= _LENGTH:
            start = at + _LENGTH
            size = int.from_bytes(data[at:start], "little")
            if size > MOST_BYTES:
                self._break(f"a message of {size} bytes")
                return
            if end - start < size:
                break
            at = start + size
            try:
                message = self._decode(data[start:at])
            except msgspec.MsgspecError as error:
                self._break(str(error))
                return
            self._take(cast("msgspec.Struct", message))
        self._in = data[at:] if at else data

    def _flush(self) -> None:
        out, self._out = self._out, []
        if out and self._transport is not None:
            self._transport.write(b"".join(out))

    def _break(self, reason: str) -> None:
        if self._transport is not None:
            self._transport.abort()
        raise LinkBroken(reason)
