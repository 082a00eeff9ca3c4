"""Everything beside the hot path: events, records, people, what runs, health, metrics, docs.

A FastAPI application. Its routes are thin: who asks is found first, then the work is done
by the module that owns it. Errors of any kind leave as problem documents.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from fastapi import FastAPI, Request, Response
from starlette.convertors import Convertor, register_url_convertor
from starlette.exceptions import HTTPException

from kingpost.access import KeyRing, Principal
from kingpost.core import Clock, KingpostError
from kingpost.proofs import PublishedLog
from kingpost.serving.decisions_list import render_decisions
from kingpost.serving.docs_page import docs_file
from kingpost.serving.erasure_routes import ErasureRoutes
from kingpost.serving.errors import (
    DecisionNotFound,
    InternalError,
    MethodNotAllowed,
    RecordNotFound,
    RouteNotFound,
)
from kingpost.serving.events_route import EventsRoute
from kingpost.serving.exposures import Exposures
from kingpost.serving.feature_routes import FeatureRoutes
from kingpost.serving.health import Health
from kingpost.serving.hold_routes import HoldRoutes
from kingpost.serving.http import BodyReader, HttpAnswer
from kingpost.serving.incident_routes import IncidentRoutes
from kingpost.serving.job_desk import JobDesk
from kingpost.serving.job_routes import JobRoutes
from kingpost.serving.log_routes import LogRoutes
from kingpost.serving.metrics import MEDIA_TYPE, Metrics
from kingpost.serving.openapi import describe_api
from kingpost.serving.problems import problem_answer
from kingpost.serving.release_desk import ReleaseDesk
from kingpost.serving.release_routes import ReleaseRoutes
from kingpost.serving.rendering import render_record
from kingpost.serving.review_desk import ReviewDesk
from kingpost.serving.review_routes import ReviewRoutes
from kingpost.serving.shell import Shell
from kingpost.serving.workflow_desk import WorkflowDesk
from kingpost.serving.workflow_routes import WorkflowRoutes

__all__ = ["LIMIT_FIELDS", "TRACE_ID", "FeatureNames", "control_plane"]

TRACE_ID = "kingpost_trace_id"
"""Where the scope of a request has its trace id."""

LIMIT_FIELDS = "kingpost_limit_fields"
"""Where it has the header fields that tell what its principal has left, if anything."""

FeatureNames = Callable[[str, bytes], Sequence[str] | None]
"""Finds the feature names of a decision's bundle by its digest; None when it is unknown."""

_JSON = (b"content-type", b"application/json")
_PRIVATE = (b"cache-control", b"no-store")
Handler = Callable[[Request], Awaitable[Response]]


class _AnyText(Convertor[str]):
    """The rest of a path, also with slashes and line breaks: a key may be any text."""

    regex = "(?s:.*)"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


