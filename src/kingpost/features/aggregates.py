"""What a window is reduced to, and how far each value is from the truth.

Offline and online give the same bits in every case. The type tells apart what those bits
are: an `ExactAggregate` is its definition, computed on whole multiples of the field's
resolution and rounded at the end; a `SketchedAggregate` approximates it, and says by how
much at most or in expectation. See the kernel for the arithmetic.
"""

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal

from kingpost.core import BadDuration, Place, caller_place, duration_us
from kingpost.features.errors import WrongFeature

__all__ = [
    "Aggregate",
    "ExactAggregate",
    "Operation",
    "Ratio",
    "Reduction",
    "SketchedAggregate",
    "count",
    "days_since",
    "decayed_count",
    "decayed_sum",
    "distinct",
    "first",
    "last",
    "max",
    "mean",
    "min",
    "quantile",
    "ratio",
    "std",
    "sum",
    "top_k",
    "var",
]

Operation = Literal[
    "count",
    "sum",
    "mean",
    "min",
    "max",
    "var",
    "std",
    "first",
    "last",
    "distinct",
    "top",
    "quantile",
    "decayed_sum",
    "decayed_count",
    "since",
]

_DISTINCT_ERROR: Final = 1.04 / 64  # of HyperLogLog with 4,096 registers
_QUANTILE_ERROR: Final = 1 / 256  # half a bucket, 128 to each power of two
_QUANTILE_EXACT: Final = 4_096
_DECAY_ERROR: Final = 2.0**-15  # of a weight
_DAY_US = 86_400_000_000
_MOST_DISTINCT = 2**20
_LONGEST_HALF_LIFE_US = 2**53
_MOST_TOP = 100


@dataclass(frozen=True)
class Aggregate:
    """One reduction of one field.

    Attributes:
        field: The field reduced; None when only the events themselves count.
        default: The value of an empty window.
        argument: What the operation takes beside the field, 0 when nothing: how many of
            the most frequent, the bound of an exact count, parts per million, microseconds.
    """

    operation: Operation
    field: str | None
    default: float
    place: Place
    argument: int = 0

    @property
    def call(self) -> str:
        """The aggregate as it is written, for errors."""
        name = {"top": "top_k", "since": "days_since"}.get(self.operation, self.operation)
        return f"kp.{name}({'' if self.field is None else repr(self.field)})"

    @property
    def description(self) -> tuple[object, ...]:
        """What the value depends on, for the feature's digest."""
        said = (self.operation, self.field, str(self.default))
        return (*said, self.argument) if self.argument else said


@dataclass(frozen=True)
class ExactAggregate(Aggregate):
    """The value is its definition's, whatever the order of events."""


@dataclass(frozen=True)
class SketchedAggregate(Aggregate):
    """The value is near its definition's; the same events give the same bits everywhere.

    Attributes:
        error: How far from the truth, as a share.
        measure: What it is a share of, whether it is a bound or expected, and from where on.
    """

    error: float = 0.0
    measure: str = ""


@dataclass(frozen=True)
class Ratio:
    """One aggregate over another of the same window, divided once.

    Attributes:
        default: The value when the denominator is zero.
    """

    numerator: Aggregate
    denominator: Aggregate
    default: float
    place: Place

    @property
    def description(self) -> tuple[object, ...]:
        """What the value depends on, for the feature's digest."""
        parts = (self.numerator.description, self.denominator.description)
        return ("ratio", *parts, str(self.default))


Reduction = Aggregate | Ratio
"""What one name given to `.features(...)` stands for."""


def count(field: str | None = None) -> ExactAggregate:
    """Count the events in the window, or those that have a value in `field`."""
    return ExactAggregate("count", field, 0.0, caller_place())


def sum(field: str) -> ExactAggregate:
    """Add a field up; 0 when the window is empty."""
    return ExactAggregate("sum", field, 0.0, caller_place())


def mean(field: str, *, default: float = 0.0) -> ExactAggregate:
    """Average a field; a boolean counts as 0 or 1. `default` when the window is empty."""
    return ExactAggregate("mean", field, default, caller_place())


def min(field: str, *, default: float = 0.0) -> ExactAggregate:
    """Take the smallest value of a field; `default` when the window is empty."""
    return ExactAggregate("min", field, default, caller_place())


def max(field: str, *, default: float = 0.0) -> ExactAggregate:
    """Take the greatest value of a field; `default` when the window is empty."""
    return ExactAggregate("max", field, default, caller_place())


def var(field: str, *, default: float = 0.0) -> ExactAggregate:
    """Take the sample variance of a field; `default` with fewer than two events."""
    return ExactAggregate("var", field, default, caller_place())


def std(field: str, *, default: float = 0.0) -> ExactAggregate:
    """Take the sample standard deviation of a field; `default` with fewer than two events."""
    return ExactAggregate("std", field, default, caller_place())


