"""How each column is counted: numbers by the cells of a grid, texts by their values.

The rule: what is counted here is all that drift is measured on. A text of many values is
watched by its length; a vector by its length and its reach in some directions.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from kingpost.monitoring.drift.grid import Grid
from kingpost.monitoring.drift.tables import Levels
from kingpost.monitoring.drift.vectors import VectorScale

__all__ = ["CategoryColumn", "NumberColumn", "WatchedColumn"]

_OWN_BIN_SHARE = 0.02
_NumberOf = Literal["value", "length", "vector"]


class NumberColumn(msgspec.Struct, frozen=True, tag="number"):
    """Numbers: a column's values, the lengths of its texts, or one number of its vectors.

    Attributes:
        name: What it is called, such as `note.length` or `embedding.direction_3`.
        source: The column that it is taken from.
        part: Of a vector, which of its numbers.
        edges, bins: As in `Grid`.
    """

    name: str
    source: str
    of: _NumberOf
    edges: tuple[float, ...]
    bins: tuple[float, ...]
    part: int = 0
    scale: VectorScale | None = None

    @property
    def grid(self) -> Grid:
        """Its grid."""
        return Grid(np.array(self.edges, np.float32), np.array(self.bins, np.float32))


class CategoryColumn(msgspec.Struct, frozen=True, tag="category"):
    """Texts of few values.

    Attributes:
        values: Those that the reference has, the most frequent first.
        own_bins: So many of them have a bin each; the rarer ones share one.
    """

    name: str
    source: str
    values: tuple[str, ...]
    own_bins: int

    def counted(self, levels: Levels) -> NDArray[np.int64]:
        """Put counts in the order of the state: values, new ones, missing ones."""
        return np.array([*levels.rows, levels.new, levels.missing], np.int64)

    def binned(self, counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Add values up to bins: frequent ones, rare ones together, new ones."""
        known = counts[: len(self.values)]
        rare = known[self.own_bins :].sum(keepdims=True)
        return np.concatenate([known[: self.own_bins], rare, counts[-2:-1]])

    @staticmethod
    def bins_for(rows: Sequence[int]) -> int:
        """Return how many values, the most frequent first, are a fiftieth of all rows each."""
        least = _OWN_BIN_SHARE * sum(rows)
        return sum(count >= least for count in rows)


WatchedColumn = NumberColumn | CategoryColumn
