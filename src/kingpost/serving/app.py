"""The API as one ASGI application: the hot path in front, all else behind it.

    app = build_app(engine, keys, ServingSettings(), SystemClock())

A test of the path comes first; only what is no decision reaches the framework. The
application owns the engine from here on: when the server has finished what was in flight,
it is closed.
"""

import asyncio
import logging
from collections.abc import Mapping, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.types import ASGIApp

from kingpost.access import KeyRing
from kingpost.core import Clock, KingpostError
from kingpost.decisions import Engine, ServedDecision
from kingpost.journal import Entry
from kingpost.proofs import PublishedLog
from kingpost.serving.control_plane import LIMIT_FIELDS, TRACE_ID, FeatureNames, control_plane
from kingpost.serving.decision_route import DecisionRoute
from kingpost.serving.events_route import EventsRoute
from kingpost.serving.exposures import Exposures
from kingpost.serving.extraction import ExtractionGuard, SuspicionDocument
from kingpost.serving.extraction_store import ExtractionStore, MemoryExtraction, Who
from kingpost.serving.fast_lane import FastRoute
from kingpost.serving.grpc import Method, health_methods
from kingpost.serving.health import Health
from kingpost.serving.http import BodyReader, Disconnected, Receive, Scope, Send, trace_id_of
from kingpost.serving.job_desk import JobDesk, JobSetup
from kingpost.serving.metrics import Metrics
from kingpost.serving.oip import INFERENCE_SERVICE, GrpcMethods, Inference, ModelPaths
from kingpost.serving.query_patterns import Found
from kingpost.serving.release_desk import ReleaseDesk
from kingpost.serving.review_desk import ReviewDesk
from kingpost.serving.review_sources import ReviewSources
from kingpost.serving.seen import RequestWatch
from kingpost.serving.settings import ServingSettings
from kingpost.serving.shell import Shell
from kingpost.serving.stream_desk import StreamDesk, StreamSetup
from kingpost.serving.workflow_counts import WorkflowCounts
from kingpost.serving.workflow_desk import WorkflowDesk

if TYPE_CHECKING:
    from kingpost.workflows import Workflows

__all__ = ["ServingApp", "build_app"]

_log = logging.getLogger(__name__)
_UNSEEN = ("/health/", "/metrics")
"""Paths of machines that ask all the time."""
_API = ("/v1/", "/health/", "/metrics", "/openapi.json", "/docs")


