"""The costs of all decisions, as the journal tells of them, and who is told of budgets.

The rule: at each of `ALERTS` one incident is opened for a budget and month, at the record that
brought it there. It is known by budget, amount, month and share, so that neither a restart
nor the journal read again opens it twice, and a budget that was raised is told of anew. It ends with its month.

Writing is done in `note` alone, for the transaction of the caller; when that fails, this
object is thrown away and made anew.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

from kingpost.monitoring.costs.amounts import ATTO, shown_amount
from kingpost.monitoring.costs.budget import ALERTS, CostBudget
from kingpost.monitoring.costs.plan import EPOCH, CostPlan, month_of, next_month
from kingpost.monitoring.costs.store import CostStore
from kingpost.monitoring.costs.usage import DAY_US, CostNews, Usage, UsagePlace, usage_of
from kingpost.monitoring.incident import RUNBOOKS, Incident, incident_id
from kingpost.monitoring.store import MonitorStore

__all__ = ["CostBook"]

_MOST_OPEN = 1_000
_MOST_FACTS = 5


@dataclass(frozen=True, slots=True)
class _Step:
    """What one thing in the journal cost."""

    offset: int
    at_us: int
    decision: str
    amount: int


class CostBook:
    """Counts costs and watches budgets. Calls may raise `MonitorStoreFailed`.

    Args:
        store: Where usage is added to.
        monitors: Where incidents are kept.
        tenant: Whose the incidents are: a budget pays for all tenants.
    """

    def __init__(
        self, store: CostStore, monitors: MonitorStore, plan: CostPlan, tenant: str
    ) -> None:
        self._store, self._monitors = store, monitors
        self._plan, self._tenant = plan, tenant
        newest = store.newest_day()
        self._month = None if newest is None else month_of(newest * DAY_US)

    def note(self, news: CostNews) -> Sequence[Incident]:
        """Add what is new, and return the incidents that it opened."""
        used = usage_of(news)
        if not used:
            return ()
        self._store.add(used)
        self._store.add_reviews(news.reviews)
        opened: list[Incident] = []
        if self._plan.budgets:
            opened = [one for month in sorted(_months(used)) for one in self._judge(month, news)]
            for incident in opened:
                self._monitors.save_incident(incident)
        newest = max(_months(used))
        if self._month is None or newest > self._month or opened:
            self._month = newest if self._month is None else max(self._month, newest)
            self._end_before(self._month)
        return opened

    def _judge(self, month: date, news: CostNews) -> Iterator[Incident]:
        first, after = (month - EPOCH).days, (next_month(month) - EPOCH).days
        usage = self._store.usage(first, after)
        for budget in self._plan.budgets:
            spent = self._plan.spent(budget, usage)
            due = [one for one in ALERTS if spent * 100 >= budget.monthly * one]
            due = [one for one in due if not self._is_known(budget, month, one)]
            if not due:
                continue
            steps = [
                one
                for one in _steps(news, self._plan)
                if first <= one.at_us // DAY_US < after
                and self._plan.is_under(budget, one.decision)
            ]
            if steps:
                by_decision = _by_decision(self._plan, budget, usage)
                for share in due:
                    yield self._incident(budget, month, share, steps, by_decision)

    def _is_known(self, budget: CostBudget, month: date, share: int) -> bool:
        identifier = self._id(budget, month, share)
        return self._monitors.incident(self._tenant, identifier) is not None

    def _id(self, budget: CostBudget, month: date, share: int) -> str:
        about = f"{budget.name}\0{budget.monthly}\0{share}"
        return incident_id(self._tenant, about, "cost", _start_us(month))

    def _incident(
        self,
        budget: CostBudget,
        month: date,
        share: int,
        steps: Sequence[_Step],
        by_decision: Mapping[str, int],
    ) -> Incident:
        """Make the incident of the first step that brought a budget so far.

        Args:
            steps: What the last part of the journal cost.
            by_decision: What was spent up to its end.
        """
        spent = Counter(by_decision)
        at = len(steps) - 1
        while at and (spent.total() - steps[at].amount) * 100 >= budget.monthly * share:
            spent[steps[at].decision] -= steps[at].amount
            at -= 1
        total, limit = spent.total(), budget.monthly * share // 100
        currency, of_month = self._plan.currency, f"{month:%B %Y}"
        return Incident(
            id=self._id(budget, month, share),
            tenant=self._tenant,
            decision=f"budget of {budget.name}",
            kind="cost",
            title=(
                f"{budget.name} has spent {share}% of its budget for {of_month}: "
                f"{shown_amount(total)} of {shown_amount(budget.monthly)} {currency}"
            ),
            columns=(),
            opened_us=steps[at].at_us,
            breach_since_us=_start_us(month),
            value=total / ATTO,
            limit=limit / ATTO,
            window="",
            rows=0,
            bundle="",
            last_at_us=steps[at].at_us,
            facts=tuple(
                f"{decision}: {shown_amount(amount)} {currency}"
                for decision, amount in sorted(spent.items(), key=lambda one: (-one[1], one[0]))
                if amount
            )[:_MOST_FACTS],
            runbook=RUNBOOKS["cost"],
        )

    def _end_before(self, month: date) -> None:
        """End the incidents of earlier months, each with its month."""
        for incident in self._monitors.incidents(self._tenant, open_only=True, limit=_MOST_OPEN):
            if incident.kind == "cost" and incident.breach_since_us < _start_us(month):
                ended = next_month(month_of(incident.breach_since_us))
                self._monitors.save_incident(replace(incident, ended_us=_start_us(ended)))


def _months(used: Mapping[UsagePlace, Usage]) -> set[date]:
    return {month_of(day * DAY_US) for day in {place.day for place in used}}


def _start_us(month: date) -> int:
    return int(datetime(month.year, month.month, 1, tzinfo=UTC).timestamp()) * 1_000_000


def _steps(news: CostNews, plan: CostPlan) -> Sequence[_Step]:
    """Say what everything new cost, in the order of the journal."""
    found = [
        _Step(
            one.offset,
            one.at_us,
            one.decision,
            plan.amount(
                one.at_us // DAY_US, Usage(compute_us=one.compute_us, size_bytes=one.size_bytes)
            ),
        )
        for one in news.records
    ]
    for one in news.tokens:
        usage = Usage()
        usage.add_tokens(one.model, one.input_tokens, one.output_tokens)
        amount = plan.amount(one.at_us // DAY_US, usage)
        found.append(_Step(one.offset, one.at_us, one.decision, amount))
    return sorted(found, key=lambda one: one.offset)


def _by_decision(
    plan: CostPlan, budget: CostBudget, usage: Mapping[UsagePlace, Usage]
) -> Mapping[str, int]:
    spent = Counter[str]()
    for place, one in usage.items():
        if plan.is_under(budget, place.decision):
            spent[place.decision] += plan.amount(place.day, one)
    return spent
