"""The state of a measurement: whole numbers of rows, and the least and greatest values.

The rule: states of parts are merged into that of the whole, bit for bit, whatever the parts
were and in whatever order they come.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from kingpost.stats import BinMismatch

__all__ = ["DriftCounts"]


@dataclass(frozen=True, eq=False, slots=True)
class DriftCounts:
    """Rows of some window, counted by the cells of a reference.

    Attributes:
        rows: All of them.
        columns: Per watched column, int64: cells or values, the missing last.
        lowest, highest: Per watched column, float64; infinite the wrong way where there is
            no finite value.
    """

    rows: int
    columns: tuple[NDArray[np.int64], ...]
    lowest: NDArray[np.float64]
    highest: NDArray[np.float64]

    def merge(self, other: "DriftCounts") -> "DriftCounts":
        """Return the state of the rows of both.

        Raises:
            BinMismatch: They were counted by different references.
        """
        widths, others = self.widths, other.widths
        if widths != others:
            raise BinMismatch(widths, others)
        return DriftCounts(
            self.rows + other.rows,
            tuple(a + b for a, b in zip(self.columns, other.columns, strict=True)),
            np.minimum(self.lowest, other.lowest),
            np.maximum(self.highest, other.highest),
        )

    @staticmethod
    def merged(parts: Sequence["DriftCounts"]) -> "DriftCounts":
        """Return the state of the rows of all parts, at least one."""
        return reduce(DriftCounts.merge, parts)

    @property
    def widths(self) -> tuple[int, ...]:
        """Numbers kept per column."""
        return tuple(len(one) for one in self.columns)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, DriftCounts)
            and self.rows == other.rows
            and self.widths == other.widths
            and all(map(np.array_equal, self.columns, other.columns))
            and np.array_equal(self.lowest, other.lowest)
            and np.array_equal(self.highest, other.highest)
        )

    __hash__ = None  # pyright: ignore[reportAssignmentType]  # arrays may be changed
