"""A sequential test: is one rate higher than another by more than a margin?

    test = ExcessTest(margin=0.01, alpha=0.005)
    test.observe(Sample(1, 0.0), Sample(9, 1.0))
    test.is_excess

The rule: it may be looked at after every observation, for as long as one likes. While the
first rate is at most the second plus the margin, the chance that it *ever* says otherwise is
at most `alpha`. What is measured lies between 0 and 1: failures, shares above a limit.

It is a bet. Observations of both sides are pooled until both have one; such a block has the
difference d = mean(first) − mean(second) − margin, whose expectation is at most 0 where
nothing is wrong. Seven gamblers each stake a fixed share λ of what they have on d; their mean
wealth, the e-value, is a non-negative supermartingale that begins at 1, and by Ville's
inequality exceeds 1/alpha with probability alpha at most. Blocks must be cut without looking
at what was measured. Several processes test together: a wealth is multiplied by each.

Source: Waudby-Smith & Ramdas (2024), "Estimating means of bounded random variables by
betting"; Ville (1939).
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from kingpost.stats.errors import BadTest

__all__ = ["Excess", "ExcessTest", "Sample"]

_STAKES = (0.03, 0.06, 0.12, 0.25, 0.45, 0.7, 0.95)
_RUIN = -700.0
"""The logarithm below which a wealth is not followed: it will not come back."""


class Sample(NamedTuple):
    """How many were measured, and the sum of what was found, each between 0 and 1."""

    number: int
    total: float

    def __add__(self, other: object) -> "Sample":  # pyright: ignore[reportIncompatibleMethodOverride]  a sum, no concatenation
        """Pool two samples."""
        if not isinstance(other, Sample):
            return NotImplemented
        return Sample(self.number + other.number, self.total + other.total)

    @property
    def mean(self) -> float:
        """What was found on average; 0 where nothing was measured."""
        return self.total / self.number if self.number else 0.0


_NOTHING = Sample(0, 0.0)


@dataclass(frozen=True, slots=True)
class Excess:
    """How far a test is; those of several processes are merged.

    Attributes:
        first, second: All that was measured.
        log_wealths: Logarithms of what the gamblers have.
    """

    first: Sample = _NOTHING
    second: Sample = _NOTHING
    log_wealths: tuple[float, ...] = (0.0,) * len(_STAKES)

    @property
    def e_value(self) -> float:
        """The evidence that the first rate is too high: 100 is worth an alpha of 0.01."""
        return math.exp(self.log_e_value)

    @property
    def log_e_value(self) -> float:
        """Its natural logarithm."""
        most = max(self.log_wealths)
        total = sum(math.exp(one - most) for one in self.log_wealths)
        return min(most + math.log(total / len(self.log_wealths)), -_RUIN)

    @staticmethod
    def merged(parts: Iterable["Excess"]) -> "Excess":
        """Return what several processes have seen together, each of its own requests."""
        first, second, wealths = _NOTHING, _NOTHING, [0.0] * len(_STAKES)
        for part in parts:
            first, second = first + part.first, second + part.second
            wealths = [a + b for a, b in zip(wealths, part.log_wealths, strict=True)]
        return Excess(first, second, tuple(wealths))


class ExcessTest:
    """Tests whether the first of two rates is higher than the second plus a margin.

    Args:
        margin: How much higher the first may be, 0 to 1.
        alpha: The chance of a false alarm, over all time; between 0 and 1.
        begun: Where an earlier test of the same margin left off.

    Raises:
        BadTest: A number is outside its range.
    """

    def __init__(self, *, margin: float, alpha: float, begun: Excess | None = None) -> None:
        if not 0 <= margin < 1:
            raise BadTest("margin", margin, "from 0 to below 1")
        if not 0 < alpha < 1:
            raise BadTest("alpha", alpha, "between 0 and 1")
        self.margin, self.alpha = margin, alpha
        begun = begun or Excess()
        self._first, self._second = list(begun.first), list(begun.second)
        self._wealths = list(begun.log_wealths)
        self._stakes = [stake / (1 + margin) for stake in _STAKES]
        self._usual = self._won(-margin)
        self._waiting_first: list[float] = [0, 0.0]
        self._waiting_second: list[float] = [0, 0.0]

    def observe(self, first: Sample, second: Sample) -> None:
        """Take note of what came together; one of the samples may be empty.

        What came together counts as one observation, so that a cause that struck all of it
        is not taken for many causes.
        """
        self._observe(*first, *second)

    def observe_each(self, first: Sequence[float], second: Sequence[float]) -> None:
        """Take note of what was measured one by one, such as the requests of a batch.

        Each of the first side is set against its part of the second. What is measured of one
        must not decide what is measured of the next, but for what strikes both sides alike.
        """
        blocks = len(first)
        if blocks < 2 or not second:
            self._observe(blocks, sum(first), len(second), sum(second))
            return
        begin = 0
        for at, value in enumerate(first, 1):
            end = len(second) * at // blocks
            self._observe(1, value, end - begin, sum(second[begin:end]))
            begin = end

    @property
    def state(self) -> Excess:
        """How far it is."""
        first, second = (Sample(int(number), total) for number, total in self._sides())
        return Excess(first, second, tuple(self._wealths))

    @property
    def is_excess(self) -> bool:
        """Whether the first rate is too high, by this test alone."""
        return self.exceeds(self.state)

    def exceeds(self, merged: Excess) -> bool:
        """Tell whether the first rate is too high by what several processes have seen."""
        return merged.log_e_value >= -math.log(self.alpha)

    def _sides(self) -> tuple[list[float], list[float]]:
        return self._first, self._second

    def _observe(self, number: int, total: float, second_number: int, second_total: float) -> None:
        first, second = self._waiting_first, self._waiting_second
        first[0] += number
        first[1] += total
        second[0] += second_number
        second[1] += second_total
        if first[0] and second[0]:
            self._bet(first, second)
            self._waiting_first, self._waiting_second = [0, 0.0], [0, 0.0]

    def _bet(self, first: list[float], second: list[float]) -> None:
        for side, block in zip(self._sides(), (first, second), strict=True):
            side[0] += block[0]
            side[1] += block[1]
        difference = first[1] / first[0] - second[1] / second[0]
        won = self._won(difference - self.margin) if difference else self._usual
        self._wealths = [max(a + b, _RUIN) for a, b in zip(self._wealths, won, strict=True)]

    def _won(self, difference: float) -> list[float]:
        return [math.log1p(stake * difference) for stake in self._stakes]
