"""Durations in bins of equal ratio: small, exact to add up, good for percentiles.

Eight bins to an octave, from 8 microseconds to 33 seconds, with one bin below and one
above. A percentile read from it is within 4.5% of the true one in between. Counts are
integers, so that histograms of parts add up to the histogram of the whole, whatever the
order.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kingpost.stats.errors import BadShare, BinMismatch

__all__ = ["HISTOGRAM_BINS", "LogHistogram", "duration_bins"]

_PER_OCTAVE = 8
_FIRST, _LAST = 3, 25  # powers of two, microseconds
_EDGES = 2.0 ** (np.arange((_LAST - _FIRST) * _PER_OCTAVE + 1) / _PER_OCTAVE + _FIRST)

HISTOGRAM_BINS = len(_EDGES) + 1
"""Bins of every histogram: below the first edge, between the edges, above the last."""


def duration_bins(durations_us: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return the bin of each duration, in the shape given; a negative one counts as none."""
    return np.searchsorted(_EDGES, durations_us, side="right")


@dataclass(frozen=True, eq=False)
class LogHistogram:
    """How often durations of each size were seen.

    Attributes:
        counts: Rows per bin, int64, shape (HISTOGRAM_BINS,).
    """

    counts: NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.counts.shape != (HISTOGRAM_BINS,):
            raise BinMismatch(self.counts.shape, (HISTOGRAM_BINS,))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LogHistogram) and np.array_equal(self.counts, other.counts)

    __hash__ = None  # pyright: ignore[reportAssignmentType]  # the counts may be changed

    @classmethod
    def empty(cls) -> "LogHistogram":
        """Return one that has seen nothing."""
        return cls(np.zeros(HISTOGRAM_BINS, np.int64))

    @classmethod
    def of(cls, durations_us: NDArray[np.integer]) -> "LogHistogram":
        """Count durations."""
        return cls(np.bincount(duration_bins(durations_us), minlength=HISTOGRAM_BINS))

    @property
    def rows(self) -> int:
        """How many durations were counted."""
        return int(self.counts.sum())

    def merge(self, other: "LogHistogram") -> "LogHistogram":
        """Return what one that had seen both would be."""
        return LogHistogram(self.counts + other.counts)

    def percentile(self, share: float) -> float | None:
        """Return the duration in microseconds that a share of the rows did not exceed.

        Within a bin rows are taken to lie evenly. None when there are no rows.

        Raises:
            BadShare: The share lies outside 0 to 1.
        """
        if not 0 <= share <= 1:
            raise BadShare(f"{share:g}")
        reached = self.counts.cumsum()
        rows = int(reached[-1])
        if not rows:
            return None
        wanted = max(share * rows, 1e-9)
        at = int(reached.searchsorted(wanted))
        low = 0.0 if at == 0 else float(_EDGES[at - 1])
        if at == len(_EDGES):
            return low
        before = int(reached[at - 1]) if at else 0
        return low + (float(_EDGES[at]) - low) * (wanted - before) / int(self.counts[at])
