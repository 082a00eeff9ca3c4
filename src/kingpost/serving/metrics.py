"""What the API counts, for Prometheus.

Counting is on the request path, so it is plain Python numbers, looked up once per label
set; they become metric families only when somebody scrapes. One loop's thread counts and
scrapes, so there are no locks.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from typing import Final

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from starlette.concurrency import run_in_threadpool

from kingpost.core import KingpostError
from kingpost.decisions import ServedDecision
from kingpost.models import ScoreCache
from kingpost.records import DecisionRecord
from kingpost.serving.cache_metrics import collect_caches
from kingpost.serving.cost_metrics import CostFigures
from kingpost.serving.release_metrics import Version, collect_releases
from kingpost.serving.seen import Sample
from kingpost.serving.workflow_counts import WorkflowCounts

__all__ = ["MEDIA_TYPE", "DecisionMetrics", "Histogram", "Metrics"]

MEDIA_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4

_SECONDS = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
)  # fmt: skip
_STAGE_SECONDS = (
    0.000005, 0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01,
    0.025, 0.05, 0.1, 0.25, 1.0,
)  # fmt: skip
_REQUESTS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)


class Histogram:
    """How many values fell below each of some bounds."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float, times: int = 1) -> None:
        """Count a value."""
        self._counts[bisect_left(self._bounds, value)] += times
        self._sum += value * times

    def observe_all(self, values: Sequence[float]) -> None:
        """Count some values."""
        counts = self._counts
        for place in map(bisect_left, repeat(self._bounds), values):
            counts[place] += 1
        self._sum += sum(values)

    def buckets(self) -> tuple[list[tuple[str, float]], float]:
        """Return the count of values up to each bound, and the sum of all values."""
        found: list[tuple[str, float]] = []
        total = 0
        for bound, count in zip((*map(repr, self._bounds), "+Inf"), self._counts, strict=True):
            total += count
            found.append((bound, total))
        return found, self._sum


class DecisionMetrics:
    """The counts of one decision."""

    def __init__(self, served: ServedDecision) -> None:
        self.bundle, self.model = served.bundle.hex(), served.model.hex()
        self.seconds = Histogram(_SECONDS)
        self.stages = {
            name: Histogram(_STAGE_SECONDS) for name in ("queue", "features", "model", "journal")
        }
        self.outcomes: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.over_budget = {"features": 0, "model": 0}
        budget = served.decision.budget
        self._features_us, self._model_us = budget.features_us, budget.model_us

    def count(self, outcome: str, code: str) -> None:
        """Count a request by its record's outcome and the code it was answered with."""
        self.outcomes[outcome, code] += 1

    def note(self, outcome: str, code: str, seconds: float) -> None:
        """Count a request that was answered, so long after it arrived."""
        self.outcomes[outcome, code] += 1
        self.seconds.observe(seconds)

    def note_batch(self, records: Sequence[DecisionRecord], journal_s: float) -> None:
        """Take the times of a batch's records; all but the queue are shared evenly."""
        self.stages["queue"].observe_all([record.stages.queue_us / 1e6 for record in records])
        times, first = len(records), records[0].stages
        self.stages["features"].observe(first.features_us / 1e6, times)
        self.stages["model"].observe(first.model_us / 1e6, times)
        self.stages["journal"].observe(journal_s, times)
        if self._features_us is not None and first.features_us > self._features_us:
            self.over_budget["features"] += times
        if self._model_us is not None and first.model_us > self._model_us:
            self.over_budget["model"] += times


