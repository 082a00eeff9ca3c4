"""`/v1/releases`: what is being released, and the way forward and back.

The rule: a step is in the control log before the answer leaves; every process follows it
within a second. What an answer was worth is told to the process that gave it.
"""

import asyncio
from collections.abc import Callable

import msgspec
from fastapi import FastAPI, Request, Response

from kingpost.access import Principal
from kingpost.decisions import Engine
from kingpost.serving.errors import DecisionNotFound, NotConfigured, RecordNotFound
from kingpost.serving.http import BodyReader, check_media_type
from kingpost.serving.parameters import read_body
from kingpost.serving.release_desk import ReleaseDesk
from kingpost.serving.release_documents import (
    ReleaseActionDocument,
    ReleaseDocument,
    ReleasedVersionDocument,
    ReleasesDocument,
    ReleaseValueDocument,
    TakenValueDocument,
    release_document,
)

__all__ = ["ReleaseRoutes"]

MAX_BODY_BYTES = 65_536
_HEADERS = {"content-type": "application/json", "cache-control": "no-store"}
_encode = msgspec.json.Encoder().encode


class ReleaseRoutes:
    """Adds the routes to an application.

    Args:
        desk: None where releases are not configured.
        let_in: Says who asks.
    """

    def __init__(
        self,
        engine: Engine,
        desk: ReleaseDesk | None,
        let_in: Callable[[Request], Principal],
        bodies: BodyReader,
    ) -> None:
        self._engine, self._desk = engine, desk
        self._let_in, self._bodies = let_in, bodies

    def add_to(self, api: FastAPI) -> None:
        """Add them."""
        api.get("/v1/releases")(self.list)
        api.post("/v1/releases/{decision}")(self.act)
        api.post("/v1/releases/{decision}/values")(self.take_value)

    async def list(self, request: Request) -> Response:
        """Answer with the releases of every decision."""
        self._let_in(request).require("records")
        desk = self._configured()
        names = list(self._engine.served)
        found = await asyncio.to_thread(lambda: [self._document(desk, name) for name in names])
        return _response(ReleasesDocument(found))

    async def act(self, request: Request, decision: str) -> Response:
        """Promote or roll back, and answer with what the releases are then."""
        principal = self._enter(request, decision)
        asked = read_body(await self._body(request), ReleaseActionDocument)
        desk = self._configured()
        by = principal.name or principal.id

        def step() -> ReleaseDocument:
            if asked.action == "promote":
                desk.releases.promote(decision, by=by, reason=asked.reason)
            else:
                desk.releases.roll_back(decision, to=asked.to, by=by, reason=asked.reason)
            return self._document(desk, decision)

        return _response(await asyncio.to_thread(step))

    async def take_value(self, request: Request, decision: str) -> Response:
        """Take note of what an answer was worth."""
        principal = self._enter(request, decision)
        asked = read_body(await self._body(request), ReleaseValueDocument)
        desk = self._configured()
        stored = self._engine.record(principal.tenant, asked.record)
        if stored is None or stored.record.decision != decision:
            raise RecordNotFound
        counts = desk.note_value(decision, stored.record.bundle, asked.value)
        return _response(TakenValueDocument(counts))

    async def _body(self, request: Request) -> bytes:
        headers: dict[bytes, bytes] = dict(request.scope["headers"])
        check_media_type(headers, b"application/json")
        return await self._bodies.read(headers, request.receive, MAX_BODY_BYTES)

    def _enter(self, request: Request, decision: str) -> Principal:
        principal = self._let_in(request)
        principal.require("release")
        if decision not in self._engine.served:
            raise DecisionNotFound
        return principal

    def _configured(self) -> ReleaseDesk:
        if self._desk is None:
            raise NotConfigured("releases")
        return self._desk

    def _document(self, desk: ReleaseDesk, decision: str) -> ReleaseDocument:
        versions = [
            ReleasedVersionDocument(one.role, one.bundle, one.counts.requests, one.counts.failures)
            for one in desk.versions()
            if one.decision == decision
        ]
        refused = desk.problems().get(decision, "")
        problem = f"the champion {refused} cannot be run here" if refused else ""
        state = desk.releases.control.releases(decision)
        return release_document(decision, state, versions, problem)


def _response(document: msgspec.Struct) -> Response:
    return Response(_encode(document), headers=_HEADERS)
