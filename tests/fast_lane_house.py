"""Connections of both forms of the decision route, over the small application."""

import asyncio
import re
from functools import partial
from pathlib import Path
from typing import Literal, NoReturn

import httptools
import uvicorn
from uvicorn.server import ServerState

from kingpost.access import NO_LIMITS, KeyRing, Limits, MemoryKeys, Tokens, create_key
from kingpost.serving import ServingApp, ServingSettings, build_app
from kingpost.serving.fast_lane import FastLane, KnownHeads
from kingpost.serving.http import Receive, Scope, Send
from kingpost.serving.http_workers import HttpWorkers
from kingpost.serving.http_workers.messages import Hello
from kingpost.serving.http_workers.worker_side import EngineLink, EngineRoute
from kingpost.serving.protocol import BoundedProtocol
from tests.simulated_disk import SimulatedDisk
from tests.tiny_app import FakeClock, open_engine

__all__ = ["PATH", "Answered", "Form", "House", "Line", "Wire"]

PATH = "/v1/decisions/fraud"
Form = Literal["fast", "asgi", "worker"]
_MADE = re.compile(rb"[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|data:[0-9]+")
"""Identifiers, and positions: requests in flight together have theirs in the order of the journal."""

_VARY = (b"date", b"content-length")
"""The length goes with the digits of the position; whoever reads a body has held it to it."""


class Wire(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.closed = asyncio.Event()
        self.is_read = True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.closed.is_set()

    def close(self) -> None:
        self.closed.set()

    def pause_reading(self) -> None:
        self.is_read = False

    def resume_reading(self) -> None:
        self.is_read = True


class Answered:
    """One answer, with what differs from run to run masked."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = b""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Answered) and self.told() == other.told()

    def __hash__(self) -> int:
        return hash(self.status)

    def __repr__(self) -> str:
        return repr(self.told())

    def told(self) -> tuple[object, ...]:
        headers = [(name, _masked(value)) for name, value in self.headers if name not in _VARY]
        return self.status, headers, _masked(self.body)


def _masked(data: bytes) -> bytes:
    return _MADE.sub(b"#", data)


class _Answers:
    """Reads the answers of a connection one after the other."""

    def __init__(self) -> None:
        self.whole: list[Answered] = []
        self._now = Answered()
        self.parser = httptools.HttpResponseParser(self)

    def on_message_begin(self) -> None:
        self._now = Answered()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._now.headers.append((name, value))

    def on_body(self, body: bytes) -> None:
        self._now.body += body

    def on_message_complete(self) -> None:
        self._now.status = self.parser.get_status_code()
        self.whole.append(self._now)


class _Joined(asyncio.Transport):
    """One end of a connection within the process."""

    def __init__(self, other: asyncio.Protocol) -> None:
        super().__init__()
        self._other = other

    def write(self, data: bytes | bytearray | memoryview) -> None:
        asyncio.get_running_loop().call_soon(self._other.data_received, bytes(data))


class Line:
    """One connection to a house, in one of the forms."""

    def __init__(self, house: "House", form: Form) -> None:
        self.wire = Wire()
        config = uvicorn.Config(
            house.counted, interface="asgi3", lifespan="off", log_config=None, server_header=False
        )
        kind = BoundedProtocol
        if form == "fast":
            kind = partial(FastLane, routes=house.app.fast_routes, heads=house.heads)
        elif form == "worker":
            engine = house.joined()
            config.app = engine
            routes = {
                path: EngineRoute(engine, place, route.max_body_bytes)
                for place, (path, route) in enumerate(house.app.fast_routes.items())
            }
            kind = partial(FastLane, routes=routes, heads=house.heads)
        self.state = ServerState()
        self.protocol = kind(config, self.state, {}, asyncio.get_running_loop())
        self.protocol.connection_made(self.wire)

    def send(self, data: bytes) -> None:
        self.protocol.data_received(data)

    def answers(self) -> list[Answered]:
        """Return the answers that are whole so far."""
        read = _Answers()
        read.parser.feed_data(bytes(self.wire.written))
        return [one for one in read.whole if one.status != 100]

    async def answered(self, number: int) -> list[Answered]:
        """Wait for so many answers, or for the end."""
        async with asyncio.timeout(10):
            while len(found := self.answers()) < number and not self.wire.is_closing():
                await asyncio.sleep(0.001)
        return found

    def close(self) -> None:
        self.protocol.connection_lost(None)


def _never(_: Path) -> NoReturn:
    raise AssertionError


def _nothing() -> None:
    pass


class House:
    """The small application, with keys."""

    def __init__(
        self,
        settings: ServingSettings | None = None,
        *,
        tokens: Tokens | None = None,
        limits: Limits = NO_LIMITS,
    ) -> None:
        clock, keys = FakeClock(), MemoryKeys()
        engine = open_engine(Path("/journal/data"), disk=SimulatedDisk(), clock=clock)
        self.app: ServingApp = build_app(
            engine,
            KeyRing(keys, clock, tokens=tokens, limits=limits),
            settings or ServingSettings(),
            clock,
        )
        self.clock, self.key_store = clock, keys
        self.keys = {
            scope: create_key(keys, clock, tenant="acme", scopes=[scope]).secret
            for scope in ("decide", "records")
        }
        self.asgi_requests = 0
        self.heads = KnownHeads()

    async def counted(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asgi_requests += 1
        await self.app(scope, receive, send)

    def joined(self) -> EngineLink:
        """Return what a worker has of this house, which is joined to it."""
        routes = self.app.fast_routes
        hello = Hello("127.0.0.1", 0, [], None, None, 1.0)
        workers = HttpWorkers(self.counted, [*routes.values()], hello, number=0, start=_never)
        engine, far = EngineLink(_nothing), workers.connected()
        engine.link.connection_made(_Joined(far))
        far.connection_made(_Joined(engine.link))
        return engine

    def request(
        self,
        body: bytes,
        *extra: str,
        line: str = f"POST {PATH} HTTP/1.1",
        scope: str | None = "decide",
        length: bool = True,
    ) -> bytes:
        """Write a request; `extra` are lines of its head."""
        key = self.keys.get(scope or "", "kp_0_0")
        lines = [line, "host: t", *([f"authorization: Bearer {key}"] if scope else []), *extra]
        lines += [f"content-length: {len(body)}"] if length else []
        return "\r\n".join([*lines, "", ""]).encode() + body
