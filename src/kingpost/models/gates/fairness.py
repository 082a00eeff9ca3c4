"""How far groups are apart, with intervals that hold for small ones too.

The rule: each number is that of Fairlearn where both are defined. A rate that a group has no
rows for (no positive row: no rate of true positives) leaves the number undefined, where
Fairlearn takes that rate for 0.

The interval covers all groups together: the difference of every pair has Newcombe's interval,
a share has Wilson's, each widened (Bonferroni) so that all of them hold at once.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from kingpost.models.gates.quality import FEWEST
from kingpost.models.gates.rows import Group, JudgedRows
from kingpost.stats import difference_interval, normal_quantile, wilson_interval

__all__ = ["Disparity", "GroupRate", "disparity"]

_Rate = tuple[str, bool | None]
"""A rate of positive answers: its name, and among which label; None for all rows."""

_RATES: dict[str, tuple[_Rate, ...]] = {
    "demographic_parity": (("selection rate", None),),
    "equal_opportunity": (("true positive rate", True),),
    "equalized_odds": (("true positive rate", True), ("false positive rate", False)),
}


class GroupRate(msgspec.Struct, frozen=True, kw_only=True):
    """A rate of positive answers in one group.

    Attributes:
        rows: How many rows it is of, and how many of these were answered positively (`hits`).
        value: None for no rows.
        low, high: Its own interval, at the confidence of the gates.
    """

    group: str
    rate: str
    rows: int
    hits: int
    value: float | None
    low: float | None
    high: float | None


class Disparity(NamedTuple):
    """How far groups are apart.

    Attributes:
        value: None where a rate is not defined, or there are fewer than two groups.
        interval: None where `value` is, or no confidence was asked for.
        too_few: What there is too little of to decide anything; empty for nothing.
        rates: What it was made of.
    """

    value: float | None
    interval: tuple[float, float] | None
    too_few: str
    rates: tuple[GroupRate, ...]


def disparity(
    measure: str, rows: JudgedRows, groups: Sequence[Group], confidence: float | None
) -> Disparity:
    """Measure how far groups are apart in the answers that they get.

    Args:
        measure: As `fair` takes it: `demographic_parity_difference` and so on.
    """
    kind, _, form = measure.rpartition("_")
    is_ratio = form == "ratio"
    families = [tuple(_counted(rate, rows, groups)) for rate in _RATES[kind]]
    rates = tuple(
        _group_rate(one, name, confidence)
        for family, (name, _) in zip(families, _RATES[kind], strict=True)
        for one in family
    )
    few = next((f"{one.group} has {one.rows} rows" for one in rates if one.rows < FEWEST), "")
    if len(groups) < 2:
        return Disparity(None, None, "fewer than two groups", rates)
    if any(one.rows == 0 for one in rates):
        return Disparity(None, None, few, rates)
    points = [_ratio_of(one) if is_ratio else _difference_of(one) for one in families]
    if any(point is None for point in points):
        return Disparity(None, None, "no group gets a positive answer", rates)
    worst = min if is_ratio else max
    value = worst(point for point in points if point is not None)
    if confidence is None:
        return Disparity(value, None, few, rates)
    bounds = [
        (_ratio_bounds if is_ratio else _difference_bounds)(one, confidence, len(families))
        for one in families
    ]
    low, high = worst(low for low, _ in bounds), worst(high for _, high in bounds)
    # the number lies between, but for rounding
    return Disparity(value, (min(low, value), max(high, value)), few, rates)


class _Counted(NamedTuple):
    group: str
    rows: int
    hits: int

    @property
    def share(self) -> float:
        return self.hits / self.rows


def _counted(rate: _Rate, rows: JudgedRows, groups: Sequence[Group]) -> Iterator[_Counted]:
    _, among = rate
    of: NDArray[np.bool_] = np.ones(len(rows), np.bool_) if among is None else rows.label == among
    answer = rows.answer
    for group in groups:
        inside = group.rows & of
        hits = int(np.count_nonzero(inside & answer))
        yield _Counted(group.name, int(np.count_nonzero(inside)), hits)


def _group_rate(one: _Counted, rate: str, confidence: float | None) -> GroupRate:
    low, high = None, None
    if one.rows and confidence is not None:
        low, high = wilson_interval(one.hits, one.rows, z=normal_quantile(confidence))
    return GroupRate(
        group=one.group,
        rate=rate,
        rows=one.rows,
        hits=one.hits,
        value=one.share if one.rows else None,
        low=low,
        high=high,
    )


def _difference_of(family: Sequence[_Counted]) -> float:
    shares = [one.share for one in family]
    return max(shares) - min(shares)


def _ratio_of(family: Sequence[_Counted]) -> float | None:
    shares = [one.share for one in family]
    return min(shares) / max(shares) if max(shares) else None


def _difference_bounds(
    family: Sequence[_Counted], confidence: float, families: int
) -> tuple[float, float]:
    pairs = len(family) * (len(family) - 1) // 2
    z = normal_quantile(confidence, intervals=pairs * families)
    found = [
        difference_interval(one.hits, one.rows, other.hits, other.rows, z=z)
        for one, other in itertools.permutations(family, 2)
    ]
    return max(0.0, *(low for low, _ in found)), max(high for _, high in found)


def _ratio_bounds(
    family: Sequence[_Counted], confidence: float, families: int
) -> tuple[float, float]:
    z = normal_quantile(confidence, intervals=len(family) * families)
    bounds = [wilson_interval(one.hits, one.rows, z=z) for one in family]
    pairs = list(itertools.permutations(bounds, 2))
    low = min(one[0] / other[1] for one, other in pairs)
    high = min(one[1] / other[0] if other[0] else 1.0 for one, other in pairs)
    return min(low, 1.0), min(high, 1.0)
