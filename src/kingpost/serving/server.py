"""The server: one process, one event loop, a graceful end.

The rule: on SIGTERM or SIGINT the server says that it is not ready, waits until that was
heard where it is told to, takes no new connections, answers what it has, makes it durable
and returns. What takes longer than the drain time is cut off; nothing that was answered is
lost by that. A second signal ends the waiting.
"""

import errno
import gc
import math
import signal
import socket
import threading
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from functools import partial
from types import FrameType
from typing import NamedTuple

import uvicorn

from kingpost.serving.app import ServingApp
from kingpost.serving.errors import BadAddress, PortInUse
from kingpost.serving.fast_lane import FastLane, KnownHeads
from kingpost.serving.grpc import GrpcServer
from kingpost.serving.tls import RELOAD_S, Tls

__all__ = ["Addresses", "serve"]

KEEP_ALIVE_S = 75
_BACKLOG = 2048
_FIRST_GENERATION = 50_000
_TICKS_PER_S = 10
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Addresses(NamedTuple):
    """Where a server takes requests.

    Attributes:
        url: Over HTTP.
        grpc: Over gRPC, as `127.0.0.1:9090`; empty where it takes none.
    """

    url: str
    grpc: str = ""


def serve(
    app: ServingApp,
    host: str,
    port: int,
    drain_s: float,
    *,
    grpc_port: int | None = None,
    drain_delay_s: float = 0.0,
    ready: Callable[[Addresses], None] | None = None,
    tls: Tls | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT; the application is closed on return.

    Args:
        port: 0 takes a free one.
        drain_s: How long requests in flight may take to finish.
        grpc_port: Where it takes gRPC as well; 0 takes a free one, None takes none.
        drain_delay_s: How long before that it takes connections while it says that it is not
            ready, so that whoever sends requests hears it first.
        ready: Told where it takes requests, once it does.
        tls: What it speaks TLS with, gRPC too; plain without.

    Raises:
        PortInUse: Somebody else listens there.
        BadAddress: This machine cannot listen there.
    """
    with ExitStack() as held:
        held.callback(app.close)
        listener = held.enter_context(_listen(host, port))
        grpc = None
        if grpc_port is not None:
            second = held.enter_context(_listen(host, grpc_port))
            grpc = _GrpcDoor(app, second, host, drain_s, tls)
        scheme = "http" if tls is None else "https"
        addresses = Addresses(
            f"{scheme}://{_address(listener, host)}", "" if grpc is None else grpc.address
        )
        config = _Config(
            app,
            interface="asgi3",
            loop="auto",
            http=partial(
                FastLane,
                routes=app.fast_routes,
                heads=KnownHeads(),
                caller_of=None if tls is None else tls.caller_of,
            ),  # pyright: ignore[reportArgumentType]  called as a class is
            ws="none",
            lifespan="on",
            log_config=None,
            log_level="error",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            backlog=_BACKLOG,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=math.ceil(drain_s),
        )
        config.tls = tls
        announce = partial(ready or _tell_nobody, addresses)
        with _settled_heap():
            _Server(config, app, tls, grpc, announce, drain_delay_s).run([listener])


class _Config(uvicorn.Config):
    """uvicorn's settings, with a context for TLS that is made elsewhere."""

    tls: Tls | None = None

    def load(self) -> None:
        super().load()
        if self.tls is not None:
            self.ssl = self.tls.context


class _Server(uvicorn.Server):
    """uvicorn's server, which would end the process by the signal it got."""

    def __init__(
        self,
        config: uvicorn.Config,
        app: ServingApp,
        tls: Tls | None,
        grpc: "_GrpcDoor | None",
        announce: Callable[[], None],
        drain_delay_s: float,
    ) -> None:
        super().__init__(config)
        self._app, self._tls, self._grpc, self._announce = app, tls, grpc, announce
        self._drain_delay_s = drain_delay_s
        self._exit_at: float | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._grpc is not None:
            await self._grpc.open()
        self._announce()

    async def on_tick(self, counter: int) -> bool:
        if self._tls is not None and counter % (RELOAD_S * _TICKS_PER_S) == 0:
            self._tls.refresh()
            if self._grpc is not None:
                self._grpc.refresh()
        if self._exit_at is not None and time.monotonic() >= self._exit_at:
            self.should_exit = True
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._grpc is not None:
            for server in self.servers:
                server.close()
            # what is open over HTTP goes on meanwhile; the time is one for both
            self.config.timeout_graceful_shutdown = math.ceil(await self._grpc.drain())
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._app.begin_drain()
        if self._drain_delay_s and self._exit_at is None:
            self._exit_at = time.monotonic() + self._drain_delay_s
        else:
            super().handle_exit(sig, frame)

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {each: signal.signal(each, self.handle_exit) for each in _SIGNALS}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)


class _GrpcDoor:
    """The gRPC side of a server: a listener from the start, open while the server is."""

    def __init__(
        self, app: ServingApp, listener: socket.socket, host: str, drain_s: float, tls: Tls | None
    ) -> None:
        self._server, self._drain_s = GrpcServer(app.grpc_methods), drain_s
        self._listener, self.address = listener, _address(listener, host)
        self._tls = None if tls is None else tls.speaking("h2")

    async def open(self) -> None:
        await self._server.start(self._listener, None if self._tls is None else self._tls.context)

    def refresh(self) -> None:
        if self._tls is not None:
            self._tls.refresh()

    async def drain(self) -> float:
        """Answer what is in flight; return how much of the time is left."""
        begun_s = time.monotonic()
        await self._server.drain(self._drain_s)
        return max(0.0, self._drain_s - (time.monotonic() - begun_s))


def _tell_nobody(_addresses: Addresses) -> None:
    """Nobody wants to know."""


def _listen(host: str, port: int) -> socket.socket:
    if not 0 <= port < 1 << 16:
        raise BadAddress(host, port, "a port is a number from 0 to 65535")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(host, port) from error
        raise BadAddress(host, port, str(error)) from error


def _address(listener: socket.socket, host: str) -> str:
    name = f"[{host}]" if ":" in host else host
    return f"{name}:{listener.getsockname()[1]}"


@contextmanager
def _settled_heap() -> Generator[None, None, None]:
    """Keep the garbage collector off what was loaded: it lives as long as the server."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(_FIRST_GENERATION, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
