"""What the bundles of releases have done, as metrics: a champion and one beside it per decision."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
    SummaryMetricFamily,
)

from kingpost.decisions import VersionCounts
from kingpost.records import Role

__all__ = ["Version", "collect_releases"]

_LABELS = ("decision", "role", "bundle")


class Version(NamedTuple):
    """A bundle of a release that goes on, and what it has done in this process."""

    decision: str
    role: Role
    bundle: str
    counts: VersionCounts


def collect_releases(
    versions: Callable[[], Iterable[Version]], problems: Callable[[], Mapping[str, str]]
) -> Iterator[Metric]:
    """Yield the metric families of releases."""
    requests = CounterMetricFamily(
        "kingpost_release_requests", "Requests decided while a release goes on", labels=_LABELS
    )
    failures = CounterMetricFamily(
        "kingpost_release_failures", "Requests of these that failed", labels=_LABELS
    )
    dropped = CounterMetricFamily(
        "kingpost_release_dropped", "Requests that a shadow had no time for", labels=_LABELS
    )
    calls = SummaryMetricFamily(
        "kingpost_release_model_seconds", "Calls of the bundle's model", labels=_LABELS
    )
    for name, role, bundle, counts in versions():
        labels = (name, role.value, bundle[:12])
        requests.add_metric(labels, counts.requests)
        failures.add_metric(labels, counts.failures)
        dropped.add_metric(labels, counts.dropped)
        calls.add_metric(labels, counts.calls, counts.calls_us / 1e6)
    refused = GaugeMetricFamily(
        "kingpost_champion_refused",
        "1 while this process cannot run the champion and runs what it ran before",
        labels=("decision",),
    )
    for name in problems():
        refused.add_metric((name,), 1)
    yield from (requests, failures, dropped, calls, refused)
