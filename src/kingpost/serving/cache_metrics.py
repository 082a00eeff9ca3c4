"""What the caches of scores have done, as metrics."""

from collections.abc import Iterator, Mapping

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from kingpost.models import ScoreCache

__all__ = ["collect_caches"]


def collect_caches(caches: Mapping[str, ScoreCache]) -> Iterator[Metric]:
    """Yield the metric families of caches, by decision; none where nothing is kept."""
    if not caches:
        return
    rows = CounterMetricFamily(
        "kingpost_score_cache_rows",
        "Rows, by where their score came from: hits, shared with an equal row, or misses",
        labels=("decision", "result"),
    )
    evictions = CounterMetricFamily(
        "kingpost_score_cache_evictions",
        "Scores that went, for room, age, or because their model went",
        labels=("decision", "reason"),
    )
    entries = GaugeMetricFamily(
        "kingpost_score_cache_entries", "Scores that are kept", labels=("decision",)
    )
    held = GaugeMetricFamily(
        "kingpost_score_cache_bytes", "About what they take", labels=("decision",)
    )
    for name, kept in caches.items():
        counts = kept.counts
        for result in ("hits", "shared", "misses"):
            rows.add_metric((name, result), getattr(counts, result))
        for reason in ("outgrown", "expired", "invalidated"):
            evictions.add_metric((name, reason), getattr(counts, reason))
        entries.add_metric((name,), len(kept))
        held.add_metric((name,), kept.held_bytes)
    yield from (rows, evictions, entries, held)
