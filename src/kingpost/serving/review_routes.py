"""The routes of people: tasks, the search, overrides, explanations.

The rule: who asks is found first, in the server's thread; stores are asked in a thread of
the pool, so that decisions are never kept waiting for a person. Without sources every
route answers that it is no part of this server.
"""

from collections.abc import Callable
from typing import TypeVar

import msgspec
from fastapi import FastAPI, Request, Response
from starlette.concurrency import run_in_threadpool

from kingpost.access import Principal
from kingpost.core import Clock
from kingpost.decisions import Engine
from kingpost.records import Outcome, RecordLine, RecordQuery
from kingpost.serving.errors import NotConfigured, RecordNotFound
from kingpost.serving.exposures import Exposures
from kingpost.serving.http import BodyReader, check_media_type
from kingpost.serving.parameters import moment_us, read_body, read_parameters
from kingpost.serving.review_desk import ReviewDesk, queues_for
from kingpost.serving.review_documents import (
    LinesDocument,
    ModifyDocument,
    OverrideDocument,
    ReasonDocument,
    RecordsQuery,
    RejectDocument,
    ReviewDocument,
    TasksDocument,
    TasksQuery,
    explanation_document,
    line_document,
    moment,
    task_document,
)
from kingpost.tasks import Task, TaskNotFound, TaskQuery

__all__ = ["MAX_BODY_BYTES", "MAX_VALUE_BODY_BYTES", "ReviewRoutes"]

MAX_BODY_BYTES = 16 * 1024
MAX_VALUE_BODY_BYTES = 256 * 1024
"""Room for a value of 64 KiB, however it is written."""

_HEADERS = {"content-type": "application/json", "cache-control": "no-store"}
_encode = msgspec.json.Encoder().encode
T = TypeVar("T")


