"""What may be spent in a month, as an application declares it.

    risk_budget = kp.cost_budget("100.00", team="risk")

The rule: nobody is refused for money. Who is beyond a budget is told of, at 80% and at 100%.
"""

from dataclasses import dataclass

from kingpost.core import Place, caller_place
from kingpost.monitoring.costs.amounts import Number, atto_of
from kingpost.monitoring.errors import WrongCost

__all__ = ["ALERTS", "CostBudget", "cost_budget"]

ALERTS = (80, 100)
"""Per cent of a budget at which people are told, once each in a month."""


@dataclass(frozen=True)
class CostBudget:
    """What a team, a product feature, a decision or everything may cost in a calendar month.

    Attributes:
        monthly: In attos of the currency.
        team, product, decision: Whose; one of them at most, none for everything.
    """

    monthly: int
    team: str
    product: str
    decision: str
    place: Place

    @property
    def name(self) -> str:
        """Whose it is, for people: `team risk`."""
        for kind in ("team", "product", "decision"):
            value = getattr(self, kind)
            if value:
                return f"{kind} {value}"
        return "everything"


def cost_budget(
    monthly: Number, *, team: str = "", product: str = "", decision: str = ""
) -> CostBudget:
    """Say what may be spent in a calendar month, UTC, in the currency of `prices`.

    Args:
        team: Of the decisions that declare this team.
        product: Of the decisions that declare this product feature.
        decision: Of one decision. Without any of the three it is for everything.

    Raises:
        WrongCost: The amount is none, or more than one of the three is given.
    """
    place = caller_place()
    if sum(map(bool, (team, product, decision))) > 1:
        raise WrongCost(
            "a cost budget of a team, a product and a decision at once",
            "declare one for each",
            place,
        )
    try:
        atto = atto_of(monthly)
    except ValueError as error:
        raise WrongCost(f"monthly: {error}", "give an amount as '100.00'", place) from None
    if not atto:
        raise WrongCost("monthly is 0", "give an amount above 0", place)
    return CostBudget(atto, team, product, decision, place)
