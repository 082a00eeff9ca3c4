"""Which events of a stream a window looks at: conditions on fields, all of which must hold.

The rule: an event passes or not by its own values alone, one at a time (`matcher`) as by
the column (`mask`). A field without a value meets no condition.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import attrgetter
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from kingpost.contracts import ColumnBatch, Contract, Event, Field, Texts
from kingpost.core import Place
from kingpost.features.errors import WrongFeature

__all__ = ["Filter", "Value", "checked_filters", "mask", "matcher"]

Value = str | int | float | bool
Test = Literal["present", "one_of", "above", "below"]


@dataclass(frozen=True)
class Filter:
    """One condition on one field.

    Attributes:
        values: Those allowed for `one_of`, the limit for `above` and `below` (exclusive),
            none for `present`.
    """

    field: str
    test: Test
    values: tuple[Value, ...] = ()

    @property
    def description(self) -> tuple[object, ...]:
        """What passes, for the feature's digest."""
        return (self.field, self.test, self.values)


def checked_filters(
    contract: Contract[Event],
    field: Field,
    place: Place,
    *,
    equals: Value | None,
    above: float | None,
    below: float | None,
    one_of: Iterable[Value] | None,
) -> tuple[Filter, ...]:
    """Make filters of what `where` was given.

    Raises:
        WrongFeature: It was given nothing, or what the field can never be compared with.
    """
    found: list[Filter] = []
    if equals is not None:
        found.append(Filter(field.name, "one_of", (equals,)))
    if one_of is not None:
        found.append(Filter(field.name, "one_of", tuple(sorted(set(one_of), key=_order))))
    if above is not None:
        found.append(Filter(field.name, "above", (above,)))
    if below is not None:
        found.append(Filter(field.name, "below", (below,)))
    if not found or not all(one.values for one in found):
        raise WrongFeature(
            f"where({field.name!r}) has no condition",
            "give one of equals=, above=, below=, one_of=",
            place,
        )
    if field.kind == "time":
        raise WrongFeature(
            f"{field.name!r} is a time, which windows already choose by",
            "filter by text, numbers and booleans",
            place,
        )
    if field.kind == "vector":
        raise WrongFeature(
            f"{field.name!r} is a vector, which is neither equal to a value nor ordered",
            "filter by text, numbers and booleans",
            place,
        )
    for one in found:
        for value in one.values:
            _check_value(contract, field, one.test, value, place)
    return tuple(found)


def _order(value: Value) -> tuple[str, Value]:
    return ("text" if isinstance(value, str) else "number", value)


def _check_value(
    contract: Contract[Event], field: Field, test: Test, value: Value, place: Place
) -> None:
    name = f"{contract.type.__name__}.{field.name}"
    if test != "one_of" and field.kind not in ("integer", "number"):
        raise WrongFeature(
            f"{name} is {field.kind} and cannot be {test} a limit", "use equals= or one_of=", place
        )
    fits = isinstance(value, bool) == (field.kind == "boolean") and (
        isinstance(value, str)
        if field.kind == "text"
        else not isinstance(value, str) and math.isfinite(value)
    )
    if not fits:
        raise WrongFeature(
            f"{name} is {field.kind} and never equal to or ordered against {value!r}",
            "compare it with a value of its own kind",
            place,
        )
    if field.choices and value not in field.choices:
        raise WrongFeature(
            f"{name} is never {value!r}", f"it is one of {', '.join(field.choices)}", place
        )


def matcher(filters: Iterable[Filter]) -> Callable[[Event], bool] | None:
    """Return a function that says whether an event passes; None when every event does."""
    tests = [_test(one) for one in filters]
    if not tests:
        return None
    if len(tests) == 1:
        return tests[0]
    return lambda event: all(test(event) for test in tests)


def _test(one: Filter) -> Callable[[Event], bool]:
    get = attrgetter(one.field)
    if one.test == "present":
        return lambda event: get(event) is not None
    if one.test == "one_of":
        allowed = frozenset(one.values)
        return lambda event: get(event) in allowed
    limit = cast("float", one.values[0])

    def is_above(event: Event) -> bool:
        value = get(event)
        return value is not None and value > limit

    def is_below(event: Event) -> bool:
        value = get(event)
        return value is not None and value < limit

    return is_above if one.test == "above" else is_below


def mask(filters: Iterable[Filter], batch: ColumnBatch) -> NDArray[np.bool_] | None:
    """Say which rows pass, bool, shape (rows,); None when every row does."""
    passes: NDArray[np.bool_] | None = None
    for one in filters:
        rows = _rows(one, batch)
        present = batch.present.get(one.field)
        if present is not None:
            rows = rows & present
        passes = rows if passes is None else passes & rows
    return passes


def _rows(one: Filter, batch: ColumnBatch) -> NDArray[np.bool_]:
    if one.test == "present":
        return np.ones(batch.rows, np.bool_)
    column = batch.columns[one.field]
    if isinstance(column, Texts):
        allowed = frozenset(one.values)
        return np.array([text in allowed for text in column.values], np.bool_)[column.codes]
    numbers = cast("NDArray[np.float64]", column)
    if one.test == "one_of":
        rows = np.zeros(batch.rows, np.bool_)
        for value in one.values:
            rows |= numbers == cast("float", value)
        return rows
    limit = cast("float", one.values[0])
    return numbers > limit if one.test == "above" else numbers < limit
