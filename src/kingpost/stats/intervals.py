"""How sure a share is that was counted on some rows, a difference of two, and a quantile."""

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from kingpost.stats.errors import BadShare, BadTest

__all__ = [
    "difference_interval",
    "normal_quantile",
    "quantile_interval",
    "standard_error",
    "wilson_interval",
]

_Z_95 = 1.959963984540054


def normal_quantile(confidence: float, *, intervals: int = 1) -> float:
    """Return how many standard errors an interval reaches to each side.

    Args:
        confidence: How often all intervals together hold, such as 0.95.
        intervals: How many are looked at together (Bonferroni).

    Raises:
        BadTest: The confidence is not between 0 and 1.
    """
    if not 0 < confidence < 1:
        raise BadTest("confidence", confidence, "between 0 and 1")
    return NormalDist().inv_cdf(1 - (1 - confidence) / (2 * intervals))


def wilson_interval(hits: int, rows: int, *, z: float = _Z_95) -> tuple[float, float]:
    """Return bounds of a share, each between 0 and 1; 95% by default.

    Raises:
        BadShare: There are no rows, or more hits than rows, or fewer than none.

    Source: Wilson (1927), without continuity correction.
    """
    if not 0 <= hits <= rows or rows == 0:
        raise BadShare(f"{hits} of {rows} rows")
    share = hits / rows
    spread = z * z / rows
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / rows + spread / rows / 4)
    # the share lies between, and at 0 and 1 is the bound itself, but for rounding
    low = 0.0 if hits == 0 else max(0.0, middle - half)
    high = 1.0 if hits == rows else min(1.0, middle + half)
    return min(low, share), max(high, share)


def difference_interval(
    hits: int, rows: int, other_hits: int, other_rows: int, *, z: float = _Z_95
) -> tuple[float, float]:
    """Return bounds of how much one share is above another, of other rows.

    Raises:
        BadShare: There are no rows, or more hits than rows, or fewer than none.

    Source: Newcombe (1998), method 10: it holds for a few rows, and at shares of 0 and 1.
    """
    low, high = wilson_interval(hits, rows, z=z)
    other_low, other_high = wilson_interval(other_hits, other_rows, z=z)
    share, other = hits / rows, other_hits / other_rows
    apart = share - other
    below = math.hypot(share - low, other_high - other)
    above = math.hypot(high - share, other - other_low)
    return max(-1.0, apart - below), min(1.0, apart + above)


def quantile_interval(
    values: NDArray[np.float64], share: float, *, z: float = _Z_95
) -> tuple[float, float, float]:
    """Return a quantile with its bounds, all three of them values that were seen.

    Where there are too few values for an upper bound it is the largest one.

    Args:
        values: In any order, shape (n,), not empty.
        share: Which share of the values lies at or below, such as 0.99.

    Raises:
        BadShare: There are no values, or the share is not between 0 and 1.

    Source: order statistics; Conover (1999), section 3.2. No distribution is assumed.
    """
    n = len(values)
    if not n or not 0 < share < 1:
        raise BadShare(f"{share:g} of {n} values")
    ordered = np.sort(values)
    half = z * math.sqrt(n * share * (1 - share))
    ranks = (math.ceil(n * share), math.floor(n * share - half), math.ceil(n * share + half) + 1)
    at, low, high = (float(ordered[min(max(rank, 1), n) - 1]) for rank in ranks)
    return at, low, high


def standard_error(share: float, rows: int) -> float:
    """Return the standard error of a share among some rows.

    Raises:
        BadShare: There are no rows, or the share lies outside 0 to 1.
    """
    if rows <= 0 or not 0 <= share <= 1:
        raise BadShare(f"{share:g} of {rows} rows")
    return math.sqrt(share * (1 - share) / rows)
