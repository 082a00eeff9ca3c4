"""The process of a worker: it listens on the shared port until its server lets it end.

The rule: it ends by its server alone. The end of standard input lets it answer what it has
and end; an engine that is gone ends it at once. Signals are for the server, which drains.
"""

import asyncio
import os
import signal
import socket
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import uvicorn

from kingpost.serving.fast_lane import FastLane, KnownHeads
from kingpost.serving.http_workers.link import Link
from kingpost.serving.http_workers.messages import Hello, Listening
from kingpost.serving.http_workers.worker_side import EngineGone, EngineLink, EngineRoute
from kingpost.serving.listening import listening_socket, server_config
from kingpost.serving.tls import RELOAD_S, CallerNames, Tls, TlsFiles

__all__ = ["run_http_worker"]

_TICKS_PER_S = 10
_STDIN = 0


def run_http_worker(engine: Path) -> int:
    """Serve the engine behind a socket until standard input ends; return the exit code."""
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, signal.SIG_IGN)
    try:
        runner = asyncio.Runner(loop_factory=uvicorn.Config(app="").get_loop_factory())
        with runner:
            runner.run(_serve(engine))
    except (EngineGone, FileNotFoundError, ConnectionRefusedError):
        return 1
    return 0


async def _serve(path: Path) -> None:
    loop = asyncio.get_running_loop()
    servers: list[_WorkerServer] = []

    def lost() -> None:
        for server in servers:
            server.force_exit = server.should_exit = True

    engine = EngineLink(lost)
    await loop.create_unix_connection(lambda: engine.link, str(path))
    hello = await engine.hello
    tls = _tls_of(hello)
    routes = {
        name: EngineRoute(engine, place, most) for place, (name, most) in enumerate(hello.routes)
    }
    config = server_config(
        engine,
        partial(
            FastLane,
            routes=routes,
            heads=KnownHeads(),
            caller_of=None if tls is None else tls.caller_of,
        ),
        tls,
        lifespan="off",
        drain_s=hello.drain_s,
    )
    with listening_socket(hello.host, hello.port, is_shared=True) as listener:
        server = _WorkerServer(config, engine.link, tls)
        servers.append(server)
        loop.add_reader(_STDIN, server.hear_end)
        await server.serve([listener])
    engine.link.close()


def _tls_of(hello: Hello) -> Tls | None:
    if (paths := hello.tls) is None:
        return None
    files = TlsFiles(
        Path(paths.certificate),
        Path(paths.key) if paths.key else None,
        Path(paths.client_ca) if paths.client_ca else None,
        paths.is_client_required,
    )
    named = None if hello.callers is None else CallerNames(hello.callers)
    return Tls(files, caller_of=named)


class _WorkerServer(uvicorn.Server):
    """uvicorn's server, ended by its standard input."""

    def __init__(self, config: uvicorn.Config, link: Link, tls: Tls | None) -> None:
        super().__init__(config)
        self._link, self._tls = link, tls

    def hear_end(self) -> None:
        """Read standard input, and begin to end when it has."""
        if not os.read(_STDIN, 1024):
            asyncio.get_running_loop().remove_reader(_STDIN)
            self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._link.send(Listening(os.getpid()))

    async def on_tick(self, counter: int) -> bool:
        if self._tls is not None and counter % (RELOAD_S * _TICKS_PER_S) == 0:
            self._tls.refresh()
        return await super().on_tick(counter)

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield
