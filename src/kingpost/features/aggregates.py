"""What a window is reduced to: count, sum, mean, min, max, last.

All are exact: values are whole multiples of their field's resolution, sums are integers,
and one rounding makes the float. See the kernel for the arithmetic.
"""

from dataclasses import dataclass
from typing import Literal

from kingpost.core import Place, caller_place

__all__ = ["Aggregate", "Operation", "count", "last", "max", "mean", "min", "sum"]

Operation = Literal["count", "sum", "mean", "min", "max", "last"]


@dataclass(frozen=True)
class Aggregate:
    """One reduction of one field.

    Attributes:
        field: The field reduced; None for a count of events.
        default: The value of an empty window.
    """

    operation: Operation
    field: str | None
    default: float
    place: Place


def count() -> Aggregate:
    """Count the events in the window; 0 when it is empty."""
    return Aggregate("count", None, 0.0, caller_place())


def sum(field: str) -> Aggregate:
    """Add a field up; 0 when the window is empty."""
    return Aggregate("sum", field, 0.0, caller_place())


def mean(field: str, *, default: float = 0.0) -> Aggregate:
    """Average a field; a boolean counts as 0 or 1. `default` when the window is empty."""
    return Aggregate("mean", field, default, caller_place())


def min(field: str, *, default: float = 0.0) -> Aggregate:
    """Take the smallest value of a field; `default` when the window is empty."""
    return Aggregate("min", field, default, caller_place())


def max(field: str, *, default: float = 0.0) -> Aggregate:
    """Take the greatest value of a field; `default` when the window is empty."""
    return Aggregate("max", field, default, caller_place())


def last(field: str, *, default: float = 0.0) -> Aggregate:
    """Take the value of the latest event; `default` when the window is empty."""
    return Aggregate("last", field, default, caller_place())
