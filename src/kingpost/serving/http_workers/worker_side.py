"""The worker's side: requests go to the engine, and its answers come back."""

import asyncio
import itertools
from collections.abc import Callable
from functools import partial

import msgspec

from kingpost.serving.http import HttpAnswer, Receive, Scope, TakesAnswer, TakesBody
from kingpost.serving.http import Send as AsgiSend
from kingpost.serving.http_workers.link import Link
from kingpost.serving.http_workers.messages import (
    Answered,
    Ended,
    FromEngine,
    Gone,
    Hello,
    Opened,
    Received,
    Send,
    Sent,
    Taken,
    Want,
)

__all__ = ["EngineLink", "EngineRoute"]

_TOLD = (
    "type",
    "http_version",
    "method",
    "scheme",
    "path",
    "raw_path",
    "query_string",
    "root_path",
    "client",
    "server",
    "asgi",
)


class EngineGone(ConnectionError):
    """The engine has ended, or failed at a request."""


class EngineLink:
    """The engine, as a worker sees it; an ASGI application.

    Args:
        lost: Told when the engine is gone.
    """

    def __init__(self, lost: Callable[[], None]) -> None:
        self.hello: asyncio.Future[Hello] = asyncio.get_running_loop().create_future()
        self._tell_lost = lost
        self._numbers = itertools.count()
        self._answers: dict[int, TakesAnswer] = {}
        self._calls: dict[int, asyncio.Queue[Want | Send | Ended]] = {}
        self.link = Link(FromEngine, self._take, self._lost)

    def take(self, route: int, head: bytes, body: bytes, answer: TakesAnswer) -> None:
        """Hand over a request for a fast route."""
        number = next(self._numbers)
        self._answers[number] = answer
        self.link.send(Taken(number, route, head, body))

    async def __call__(self, scope: Scope, receive: Receive, send: AsgiSend) -> None:
        """Have the engine's application answer a request."""
        number = next(self._numbers)
        said: asyncio.Queue[Want | Send | Ended] = asyncio.Queue()
        self._calls[number] = said
        told = {name: scope[name] for name in _TOLD if name in scope}
        self.link.send(Opened(number, told, list(scope["headers"])))
        asking: asyncio.Task[None] | None = None
        try:
            while True:
                message = await said.get()
                if isinstance(message, Want):
                    asking = asyncio.get_running_loop().create_task(self._ask(number, receive))
                elif isinstance(message, Send):
                    await send(message.message)
                    self.link.send(Sent(number))
                else:
                    break
        except asyncio.CancelledError:
            self.link.send(Gone(number))
            raise
        finally:
            del self._calls[number]
            if asking is not None:
                asking.cancel()
        if message.has_failed:
            raise EngineGone

    async def _ask(self, number: int, receive: Receive) -> None:
        self.link.send(Received(number, dict(await receive())))

    def _take(self, message: msgspec.Struct) -> None:
        if isinstance(message, Answered):
            answer = HttpAnswer(message.status, message.headers, message.body)
            self._answers.pop(message.number)(answer)
        elif isinstance(message, Want | Send | Ended):
            call = self._calls.get(message.number)
            if call is not None:  # else its caller is gone
                call.put_nowait(message)
        elif isinstance(message, Hello):
            self.hello.set_result(message)

    def _lost(self) -> None:
        self._answers.clear()
        for number, call in self._calls.items():
            call.put_nowait(Ended(number, has_failed=True))
        if not self.hello.done():
            self.hello.set_exception(EngineGone())
        self._tell_lost()


class EngineRoute:
    """A fast route of the engine; a `FastRoute`."""

    def __init__(self, engine: EngineLink, place: int, max_body_bytes: int) -> None:
        self._engine, self._place = engine, place
        self.max_body_bytes = max_body_bytes

    def read(self, headers: dict[bytes, bytes]) -> TakesBody:
        """Read a head; see `FastRoute`."""
        return partial(self._engine.take, self._place, msgspec.msgpack.encode(headers))
