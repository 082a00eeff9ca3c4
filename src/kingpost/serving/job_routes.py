"""`/v1/jobs` and `/v1/decisions/{name}/jobs`: decisions that are asked for and made later.

The rule: a job is its tenant's, and of those who may make its decision. A caller names a
webhook that the installation has; no address ever comes from a caller.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from typing import Protocol

import msgspec
from fastapi import FastAPI, Request, Response
from starlette.responses import StreamingResponse

from kingpost.access import MissingScope, Principal
from kingpost.core import KingpostError
from kingpost.jobs import Job, JobQuery, JobState
from kingpost.serving.errors import BadHeader, BadParameter, NotConfigured, Overloaded
from kingpost.serving.health import Health
from kingpost.serving.http import BodyReader, check_media_type, trace_id_of
from kingpost.serving.job_desk import JobDesk, JobOptions
from kingpost.serving.job_documents import (
    JobQueryDocument,
    JobsDocument,
    SubmitQuery,
    job_decided_document,
    job_document,
)
from kingpost.serving.parameters import read_parameters

__all__ = ["EVENT_STREAM", "JobRoutes"]

EVENT_STREAM = "text/event-stream"
WORK_SCOPE = "jobs"
MOST_STREAMS = 200
LOOK_S = 0.5
HEARTBEAT_S = 15.0
LONGEST_S = 600.0
"""So long a stream is kept; its reader comes again with `Last-Event-ID`."""

_VISIBLE = re.compile(rb"[\x21-\x7e]{1,255}")
_VERSION = re.compile("[0-9]{1,9}")
_HEADERS = {"content-type": "application/json", "cache-control": "no-store"}
_encode = msgspec.json.Encoder().encode


class LetsIn(Protocol):
    """Says who asks, and charges them with what they ask for."""

    def __call__(self, request: Request, *, rows: int = 0, cost: float = 0) -> Principal: ...


class JobRoutes:
    """Adds the routes to an application.

    Args:
        desk: None where jobs are not configured.
        let_in: Says who asks.
    """

    def __init__(
        self,
        desk: JobDesk | None,
        let_in: LetsIn,
        bodies: BodyReader,
        health: Health,
        max_body_bytes: int,
    ) -> None:
        self._desk, self._let_in, self._bodies = desk, let_in, bodies
        self._health, self._max_body_bytes = health, max_body_bytes
        self._streams = 0

    def add_to(self, api: FastAPI) -> None:
        """Add them: one route for a path, so that what it allows is told as a whole."""
        api.post("/v1/decisions/{name}/jobs")(self.submit)
        api.get("/v1/jobs")(self.find)
        one = "/v1/jobs/{identifier}"
        api.api_route(one, methods=["GET", "DELETE"])(self.answer)
        api.get(f"{one}/events")(self.events)
        api.post(f"{one}/replay")(self.replay)
        api.post(f"{one}/decide")(self.decide)

    async def submit(self, request: Request, name: str) -> Response:
        desk = self._open()
        principal = self._let_in(request, rows=1, cost=desk.cost_of(name))
        principal.require("decide", name)
        headers: dict[bytes, bytes] = dict(request.scope["headers"])
        check_media_type(headers, b"application/json")
        asked = read_parameters(request, SubmitQuery)
        webhook = asked.webhook or ""
        if webhook and webhook not in desk.webhooks:
            raise BadParameter("webhook names no receiver of this installation")
        options = JobOptions(
            asked.priority,
            webhook,
            _visible(headers, b"kingpost-session"),
            _visible(headers, b"idempotency-key"),
            trace_id_of(headers.get(b"traceparent")),
        )
        body = await self._bodies.read(headers, request.receive, self._max_body_bytes)
        submitted = await desk.submit(principal, name, body, options)
        response = _response(submitted.job, 202)
        response.headers["location"] = f"/v1/jobs/{submitted.job.id}"
        if submitted.is_repeat:
            response.headers["idempotency-replayed"] = "true"
        return response

    async def find(self, request: Request) -> Response:
        principal, desk = self._enter(request)
        asked = read_parameters(request, JobQueryDocument)
        allowed = None if principal.may("decide") else principal.narrowed("decide")
        if asked.decision:
            principal.require("decide", asked.decision)
            allowed = (asked.decision,)
        query = JobQuery(
            JobState(asked.state) if asked.state else None,
            allowed,
            int(asked.after) if asked.after else None,
            asked.limit,
        )
        found = await desk.ask(lambda store: store.find(principal.tenant, query))
        following = str(found[-1].place) if len(found) == asked.limit else None
        page = JobsDocument([job_document(one) for one in found], following)
        return Response(_encode(page), 200, _HEADERS)

    async def answer(self, request: Request, identifier: str) -> Response:
        principal, desk = self._enter(request)
        if request.method == "DELETE":
            return _response(await desk.cancel(principal, identifier))
        return _response(await desk.read(principal, identifier))

    async def replay(self, request: Request, identifier: str) -> Response:
        principal, desk = self._enter(request)
        return _response(await desk.replay(principal, identifier), 202)

    async def decide(self, request: Request, identifier: str) -> Response:
        principal, desk = self._let_in(request), self._open()
        principal.require(WORK_SCOPE)
        came = await desk.decide_running(identifier)
        return Response(_encode(job_decided_document(came)), 200, _HEADERS)

    async def events(self, request: Request, identifier: str) -> Response:
        principal, desk = self._enter(request)
        said = request.headers.get("last-event-id", "0")
        if _VERSION.fullmatch(said) is None:
            raise BadHeader("Last-Event-ID", "the id of an event, as 3")
        job = await desk.read(principal, identifier)
        if job.state.is_end and job.version <= int(said):
            return Response(status_code=204)  # tells a reader not to come again
        if self._streams >= MOST_STREAMS:
            raise Overloaded(int(HEARTBEAT_S))
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        told = self._told(desk, principal, job, int(said))
        return StreamingResponse(told, 200, headers, media_type=EVENT_STREAM)

    async def _told(
        self, desk: JobDesk, principal: Principal, job: Job, version: int
    ) -> AsyncIterator[bytes]:
        """Yield an event for each version of a job that is seen, until it has ended."""
        self._streams += 1
        try:
            end_s = time.monotonic() + LONGEST_S
            written_s = time.monotonic()
            while True:
                if job.version > version:
                    version, written_s = job.version, time.monotonic()
                    yield _event(job)
                if job.state.is_end or self._health.is_draining or time.monotonic() > end_s:
                    return
                await asyncio.sleep(LOOK_S)
                if time.monotonic() - written_s > HEARTBEAT_S:
                    written_s = time.monotonic()
                    yield b": still here\n\n"
                try:
                    job = await desk.read(principal, job.id)
                except KingpostError:
                    return  # its reader comes again, and hears why
        finally:
            self._streams -= 1

    def _enter(self, request: Request) -> tuple[Principal, JobDesk]:
        principal = self._let_in(request)
        if not principal.may("decide") and not principal.narrowed("decide"):
            raise MissingScope("decide")
        return principal, self._open()

    def _open(self) -> JobDesk:
        if self._desk is None:
            raise NotConfigured("jobs")
        return self._desk


def _event(job: Job) -> bytes:
    data = _encode(job_document(job))
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (job.version, job.state.value.encode(), data)


def _visible(headers: dict[bytes, bytes], name: bytes) -> str:
    value = headers.get(name)
    if value is None:
        return ""
    if _VISIBLE.fullmatch(value) is None:
        raise BadHeader(name.decode().title(), "1 to 255 visible ASCII characters")
    return value.decode()


def _response(job: Job, status: int = 200) -> Response:
    return Response(_encode(job_document(job)), status, _HEADERS)
