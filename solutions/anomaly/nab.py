"""The score of the Numenta Anomaly Benchmark, standard profile.

The first alarm in a labelled window earns up to 1, the more the earlier it is; a window
without an alarm costs 1; an alarm outside costs up to 0.11, less just after a window. The
first 15 % of a series, 750 rows at the most, are its probation and do not count. The sum over
all series is put on a scale on which 0 is a detector that says nothing and 100 one that is
right at the first row of every window.

Source: Lavin & Ahmad, "Evaluating real-time anomaly detection algorithms" (2015), and, where
the paper leaves it open, what the benchmark's own scorer does: a window that lies in the
probation altogether can neither be found nor missed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["FALSE_ALARM", "Labelled", "Score", "normalised"]

FALSE_ALARM = 0.11
"""What a false alarm costs, in missed windows."""

PROBATION, MOST_PROBATION = 0.15, 750
_STEEPNESS, _FAR = 5.0, 3.0

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Score:
    """What alarms were worth; scores of several series add up.

    Attributes:
        raw: The sum of what alarms earned and cost.
        silent: What no alarm at all would have had.
        windows: Labelled windows, those in the probation among them.
        found: Windows that had an alarm.
        false_alarms: Alarms outside of windows.
    """

    raw: float = 0.0
    silent: float = 0.0
    windows: int = 0
    found: int = 0
    false_alarms: int = 0

    def __add__(self, other: "Score") -> "Score":
        return Score(
            self.raw + other.raw,
            self.silent + other.silent,
            self.windows + other.windows,
            self.found + other.found,
            self.false_alarms + other.false_alarms,
        )


def normalised(score: Score) -> float:
    """Put a sum on the scale from 0, saying nothing, to 100, perfect; NaN without windows."""
    best = score.windows - score.silent
    return 100 * (score.raw - score.silent) / best if best else float("nan")


@dataclass(frozen=True)
class Labelled:
    """A series' rows with what an alarm at each of them is worth.

    Attributes:
        worth: What the alarm would earn or cost, shape (rows,).
        window: The window that a row lies in, -1 outside, shape (rows,).
        probation: The first so many rows do not count.
        windows: How many windows there are.
    """

    worth: Floats
    window: Integers
    probation: int
    windows: int

    @staticmethod
    def of(rows: int, windows: Sequence[tuple[int, int]]) -> "Labelled":
        """Take the windows as first and last row of each, in their order, apart."""
        worth = np.full(rows, -FALSE_ALARM)
        window = np.full(rows, -1, np.int64)
        following_starts = [*(first for first, _ in windows), rows][1:]
        for number, ((first, last), following) in enumerate(
            zip(windows, following_starts, strict=False)
        ):
            width = last - first + 1
            inside, after = np.arange(first, last + 1), np.arange(last + 1, following)
            worth[inside] = _sigmoid(-(last - inside + 1) / width) / _sigmoid(np.float64(-1))
            worth[after] = FALSE_ALARM * _sigmoid((after - last) / max(width - 1, 1))
            window[inside] = number
        probation = int(min(PROBATION * rows, MOST_PROBATION))
        return Labelled(worth, window, probation, len(windows))

    def score(self, alarms: Integers) -> Score:
        """Judge alarms, given as rows."""
        counted = alarms[alarms >= self.probation]
        outside = counted[self.window[counted] < 0]
        best = np.full(self.windows, -np.inf)
        inside = counted[self.window[counted] >= 0]
        np.maximum.at(best, self.window[inside], self.worth[inside])
        findable = np.unique(self.window[self.probation :])
        earned = best[findable[findable >= 0]]
        was_found = np.isfinite(earned)
        return Score(
            raw=float(earned[was_found].sum() - (~was_found).sum() + self.worth[outside].sum()),
            silent=-float(len(earned)),
            windows=self.windows,
            found=int(was_found.sum()),
            false_alarms=len(outside),
        )


def _sigmoid(position: Floats | np.float64) -> Floats:
    """Fall from 1 far before the end of a window, over 0 at its end, to -1 far behind it."""
    near = 2 / (1 + np.exp(_STEEPNESS * np.minimum(position, _FAR))) - 1
    return np.where(position > _FAR, -1.0, near)
