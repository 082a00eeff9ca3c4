"""Costs as people ask for them: by decision, team, product feature, day, resource or tenant.

The rule: however they are grouped, the amounts add up to the same total, to the last digit.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Literal, get_args

from kingpost.monitoring.costs.budget import CostBudget
from kingpost.monitoring.costs.plan import EPOCH, CostPlan, month_of, next_month
from kingpost.monitoring.costs.store import CostStore
from kingpost.monitoring.costs.usage import Usage, UsagePlace

__all__ = [
    "GROUPINGS",
    "BudgetStanding",
    "CostGroup",
    "CostMonth",
    "CostReport",
    "Grouping",
    "cost_month",
    "cost_report",
]

Grouping = Literal["decision", "team", "product", "day", "tenant", "resource"]
GROUPINGS: tuple[Grouping, ...] = get_args(Grouping)


@dataclass
class CostGroup:
    """What one group used and cost.

    Attributes:
        name: Empty for decisions without a team, or a product.
        usage: Empty where it is grouped by resource.
        amounts: By resource, in attos of the currency.
    """

    name: str
    usage: Usage = field(default_factory=Usage)
    amounts: Counter[str] = field(default_factory=Counter[str])

    @property
    def amount(self) -> int:
        """What all of it cost."""
        return self.amounts.total()

    @property
    def per_decision(self) -> int | None:
        """What a decision cost, rounded down to an atto; None without any."""
        decisions = self.usage.decisions
        return self.amount // decisions if decisions else None


@dataclass(frozen=True)
class CostReport:
    """What was used and what it cost.

    Attributes:
        groups: The dearest first, days in their order.
        unpriced: Resources that were used while they had no price.
    """

    groups: Sequence[CostGroup]
    total: CostGroup
    unpriced: Sequence[str]


@dataclass(frozen=True)
class BudgetStanding:
    """How a budget stands in a month; amounts in attos of the currency."""

    budget: CostBudget
    month: date
    spent: int

    @property
    def share(self) -> float:
        """The share of it that is spent."""
        return self.spent / self.budget.monthly


def cost_report(plan: CostPlan, usage: Mapping[UsagePlace, Usage], by: Grouping) -> CostReport:
    """Say what was used and what it cost, by group."""
    groups: dict[str, CostGroup] = {}
    total, unpriced = CostGroup("total"), set[str]()
    for place, one in usage.items():
        total.usage.add(one)
        if by != "resource":
            name = _group_of(plan, place, by)
            groups.setdefault(name, CostGroup(name)).usage.add(one)
        for line in plan.lines(place.day, one):
            if not line.is_priced and line.quantity:
                unpriced.add(line.resource)
            name = line.resource if by == "resource" else _group_of(plan, place, by)
            for group in (groups.setdefault(name, CostGroup(name)), total):
                group.amounts[line.resource] += line.amount
    ordered = sorted(groups.values(), key=lambda one: one.name)
    if by != "day":
        ordered.sort(key=lambda one: -one.amount)
    return CostReport(ordered, total, sorted(unpriced))


@dataclass(frozen=True)
class CostMonth:
    """What was spent in a calendar month, of all tenants.

    Attributes:
        amounts: By decision and resource, in attos of the currency.
    """

    amounts: Mapping[tuple[str, str], int]
    budgets: Sequence[BudgetStanding]


def cost_month(plan: CostPlan, store: CostStore, now_us: int) -> CostMonth:
    """Say what was spent in the month of a time, and how each budget stands."""
    month = month_of(now_us)
    usage = store.usage((month - EPOCH).days, (next_month(month) - EPOCH).days)
    amounts = Counter[tuple[str, str]]()
    for place, one in usage.items():
        for line in plan.lines(place.day, one):
            amounts[place.decision, line.resource] += line.amount
    standings = [BudgetStanding(one, month, plan.spent(one, usage)) for one in plan.budgets]
    return CostMonth(amounts, standings)


def _group_of(plan: CostPlan, place: UsagePlace, by: Grouping) -> str:
    match by:
        case "team":
            return plan.owner(place.decision).team
        case "product":
            return plan.owner(place.decision).product
        case "day":
            return (EPOCH + timedelta(days=place.day)).isoformat()
        case "tenant":
            return place.tenant
        case _:
            return place.decision
