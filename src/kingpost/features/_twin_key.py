"""The twin's events of one key, and what a window over them is reduced to.

The rule: sums are Python integers, and `finalise` turns them into a float by the very
operations of `_kernel.c`, so no order of arrival changes a bit. A key is one sorted list:
a read costs its window's length, a late event what lies behind it.
"""

import math
from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable
from itertools import accumulate
from typing import NamedTuple

from kingpost.features._twin_sketches import decayed, distinct, quantile

__all__ = ["INT64", "TIME_LIMIT", "Key", "Output", "Window"]

TIME_LIMIT = 2**62
INT64 = 2**63 - 1


class Output(NamedTuple):
    op: str
    column: int
    place: int
    scale: float
    empty: float
    argument: int

    def value(self, x: int) -> float:
        """Return a value as a float: a multiple of the resolution, or the bits themselves."""
        if self.scale:
            return float(x) / self.scale
        return array("d", array("q", [x]).tobytes())[0]


class Window(NamedTuple):
    far: int
    near: int
    align: int
    outputs: list[Output]

    def looks_from(self, q: int) -> int:
        """Return the time it looks back from."""
        return max(q - q % self.align - 1, -TIME_LIMIT) if self.align else q


class Key:
    """The events of one key in (t, s) order, one array per column."""

    __slots__ = ("s", "sums", "t", "x")

    def __init__(self, columns: int) -> None:
        self.t = array("q")
        self.s = array("q")
        self.x = tuple(array("q") for _ in range(columns))
        self.sums: list[list[int]] = []
        """Prefix sums per column, once the key takes no more events."""

    def after(self, t: int, s: int) -> int:
        """First event behind (t, s)."""
        at = bisect_right(self.t, t)
        if at and self.t[at - 1] == t and self.s[at - 1] > s:
            return bisect_right(self.s, s, bisect_left(self.t, t, 0, at), at)
        return at

    def insert(self, t: int, s: int, values: Iterable[int]) -> None:
        at = self.after(t, s)
        self.t.insert(at, t)
        self.s.insert(at, s)
        for column, value in zip(self.x, values, strict=True):
            column.insert(at, value)

    def retract(self, t: int, s: int) -> bool:
        at = self.after(t, s) - 1
        if at < 0 or self.t[at] != t or self.s[at] != s:
            return False
        for column in (self.t, self.s, *self.x):
            del column[at]
        return True

    def drop(self, t: int) -> int:
        """Take out all events up to time t; return how many."""
        end = bisect_right(self.t, t)
        for column in (self.t, self.s, *self.x):
            del column[:end]
        return end

    def freeze(self) -> None:
        self.sums = [list(accumulate(column, initial=0)) for column in self.x]

    def total(self, column: int, low: int, high: int) -> int:
        if self.sums:
            return self.sums[column][high] - self.sums[column][low]
        return sum(self.x[column][low:high])

    def read(
        self, windows: list[Window], q: int, tie: int, out: "memoryview[float]", start: int
    ) -> None:
        for window in windows:
            far, near, align, outputs = window
            moment = window.looks_from(q)
            high = self.after(moment - near, INT64 if near or align else tie)
            low = bisect_right(self.t, moment - far)
            for output in outputs:
                out[start + output.place] = finalise(self, output, low, high, q)


def finalise(key: Key, output: Output, low: int, high: int, q: int) -> float:
    op, column, _, scale, empty, argument = output
    n = high - low
    if n == 0 or (n == 1 and op in ("var", "std")):
        return empty
    match op:
        case "count":
            return float(n)
        case "sum":
            return float(key.total(column, low, high)) / scale
        case "mean":
            return float(key.total(column, low, high)) / (float(n) * scale)
        case "var":
            return _variance(key, column, low, high, scale)
        case "std":
            return math.sqrt(_variance(key, column, low, high, scale))
        case "since":
            return float(q - key.t[high - 1]) / float(argument)
        case "sequence":
            return float(key.s[high - 1])
        case "decayed_sum":
            return decayed(key.t[low:high], key.x[column][low:high], q, argument, scale)
        case "decayed_count":
            return decayed(key.t[low:high], [1] * n, q, argument, scale)
        case _:
            return _picked(output, key.x[column], low, high)


def _picked(output: Output, x: "array[int]", low: int, high: int) -> float:
    """Return a result that is one of the values, or tells how many there are."""
    match output.op:
        case "min":
            return float(min(x[low:high])) / output.scale
        case "max":
            return float(max(x[low:high])) / output.scale
        case "first":
            return output.value(x[low])
        case "last":
            return output.value(x[high - 1])
        case "distinct":
            return distinct(x[low:high], output.argument)
        case "top":
            ranked = sorted(Counter(x[low:high]).items(), key=lambda one: (-one[1], one[0]))
            if len(ranked) < output.argument:
                return output.empty
            return output.value(ranked[output.argument - 1][0])
        case _:
            return output.value(quantile(x[low:high], output.argument))


def _variance(key: Key, column: int, low: int, high: int, scale: float) -> float:
    n, total = high - low, key.total(column, low, high)
    squares = sum(x * x for x in key.x[column][low:high])
    return float(n * squares - total * total) / (float(n * (n - 1)) * (scale * scale))
