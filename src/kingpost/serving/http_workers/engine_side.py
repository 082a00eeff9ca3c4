"""The engine's side: it starts the workers, and answers what they hand over.

The rule: a worker decides nothing. Keys, limits, contracts and the record are the engine's,
for a request of a worker as for one of its own connections; what a worker says is taken from
no one but a process that could open a socket in a directory of this user alone.
"""

import asyncio
import logging
import shutil
import tempfile
import time
from collections.abc import Callable, MutableMapping
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import msgspec

from kingpost.serving.errors import HttpWorkersNotReady
from kingpost.serving.fast_lane import FastRoute, KnownHeads, ReadHead
from kingpost.serving.http import HttpAnswer, Receive, Scope
from kingpost.serving.http import Send as AsgiSend
from kingpost.serving.http_workers.link import Link
from kingpost.serving.http_workers.messages import (
    Answered,
    Ended,
    FromWorker,
    Gone,
    Hello,
    Listening,
    Opened,
    Received,
    Send,
    Sent,
    Taken,
    Want,
)

__all__ = ["HttpWorkers", "StartsWorker"]

READY_WITHIN_S = 60.0
_LONGER_S = 2.0
"""How much longer than its drain time a worker may take to end."""
_log = logging.getLogger(__name__)
_decode_head = msgspec.msgpack.Decoder(dict[bytes, bytes]).decode


class RunningWorker(Protocol):
    """A process that is kept running until it is closed."""

    def close(self, patience_s: float) -> None:
        """Let it end, and see to it when it does not in time."""
        ...


StartsWorker = Callable[[Path], RunningWorker]
"""Starts a worker that connects to a socket, and ends when its standard input does."""


class Application(Protocol):
    """What answers requests."""

    async def __call__(self, scope: Scope, receive: Receive, send: AsgiSend) -> None:
        """Answer one."""
        ...


class HttpWorkers:
    """The workers of a server.

    Args:
        routes: The fast routes by path, in the order of `hello`.
        hello: What each worker is told.
    """

    def __init__(
        self,
        app: Application,
        routes: list[FastRoute],
        hello: Hello,
        *,
        number: int,
        start: StartsWorker,
    ) -> None:
        self._app, self._routes, self._hello = app, routes, hello
        self._number, self._start = number, start
        self._directory = Path(tempfile.mkdtemp(prefix="kingpost-"))  # this user's alone
        self._kept: list[RunningWorker] = []
        self._listening: set[int] = set()
        self._all_listen = asyncio.Event()
        self._server: asyncio.Server | None = None

    @property
    def listening(self) -> int:
        """How many take connections now."""
        return len(self._listening)

    async def open(self) -> None:
        """Start the workers, and return when all of them take connections.

        Raises:
            HttpWorkersNotReady: They did not in time.
        """
        loop, socket = asyncio.get_running_loop(), self._directory / "engine"
        self._server = await loop.create_unix_server(self.connected, str(socket))
        self._kept = [self._start(socket) for _ in range(self._number)]
        try:
            await asyncio.wait_for(self._all_listen.wait(), READY_WITHIN_S)
        except TimeoutError as error:
            raise HttpWorkersNotReady(len(self._listening), self._number) from error

    async def drain(self) -> float:
        """Let the workers answer what they have and end; return how much of the time is left."""
        begun_s, drain_s = time.monotonic(), self._hello.drain_s
        closing = [asyncio.to_thread(one.close, drain_s + _LONGER_S) for one in self._kept]
        await asyncio.gather(*closing)
        if self._server is not None:
            self._server.close()
        return max(0.0, drain_s - (time.monotonic() - begun_s))

    def close(self) -> None:
        """End what still runs; closing twice is fine."""
        for one in self._kept:
            one.close(0.0)
        self._kept = []
        shutil.rmtree(self._directory, ignore_errors=True)

    def listens(self, pid: int) -> None:
        """Note that a worker takes connections."""
        self._listening.add(pid)
        if len(self._listening) >= self._number:
            self._all_listen.set()

    def ended(self, pid: int) -> None:
        """Note that a worker is gone."""
        self._listening.discard(pid)

    def connected(self) -> Link:
        """Return this side's end for a worker that has connected."""
        return _Worker(self, self._app, self._routes, self._hello).link


