"""Small pieces of HTTP that both halves of the API use: answers, bodies, trace ids."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from random import getrandbits
from typing import Any, NamedTuple

import msgspec

from kingpost.core import Clock
from kingpost.serving.errors import BadHeader, BodyTimeout, BodyTooLarge, UnsupportedMediaType

__all__ = [
    "BodyReader",
    "CallerSpan",
    "Disconnected",
    "HttpAnswer",
    "Receive",
    "Scope",
    "Send",
    "TakesAnswer",
    "TakesBody",
    "caller_span_of",
    "check_media_type",
    "trace_id_of",
    "visible_header",
]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_TRACEPARENT = re.compile(
    rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-|$)"
)
_VISIBLE = re.compile(rb"[\x21-\x7e]{1,255}")
SWEEP_S = 0.5


class HttpAnswer(msgspec.Struct, frozen=True):
    """An answer, ready to be sent but for its length."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    def adding(self, headers: tuple[tuple[bytes, bytes], ...]) -> "HttpAnswer":
        """Return it with more headers."""
        return HttpAnswer(self.status, self.headers + headers, self.body) if headers else self

    async def send(self, send: Send) -> None:
        """Send it."""
        headers = [*self.headers, (b"content-length", b"%d" % len(self.body))]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


TakesAnswer = Callable[[HttpAnswer], None]
"""Told once, now or later, in the loop's thread."""

TakesBody = Callable[[bytes, TakesAnswer], None]
"""Answers a request whose head was read and whose body is whole."""


class Disconnected(Exception):
    """The caller went away before the body was whole."""


def trace_id_of(traceparent: bytes | None) -> str:
    """Return the trace id of a W3C `traceparent` header, or a fresh random one.

    Source: W3C Trace Context, level 2: a header that is not valid counts as absent.
    """
    if traceparent is not None:
        found = _TRACEPARENT.match(traceparent)
        if found is not None:
            return found[1].decode()
    return f"{getrandbits(128):032x}"


class CallerSpan(NamedTuple):
    """The span of a caller's, 16 hexadecimal digits, and whether the caller keeps it."""

    span_id: str
    is_sampled: bool


def caller_span_of(traceparent: bytes) -> CallerSpan | None:
    """Return the span that a W3C `traceparent` header names; None when it is not valid."""
    found = _TRACEPARENT.match(traceparent)
    return None if found is None else CallerSpan(found[2].decode(), bool(int(found[3], 16) & 1))


def check_media_type(headers: Mapping[bytes, bytes], *expected: bytes) -> None:
    """Refuse a body that says it is something else; one that says nothing is taken.

    Raises:
        UnsupportedMediaType: It is of another type, or encoded.
    """
    found = headers.get(b"content-type")
    if (found is None or found in expected) and b"content-encoding" not in headers:
        return
    plain = (found or expected[0]).partition(b";")[0].strip().lower()
    encoding = headers.get(b"content-encoding", b"identity").strip().lower()
    if plain not in expected or encoding != b"identity":
        raise UnsupportedMediaType(b" or ".join(expected).decode())


def visible_header(headers: Mapping[bytes, bytes], name: bytes) -> str | None:
    """Return a header of visible ASCII; None when it is not there.

    Raises:
        BadHeader: It is longer, or holds something else.
    """
    value = headers.get(name)
    if value is None:
        return None
    if _VISIBLE.fullmatch(value) is None:
        raise BadHeader(name.decode().title(), "1 to 255 visible ASCII characters")
    return value.decode()


class BodyReader:
    """Reads bodies up to a size, and gives up on those that take too long.

    One timer watches all readers, since a timer for each costs more than reading.

    Args:
        clock: Measures how long a reader has waited.
        timeout_s: How long it may take, give or take a sweep.
        sweep_s: How often the timer looks.
    """

    def __init__(self, clock: Clock, timeout_s: float, *, sweep_s: float = SWEEP_S) -> None:
        self._clock, self._timeout_s, self._sweep_s = clock, timeout_s, sweep_s
        self._since: dict[asyncio.Task[Any], int] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._late: set[asyncio.Task[Any]] = set()

    async def read(self, headers: Mapping[bytes, bytes], receive: Receive, limit: int) -> bytes:
        """Read a request's whole body.

        Raises:
            BodyTooLarge: It is larger than `limit` bytes, or says so.
            BodyTimeout: It was not whole in time.
            Disconnected: The caller went away.
        """
        length = headers.get(b"content-length")
        if length is not None and int(length) > limit:
            raise BodyTooLarge(limit)
        task = asyncio.current_task()
        assert task is not None  # an ASGI application runs in a task
        self._since[task] = self._clock.monotonic_ns()
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._sweep_s, self._sweep)
        try:
            message = await receive()
            body: bytes = message.get("body", b"")
            if message.get("more_body") or message["type"] != "http.request":
                body = await self._rest(message, body, receive, limit)
        except asyncio.CancelledError:
            if task not in self._late:
                raise
            task.uncancel()
            raise BodyTimeout(self._timeout_s) from None
        finally:
            self._since.pop(task, None)
            self._late.discard(task)
        if len(body) > limit:
            raise BodyTooLarge(limit)
        return body

    async def _rest(
        self, message: MutableMapping[str, Any], body: bytes, receive: Receive, limit: int
    ) -> bytes:
        parts, size = [body], len(body)
        while message["type"] == "http.request":
            if not message.get("more_body"):
                return b"".join(parts)
            message = await receive()
            part: bytes = message.get("body", b"")
            parts.append(part)
            size += len(part)
            if size > limit:
                raise BodyTooLarge(limit)
        raise Disconnected

    def _sweep(self) -> None:
        self._timer = None
        longest_ns = int(self._timeout_s * 1e9)
        now_ns = self._clock.monotonic_ns()
        for task, since_ns in list(self._since.items()):
            if now_ns - since_ns > longest_ns:
                del self._since[task]
                self._late.add(task)
                task.cancel()
        if self._since:
            self._timer = asyncio.get_running_loop().call_later(self._sweep_s, self._sweep)
