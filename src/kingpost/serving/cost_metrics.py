"""What decisions cost in this month, as metrics, read from what the observer counted.

The rule: scrapes cannot load the database, however often they come: it is read every ten
seconds at most, in a thread, and what is read in between is what was read last.
"""

import logging
from collections.abc import Callable, Iterator

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from starlette.concurrency import run_in_threadpool

from kingpost.core import Clock, KingpostError
from kingpost.monitoring import ATTO, CostMonth, CostPlan, CostStore, cost_month

__all__ = ["CostFigures"]

_REST_NS = 10_000_000_000
_log = logging.getLogger(__name__)


class CostFigures:
    """The costs of all tenants for the metrics; nothing while the database cannot be read.

    Args:
        store: Opens what was counted; called in a thread.
    """

    def __init__(self, plan: CostPlan, store: Callable[[], CostStore], clock: Clock) -> None:
        self._plan, self._store, self._clock = plan, store, clock
        self._latest: CostMonth | None = None
        self._due_ns = clock.monotonic_ns()

    async def refresh(self) -> None:
        """Read, if it is time; a caller that comes meanwhile does not wait."""
        now_ns = self._clock.monotonic_ns()
        if now_ns < self._due_ns:
            return
        self._due_ns = now_ns + _REST_NS
        try:
            self._latest = await run_in_threadpool(self._read)
        except KingpostError as error:
            self._latest = None
            _log.warning("costs_not_read", extra={"reason": error.code})

    def _read(self) -> CostMonth:
        return cost_month(self._plan, self._store(), self._clock.now_us())

    def collect(self) -> Iterator[Metric]:
        """Yield the metric families of costs."""
        spent = GaugeMetricFamily(
            "kingpost_cost_month",
            "What was spent in this calendar month, UTC, in the currency",
            labels=("decision", "team", "product", "resource", "currency"),
        )
        budgets = GaugeMetricFamily(
            "kingpost_cost_budget_spent_ratio",
            "The share of a cost budget that is spent in this calendar month",
            labels=("budget",),
        )
        latest = self._latest
        if latest is not None:
            for (decision, resource), amount in sorted(latest.amounts.items()):
                team, product = self._plan.owner(decision)
                labels = (decision, team, product, resource, self._plan.currency)
                spent.add_metric(labels, amount / ATTO)
            for standing in latest.budgets:
                budgets.add_metric((standing.budget.name,), standing.share)
        yield from (spent, budgets)