class ReviewRoutes:
    """Adds the routes to an application.

    Args:
        desk: What people may do; None when this server was started without it.
        let_in: Says who asks.
    """

    def __init__(
        self,
        engine: Engine,
        desk: ReviewDesk | None,
        let_in: Callable[[Request], Principal],
        bodies: BodyReader,
        clock: Clock,
        exposures: Exposures,
    ) -> None:
        self._exposures = exposures
        self._engine, self._desk_or_none = engine, desk
        self._let_in, self._bodies, self._clock = let_in, bodies, clock

    def add_to(self, api: FastAPI) -> None:
        """Add them."""
        api.get("/v1/tasks")(self.list_tasks)
        api.get("/v1/tasks/{identifier}")(self.read_task)
        for action in (
            self.claim,
            self.release,
            self.approve,
            self.override,
            self.reject,
            self.modify,
            self.acknowledge,
        ):
            api.post(f"/v1/tasks/{{identifier}}/{action.__name__}")(action)
        api.get("/v1/records")(self.find_records)
        api.post("/v1/records/{identifier}/override")(self.correct)
        api.get("/v1/records/{identifier}/explanation")(self.explain)

    async def line_of(self, tenant: str, identifier: bytes) -> RecordLine | None:
        """Return what the search knows of a record; None without a search, or not yet."""
        desk = self._desk_or_none
        if desk is None:
            return None
        return await run_in_threadpool(lambda: desk.sources.records().get(tenant, identifier))

    async def list_tasks(self, request: Request) -> Response:
        principal, desk = self._enter(request)
        queues = queues_for(principal)
        asked = read_parameters(request, TasksQuery)
        now_us = self._clock.now_us()
        query = TaskQuery(
            tenant=principal.tenant,
            queue=asked.queue or None,
            queues=queues,
            kind=asked.kind or None,
            state=asked.state or None,
            claimed_by=principal.by if asked.mine else None,
            overdue_at_us=now_us if asked.overdue else None,
            after=asked.after,
            limit=asked.limit,
        )
        found = await run_in_threadpool(lambda: desk.sources.tasks().find(query))
        following = found[-1].place if len(found) == asked.limit else None
        documents = [task_document(task, now_us, is_listed=True) for task in found]
        return _response(TasksDocument(documents, following))

    async def read_task(self, request: Request, identifier: str) -> Response:
        principal, desk = self._enter(request)
        queues_for(principal)
        task = await run_in_threadpool(
            lambda: desk.sources.tasks().get(principal.tenant, identifier)
        )
        if task is None:
            raise TaskNotFound(identifier)
        principal.require("review", task.queue)
        return self._task_response(task)

    async def claim(self, request: Request, identifier: str) -> Response:
        principal, desk = self._enter(request)
        await self._body(request, ReasonDocument)
        return self._task_response(await desk.claim(principal, identifier))

    async def release(self, request: Request, identifier: str) -> Response:
        principal, desk = self._enter(request)
        await self._body(request, ReasonDocument)
        return self._task_response(await desk.release(principal, identifier))

    async def approve(self, request: Request, identifier: str) -> Response:
        principal, desk = self._enter(request)
        said = await self._body(request, ReasonDocument)
        return self._task_response(await desk.approve(principal, identifier, said.reason))

    async def override(self, request: Request, identifier: str) -> Response:
        principal, desk = self._enter(request)
        said = await self._body(request, OverrideDocument)
        return self._task_response(
            await desk.override(principal, identifier, positive=said.positive, reason=said.reason)
        )

    async def reject(self, request: Request, identifier: str) -> Response:
        principal, desk = self._enter(request)
        said = await self._body(request, RejectDocument)
        return self._task_response(await desk.reject(principal, identifier, reason=said.reason))

    async def modify(self, request: Request, identifier: str) -> Response:
        principal, desk = self._enter(request)
        said = await self._body(request, ModifyDocument, MAX_VALUE_BODY_BYTES)
        return self._task_response(
            await desk.modify(principal, identifier, value=said.value, reason=said.reason)
        )

    async def acknowledge(self, request: Request, identifier: str) -> Response:
        principal, desk = self._enter(request)
        said = await self._body(request, ReasonDocument)
        return self._task_response(await desk.acknowledge(principal, identifier, said.reason))

    async def correct(self, request: Request, identifier: str) -> Response:
        principal, desk = self._enter(request)
        said = await self._body(request, OverrideDocument)
        review = await desk.correct(
            principal, identifier, positive=said.positive, reason=said.reason
        )
        return _response(
            ReviewDocument(
                verdict=review.verdict,
                positive=review.positive,
                by=review.by,
                reason=review.reason,
                at=moment(review.at_us),
            )
        )

    async def find_records(self, request: Request) -> Response:
        principal, desk = self._enter(request)
        principal.require("records")
        asked = read_parameters(request, RecordsQuery)
        before = asked.before.split(":")
        query = RecordQuery(
            tenant=principal.tenant,
            decision=asked.decision,
            text=asked.text,
            outcome=Outcome(asked.outcome) if asked.outcome else None,
            review=asked.review or None,
            model=bytes.fromhex(asked.model),
            principal=asked.principal,
            mistaken=asked.mistaken,
            since_us=moment_us("since", asked.since) if asked.since else None,
            until_us=moment_us("until", asked.until) if asked.until else None,
            before=(int(before[0]), int(before[1])) if asked.before else None,
            limit=asked.limit,
        )
        found = await run_in_threadpool(lambda: desk.sources.records().find(query))
        following = None
        if len(found) == asked.limit:
            event_time_us, offset = found[-1].place
            following = f"{event_time_us}:{offset}"
        seen = [(line, *self._exposures.seen(principal, line)) for line in found]
        return _response(LinesDocument([line_document(*each) for each in seen], following))

    async def explain(self, request: Request, identifier: str) -> Response:
        principal, desk = self._enter(request)
        principal.require("records")
        explain = desk.sources.explain
        if explain is None:
            raise NotConfigured("explanations")
        stored = self._engine.record(principal.tenant, identifier)
        if stored is None:
            raise RecordNotFound
        self._exposures.check_explanation(principal, stored.record)
        explanation = await run_in_threadpool(explain, stored.record)
        return _response(explanation_document(stored.record.id, explanation))

    def _enter(self, request: Request) -> tuple[Principal, ReviewDesk]:
        principal = self._let_in(request)
        if self._desk_or_none is None:
            raise NotConfigured("the inbox and the monitors")
        return principal, self._desk_or_none

    async def _body(self, request: Request, kind: type[T], limit: int = MAX_BODY_BYTES) -> T:
        headers: dict[bytes, bytes] = dict(request.scope["headers"])
        check_media_type(headers, b"application/json")
        return read_body(await self._bodies.read(headers, request.receive, limit), kind)

    def _task_response(self, task: Task) -> Response:
        return _response(task_document(task, self._clock.now_us()))


def _response(document: msgspec.Struct) -> Response:
    return Response(_encode(document), headers=_HEADERS)