class Metrics(Collector):
    """Every count of one server.

    Attributes:
        by_decision: Counts of each decision served.
        batch_sizes: Requests decided together.
        group_seconds: From handing a group to the journal to hearing that it is durable.
        waiting: Requests in the house now.
    """

    def __init__(self, served: Mapping[str, ServedDecision]) -> None:
        self.by_decision = {name: DecisionMetrics(one) for name, one in served.items()}
        self.batch_sizes = Histogram(_REQUESTS)
        self.group_seconds = Histogram(_SECONDS)
        self.waiting = 0
        self._events: dict[tuple[str, str], int] = {}
        self._inferences: dict[tuple[str, str], tuple[int, int]] = {}
        self._events_held: Callable[[], Mapping[str, int]] = dict
        self._failure: Callable[[], KingpostError | None] = lambda: None
        self._features_problem: Callable[[], KingpostError | None] = lambda: None
        self._workflows: WorkflowCounts | None = None
        self._costs: CostFigures | None = None
        self._caches: Mapping[str, ScoreCache] = {}
        self._samples: Sequence[Sample] = ()
        self._http_workers: Callable[[], int] | None = None
        self._jobs: Callable[[], Iterator[Metric]] | None = None
        self._streams: Callable[[], Iterator[Metric]] | None = None
        self._slos: Callable[[], Iterator[Metric]] | None = None
        self._slo_metrics: Sequence[Metric] = ()
        self._releases: (
            tuple[Callable[[], Iterable[Version]], Callable[[], Mapping[str, str]]] | None
        ) = None
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)

    def watch(
        self,
        events_held: Callable[[], Mapping[str, int]],
        failure: Callable[[], KingpostError | None],
        features_problem: Callable[[], KingpostError | None],
    ) -> None:
        """Say where to ask for what is known elsewhere, at each scrape."""
        self._events_held, self._failure = events_held, failure
        self._features_problem = features_problem

    def watch_workflows(self, counts: WorkflowCounts) -> None:
        """Say where to ask how many workflows there are."""
        self._workflows = counts

    def watch_costs(self, costs: CostFigures) -> None:
        """Say where to ask what was spent in this month."""
        self._costs = costs

    def watch_jobs(self, collect: Callable[[], Iterator[Metric]]) -> None:
        """Say where to ask what is counted of jobs."""
        self._jobs = collect

    def watch_streams(self, collect: Callable[[], Iterator[Metric]]) -> None:
        """Say where to ask what is counted of streams."""
        self._streams = collect

    def watch_slos(self, collect: Callable[[], Iterator[Metric]]) -> None:
        """Say where to ask how objectives stand, in any thread."""
        self._slos = collect

    def watch_caches(self, caches: Mapping[str, ScoreCache]) -> None:
        """Say which scores are kept."""
        self._caches = caches

    def watch_samples(self, samples: Sequence[Sample]) -> None:
        """Say who is told of a share of the requests."""
        self._samples = samples

    def watch_http_workers(self, listening: Callable[[], int]) -> None:
        """Count the processes that share the port."""
        self._http_workers = listening

    def watch_releases(
        self,
        versions: Callable[[], Iterable[Version]],
        problems: Callable[[], Mapping[str, str]],
    ) -> None:
        """Say where to ask what the bundles of releases have done."""
        self._releases = versions, problems

    def swap(self, decision: str, champion: ServedDecision) -> None:
        """Name the bundle that answers from now on."""
        counts = self.by_decision[decision]
        counts.bundle, counts.model = champion.bundle.hex(), champion.model.hex()

    async def prepare(self) -> None:
        """Ask for what takes a database, before a scrape."""
        if self._workflows is not None:
            await self._workflows.refresh()
        if self._costs is not None:
            await self._costs.refresh()
        slos = self._slos
        if slos is not None:
            self._slo_metrics = await run_in_threadpool(lambda: list(slos()))

    def count_events(self, stream: str, verdict: str, number: int) -> None:
        """Count events that came without a request for a decision."""
        if number:
            self._events[stream, verdict] = self._events.get((stream, verdict), 0) + number

    def count_inference(self, model: str, code: str, rows: int) -> None:
        """Count a request to a model that is asked without its decision."""
        requests, before = self._inferences.get((model, code), (0, 0))
        self._inferences[model, code] = requests + 1, before + rows

    def render(self) -> bytes:
        """Write everything in Prometheus' text format."""
        return generate_latest(self._registry)

    def describe(self) -> Iterable[Metric]:
        """Name nothing in advance: the registry need not scrape to register this."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield every metric family, as the registry asks for them."""
        yield from self._collect_decisions()
        yield from self._collect_server()
        yield from collect_caches(self._caches)
        if self._samples:
            yield self._collect_samples()
        if self._releases is not None:
            yield from collect_releases(*self._releases)
        if self._workflows is not None:
            yield self._collect_workflows(self._workflows)
        if self._jobs is not None:
            yield from self._jobs()
        if self._streams is not None:
            yield from self._streams()
        if self._costs is not None:
            yield from self._costs.collect()
        yield from self._slo_metrics

    def _collect_decisions(self) -> Iterator[Metric]:
        requests = CounterMetricFamily(
            "kingpost_requests",
            "Requests for decisions, by the outcome on record and the code answered",
            labels=("decision", "outcome", "code"),
        )
        seconds = HistogramMetricFamily(
            "kingpost_request_seconds",
            "From the request's head to its answer, every request",
            labels=("decision",),
        )
        stages = HistogramMetricFamily(
            "kingpost_stage_seconds",
            "Time per request and stage; a batch shares its time evenly, but for the queue",
            labels=("decision", "stage"),
        )
        over = CounterMetricFamily(
            "kingpost_over_budget",
            "Requests whose stage took longer than its share of the budget",
            labels=("decision", "stage"),
        )
        info = GaugeMetricFamily(
            "kingpost_bundle_info",
            "The bundle and the model that answer, always 1",
            labels=("decision", "bundle", "model"),
        )
        for name, one in self.by_decision.items():
            for (outcome, code), number in one.outcomes.items():
                requests.add_metric((name, outcome, code), number)
            _add(seconds, (name,), one.seconds)
            for stage, histogram in one.stages.items():
                _add(stages, (name, stage), histogram)
            for stage, number in one.over_budget.items():
                over.add_metric((name, stage), number)
            info.add_metric((name, one.bundle, one.model), 1)
        yield from (requests, seconds, stages, over, info)

    def _collect_server(self) -> Iterator[Metric]:
        batches = HistogramMetricFamily("kingpost_batch_requests", "Requests decided together")
        _add(batches, (), self.batch_sizes)
        groups = HistogramMetricFamily(
            "kingpost_journal_group_seconds", "From handing over a group until it is durable"
        )
        _add(groups, (), self.group_seconds)
        events = CounterMetricFamily(
            "kingpost_events",
            "Events taken, by verdict: accepted, duplicate or rejected; corrected, retracted, held "
            "or unchanged",
            labels=("stream", "verdict"),
        )
        for key, number in self._events.items():
            events.add_metric(key, number)
        held = GaugeMetricFamily(
            "kingpost_events_held", "Events that count, over all tenants", labels=("stream",)
        )
        for stream, number in self._events_held().items():
            held.add_metric((stream,), number)
        yield from self._collect_inferences()
        failed = 0 if self._failure() is None else 1
        yield from (batches, groups, events, held)
        yield GaugeMetricFamily("kingpost_waiting_requests", "Requests in the house", self.waiting)
        yield GaugeMetricFamily("kingpost_stopped", "1 after a failure that ends all work", failed)
        yield GaugeMetricFamily(
            "kingpost_features_unavailable",
            "1 while the online store cannot give features",
            0 if self._features_problem() is None else 1,
        )
        if self._http_workers is not None:
            yield GaugeMetricFamily(
                "kingpost_http_workers", "Processes that share the port", self._http_workers()
            )

    def _collect_inferences(self) -> Iterator[Metric]:
        requests = CounterMetricFamily(
            "kingpost_inferences",
            "Requests to a model without its decision, by the code answered",
            labels=("model", "code"),
        )
        rows = CounterMetricFamily(
            "kingpost_inference_rows", "Rows that they held", labels=("model", "code")
        )
        for key, (number, held) in self._inferences.items():
            requests.add_metric(key, number)
            rows.add_metric(key, held)
        yield from (requests, rows)

    def _collect_samples(self) -> Metric:
        requests = CounterMetricFamily(
            "kingpost_sampled_requests",
            "Requests of a sample: told, told to nobody who heard, or dropped for want of room",
            labels=("sample", "result"),
        )
        for one in self._samples:
            for result in ("told", "failed", "dropped"):
                requests.add_metric((one.name, result), getattr(one.counts, result))
        return requests

    def _collect_workflows(self, counts: WorkflowCounts) -> Metric:
        active = GaugeMetricFamily(
            "kingpost_workflows",
            "Workflows that have not ended, over all tenants",
            labels=("workflow", "state"),
        )
        for key, number in counts.latest.items():
            active.add_metric(key, number)
        return active


def _add(family: HistogramMetricFamily, labels: Sequence[str], histogram: Histogram) -> None:
    buckets, total = histogram.buckets()
    family.add_metric(labels, buckets=buckets, sum_value=total)
