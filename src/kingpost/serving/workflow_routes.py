"""`/v1/workflows`: durable workflows, seen and steered from outside.

The rule: who asks is found first, in the server's thread; the database is asked in a thread
of the pool. A server whose application declares no workflow answers that it has none.
"""

import re
from collections.abc import Callable
from typing import TypeVar

import msgspec
from fastapi import FastAPI, Request, Response
from starlette.concurrency import run_in_threadpool

from kingpost.access import Principal
from kingpost.contracts import Instant, NaiveTime
from kingpost.core import BadDuration, Clock, duration_us
from kingpost.serving.errors import BadBody, BadHeader, NotConfigured
from kingpost.serving.http import BodyReader, check_media_type
from kingpost.serving.parameters import read_body, read_parameters
from kingpost.serving.workflow_desk import SCOPE, StartAsked, WorkflowDesk, next_runs, run_query
from kingpost.serving.workflow_documents import (
    ForkDocument,
    RunDocument,
    RunQueryDocument,
    RunsDocument,
    SendDocument,
    SentDocument,
    StartDocument,
    StepsQuery,
    run_document,
    run_line,
)

__all__ = ["WorkflowRoutes"]

MAX_BODY_BYTES = 64 * 1024
_LATEST_US = 10 * 366 * 86_400_000_000
"""So far ahead a workflow may be due."""

_KEY = re.compile("[A-Za-z0-9._~-]{1,128}")
_HEADERS = {"content-type": "application/json", "cache-control": "no-store"}
_encode = msgspec.json.Encoder().encode
T = TypeVar("T")


class WorkflowRoutes:
    """Adds the routes to an application.

    Args:
        desk: None when the application declares no workflow.
        let_in: Says who asks.
    """

    def __init__(
        self,
        desk: WorkflowDesk | None,
        let_in: Callable[[Request], Principal],
        bodies: BodyReader,
        clock: Clock,
    ) -> None:
        self._desk, self._let_in, self._bodies, self._clock = desk, let_in, bodies, clock

    def add_to(self, api: FastAPI) -> None:
        """Add them: one route for a path, so that what it allows is told as a whole."""
        api.api_route("/v1/workflows", methods=["GET", "POST"])(self.answer)
        one = "/v1/workflows/{identifier}"
        api.get(one)(self.read)
        for action in (self.events, self.cancel, self.resume, self.fork):
            api.post(f"{one}/{action.__name__}")(action)

    async def answer(self, request: Request) -> Response:
        principal, desk = self._enter(request)
        if request.method == "GET":
            return await self._find(request, principal, desk)
        return await self._start(request, principal, desk)

    async def read(self, request: Request, identifier: str) -> Response:
        principal, desk = self._enter(request)
        asked = read_parameters(request, StepsQuery)
        now_ms = self._clock.now_us() // 1000

        def found() -> RunDocument:
            run, steps = desk.read(principal, identifier)
            return run_document(run, steps, desk.declared.get(run.workflow), now_ms, asked)

        return _response(await run_in_threadpool(found))

    async def events(self, request: Request, identifier: str) -> Response:
        principal, desk = self._enter(request)
        sent = await self._body(request, SendDocument)
        key = _key_of(request, sent.key)
        await run_in_threadpool(desk.send, principal, identifier, sent.topic, sent.value, key)
        return _response(SentDocument(), 202)

    async def cancel(self, request: Request, identifier: str) -> Response:
        principal, desk = self._enter(request)
        return _response(run_line(await run_in_threadpool(desk.cancel, principal, identifier)))

    async def resume(self, request: Request, identifier: str) -> Response:
        principal, desk = self._enter(request)
        return _response(run_line(await run_in_threadpool(desk.resume, principal, identifier)))

    async def fork(self, request: Request, identifier: str) -> Response:
        principal, desk = self._enter(request)
        step = (await self._body(request, ForkDocument)).step
        forked = await run_in_threadpool(desk.fork, principal, identifier, step)
        return _response(run_line(forked), 202)

    async def _find(self, request: Request, principal: Principal, desk: WorkflowDesk) -> Response:
        asked = read_parameters(request, RunQueryDocument)
        query = run_query(
            workflow=asked.workflow or None,
            state=asked.state or None,
            limit=asked.limit,
            after=asked.after,
        )
        found = await run_in_threadpool(desk.find, principal, query)
        following = next_runs(query, found)
        return _response(RunsDocument([run_line(one) for one in found], following))

    async def _start(self, request: Request, principal: Principal, desk: WorkflowDesk) -> Response:
        said = await self._body(request, StartDocument)
        asked = StartAsked(
            workflow=said.workflow,
            given=said.input,
            key=_key_of(request, said.key),
            priority=said.priority,
            due_us=_due_us(said, self._clock.now_us()),
        )
        run = await run_in_threadpool(desk.start, principal, asked)
        return _response(run_line(run), 202)

    def _enter(self, request: Request) -> tuple[Principal, WorkflowDesk]:
        principal = self._let_in(request)
        principal.require(SCOPE)
        if self._desk is None:
            raise NotConfigured("workflows")
        return principal, self._desk

    async def _body(self, request: Request, kind: type[T]) -> T:
        headers: dict[bytes, bytes] = dict(request.scope["headers"])
        check_media_type(headers, b"application/json")
        return read_body(await self._bodies.read(headers, request.receive, MAX_BODY_BYTES), kind)


def _key_of(request: Request, said: str) -> str:
    """Return the idempotency key, which is in the header or in the body."""
    key = request.headers.get("idempotency-key")
    if key is None:
        return said
    if _KEY.fullmatch(key) is None or said not in ("", key):
        expected = "1 to 128 letters, digits, '.', '_', '~' and '-', and the same as a `key`"
        raise BadHeader("Idempotency-Key", expected)
    return key


def _due_us(said: StartDocument, now_us: int) -> int | None:
    if said.at and said.after:
        raise BadBody("`at` and `after` are both given; leave one out")
    try:
        if said.at:
            due_us = Instant.parse(said.at).us
        elif said.after:
            due_us = now_us + duration_us(said.after)
        else:
            return None
    except (ValueError, NaiveTime, BadDuration) as error:
        raise BadBody("`at` is no ISO 8601 time with an offset, or `after` no length") from error
    if due_us > now_us + _LATEST_US:
        raise BadBody("it is due more than ten years from now")
    return max(due_us, now_us)


def _response(document: msgspec.Struct, status: int = 200) -> Response:
    return Response(_encode(document), status, _HEADERS)