class _Worker:
    """One worker that has connected."""

    def __init__(
        self, owner: HttpWorkers, app: Application, routes: list[FastRoute], hello: Hello
    ) -> None:
        self._owner, self._app = owner, app
        self._routes = routes
        self._heads = [KnownHeads() for _ in routes]
        self._calls: dict[int, _Call] = {}
        self._pid = 0
        self.link = _Greeting(hello, self._take, self._lost)

    def _take(self, message: msgspec.Struct) -> None:
        if isinstance(message, Taken):
            read = self._heads[message.route].find(message.head) or self._read(message)
            read.take(message.body, partial(self._answer, message.number))
        elif isinstance(message, Opened):
            self._calls[message.number] = call = _Call(self.link, message)
            call.begin(self._app, partial(self._calls.pop, message.number, None))
        elif isinstance(message, Listening):
            self._pid = message.pid
            self._owner.listens(message.pid)
        elif isinstance(message, Received | Sent | Gone):
            call = self._calls.get(message.number)
            if call is not None:  # else it has just ended
                call.hear(message)

    def _read(self, message: Taken) -> ReadHead:
        headers = _decode_head(message.head)
        read = ReadHead.by(self._routes[message.route], headers, len(message.body))
        self._heads[message.route].learn(message.head, read)
        return read

    def _answer(self, number: int, answer: HttpAnswer) -> None:
        self.link.send(Answered(number, answer.status, answer.headers, answer.body))

    def _lost(self) -> None:
        self._owner.ended(self._pid)
        for call in self._calls.values():
            call.leave()


class _Greeting(Link):
    """A link that says hello first."""

    def __init__(
        self,
        hello: Hello,
        take: Callable[[msgspec.Struct], None],
        lost: Callable[[], None],
    ) -> None:
        super().__init__(FromWorker, take, lost)
        self._hello = hello

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.send(self._hello)


class _Call:
    """An ASGI call of a worker's."""

    def __init__(self, link: Link, opened: Opened) -> None:
        self._link, self._number = link, opened.number
        self._scope: Scope = {**opened.scope, "headers": opened.headers, "state": {}}
        self._scope["client"] = tuple(opened.scope["client"] or ()) or None
        self._received: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._is_wanted = self._is_left = False
        self._sent = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def begin(self, app: Application, ended: Callable[[], object]) -> None:
        """Run the application."""
        self._task = asyncio.get_running_loop().create_task(self._run(app))
        self._task.add_done_callback(lambda _: ended())

    def hear(self, message: Received | Sent | Gone) -> None:
        """Take what the worker says."""
        if isinstance(message, Received):
            self._is_wanted = False
            self._received.put_nowait(message.message)
        elif isinstance(message, Sent):
            self._sent.set()
        elif self._task is not None:
            self._task.cancel()

    def leave(self) -> None:
        """Go on without the worker: its caller is gone."""
        self._is_left = True
        self._received.put_nowait({"type": "http.disconnect"})
        self._sent.set()

    async def _run(self, app: Application) -> None:
        has_failed = True
        try:
            await app(self._scope, self._receive, self._send)
            has_failed = False
        except Exception:  # noqa: BLE001  the boundary of a request
            _log.exception("unexpected_error")
        finally:
            self._link.send(Ended(self._number, has_failed))

    async def _receive(self) -> MutableMapping[str, Any]:
        if not self._is_wanted and not self._is_left and self._received.empty():
            self._is_wanted = True
            self._link.send(Want(self._number))
        return await self._received.get()

    async def _send(self, message: MutableMapping[str, Any]) -> None:
        self._sent.clear()
        if not self._is_left:
            self._link.send(Send(self._number, dict(message)))
            await self._sent.wait()