def first(field: str, *, default: float = 0.0) -> ExactAggregate:
    """Take the value of the earliest event; `default` when the window is empty.

    A text of declared choices gives its place among them, from 0.
    """
    return ExactAggregate("first", field, default, caller_place())


def last(field: str, *, default: float = 0.0) -> ExactAggregate:
    """Take the value of the latest event; `default` when the window is empty.

    A text of declared choices gives its place among them, from 0.
    """
    return ExactAggregate("last", field, default, caller_place())


def top_k(field: str, *, k: int, default: float = math.nan) -> ExactAggregate:
    """Take the `k` most frequent values, one feature each; of equals the smaller one first.

    A text of declared choices gives its place among them, from 0. `default` stands where
    the window has fewer distinct values.

    Raises:
        WrongFeature: k is not from 1 to 100.
    """
    place = caller_place()
    if not 1 <= k <= _MOST_TOP:
        raise WrongFeature(f"kp.top_k({field!r}, k={k})", f"take 1 to {_MOST_TOP} values", place)
    return ExactAggregate("top", field, default, place, k)


def distinct(field: str, *, exact_up_to: int = 10_000) -> SketchedAggregate:
    """Count the distinct values of a field, text also; 0 when the window is empty.

    Args:
        exact_up_to: Up to so many values the count is exact, above it is sketched.

    Raises:
        WrongFeature: exact_up_to is not from 1 to 1,048,576.
    """
    place = caller_place()
    if not 1 <= exact_up_to <= _MOST_DISTINCT:
        raise WrongFeature(
            f"kp.distinct({field!r}, exact_up_to={exact_up_to})",
            f"give a bound from 1 to {_MOST_DISTINCT}",
            place,
        )
    return SketchedAggregate(
        "distinct",
        field,
        0.0,
        place,
        exact_up_to,
        _DISTINCT_ERROR,
        f"of the count, standard error, above {exact_up_to:,} values; none up to there",
    )


def quantile(field: str, q: float, *, default: float = 0.0) -> SketchedAggregate:
    """Take the smallest value that a share `q` of the values do not exceed; 0.5: the median.

    Args:
        q: From 0 to 1, to six digits.

    Raises:
        WrongFeature: q is outside.
    """
    place = caller_place()
    if not 0 <= q <= 1:
        raise WrongFeature(
            f"kp.quantile({field!r}, {q})", "give a share from 0 to 1, 0.5 for the median", place
        )
    parts = round(q * 1_000_000)
    measure = f"of the value, at most, above {_QUANTILE_EXACT:,} events; none up to there"
    return SketchedAggregate("quantile", field, default, place, parts, _QUANTILE_ERROR, measure)


def decayed_sum(field: str, *, half_life: str | timedelta) -> SketchedAggregate:
    """Add a field up, each value halved for every half-life that it is old.

    After 64 half-lives a value counts for nothing.

    Raises:
        WrongFeature: The half-life is no length of time, or zero.
    """
    place = caller_place()
    us = _half_life_us(half_life, place)
    return SketchedAggregate(
        "decayed_sum",
        field,
        0.0,
        place,
        us,
        _DECAY_ERROR,
        "of the decayed sum of |values|, at most",
    )


def decayed_count(*, half_life: str | timedelta) -> SketchedAggregate:
    """Count events, each halved for every half-life that it is old.

    Raises:
        WrongFeature: The half-life is no length of time, or zero.
    """
    place = caller_place()
    us = _half_life_us(half_life, place)
    return SketchedAggregate(
        "decayed_count", None, 0.0, place, us, _DECAY_ERROR, "of the decayed count, at most"
    )


def ratio(numerator: Aggregate, denominator: Aggregate, *, default: float = 0.0) -> Ratio:
    """Divide one aggregate by another over the same window; `default` for a division by zero.

    Raises:
        WrongFeature: One of them has several values, as `top_k`.
    """
    place = caller_place()
    for part in (numerator, denominator):
        if part.operation == "top":
            raise WrongFeature(
                f"{part.call} has {part.argument} values and cannot be divided",
                "divide aggregates of one value",
                place,
            )
    return Ratio(numerator, denominator, default, place)


def days_since(*, default: float = math.nan) -> ExactAggregate:
    """Take the days since the latest event in the window; `default` when there is none.

    On the request's own stream the latest event is the request itself: a `delay` of "1us"
    leaves it out.
    """
    return ExactAggregate("since", None, default, caller_place(), _DAY_US)


def _half_life_us(half_life: str | timedelta, place: Place) -> int:
    try:
        found = duration_us(half_life)
    except BadDuration as error:
        raise WrongFeature(str(error), 'as in `half_life="7d"`', place) from error
    if not 1 <= found <= _LONGEST_HALF_LIFE_US:
        raise WrongFeature(
            f"the half-life {half_life} is zero or over 285 years", 'as in `half_life="7d"`', place
        )
    return found