def control_plane(
    shell: Shell,
    keys: KeyRing,
    events: EventsRoute,
    health: Health,
    metrics: Metrics,
    feature_names: FeatureNames,
    desk: ReviewDesk | None,
    workflows: WorkflowDesk | None,
    releases: ReleaseDesk | None,
    bodies: BodyReader,
    clock: Clock,
    *,
    exposures: Exposures,
    jobs: JobDesk | None = None,
    logs: Mapping[str, PublishedLog],
    max_body_bytes: int,
) -> FastAPI:
    """Build the application."""
    engine = shell.engine
    register_url_convertor("any_text", _AnyText())
    api = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    api.add_exception_handler(KingpostError, _answer_problem)
    api.add_exception_handler(HTTPException, _answer_http_error)
    api.add_exception_handler(Exception, _answer_unexpected)
    described = describe_api(
        engine.application, engine.served, webhooks=() if jobs is None else jobs.webhooks
    )

    def let_in(request: Request, *, rows: int = 0, cost: float = 0) -> Principal:
        principal = keys.check(dict(request.scope["headers"]).get(b"authorization"))
        if principal.limits is not None:
            request.scope[LIMIT_FIELDS] = keys.charge(principal, rows=rows, cost=cost)
        return principal

    @api.post("/v1/decisions/{name}")
    async def decide_unknown(request: Request) -> Response:  # the known ones never come here
        let_in(request)
        raise DecisionNotFound

    @api.get("/v1/decisions")
    async def list_decisions(request: Request) -> Response:
        let_in(request)
        return _response(HttpAnswer(200, (_JSON,), render_decisions(engine.served)))

    @api.post("/v1/events/{stream}")
    async def take_events(request: Request, stream: str) -> Response:
        principal = let_in(request)
        principal.require("ingest")
        headers: dict[bytes, bytes] = dict(request.scope["headers"])
        return _response(await events.take(principal, stream, headers, request.receive))

    @api.api_route("/v1/events/{stream}/{key:any_text}", methods=["PUT", "DELETE"])
    async def change_event(request: Request, stream: str, key: str) -> Response:
        principal = let_in(request)
        principal.require("ingest")
        if request.method == "DELETE":
            return _response(await events.retract(principal, stream, key))
        headers: dict[bytes, bytes] = dict(request.scope["headers"])
        return _response(await events.correct(principal, stream, key, headers, request.receive))

    erasures = ErasureRoutes(shell, let_in, bodies)
    erasures.add_to(api)
    HoldRoutes(shell, let_in, bodies, erasures.check).add_to(api)
    review = ReviewRoutes(engine, desk, let_in, bodies, clock, exposures)
    review.add_to(api)
    IncidentRoutes(desk, let_in, bodies, exposures).add_to(api)
    sources = None if desk is None else desk.sources
    FeatureRoutes(engine.served, sources, let_in, clock).add_to(api)
    ReleaseRoutes(engine, releases, let_in, bodies).add_to(api)
    WorkflowRoutes(workflows, let_in, bodies, clock).add_to(api)
    LogRoutes(logs, let_in).add_to(api)
    JobRoutes(jobs, let_in, bodies, health, max_body_bytes).add_to(api)

    @api.get("/v1/records/{identifier}")
    async def read_record(request: Request, identifier: str) -> Response:
        principal = let_in(request)
        principal.require("records")
        stored = engine.record(principal.tenant, identifier)
        if stored is None:
            raise RecordNotFound
        record = stored.record
        names = feature_names(record.decision, record.bundle)
        body = engine.request_of(record)
        line = await review.line_of(record.tenant, record.id)
        exposure = exposures.of(principal, record.decision)
        rendered = render_record(record, names, body, line, exposure)
        return _response(HttpAnswer(200, (_JSON, _PRIVATE), rendered))

    @api.get("/metrics")
    async def scrape(request: Request) -> Response:
        let_in(request).require("metrics")
        await metrics.prepare()
        return _response(
            HttpAnswer(200, ((b"content-type", MEDIA_TYPE.encode()),), metrics.render())
        )

    @api.get("/health/live")
    async def live() -> Response:
        return _response(health.live())

    @api.get("/health/ready")
    async def ready() -> Response:
        return _response(health.ready())

    @api.get("/openapi.json")
    async def describe() -> Response:
        return _response(HttpAnswer(200, (_JSON,), described))

    @api.get("/docs")
    async def docs() -> Response:
        return _response(docs_file("docs.html"))

    @api.get("/docs/{name}")
    async def docs_part(name: str) -> Response:
        return _response(docs_file(name))

    return api


async def _answer_problem(request: Request, error: Exception) -> Response:
    return _response(problem_answer(error, request.scope[TRACE_ID]))


async def _answer_http_error(request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException) and error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        return await _answer_problem(request, MethodNotAllowed(allowed))
    return await _answer_problem(request, RouteNotFound())


async def _answer_unexpected(request: Request, error: Exception) -> Response:
    return await _answer_problem(request, InternalError())  # the framework raises it once more


def _response(answer: HttpAnswer) -> Response:
    response = Response(answer.body, answer.status)
    response.raw_headers.extend(answer.headers)
    return response