class ServingApp:
    """An ASGI 3 application; made by `build_app`.

    Attributes:
        engine: What it serves.
        inference: Its decisions and models, for the inference protocols.
        keys: What lets requests in.
        desk: What people may do; None without sources.
        workflows: What may be done with workflows; None where there are none.
        jobs: What may be done with jobs; None where they are not configured.
    """

    def __init__(
        self,
        engine: Engine,
        keys: KeyRing,
        settings: ServingSettings,
        clock: Clock,
        feature_names: FeatureNames,
        sources: ReviewSources | None,
        workflows: "Workflows | None",
        jobs: JobSetup | None,
        extraction: ExtractionStore,
        releases: ReleaseDesk | None,
        watch: RequestWatch | None,
        logs: Mapping[str, PublishedLog],
        streams: StreamSetup | None,
    ) -> None:
        self._watch, self._clock = watch, clock
        self.metrics = Metrics(engine.served)
        self.engine, self.keys = engine, keys
        self._shell = Shell(engine, clock, self.metrics, max_batch=settings.max_batch)
        self.metrics.watch(
            engine.events_held, lambda: self._shell.failure, lambda: engine.features_problem
        )
        self.metrics.watch_caches(engine.score_caches)
        self.metrics.watch_samples(() if watch is None else watch.samples)
        bodies = BodyReader(clock, settings.body_timeout_s)
        self._health = Health(self._shell)
        events = EventsRoute(
            engine.application.streams, self._shell, bodies, self.metrics, settings, keys
        )
        self.desk = None if sources is None else ReviewDesk(self._shell, sources, clock)
        self.workflows = None if workflows is None else WorkflowDesk(workflows, clock)
        if self.workflows is not None:
            self.metrics.watch_workflows(WorkflowCounts(self.workflows.counts, clock))
        self._suspicions: set[asyncio.Task[None]] = set()
        guards = {
            name: guard
            for name, one in engine.served.items()
            if (guard := self._guard(one, extraction, clock)) is not None
        }
        self.jobs = (
            None if jobs is None else JobDesk(self._shell, self.metrics, jobs, clock, guards)
        )
        if self.jobs is not None:
            self.metrics.watch_jobs(self.jobs.collect)
        self.streams = None if streams is None else StreamDesk(self._shell, self.metrics, streams)
        if self.streams is not None:
            self.metrics.watch_streams(self.streams.collect)
        self._control = control_plane(
            self._shell,
            keys,
            events,
            self._health,
            self.metrics,
            feature_names,
            self.desk,
            self.workflows,
            releases,
            bodies,
            clock,
            jobs=self.jobs,
            logs=logs,
            max_body_bytes=settings.max_body_bytes,
            exposures=Exposures(engine.served),
        )
        self._releases = releases
        if releases is not None:
            self.metrics.watch_releases(releases.versions, releases.problems)
        self._pages: ASGIApp | None = None
        self._decisions = {
            f"/v1/decisions/{name}": DecisionRoute(
                served,
                self._shell,
                keys,
                bodies,
                self.metrics,
                clock,
                settings,
                guards.get(name),
                watch,
            )
            for name, served in engine.served.items()
        }
        self.inference = Inference(
            engine.served, self._shell, self._health, keys, self.metrics, clock, settings, guards
        )
        self._models = ModelPaths(self.inference, bodies, settings, watch)

    @property
    def fast_routes(self) -> Mapping[bytes, FastRoute]:
        """What a server of ours may answer without ASGI, by path."""
        routes: dict[bytes, FastRoute] = {**self._models.fast_routes()}
        routes.update({path.encode(): route for path, route in self._decisions.items()})
        return routes

    @property
    def grpc_methods(self) -> Mapping[bytes, Method]:
        """What is served over gRPC, by the paths of the methods."""
        inference = self.inference
        return {
            **health_methods(lambda: inference.not_ready() is None, [INFERENCE_SERVICE]),
            **GrpcMethods(inference).methods,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the life of the application."""
        if scope["type"] == "http":
            route = self._decisions.get(scope["path"])
            if route is not None and scope["method"] == "POST":
                await route(scope, receive, send)
            elif self._models.has(scope["path"]):
                await self._models(scope, receive, send)
            else:
                await self._serve_other(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)

    def mount(self, pages: ASGIApp) -> None:
        """Let an application of pages answer every path that is not the API's."""
        self._pages = pages

    def lighten(self) -> None:
        """Read in the newest snapshot what memory holds now; see `Shell.lighten`."""
        self._shell.lighten()

    def begin_drain(self) -> None:
        """Say from now on that requests should go elsewhere; those that come are answered."""
        self._health.is_draining = True

    async def drain(self) -> None:
        """Finish what is in flight, then close."""
        self.begin_drain()
        if self.streams is not None:
            await self.streams.stop()
        if self.jobs is not None:
            await self.jobs.stop()
        await self._shell.idle()
        self.close()

    def close(self) -> None:
        """Close the engine: what was handed over becomes durable; closing twice is fine."""
        if self.jobs is not None:
            self.jobs.close()
        if self._releases is not None:
            self._releases.close()
        self.engine.close()
        if self.workflows is not None:
            self.workflows.close()
        if self._watch is not None:
            self._watch.close()

    def _guard(
        self, served: ServedDecision, store: ExtractionStore, clock: Clock
    ) -> ExtractionGuard | None:
        exposure = served.decision.exposure
        if exposure is None or exposure.budget is None:
            return None
        stream = served.decision.request.name

        def holds(tenant: str, value: object) -> bool | None:
            return self.engine.holds(tenant, stream, exposure.entity, value)

        return ExtractionGuard(served, exposure, store, clock, holds, self._suspect)

    def _suspect(self, who: Who, found: Found, at_us: int) -> None:
        """Write down who is suspected, for the observer to open an incident."""
        document = SuspicionDocument(who.principal, found.pattern, found.fact, at_us)
        body = msgspec.json.encode(document)
        entry = Entry("suspicion", who.tenant, who.decision, body)
        task = asyncio.get_running_loop().create_task(self._append(entry))
        self._suspicions.add(task)
        task.add_done_callback(self._suspicions.discard)

    async def _append(self, entry: Entry) -> None:
        try:
            await self._shell.append([entry])
        except KingpostError:  # the caller is suspected all the same, and the log says so
            _log.exception("suspicion_not_written")

    def _swap(self, decision: str, champion: ServedDecision) -> None:
        self.metrics.swap(decision, champion)
        self.inference.swap(decision, champion)

    async def _serve_other(self, scope: Scope, receive: Receive, send: Send) -> None:
        trace_id = trace_id_of(dict(scope["headers"]).get(b"traceparent"))
        scope[TRACE_ID] = trace_id
        arrived_ns, status = self._clock.monotonic_ns(), 0

        async def send_limited(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                fields = scope.get(LIMIT_FIELDS)
                if fields:
                    message["headers"] = [*message["headers"], *fields]
            await send(message)

        try:
            if self._pages is None or scope["path"].startswith(_API):
                await self._control(scope, receive, send_limited)
            else:
                await self._pages(scope, receive, send)
        except Disconnected:
            return
        except Exception:  # noqa: BLE001  answered already; here it is only logged
            _log.exception("unexpected_error", extra={"trace_id": trace_id})
        if self._watch is not None and status and not scope["path"].startswith(_UNSEEN):
            self._watch.note(
                scope["method"],
                getattr(scope.get("route"), "path", ""),
                dict(scope["headers"]),
                trace_id,
                status=status,
                code="",
                arrived_ns=arrived_ns,
                settled_ns=self._clock.monotonic_ns(),
            )

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._shell.start()
                if self.jobs is not None:
                    self.jobs.start()
                if self.streams is not None:
                    self.streams.start()
                if self._releases is not None:
                    self._releases.begin(self._shell, self._swap)
                await send({"type": "lifespan.startup.complete"})
            else:
                await self.drain()
                await send({"type": "lifespan.shutdown.complete"})
                return


def build_app(
    engine: Engine,
    keys: KeyRing,
    settings: ServingSettings,
    clock: Clock,
    *,
    feature_names: FeatureNames | None = None,
    sources: ReviewSources | None = None,
    workflows: "Workflows | None" = None,
    jobs: JobSetup | None = None,
    extraction: ExtractionStore | None = None,
    releases: ReleaseDesk | None = None,
    watch: RequestWatch | None = None,
    logs: Mapping[str, PublishedLog] | None = None,
    streams: StreamSetup | None = None,
) -> ServingApp:
    """Build the API of an engine.

    Args:
        feature_names: Finds the feature names of an earlier bundle, for the records it
            made; without it only those of the bundles that run now are known.
        sources: The inbox, the search and the monitors; without them their routes answer
            that they are not configured, and records stand without reviews and labels.
        workflows: Those of all tenants, closed with the engine; without them their routes
            answer that they are not configured.
        jobs: What they stand on, closed with the engine; without it their routes answer that
            they are not configured.
        extraction: Where it is kept how many answers callers collected; without it that is
            forgotten at the end.
        releases: The releases of the decisions, closed with the engine; without them what runs
            stays as it is.
        watch: What looks on while requests are answered, closed with the engine.
        logs: What is published of the logs, by name; without it there are none.
        streams: Those that this server carries; without it none.
    """

    def names_of(decision: str, bundle: bytes) -> Sequence[str] | None:
        served = engine.served.get(decision)
        if served is not None and served.bundle == bundle:
            return served.decision.features.names
        return None if feature_names is None else feature_names(decision, bundle)

    kept = MemoryExtraction() if extraction is None else extraction
    return ServingApp(
        engine, keys, settings, clock, names_of, sources, workflows, jobs, kept, releases, watch,
        logs or {}, streams,
    )  # fmt: skip
