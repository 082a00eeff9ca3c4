"""Decisions without ASGI: a connection of the server answers them itself.

The rule: what it answers is what the ASGI form of the same route answers, byte for byte and
in the order of the requests. It takes a request for a decision that is plain and whole: a
POST with a `Content-Length` within the limit, on a connection that lives on, whose body came
with its head or right behind it. All else, and whatever is pipelined behind all else, goes
the way of ASGI, with its limits. No scope, task, event or timer is made for a request, and a
head that was read before, byte for byte, is not read again.

Rests on uvicorn's internals: the version is pinned, and a contract test holds both forms
against each other.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus
from typing import Any, NamedTuple, Protocol

import msgspec
from uvicorn.config import Config
from uvicorn.server import ServerState

from kingpost.serving.http import HttpAnswer, TakesBody
from kingpost.serving.protocol import BoundedProtocol

__all__ = ["FastLane", "FastRoute", "KnownHeads", "ReadHead"]

MOST_IN_FLIGHT = 64
"""Requests of one connection; it is read no further while so many wait."""
BODY_BEHIND_S = 0.2
"""How soon behind its head a body must be whole; a slower one goes the way of ASGI."""
HEADS_KEPT = 1024
_LONGEST_KEPT = 2048
_HEAD_END = b"\r\n\r\n"
_HEAD_END_BYTES = len(_HEAD_END)
_OF_ONE_REQUEST = (b"idempotency-key", b"traceparent")
"""Headers that no second request has alike: such a head is not worth keeping."""
_STATUS_LINES = {
    status.value: b"HTTP/1.1 %d %s\r\n" % (status, status.phrase.encode()) for status in HTTPStatus
}


class FastRoute(Protocol):
    """A route that can answer without ASGI."""

    @property
    def max_body_bytes(self) -> int:
        """The largest body it takes."""
        ...

    def read(self, headers: dict[bytes, bytes]) -> TakesBody:
        """Read a head; what it gives takes a body that came with it, and with each like it."""
        ...


class ReadHead(NamedTuple):
    """A head as it was read: what takes its body, and how long that is."""

    take: TakesBody
    length: int
    is_of_one_request: bool

    @classmethod
    def by(cls, route: FastRoute, headers: dict[bytes, bytes], length: int) -> "ReadHead":
        """Have a route read a head."""
        is_of_one_request = any(name in headers for name in _OF_ONE_REQUEST)
        return cls(route.read(headers), length, is_of_one_request)


class KnownHeads:
    """Heads that were read, by their bytes; shared by the connections of a server."""

    def __init__(self) -> None:
        self._known: dict[bytes, ReadHead] = {}
        self.find = self._known.get

    def learn(self, head: bytes, read: ReadHead) -> None:
        """Keep what a head says; all are forgotten when they are too many."""
        if len(head) > _LONGEST_KEPT or read.is_of_one_request:
            return
        if len(self._known) >= HEADS_KEPT:
            self._known.clear()
        self._known[head] = read


class _Slot(msgspec.Struct):
    """A request in flight; `written` is its answer once there is one."""

    written: bytes = b""


class _Line:
    """The requests of a connection that are in flight here.

    It stands where uvicorn keeps the request that it answers, and says what uvicorn asks of
    one: whether there is nothing to do, and that the connection is to close behind it.
    """

    __slots__ = ("body", "disconnected", "keep_alive", "message_event", "more_body", "slots")

    def __init__(self) -> None:
        self.slots: deque[_Slot] = deque()
        self.keep_alive = True
        self.disconnected = False
        self.more_body = False
        self.body = b""
        self.message_event = asyncio.Event()

    @property
    def response_complete(self) -> bool:
        return not self.slots


class FastLane(BoundedProtocol):
    """One connection.

    Args:
        routes: By the path of their requests.
        heads: What the connections of the server have read.
        caller_of: Finds the header that lets in who brings a certificate; empty for nobody.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        routes: Mapping[bytes, FastRoute],
        heads: KnownHeads,
        caller_of: Callable[[Mapping[str, object]], bytes] | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._routes, self._heads, self._caller_of = routes, heads, caller_of
        self._line = _Line()
        self._slots = self._line.slots
        self._taking: ReadHead | None = None
        self._taken: ReadHead | None = None
        self._body = b""
        self._is_between = True
        self._behind: asyncio.TimerHandle | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._heard_at = self.loop.time()
        self._defaults: list[tuple[bytes, bytes]] | None = None
        self._default_lines = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]  as in uvicorn
        if self._caller_of is not None:
            connection = transport.get_extra_info("ssl_object")
            certificate = connection.getpeercert() if connection is not None else None
            self._caller = self._caller_of(certificate) if certificate else b""
            if self._caller:
                self._heads = KnownHeads()  # what is read here says who it is, so it is this one's
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._line.disconnected = True
        self._forget_body()
        if self._idle is not None:
            self._idle.cancel()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        # what uvicorn makes here is made when a request goes its way
        self._is_in_head = True
        self._is_between = False
        self.url = b""
        self.headers = []
        self.expect_100_continue = False

    def on_headers_complete(self) -> None:
        if self._caller:
            self._name_caller()
        route = self._routes.get(self.url)
        read = None if route is None else self._plain(route)
        if read is None:
            self._go_asgi()
        else:
            self._is_in_head = False
            self._taking = read

    def on_body(self, body: bytes) -> None:
        if self._taking is None:
            super().on_body(body)
        else:
            self._body = self._body + body if self._body else body

    def on_message_complete(self) -> None:
        self._is_between = True
        read, body = self._taking, self._body
        if read is None:
            super().on_message_complete()
        else:
            self._forget_body()
            self._taken = read
            self._take(read, body)

    def data_received(self, data: bytes) -> None:
        self._heard_at = self.loop.time()
        is_between, head = self._is_between, data[: data.find(_HEAD_END)]
        if is_between:
            read = self._heads.find(head)
            end = len(head) + _HEAD_END_BYTES
            if read is not None and len(data) == end + read.length and self._has_room():
                if self._head_timer is not None:
                    self._head_is_whole()
                if self.timeout_keep_alive_task is not None:
                    self._unset_keepalive_if_required()
                self._take(read, data[end:])
                return
        self._taken = None
        super().data_received(data)
        if self._taking is not None and self._behind is None:
            self._behind = self.loop.call_later(BODY_BEHIND_S, self._body_is_late)
        read = self._taken
        if is_between and read and len(data) == len(head) + _HEAD_END_BYTES + read.length:
            self._heads.learn(head, read)

    def _take(self, read: ReadHead, body: bytes) -> None:
        slot = _Slot()
        self.cycle = self._line  # pyright: ignore[reportAttributeAccessIssue]  it says what uvicorn asks
        self._slots.append(slot)
        read.take(body, partial(self._answer, slot))

    def shutdown(self) -> None:
        """Answer what is in flight or on its way, then close."""
        self._body_is_late()
        super().shutdown()

    def _plain(self, route: FastRoute) -> ReadHead | None:
        """Return what a head says when its request is one that is taken here."""
        parser = self.parser
        assert parser is not None  # it is what calls
        headers = dict(self.headers)
        length = headers.get(b"content-length")
        is_plain = (
            length is not None
            and int(length) <= route.max_body_bytes
            and b"transfer-encoding" not in headers
            and parser.get_method() == b"POST"
            and parser.should_keep_alive()
            and not parser.should_upgrade()
            and not self.expect_100_continue
            and self._has_room()
        )
        if not is_plain or length is None:
            return None
        return ReadHead.by(route, headers, int(length))

    def _has_room(self) -> bool:
        """Tell whether a request can be taken now: nothing of ASGI before it, nobody in its way."""
        line, cycle = self._line, self.cycle
        return (
            (cycle is line or cycle is None or cycle.response_complete)  # pyright: ignore[reportUnnecessaryComparison]  None before the first request
            and not self.pipeline
            and len(self._slots) < MOST_IN_FLIGHT
            and line.keep_alive
            and not self.flow.write_paused
            and not self._whole_answers.is_closing()
        )

    def _go_asgi(self) -> None:
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers.extend(headers)
        super().on_headers_complete()

    def _body_is_late(self) -> None:
        is_waited_for, body = self._taking is not None, self._body
        self._forget_body()
        if is_waited_for and not self.transport.is_closing():
            self._go_asgi()
            super().on_body(body)

    def _forget_body(self) -> None:
        self._taking, self._body = None, b""
        if self._behind is not None:
            self._behind.cancel()
            self._behind = None

    def _answer(self, slot: _Slot, answer: HttpAnswer) -> None:
        """Send an answer when its turn has come, with those behind it that are there."""
        written, slots = self._written(answer), self._slots
        if slots[0] is not slot:
            slot.written = written
            return
        slots.popleft()
        self.server_state.total_requests += 1
        while slots and slots[0].written:  # they were ready, and waited for this one
            written += slots.popleft().written
            self.server_state.total_requests += 1
        if self._line.disconnected:
            return
        self._whole_answers.write_whole(written)
        if not slots:
            self._all_answered()

    def _written(self, answer: HttpAnswer) -> bytes:
        defaults = self.server_state.default_headers
        if defaults is not self._defaults:  # uvicorn makes them anew each second
            self._defaults = defaults
            self._default_lines = b"".join([b"%b: %b\r\n" % header for header in defaults])
        body = answer.body
        parts = [_STATUS_LINES[answer.status], self._default_lines]
        for name, value in answer.headers:
            parts += (name, b": ", value, b"\r\n")
        if not self._line.keep_alive:
            parts.append(b"connection: close\r\n")
        parts += (b"content-length: %d\r\n\r\n" % len(body), body)
        return b"".join(parts)

    def _all_answered(self) -> None:
        if not self._line.keep_alive or (self._has_ended and not self.pipeline):
            self.transport.close()
        elif self.pipeline:
            self.on_response_complete()  # what came behind goes on
        elif self._idle is None:
            self._idle = self.loop.call_later(self.timeout_keep_alive, self._look_if_idle)

    def _look_if_idle(self) -> None:
        """Close a connection that has said nothing for long: one timer for all its requests."""
        self._idle = None
        idle_s = 0.0 if self._is_busy() else self.loop.time() - self._heard_at
        if idle_s >= self.timeout_keep_alive:
            self.transport.close()
        else:
            left_s = self.timeout_keep_alive - idle_s
            self._idle = self.loop.call_later(left_s, self._look_if_idle)

    def _is_busy(self) -> bool:
        return self._taking is not None or not self.cycle.response_complete or self._is_in_head
