"""The server: one process, one event loop, a graceful end.

The rule: on SIGTERM or SIGINT the server says that it is not ready, waits until that was
heard where it is told to, takes no new connections, answers what it has, makes it durable
and returns. What takes longer than the drain time is cut off; nothing that was answered is
lost by that. A second signal ends the waiting.
"""

import asyncio
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
from kingpost.serving.fast_lane import FastLane, KnownHeads
from kingpost.serving.grpc import GrpcServer
from kingpost.serving.http_workers import HttpWorkers, StartsWorker
from kingpost.serving.http_workers.messages import Hello, TlsPaths
from kingpost.serving.listening import (
    address_of,
    listening_socket,
    reserved_socket,
    server_config,
)
from kingpost.serving.tls import RELOAD_S, Tls

__all__ = ["Addresses", "WorkerPlan", "serve"]

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


class WorkerPlan(NamedTuple):
    """Processes that speak HTTP in the server's place.

    Attributes:
        number: How many; they share the port.
        start: Starts one.
    """

    number: int
    start: StartsWorker


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
    workers: WorkerPlan | None = None,
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
        workers: Who takes the connections of HTTP; this process itself without.

    Raises:
        HttpWorkersNotReady: The workers did not listen in time.
        PortInUse: Somebody else listens there.
        BadAddress: This machine cannot listen there.
    """
    with ExitStack() as held:
        held.callback(app.close)
        opens = listening_socket if workers is None else reserved_socket
        listener = held.enter_context(opens(host, port))
        grpc = None
        if grpc_port is not None:
            second = held.enter_context(listening_socket(host, grpc_port))
            grpc = _GrpcDoor(app, second, host, drain_s, tls)
        shared = None
        if workers is not None:
            shared = _http_workers(app, workers, host, listener, drain_s, tls)
            held.callback(shared.close)
        scheme = "http" if tls is None else "https"
        addresses = Addresses(
            f"{scheme}://{address_of(listener, host)}", "" if grpc is None else grpc.address
        )
        protocol = partial(
            FastLane,
            routes=app.fast_routes,
            heads=KnownHeads(),
            caller_of=None if tls is None else tls.caller_of,
        )
        config = server_config(app, protocol, tls, lifespan="on", drain_s=drain_s)
        announce = partial(ready or _tell_nobody, addresses)
        with _settled_heap():
            server = _Server(config, app, tls, grpc, shared, announce, drain_delay_s)
            server.run([listener] if shared is None else [])


def _http_workers(
    app: ServingApp,
    plan: WorkerPlan,
    host: str,
    reserved: socket.socket,
    drain_s: float,
    tls: Tls | None,
) -> HttpWorkers:
    routes = app.fast_routes
    paths = callers = None
    if tls is not None:
        files = tls.files
        paths = TlsPaths(
            str(files.certificate.absolute()),
            str(files.key.absolute()) if files.key else None,
            str(files.client_ca.absolute()) if files.client_ca else None,
            files.is_client_required,
        )
        callers = None if tls.caller_of is None else dict(tls.caller_of.headers)
    limits = [(path, route.max_body_bytes) for path, route in routes.items()]
    port = reserved.getsockname()[1]
    hello = Hello(host, port, limits, paths, callers, drain_s)
    workers = HttpWorkers(app, [*routes.values()], hello, number=plan.number, start=plan.start)
    app.metrics.watch_http_workers(lambda: workers.listening)
    return workers


class _Server(uvicorn.Server):
    """uvicorn's server, which would end the process by the signal it got."""

    def __init__(
        self,
        config: uvicorn.Config,
        app: ServingApp,
        tls: Tls | None,
        grpc: "_GrpcDoor | None",
        workers: HttpWorkers | None,
        announce: Callable[[], None],
        drain_delay_s: float,
    ) -> None:
        super().__init__(config)
        self._app, self._tls, self._grpc, self._announce = app, tls, grpc, announce
        self._workers, self._drain_delay_s = workers, drain_delay_s
        self._exit_at: float | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._grpc is not None:
            await self._grpc.open()
        if self._workers is not None:
            await self._workers.open()
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
        draining = [one.drain() for one in (self._grpc, self._workers) if one is not None]
        if draining:
            for server in self.servers:
                server.close()
            # what is open here over HTTP goes on meanwhile; the time is one for all
            self.config.timeout_graceful_shutdown = math.ceil(min(await asyncio.gather(*draining)))
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
        self._listener, self.address = listener, address_of(listener, host)
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
