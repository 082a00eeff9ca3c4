"""Service level objectives: how much of an error budget is left, and how fast it burns.

The rule: a tally is counts by the minute and by the hour of the wall clock, so tallies of
parts add up to the tally of the whole. A burn rate of 1 spends the budget exactly over the
objective's period. An alert needs two windows: the long one shows that it matters, the short
one that it still goes on.

Source: Beyer et al., "The Site Reliability Workbook" (2018), chapter 5, multiwindow,
multi-burn-rate alerts.
"""

from typing import NamedTuple

import msgspec

from kingpost.monitoring.window import HOUR_US, MINUTE_US

__all__ = [
    "BURN_RULES",
    "Burn",
    "BurnRule",
    "ErrorBudget",
    "Objective",
    "SloTally",
    "budget_of",
    "burn_of",
]

_MINUTES_KEPT = 6 * 60
_NONE = (0, 0)
_FEWEST_BAD = 5
"""So many bad requests in the long window make an alert: one of ten is no outage."""


class Objective(NamedTuple):
    """What is promised, as `kingpost.slo` makes it.

    Attributes:
        share: The share of requests that are to be good, above 0 and below 1.
        over_us: How long the period is over which that is meant.
        within_us: How long a good one takes at the most; None where every answer is good.
        runbook: What to read when its budget burns; empty for the general page.
    """

    name: str
    share: float
    over_us: int
    within_us: int | None = None
    runbook: str = ""

    @property
    def may_be_bad(self) -> float:
        """The share of requests that may be bad, without the dust of a subtraction."""
        return round(1 - self.share, 12)


class BurnRule(NamedTuple):
    """An alert: the budget burns this many times too fast, over both windows."""

    factor: float
    long_us: int
    short_us: int
    name: str


BURN_RULES = (
    BurnRule(14.4, HOUR_US, 5 * MINUTE_US, "1h/5m"),
    BurnRule(6.0, 6 * HOUR_US, 30 * MINUTE_US, "6h/30m"),
    BurnRule(1.0, 72 * HOUR_US, 6 * HOUR_US, "3d/6h"),
)
"""The fastest first: 2 % of a budget of 30 days in an hour, 5 % in six, 10 % in three days."""


class SloTally(msgspec.Struct, array_like=True):
    """How many requests there were, and how many of them were bad.

    Attributes:
        minutes: By the minute since 1970 (total, bad), the last six hours.
        hours: By the hour, the whole period.
    """

    minutes: dict[int, tuple[int, int]] = msgspec.field(default_factory=dict[int, tuple[int, int]])
    hours: dict[int, tuple[int, int]] = msgspec.field(default_factory=dict[int, tuple[int, int]])

    def add(self, minute: int, total: int, bad: int) -> None:
        """Count the requests of a minute."""
        for counts, place in ((self.minutes, minute), (self.hours, minute // 60)):
            before = counts.get(place, _NONE)
            counts[place] = (before[0] + total, before[1] + bad)

    def forget(self, minute: int, over_us: int) -> None:
        """Drop what no window reaches from a minute on."""
        first_hour = minute // 60 - over_us // HOUR_US
        self.minutes = {m: c for m, c in self.minutes.items() if m > minute - _MINUTES_KEPT}
        self.hours = {h: c for h, c in self.hours.items() if h > first_hour}

    def over(self, minute: int, length_us: int) -> tuple[int, int]:
        """Return total and bad over a window that ends with a minute.

        Up to six hours it is exact to the minute; a longer one begins with a whole hour.
        """
        counts, last, places = self.minutes, minute, length_us // MINUTE_US
        if places > _MINUTES_KEPT:
            counts, last, places = self.hours, minute // 60, length_us // HOUR_US
        found = [counts[one] for one in range(last - places + 1, last + 1) if one in counts]
        return sum(total for total, _ in found), sum(bad for _, bad in found)

    def first_bad(self, minute: int, length_us: int) -> int:
        """Return the first minute with a bad request in a window of up to six hours."""
        first = minute - length_us // MINUTE_US + 1
        bad = (one for one in range(first, minute) if self.minutes.get(one, _NONE)[1])
        return next(bad, minute)


class Burn(NamedTuple):
    """How fast a budget burns by one rule.

    Attributes:
        long, short: Burn rates over the two windows; 0 where nobody asked.
        bad: Bad requests in the long window.
    """

    rule: BurnRule
    long: float
    short: float
    bad: int

    @property
    def is_alert(self) -> bool:
        """Whether both windows burn too fast, by more than a few requests."""
        return min(self.long, self.short) >= self.rule.factor and self.bad >= _FEWEST_BAD


class ErrorBudget(NamedTuple):
    """What is left of a budget.

    Attributes:
        total, bad: Requests over the period.
        left: The share of the budget that is left: 1 untouched, below 0 overspent.
    """

    total: int
    bad: int
    left: float


def burn_of(tally: SloTally, objective: Objective, rule: BurnRule, minute: int) -> Burn:
    """Measure how fast the budget burns at the end of a minute."""
    long, short = tally.over(minute, rule.long_us), tally.over(minute, rule.short_us)
    return Burn(rule, _rate(long, objective), _rate(short, objective), long[1])


def budget_of(tally: SloTally, objective: Objective, minute: int) -> ErrorBudget:
    """Say what is left of the budget at the end of a minute."""
    total, bad = tally.over(minute, objective.over_us)
    return ErrorBudget(total, bad, 1 - _rate((total, bad), objective))


def _rate(counts: tuple[int, int], objective: Objective) -> float:
    total, bad = counts
    return bad / total / objective.may_be_bad if total else 0.0
