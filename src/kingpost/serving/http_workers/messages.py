"""What an HTTP worker and its engine say to each other: MessagePack, one struct a message.

A request for a fast route is one message, and so is its answer. Any other request is an ASGI
call: the engine's application runs, and each `receive` and `send` of it is a message there
and one back, so that neither side holds more of a body than the other has taken.
"""

from typing import Any

import msgspec

__all__ = [
    "Answered",
    "Ended",
    "FromEngine",
    "FromWorker",
    "Gone",
    "Hello",
    "Listening",
    "Opened",
    "Received",
    "Send",
    "Sent",
    "Taken",
    "TlsPaths",
    "Want",
]


class TlsPaths(msgspec.Struct, array_like=True, frozen=True):
    """Where the files of TLS lie; see `TlsFiles`."""

    certificate: str
    key: str | None
    client_ca: str | None
    is_client_required: bool


class Hello(msgspec.Struct, array_like=True, tag=0, frozen=True):
    """The engine's first message: what a worker has to know.

    Attributes:
        routes: The fast routes, each with the largest body that it takes.
        callers: The header that lets in whoever brings a certificate, by the name in it.
        drain_s: How long requests in flight may take once the worker is to end.
    """

    host: str
    port: int
    routes: list[tuple[bytes, int]]
    tls: TlsPaths | None
    callers: dict[str, bytes] | None
    drain_s: float


class Listening(msgspec.Struct, array_like=True, tag=0, frozen=True):
    """A worker's first message: it takes connections."""

    pid: int


class Taken(msgspec.Struct, array_like=True, tag=1, frozen=True):
    """A request for a fast route, by its place in `Hello.routes`.

    Attributes:
        head: The headers as MessagePack: the engine reads each head once.
    """

    number: int
    route: int
    head: bytes
    body: bytes


class Answered(msgspec.Struct, array_like=True, tag=1, frozen=True):
    """The answer of a fast route."""

    number: int
    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


class Opened(msgspec.Struct, array_like=True, tag=2, frozen=True):
    """An ASGI call begins."""

    number: int
    scope: dict[str, Any]
    headers: list[tuple[bytes, bytes]]


class Want(msgspec.Struct, array_like=True, tag=2, frozen=True):
    """The application awaits `receive`."""

    number: int


class Received(msgspec.Struct, array_like=True, tag=3, frozen=True):
    """What `receive` gave."""

    number: int
    message: dict[str, Any]


class Send(msgspec.Struct, array_like=True, tag=3, frozen=True):
    """What the application gave to `send`."""

    number: int
    message: dict[str, Any]


class Sent(msgspec.Struct, array_like=True, tag=4, frozen=True):
    """It was sent."""

    number: int


class Ended(msgspec.Struct, array_like=True, tag=4, frozen=True):
    """The application has returned, or failed."""

    number: int
    has_failed: bool


class Gone(msgspec.Struct, array_like=True, tag=5, frozen=True):
    """Nobody waits for an ASGI call any more."""

    number: int


FromWorker = Listening | Taken | Opened | Received | Sent | Gone
FromEngine = Hello | Answered | Want | Send | Ended
