"""The plan: what things cost, who owns which decision, and what each may spend.

The rule: a line is a quantity times a price, in whole numbers. Every total is a sum of lines.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Literal, NamedTuple

from kingpost.monitoring.costs.budget import CostBudget
from kingpost.monitoring.costs.prices import Prices
from kingpost.monitoring.costs.usage import Tokens, Usage, UsagePlace
from kingpost.monitoring.errors import WrongCost

__all__ = ["EPOCH", "CostLine", "CostPlan", "Owner", "month_of", "next_month"]

EPOCH = date(1970, 1, 1)
Unit = Literal["us", "bytes", "tokens"]


class Owner(NamedTuple):
    """Who answers for a decision, and which feature of the product it serves; may be empty."""

    team: str = ""
    product: str = ""


class CostLine(NamedTuple):
    """What something cost.

    Attributes:
        resource: `compute`, `storage`, or a model's name with `input` or `output` behind it.
        amount: In attos of the currency.
        is_priced: Whether there is a price for it.
    """

    resource: str
    quantity: int
    unit: Unit
    amount: int
    is_priced: bool = True


@dataclass(frozen=True)
class CostPlan:
    """Prices, owners and budgets of an application.

    Attributes:
        prices: In the order of the days from which they hold.
        owners: By decision; others have none.
    """

    prices: tuple[Prices, ...] = ()
    budgets: tuple[CostBudget, ...] = ()
    owners: Mapping[str, Owner] = field(default_factory=dict[str, Owner])

    @staticmethod
    def of(
        prices: Iterable[Prices], budgets: Iterable[CostBudget], owners: Mapping[str, Owner]
    ) -> "CostPlan":
        """Join what is declared.

        Raises:
            WrongCost: Two prices hold from the same day, or are of several currencies; a
                budget is of nobody, or nothing has a price.
        """
        ordered = tuple(sorted(prices, key=lambda one: one.since or date.min))
        for before, after in pairwise(ordered):
            if before.since == after.since:
                raise WrongCost(
                    f"two prices hold from {after.since or 'the beginning'}",
                    "give one of them since=…",
                    after.place,
                )
            if before.currency != after.currency:
                raise WrongCost(
                    f"prices in {before.currency} and in {after.currency}",
                    "keep to one currency: amounts are added",
                    after.place,
                )
        plan = CostPlan(ordered, tuple(budgets), owners)
        for budget in plan.budgets:
            plan._check(budget)
        return plan

    @property
    def currency(self) -> str:
        """The currency of all amounts; empty where nothing has a price."""
        return self.prices[0].currency if self.prices else ""

    def owner(self, decision: str) -> Owner:
        """Return who owns a decision."""
        return self.owners.get(decision, Owner())

    def is_under(self, budget: CostBudget, decision: str) -> bool:
        """Tell whether a budget is to pay for a decision."""
        owner = self.owner(decision)
        return (
            budget.team in ("", owner.team)
            and budget.product in ("", owner.product)
            and budget.decision in ("", decision)
        )

    def prices_on(self, day: int) -> Prices | None:
        """Return the prices of a day; None when none held."""
        when = EPOCH + timedelta(days=day)
        held = [one for one in self.prices if one.since is None or one.since <= when]
        return held[-1] if held else None

    def lines(self, day: int, usage: Usage) -> Iterator[CostLine]:
        """Yield what something used on a day cost."""
        prices = self.prices_on(day)
        has_prices = prices is not None
        of_compute, of_storage = (prices.compute, prices.storage) if prices else (0, 0)
        yield CostLine("compute", usage.compute_us, "us", usage.compute_us * of_compute, has_prices)
        yield CostLine(
            "storage", usage.size_bytes, "bytes", usage.size_bytes * of_storage, has_prices
        )
        for model, tokens in sorted(usage.tokens.items()):
            price = prices.tokens.get(model) if prices else None
            yield from _token_lines(model, tokens, price)

    def amount(self, day: int, usage: Usage) -> int:
        """Add up what something used on a day cost."""
        return sum(line.amount for line in self.lines(day, usage))

    def spent(self, budget: CostBudget, usage: Mapping[UsagePlace, Usage]) -> int:
        """Add up what a budget has to pay for."""
        return sum(
            self.amount(place.day, one)
            for place, one in usage.items()
            if self.is_under(budget, place.decision)
        )

    def _check(self, budget: CostBudget) -> None:
        if not self.prices:
            raise WrongCost(
                f"a cost budget of {budget.name}, and nothing has a price",
                "declare kp.prices(…)",
                budget.place,
            )
        if not any(self.is_under(budget, decision) for decision in self.owners):
            raise WrongCost(
                f"a cost budget of {budget.name}, which no decision has",
                "name one that a kp.decision(…) declares",
                budget.place,
            )


def month_of(at_us: int) -> date:
    """Return the first day of the calendar month of a time."""
    return datetime.fromtimestamp(at_us // 1_000_000, UTC).date().replace(day=1)


def next_month(month: date) -> date:
    """Return the first day of the month after."""
    return (month + timedelta(days=31)).replace(day=1)


def _token_lines(model: str, tokens: Tokens, price: tuple[int, int] | None) -> Iterator[CostLine]:
    read, written = price or (0, 0)
    for kind, number, each in (
        ("input", tokens.input_tokens, read),
        ("output", tokens.output_tokens, written),
    ):
        yield CostLine(f"{model} {kind}", number, "tokens", number * each, price is not None)
