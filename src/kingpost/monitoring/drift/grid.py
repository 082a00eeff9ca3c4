"""The grid of a column of numbers: chosen once on the reference, then the same for ever.

The rule: a value v lies in cell i when `edges[i - 1] <= v < edges[i]`, compared as the
model sees them, float32. There are the quantiles in 512 parts, a cell for each value that
has as many rows as such a part, and, beyond all of the reference, cells that double in
width, so that what lies outside is known to a factor of two. Bins, about ten, are whole
cells; they are those of the live monitors.

Rows are counted by sorting some thousands and looking up the edges in them, which is
faster than looking up rows in edges. The counts are integers, so that it does not matter
how rows were cut into batches, nor in which order they came.
"""

import numpy as np
from numpy.typing import NDArray

from kingpost.monitoring.binning import bin_edges

__all__ = ["QUANTILES", "Grid", "choose_grid"]

QUANTILES = 512
_OUTER = 24
"""Cells beyond either end: the last begins 2 ** 24 times the reference's range away."""
_GREATEST = np.float32(2.0**100)
"""Greater numbers count, and have no part in choosing edges."""
_SORTED_AT_ONCE = 1 << 13
_FEW = 1 << 11
_BINS_ROWS = 1 << 15


class Grid:
    """Cells, and the bins that they make up.

    Attributes:
        edges: Ascending, float32, shape (cells - 1,).
        bins: The edges at which a bin begins, ascending; the first bin is below all of the
            reference, the last above it.
    """

    def __init__(self, edges: NDArray[np.float32], bins: NDArray[np.float32]) -> None:
        self.edges, self.bins = edges, bins
        self.cells = len(edges) + 1
        self._starts = np.concatenate([[0], np.searchsorted(edges, bins) + 1])

    def count(self, values: NDArray[np.float32]) -> NDArray[np.int64]:
        """Count values by cell, missing ones last, shape (cells + 1,)."""
        if len(values) <= _FEW:
            codes = np.searchsorted(self.edges, values, side="right")
            codes[np.isnan(values)] = self.cells
            return np.bincount(codes, minlength=self.cells + 1)
        reached = np.zeros(self.cells + 2, np.int64)
        for start in range(0, len(values), _SORTED_AT_ONCE):
            block = np.sort(values[start : start + _SORTED_AT_ONCE])
            reached[1:-2] += np.searchsorted(block, self.edges)
            reached[-2] += np.searchsorted(block, np.float32(np.nan))
            reached[-1] += len(block)
        return np.diff(reached)

    def binned(self, counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Add cells up to bins, without the missing, shape (bins + 1,)."""
        return np.add.reduceat(counts[:-1], self._starts)

    def beyond(self, counts: NDArray[np.int64]) -> int:
        """Count what lies below or above all of the reference."""
        bins = self.binned(counts)
        return int(bins[0] + bins[-1]) if len(self.bins) else int(bins[0])

    def positions(self) -> NDArray[np.float64]:
        """Return where each cell's rows are taken to lie: at its edge nearer to the reference."""
        edges = self.edges.astype(np.float64)
        if not len(edges):
            return np.zeros(1)
        least = int(np.count_nonzero(self.edges < self.bins[0]))
        # below the reference a cell's upper edge is the nearer one
        return np.concatenate([edges[: least + 1], edges[least:]])

    def widths(self, lowest: float, highest: float) -> NDArray[np.float64]:
        """Return how wide each cell is, the outermost as far as there are finite values.

        A cell that holds a single float32 has none.

        Args:
            lowest, highest: The least and the greatest value of both sides.
        """
        edges = self.edges.astype(np.float64)
        if not len(edges):
            return np.zeros(1)
        low, high = min(lowest, float(edges[0])), max(highest, float(edges[-1]))
        found = np.diff(np.concatenate([np.array([low]), edges, np.array([high])]))
        single = np.nextafter(self.edges[:-1], np.float32(np.inf)) == self.edges[1:]
        found[1:-1][single] = 0.0
        return found


def choose_grid(sample: NDArray[np.float32]) -> Grid:
    """Choose the grid of a column on rows of its reference; missing ones count for nothing."""
    values = np.sort(sample[np.abs(sample) <= _GREATEST])
    if not len(values):
        return Grid(np.empty(0, np.float32), np.empty(0, np.float32))
    step = max(1, -(-len(values) // _BINS_ROWS))
    ends = values[[0, -1]]
    bins = np.array(bin_edges(np.concatenate([values[::step], ends])), np.float32)
    quantiles = values[np.arange(QUANTILES) * len(values) // QUANTILES]
    # a value that is two quantiles, or at either end, has a cell for itself
    heavy = quantiles[1:][quantiles[1:] == quantiles[:-1]]
    after = np.nextafter(heavy, np.float32(np.inf), dtype=np.float32)
    edges = np.concatenate([bins, quantiles, after, _outer(float(bins[0]), float(bins[-1]))])
    return Grid(np.unique(edges), bins)


def _outer(lowest: float, highest: float) -> NDArray[np.float32]:
    width = max(highest - lowest, float(np.spacing(np.float32(max(abs(lowest), abs(highest))))))
    reach = width * 2.0 ** np.arange(_OUTER + 1)
    return np.concatenate([lowest - reach, highest + reach]).astype(np.float32)
