"""Live counts beside those of the reference: many windows and all columns at once.

The same code judges what is live and finds the limits when a profile is made. The measure
is the population stability index of `stats`, with the same smoothing, over the values that
are there; how many are missing is measured apart from it.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kingpost.monitoring.profile import ColumnProfile
from kingpost.stats import SMOOTHING

__all__ = ["Comparison", "Measured"]


class Measured(NamedTuple):
    """What was found, shapes (windows, columns).

    Attributes:
        psi: In nats.
        rows: Rows that it was measured on: those that have a value.
        missing: Share of missing values among all rows of the window; 0 for none.
    """

    psi: NDArray[np.float64]
    rows: NDArray[np.int64]
    missing: NDArray[np.float64]


class Comparison:
    """The columns of a profile, prepared; their bins lie side by side."""

    def __init__(self, columns: Sequence[ColumnProfile]) -> None:
        self.columns = tuple(columns)
        self.widths = tuple(len(column.counts) for column in columns)
        widths = np.array(self.widths, np.int64)
        ends = np.cumsum(widths)
        self.starts = ends - widths
        self.bins = int(ends[-1]) if len(ends) else 0
        self._missing_at = ends - 1
        self._smoothed = SMOOTHING * widths
        self._owner = np.repeat(np.arange(len(widths)), widths)
        counts = np.array([count for column in columns for count in column.counts], np.int64)
        expected = self._present(counts[None, :])
        rows = self._rows(expected)
        self.present_share = rows[0] / np.maximum(self._rows(counts[None, :])[0], 1)
        self._share, self._log_share = self._shares(expected, rows)

    def measure(self, live: NDArray[np.int64]) -> Measured:
        """Compare windows with the reference.

        Args:
            live: Rows per bin, shape (windows, bins).
        """
        if not self.bins or not len(live):
            empty = np.zeros((len(live), len(self.columns)))
            return Measured(empty, empty.astype(np.int64), empty)
        everything = self._rows(live)
        missing = live[:, self._missing_at] / np.maximum(everything, 1)
        counted = self._present(live)
        rows = self._rows(counted)
        share, log_share = self._shares(counted, rows)
        moved = (share - self._share) * (log_share - self._log_share)
        return Measured(np.add.reduceat(moved, self.starts, axis=1), rows, missing)

    def _rows(self, counts: NDArray[np.int64]) -> NDArray[np.int64]:
        if not self.bins:
            return np.zeros((len(counts), 0), np.int64)
        return np.add.reduceat(counts, self.starts, axis=1)

    def _present(self, counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Leave missing values out: how values lie is one thing, whether there are any another."""
        present = counts.copy()
        present[:, self._missing_at] = 0
        return present

    def _shares(
        self, counts: NDArray[np.int64], rows: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        share = (counts + SMOOTHING) / (rows + self._smoothed)[:, self._owner]
        return share, np.log(share)
