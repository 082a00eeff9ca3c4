"""How often chance alone does as much: tails of chi-square, Kolmogorov and shares of rows.

The rule: each says how probable it is that two samples of the same thing differ at least
so far, given the rows of both; and, the other way round, beyond which value they do so only
at a stated rate. Both sides are samples: a small reference widens the limits as a small
window does.
"""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache

from kingpost.stats.errors import BadShare, BadTest

__all__ = [
    "chi_square_limit",
    "chi_square_tail",
    "common_rows",
    "kolmogorov_limit",
    "kolmogorov_tail",
    "shares_tail",
    "step_down_rate",
]

_PRECISION = 1e-15
_TERMS = 100_000
_NO_CHANCE = 5e-324


def common_rows(reference_rows: int, live_rows: int) -> float:
    """Return how many rows of one sample say as much as both of two samples: n m / (n + m)."""
    if reference_rows <= 0 or live_rows <= 0:
        raise BadShare(f"samples of {reference_rows} and {live_rows} rows")
    return reference_rows * live_rows / (reference_rows + live_rows)


def chi_square_tail(value: float, freedom: int) -> float:
    """Return how often chi-square with so many degrees of freedom is at least a value.

    Source: the incomplete gamma function by its series, or by its continued fraction after
        Lentz (1976), as in Press et al., Numerical Recipes, 6.2.
    """
    a, x = freedom / 2, value / 2
    if freedom < 1 or x <= 0:
        return 1.0
    scale = a * math.log(x) - x - math.lgamma(a)
    if x < a + 1:
        return 1.0 - _gamma_series(a, x) * math.exp(scale)
    log_tail = scale + math.log(_gamma_fraction(a, x))
    return math.exp(log_tail) if log_tail > -745 else _NO_CHANCE


def _gamma_series(a: float, x: float) -> float:
    term = total = 1 / a
    for step in range(1, _TERMS):
        term *= x / (a + step)
        total += term
        if term < total * _PRECISION:
            break
    return total


def _gamma_fraction(a: float, x: float) -> float:
    b = x + 1 - a
    c, d = 1e300, 1 / b
    found = d
    for step in range(1, _TERMS):
        factor = step * (a - step)
        b += 2
        d = 1 / (factor * d + b)
        c = b + factor / c
        found *= c * d
        if abs(c * d - 1) < _PRECISION:
            break
    return found


@lru_cache(4096)
def chi_square_limit(rate: float, freedom: int) -> float:
    """Return the value that chi-square with so many degrees of freedom exceeds at a rate.

    Raises:
        BadTest: The rate does not lie between 0 and 1.
    """
    start = 4 * freedom + 16.0
    return _exceeded(rate, lambda value: chi_square_tail(value, freedom), start)


def kolmogorov_tail(distance: float, rows: float) -> float:
    """Return how often two samples of the same lie at least so far apart, at most.

    Where values repeat, or the distance is taken at the edges of bins only, it is rarer.

    Args:
        distance: Between their cumulative shares, 0 to 1.
        rows: Of both, `common_rows`.

    Source: Kolmogorov (1933), with the correction for few rows of Stephens (1970).
    """
    root = math.sqrt(rows)
    reach = (root + 0.12 + 0.11 / root) * distance
    if reach < 0.2:
        return 1.0
    total = 0.0
    for step in range(1, 101):
        term = math.exp(-2 * (step * reach) ** 2)
        total += term if step % 2 else -term
        if term < _PRECISION * abs(total):
            break
    return min(1.0, max(_NO_CHANCE, 2 * total))


@lru_cache(4096)
def kolmogorov_limit(rate: float, rows: float) -> float:
    """Return the distance that two samples of the same exceed at a rate, at most.

    Raises:
        BadTest: The rate does not lie between 0 and 1.
    """
    return min(1.0, _exceeded(rate, lambda distance: kolmogorov_tail(distance, rows), 1.0))


def _exceeded(rate: float, tail: Callable[[float], float], start: float) -> float:
    """Find the value whose tail is a rate, between floats that are next to each other."""
    if not 0 < rate < 1:
        raise BadTest("rate", rate, "between 0 and 1")
    low, high = 0.0, start
    while tail(high) > rate:
        low, high = high, high * 2
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if tail(middle) > rate else (low, middle)
    return high


def shares_tail(
    reference_hits: int, reference_rows: int, live_hits: int, live_rows: int, *, only_more: bool
) -> float:
    """Return how often chance parts the hits of two samples of the same at least so unequally.

    Args:
        only_more: Ask for more live hits alone; else for a difference either way, as twice
            the smaller tail.

    Raises:
        BadShare: There are more hits than rows, or fewer than none.

    Source: the exact test of Fisher (1934); the sum of hypergeometric terms.
    """
    for hits, rows in ((reference_hits, reference_rows), (live_hits, live_rows)):
        if not 0 <= hits <= rows:
            raise BadShare(f"{hits} of {rows} rows")
    hits, others = reference_hits + live_hits, reference_rows + live_rows
    others -= hits
    more = _at_least(live_hits, hits, others, live_rows)
    if only_more:
        return more
    # at most so many live hits is at least so many others among the live rows
    fewer = _at_least(live_rows - live_hits, others, hits, live_rows)
    return min(1.0, 2 * min(more, fewer))


def _at_least(found: int, hits: int, others: int, drawn: int) -> float:
    """Return the chance of at least so many hits among rows that are drawn without return."""
    least, most = max(0, drawn - others), min(hits, drawn)
    if found <= least:
        return 1.0
    if found > most:
        return 0.0
    if found * (hits + others) > hits * drawn:
        return _summed(found, hits, others, drawn)
    # below the middle the other tail is the short one
    short = _summed(drawn - found + 1, others, hits, drawn)
    return max(0.0, 1.0 - short)


def _summed(found: int, hits: int, others: int, drawn: int) -> float:
    log_first = (
        _log_choose(hits, found)
        + _log_choose(others, drawn - found)
        - _log_choose(hits + others, drawn)
    )
    term = total = 1.0
    for k in range(found, min(hits, drawn)):
        term *= (hits - k) * (drawn - k) / ((k + 1) * (others - drawn + k + 1))
        total += term
        if term < _PRECISION * total:
            break
    log_tail = log_first + math.log(total)
    return min(1.0, math.exp(log_tail)) if log_tail > -745 else _NO_CHANCE


def _log_choose(rows: int, chosen: int) -> float:
    return math.lgamma(rows + 1) - math.lgamma(chosen + 1) - math.lgamma(rows - chosen + 1)


def step_down_rate(tails: Sequence[float], rate: float) -> float:
    """Return at which rate to judge each of several questions, so that all of them keep one.

    Of the questions whose true answer is "chance alone", one or more has a tail of at most
    what is returned no more often than at the rate, however they hang together.

    Source: Holm (1979); those he rejects are those not above the rate returned.
    """
    left = len(tails)
    for tail in sorted(tails):
        if tail > rate / left or left == 1:
            break
        left -= 1
    return rate / max(left, 1)
