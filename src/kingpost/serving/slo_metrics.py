"""What the metrics have of objectives."""

import logging
from collections.abc import Callable, Iterator, Sequence

from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from kingpost.monitoring import MonitorStoreFailed, NewerSummary, SloStatus

__all__ = ["collect_slos"]

_log = logging.getLogger(__name__)


def collect_slos(statuses: Callable[[], Sequence[SloStatus]]) -> Iterator[Metric]:
    """Yield the metrics; none while the observer's database cannot be read, which is logged.

    Args:
        statuses: Asked at each scrape.
    """
    try:
        found = statuses()
    except (MonitorStoreFailed, NewerSummary) as error:
        _log.warning("slo_unreadable", extra={"code": error.code, "reason": str(error)})
        return
    left = GaugeMetricFamily(
        "kingpost_slo_budget_left",
        "Share of an objective's error budget that is left; below 0 it is overspent",
        labels=("tenant", "decision", "objective"),
    )
    burn = GaugeMetricFamily(
        "kingpost_slo_burn_rate",
        "How many times too fast the error budget burns, over the longer window of a rule",
        labels=("tenant", "decision", "objective", "rule"),
    )
    for one in found:
        labels = (one.tenant, one.decision, one.objective.name)
        left.add_metric(labels, one.budget.left)
        for by in one.burns:
            burn.add_metric((*labels, by.rule.name), by.long)
    yield from (left, burn)
