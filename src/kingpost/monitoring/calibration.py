"""Limits found on the reference: how far windows of it differ from the whole of it.

The rule: a limit is one and three quarters of the largest index that the last 28 days of
the reference show, measured with the windows and the code that judge what is live; never
below 0.25, nor below what chance alone exceeds once in a million windows. So a feature that
follows the calendar, a window of few rows or a small reference does not cry wolf.

The hour and the day are measured from six tenths of their rows on, since what is live may
fill them sooner, at another time of the day, than the reference did. Where the reference
has too few rows a day for a window, stretches of as many rows as it needs stand in for it;
where it has too few at all, the window is not judged.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kingpost.monitoring.comparison import Comparison
from kingpost.monitoring.counts import COLUMNS_AT, Count
from kingpost.monitoring.ring import MinuteRing
from kingpost.monitoring.window import (
    DAY,
    FAST,
    HOUR,
    HOUR_US,
    MINUTE_US,
    RING_MINUTES,
    WINDOWS,
    Window,
)
from kingpost.stats import chi_square_limit, common_rows

__all__ = ["CALIBRATED_US", "Extremes", "chance", "extremes"]

CALIBRATED_US = 28 * 24 * HOUR_US
_AT_ONCE = 1024
_FEWEST_WINDOWS = 30
_CHANCE = 1e-6
_SOONER_HOUR = replace(HOUR, min_rows=HOUR.min_rows * 6 // 10)
_SOONER_DAY_ROWS = DAY.min_rows * 6 // 10


class Extremes:
    """The largest index and share of missing values of each column, by window.

    Attributes:
        day_hours: The fewest hours with rows that a day was judged with.
    """

    def __init__(self, columns: int) -> None:
        self.psi = {window.name: np.zeros(columns) for window in WINDOWS}
        self.missing = np.zeros(columns)
        self.windows = dict.fromkeys((window.name for window in WINDOWS), 0)
        self.day_hours = 0

    def note(self, comparison: Comparison, window: Window, live: NDArray[np.int64]) -> None:
        """Take the windows in that were judged, counts of shape (windows, bins)."""
        if not len(live):
            return
        found = comparison.measure(live)
        self.psi[window.name] = np.maximum(self.psi[window.name], found.psi.max(axis=0))
        self.missing = np.maximum(self.missing, found.missing.max(axis=0))
        self.windows[window.name] += len(live)


def extremes(
    comparison: Comparison, codes: NDArray[np.int64], event_time_us: NDArray[np.int64]
) -> Extremes:
    """Slide every window over rows.

    Args:
        codes: Each value's place among the bins, shape (rows, columns).
        event_time_us: Ascending, shape (rows,).
    """
    found = Extremes(len(comparison.columns))
    if not len(codes):
        return found
    for ring, last in _rings(comparison, codes, event_time_us // MINUTE_US):
        for window in (FAST, _SOONER_HOUR):
            stretches = ring.stretches(window, last)
            _, live = ring.sums(stretches)
            found.note(comparison, window, live[stretches.judged])
    days, found.day_hours = _days(comparison, codes, event_time_us // HOUR_US)
    found.note(comparison, DAY, days)
    for window in WINDOWS:
        if found.windows[window.name] < _FEWEST_WINDOWS:
            found.note(comparison, window, _blocks(comparison, codes, window.min_rows))
    return found


def chance(bins: int, rows: int, window: Window) -> float:
    """Return the index that a window exceeds once in a million times when nothing moved.

    Args:
        bins: Bins that have rows of the reference.
        rows: Rows of the reference.

    Source: the index times n m / (n + m) follows chi-square with bins - 1 degrees of freedom
        (Yurdakul & Naranjo 2020).
    """
    exceeded = chi_square_limit(_CHANCE, max(bins - 1, 1))
    return exceeded / common_rows(rows, window.min_rows)


def _rings(
    comparison: Comparison, codes: NDArray[np.int64], minute: NDArray[np.int64]
) -> Iterator[tuple[MinuteRing, NDArray[np.int64]]]:
    """Give the minutes that have rows, some at a time, and where those lie that are new.

    Each time the minutes before them are there too, which fill their windows.
    """
    distinct = np.unique(minute)
    first_row = np.searchsorted(minute, np.append(distinct, minute[-1] + 1))
    for start in range(0, len(distinct), _AT_ONCE):
        end = min(start + _AT_ONCE, len(distinct))
        lead = int(np.searchsorted(distinct, int(distinct[start]) - RING_MINUTES + 1))
        rows = slice(int(first_row[lead]), int(first_row[end]))
        group = np.repeat(np.arange(end - lead), np.diff(first_row[lead : end + 1]))
        counts = np.zeros((end - lead, COLUMNS_AT + comparison.bins), np.int64)
        counts[:, COLUMNS_AT:] = _counted(comparison, codes[rows], group, end - lead)
        counts[:, Count.ROWS] = np.bincount(group, minlength=end - lead)
        ring = MinuteRing(counts.shape[1])
        ring.add(distinct[lead:end], counts)
        yield ring, np.arange(start - lead, end - lead)


def _days(
    comparison: Comparison, codes: NDArray[np.int64], hour: NDArray[np.int64]
) -> tuple[NDArray[np.int64], int]:
    """Count all stretches of 24 whole hours that have rows enough."""
    hours = int(hour[-1] - hour[0]) + 1
    length = DAY.minutes // 60
    if hours < length:
        return np.empty((0, comparison.bins), np.int64), 0
    counts = _counted(comparison, codes, hour - hour[0], hours)
    rows = np.bincount(hour - hour[0], minlength=hours)
    reached = np.concatenate([np.zeros((1, counts.shape[1]), np.int64), np.cumsum(counts, axis=0)])
    judged = _last(np.cumsum(rows), length) >= _SOONER_DAY_ROWS
    if not judged.any():
        return np.empty((0, comparison.bins), np.int64), 0
    filled = _last(np.cumsum(np.minimum(rows, 1)), length)[judged]
    return (reached[length:] - reached[:-length])[judged], int(filled.min())


def _last(reached: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    """Turn cumulative sums into those of each stretch of a length."""
    return reached[length - 1 :] - np.concatenate([[0], reached[:-length]])


def _blocks(comparison: Comparison, codes: NDArray[np.int64], rows: int) -> NDArray[np.int64]:
    """Count stretches of so many rows, whatever time they took, each half over the next."""
    halves = len(codes) // (rows // 2)
    if halves < 4:
        return np.empty((0, comparison.bins), np.int64)
    group = np.arange(halves * (rows // 2)) // (rows // 2)
    counts = _counted(comparison, codes[: len(group)], group, halves)
    return counts[1:] + counts[:-1]


def _counted(
    comparison: Comparison, codes: NDArray[np.int64], group: NDArray[np.int64], groups: int
) -> NDArray[np.int64]:
    flat = (codes + group[:, None] * comparison.bins).ravel()
    return np.bincount(flat, minlength=groups * comparison.bins).reshape(groups, comparison.bins)
