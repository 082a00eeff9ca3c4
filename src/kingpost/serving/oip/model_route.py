"""A route that asks a model, for an ASGI server and for connections of our own.

The rule: who asks, and whether they may, is known before the body is read.
"""

import asyncio
from collections.abc import Mapping
from contextlib import nullcontext
from functools import partial
from typing import Protocol

from kingpost.access import Fields, RateLimited
from kingpost.core import Clock
from kingpost.serving.http import (
    BodyReader,
    Disconnected,
    HttpAnswer,
    Receive,
    Scope,
    Send,
    TakesAnswer,
    TakesBody,
    check_media_type,
    trace_id_of,
    visible_header,
)
from kingpost.serving.oip.http_errors import error_answer
from kingpost.serving.oip.inference import Inference
from kingpost.serving.oip.messages import Call
from kingpost.serving.seen import RequestWatch
from kingpost.serving.settings import ServingSettings

__all__ = ["AsksModel", "Door", "ModelRoute"]


class AsksModel(Protocol):
    """Reads a body, asks the model, and gives the answer, later, in the loop's thread.

    Attributes:
        route: Its path, with `{name}` where the model's name stands.
    """

    media_types: tuple[bytes, ...]
    route: str

    def __call__(
        self,
        name: str,
        version: str | None,
        call: Call,
        headers: Mapping[bytes, bytes],
        body: bytes,
        answer: TakesAnswer,
    ) -> Fields:
        """Raise what is wrong before anything is done; return as `ServedModel.infer` does."""
        ...


class Door:
    """What all routes to models share: who is let in, and how bodies are read."""

    def __init__(
        self,
        inference: Inference,
        bodies: BodyReader,
        clock: Clock,
        settings: ServingSettings,
        watch: RequestWatch | None = None,
    ) -> None:
        self.inference, self.clock, self.settings, self.watch = inference, clock, settings, watch
        self._bodies = bodies
        self._uploads: asyncio.Semaphore | None = None

    async def body(self, headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
        """Read a body; few large ones at a time."""
        length = int(headers.get(b"content-length") or self.settings.max_inference_bytes)
        is_large = length > self.settings.max_body_bytes
        if is_large and self._uploads is None:
            self._uploads = asyncio.Semaphore(self.settings.max_event_uploads)
        async with self._uploads if is_large and self._uploads else nullcontext():
            return await self._bodies.read(headers, receive, self.settings.max_inference_bytes)


class ModelRoute:
    """Asks one model, or one version of it.

    Attributes:
        max_body_bytes: The largest body that goes without ASGI; larger ones take turns.
    """

    def __init__(self, door: Door, ask: AsksModel, name: str, version: str | None) -> None:
        self._door, self._ask = door, ask
        self._name, self._version = name, version
        self.max_body_bytes = door.settings.max_body_bytes

    def read(self, headers: dict[bytes, bytes]) -> TakesBody:
        """Return what takes the bodies that come with a head; see `FastRoute`."""
        return partial(self._take, headers)

    def _take(self, headers: dict[bytes, bytes], body: bytes, answer: TakesAnswer) -> None:
        trace_id = trace_id_of(headers.get(b"traceparent"))
        limited = _Limited(self._watched(answer, headers, trace_id))
        try:
            call = self._admit(headers, trace_id, limited)
            self._asked(call, headers, body, limited)
        except Exception as error:  # noqa: BLE001  the boundary of a request
            self._refuse(error, trace_id, limited)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request of an ASGI server."""
        headers: dict[bytes, bytes] = dict(scope["headers"])
        trace_id = trace_id_of(headers.get(b"traceparent"))
        waiting: asyncio.Future[HttpAnswer] = asyncio.get_running_loop().create_future()

        def tell(answer: HttpAnswer) -> None:
            if not waiting.done():
                waiting.set_result(answer)

        limited = _Limited(self._watched(tell, headers, trace_id))
        try:
            call = self._admit(headers, trace_id, limited)
            body = await self._door.body(headers, receive)
            self._asked(call, headers, body, limited)
        except Disconnected:
            return
        except Exception as error:  # noqa: BLE001  the boundary of a request
            self._refuse(error, trace_id, limited)
        answer = await waiting
        await answer.send(send)

    def _watched(
        self, answer: TakesAnswer, headers: Mapping[bytes, bytes], trace_id: str
    ) -> TakesAnswer:
        """Return what gives an answer, and lets it be seen where somebody looks on."""
        watch = self._door.watch
        if watch is None:
            return answer
        clock, arrived_ns = self._door.clock, self._door.clock.monotonic_ns()
        is_known = self._name in self._door.inference.models
        route = self._ask.route.format(name=self._name) if is_known else self._ask.route

        def seen(made: HttpAnswer) -> None:
            answer(made)
            watch.note(
                "POST",
                route,
                headers,
                trace_id,
                status=made.status,
                code="ok" if made.status < 400 else "",
                arrived_ns=arrived_ns,
                settled_ns=clock.monotonic_ns(),
                record_id=dict(made.headers).get(b"kingpost-record", b"").decode(),
            )

        return seen

    def _asked(
        self, call: Call, headers: Mapping[bytes, bytes], body: bytes, limited: "_Limited"
    ) -> None:
        fields = self._ask(self._name, self._version, call, headers, body, limited)
        if fields:
            limited.fields = fields

    def _refuse(self, error: Exception, trace_id: str, limited: "_Limited") -> None:
        self._door.inference.refused(self._name, error)
        if isinstance(error, RateLimited):  # it tells them itself
            limited.fields = ()
        limited(error_answer(error, trace_id))

    def _admit(self, headers: Mapping[bytes, bytes], trace_id: str, limited: "_Limited") -> Call:
        arrived_ns = self._door.clock.monotonic_ns()
        inference = self._door.inference
        principal, limited.fields = inference.caller(headers.get(b"authorization"))
        inference.permitted(self._name, self._version, principal)
        check_media_type(headers, *self._ask.media_types)
        return Call(
            principal,
            trace_id,
            arrived_ns,
            visible_header(headers, b"kingpost-session"),
            visible_header(headers, b"idempotency-key"),
        )


class _Limited:
    """Takes an answer, and says on it what the caller has left."""

    __slots__ = ("_answer", "fields")

    def __init__(self, answer: TakesAnswer) -> None:
        self._answer = answer
        self.fields: Fields = ()

    def __call__(self, answer: HttpAnswer) -> None:
        if self.fields:
            answer = answer.adding(self.fields)
        self._answer(answer)
