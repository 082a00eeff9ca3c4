"""The routes of incidents: what was found, what it affected, what is done about it.

The rule: stores are asked in a thread of the pool, so that decisions are never kept waiting for
a person. Without a desk every route answers that it is no part of this server.
"""

from collections.abc import Callable
from typing import TypeVar

import msgspec
from fastapi import FastAPI, Request, Response
from starlette.concurrency import run_in_threadpool

from kingpost.access import Principal
from kingpost.serving.errors import NotConfigured
from kingpost.serving.exposures import Exposures
from kingpost.serving.http import BodyReader, check_media_type
from kingpost.serving.incident_documents import (
    AffectedQuery,
    IncidentNoteDocument,
    IncidentReviewDocument,
    report_document,
    sent_document,
    timeline_document,
)
from kingpost.serving.parameters import read_body, read_parameters
from kingpost.serving.review_desk import ReviewDesk
from kingpost.serving.review_documents import (
    IncidentsDocument,
    IncidentsQuery,
    LinesDocument,
    incident_document,
    line_document,
)

__all__ = ["IncidentRoutes"]

_MAX_BODY_BYTES = 16 * 1024
_HEADERS = {"content-type": "application/json", "cache-control": "no-store"}
_encode = msgspec.json.Encoder().encode
T = TypeVar("T")


class IncidentRoutes:
    """Adds the routes to an application.

    Args:
        desk: What people may do; None when this server was started without it.
        let_in: Says who asks.
    """

    def __init__(
        self,
        desk: ReviewDesk | None,
        let_in: Callable[[Request], Principal],
        bodies: BodyReader,
        exposures: Exposures,
    ) -> None:
        self._desk_or_none, self._let_in = desk, let_in
        self._bodies, self._exposures = bodies, exposures

    def add_to(self, api: FastAPI) -> None:
        """Add them."""
        api.get("/v1/incidents")(self.list_incidents)
        api.get("/v1/incidents/{identifier}")(self.read_incident)
        api.get("/v1/incidents/{identifier}/records")(self.list_affected)
        api.get("/v1/incidents/{identifier}/report")(self.report)
        api.post("/v1/incidents/{identifier}/review")(self.send_to_review)
        api.post("/v1/incidents/{identifier}/notes")(self.note)

    async def list_incidents(self, request: Request) -> Response:
        principal, desk = self._enter(request)
        principal.require("records")
        asked = read_parameters(request, IncidentsQuery)
        opened_us, _, last = asked.before.partition(":")
        found = await run_in_threadpool(
            lambda: desk.sources.monitors().incidents(
                principal.tenant,
                open_only=asked.open,
                decision=asked.decision or None,
                limit=asked.limit,
                before=(int(opened_us), last) if asked.before else None,
            )
        )
        following = None
        if len(found) == asked.limit:
            following = f"{found[-1].opened_us}:{found[-1].id}"
        return _response(IncidentsDocument([incident_document(one) for one in found], following))

    async def read_incident(self, request: Request, identifier: str) -> Response:
        principal, desk = self._enter(request)
        principal.require("records")
        incident = await run_in_threadpool(
            lambda: desk.incidents.incident(principal.tenant, identifier)
        )
        return _response(incident_document(incident))

    async def list_affected(self, request: Request, identifier: str) -> Response:
        principal, desk = self._enter(request)
        principal.require("records")
        asked = read_parameters(request, AffectedQuery)
        event_time_us, _, offset = asked.before.partition(":")
        before = (int(event_time_us), int(offset)) if asked.before else None

        def find() -> LinesDocument:
            incident = desk.incidents.incident(principal.tenant, identifier)
            found = desk.incidents.affected(incident, limit=asked.limit, before=before)
            following = None
            if len(found) == asked.limit:
                following = ":".join(map(str, found[-1].place))
            shown = [line_document(one, *self._exposures.seen(principal, one)) for one in found]
            return LinesDocument(shown, following)

        return _response(await run_in_threadpool(find))

    async def report(self, request: Request, identifier: str) -> Response:
        principal, desk = self._enter(request)
        principal.require("records")
        found = await run_in_threadpool(
            lambda: desk.incidents.report(desk.incidents.incident(principal.tenant, identifier))
        )
        return _response(report_document(found))

    async def send_to_review(self, request: Request, identifier: str) -> Response:
        principal, desk = self._enter(request)
        asked = await self._body(request, IncidentReviewDocument)
        sent = await run_in_threadpool(
            lambda: desk.incidents.send_to_review(
                principal,
                desk.incidents.incident(principal.tenant, identifier),
                queue=asked.queue,
                reason=asked.reason,
                limit=asked.limit,
            )
        )
        return _response(sent_document(sent))

    async def note(self, request: Request, identifier: str) -> Response:
        principal, desk = self._enter(request)
        said = await self._body(request, IncidentNoteDocument)
        noted = await run_in_threadpool(
            lambda: desk.incidents.note(
                principal, desk.incidents.incident(principal.tenant, identifier), said.text
            )
        )
        return _response(timeline_document(noted))

    def _enter(self, request: Request) -> tuple[Principal, ReviewDesk]:
        principal = self._let_in(request)
        if self._desk_or_none is None:
            raise NotConfigured("the inbox and the monitors")
        return principal, self._desk_or_none

    async def _body(self, request: Request, kind: type[T]) -> T:
        headers: dict[bytes, bytes] = dict(request.scope["headers"])
        check_media_type(headers, b"application/json")
        return read_body(await self._bodies.read(headers, request.receive, _MAX_BODY_BYTES), kind)


def _response(document: msgspec.Struct) -> Response:
    return Response(_encode(document), headers=_HEADERS)
