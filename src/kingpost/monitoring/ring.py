"""The last minutes of a stream, in counts, and the windows that end in them.

The rule: a row belongs to the minute in which the stream stood when it came, so that a
window is a stretch of the journal, whatever its rows say of their own time, and what was
judged once is never judged again. Minutes without rows take no room.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kingpost.monitoring.counts import COLUMNS_AT, STAGES_AT, Count
from kingpost.monitoring.window import Window

__all__ = ["MinuteRing", "Stretches"]


class Stretches(NamedTuple):
    """One window at several moments, shape (moments,) each.

    Attributes:
        first: Place of the first minute in the ring.
        end: Place behind the last minute.
        minutes: How long it is.
        rows: Rows in it.
        judged: Whether there are enough.
    """

    first: NDArray[np.int64]
    end: NDArray[np.int64]
    minutes: NDArray[np.int64]
    rows: NDArray[np.int64]
    judged: NDArray[np.bool_]


class MinuteRing:
    """Minutes that have rows, ascending, with their counts.

    Attributes:
        minutes: Minutes since 1970, int64, shape (minutes,).
        counts: As in a `Summary`, int64, shape (minutes, width).
    """

    def __init__(self, width: int) -> None:
        self.minutes = np.empty(0, np.int64)
        self.counts = np.empty((0, width), np.int64)
        self._reached = np.zeros((1, 0), np.int64)

    def add(self, minutes: NDArray[np.int64], counts: NDArray[np.int64]) -> None:
        """Add minutes, ascending, the first of which may be the last known one."""
        if len(minutes) and len(self.minutes) and minutes[0] == self.minutes[-1]:
            self.counts[-1] += counts[0]
            minutes, counts = minutes[1:], counts[1:]
        if len(minutes):
            self.minutes = np.concatenate([self.minutes, minutes])
            self.counts = np.concatenate([self.counts, counts])
        self._reached = np.zeros((1, 0), np.int64)

    def drop_before(self, minute: int) -> None:
        """Forget what is too old to be in a window."""
        first = int(np.searchsorted(self.minutes, minute))
        if first:
            # copies, so that the larger arrays are let go
            self.minutes = self.minutes[first:].copy()
            self.counts = self.counts[first:].copy()
            self._reached = np.zeros((1, 0), np.int64)

    def between(self, since: int, until: int) -> NDArray[np.int64]:
        """Return the places of the minutes from one to before another."""
        first = int(np.searchsorted(self.minutes, since))
        return np.arange(first, int(np.searchsorted(self.minutes, until)))

    def stretches(self, window: Window, last: NDArray[np.int64]) -> Stretches:
        """Return a window as it was at the end of some minutes, given by their places."""
        rows = np.concatenate([[0], np.cumsum(self.counts[:, Count.ROWS])])
        end, minute = last + 1, self.minutes[last]
        first = np.searchsorted(self.minutes, minute - window.minutes + 1)
        if window.longest_minutes > window.minutes:
            enough = np.searchsorted(rows, rows[end] - window.min_rows, side="right") - 1
            oldest = np.searchsorted(self.minutes, minute - window.longest_minutes + 1)
            first = np.maximum(np.minimum(first, enough), oldest)
        found = rows[end] - rows[first]
        minutes = np.maximum(minute - self.minutes[first] + 1, window.minutes)
        return Stretches(first, end, minutes, found, found >= window.min_rows)

    def sums(self, stretches: Stretches) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the single counts and the columns' bins of some stretches, by the row."""
        if not self._reached.shape[1]:
            kept = np.concatenate([self.counts[:, :STAGES_AT], self.counts[:, COLUMNS_AT:]], axis=1)
            self._reached = np.zeros((len(kept) + 1, kept.shape[1]), np.int64)
            np.cumsum(kept, axis=0, out=self._reached[1:])
        found = self._reached[stretches.end] - self._reached[stretches.first]
        return found[:, :STAGES_AT], found[:, STAGES_AT:]
