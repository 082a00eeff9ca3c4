"""Measures of quality over weighted rows, and how sure each is.

The rule: with all weights one each measure is that of `kingpost.models.measures`, and of
scikit-learn; a measure that is not defined on the rows given is NaN.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kingpost.models.gates.rows import JudgedRows
from kingpost.models.measures import CALIBRATION_EDGES
from kingpost.stats import roc_interval, wilson_interval

__all__ = [
    "FEWEST",
    "Weighted",
    "quality_interval",
    "too_few",
    "weighted_mean",
    "weighted_measure",
]

FEWEST = 10
"""A number over fewer rows of a kind than these decides nothing, whatever its interval."""

Weighted = Callable[[NDArray[np.float64]], float]
"""A measure by how often each row counts: float64, shape (rows,)."""

_RATES = ("precision", "recall", "false_positive_rate")


class _Hits(NamedTuple):
    """A rate: which rows it is of, and which of these are hits."""

    of: NDArray[np.bool_]
    hits: NDArray[np.bool_]


def weighted_measure(measure: str, rows: JudgedRows) -> Weighted:
    """Prepare a measure of some rows; what does not depend on the weights is done once."""
    match measure:
        case "auc_roc":
            return _auc_roc(rows.label, rows.score)
        case "average_precision":
            return _average_precision(rows.label, rows.score)
        case "brier":
            return weighted_mean((rows.score - rows.label) ** 2)
        case "calibration_error":
            return _calibration_error(rows.label, rows.score)
        case _:
            of, hits = _rate(measure, rows)
            return _weighted_rate(np.flatnonzero(of), np.flatnonzero(hits))


def weighted_mean(values: NDArray[np.float64]) -> Weighted:
    """Prepare the mean of a number per row."""

    def mean(weights: NDArray[np.float64]) -> float:
        total = float(weights.sum())
        # not a dot product: its threads would add in another order elsewhere
        return float(np.sum(weights * values)) / total if total else math.nan

    return mean


def quality_interval(measure: str, rows: JudgedRows, z: float) -> tuple[float, float] | None:
    """Return the interval of a measure that has a formula; None for those that are resampled."""
    if measure == "auc_roc":
        positive, negative = rows.score[rows.label], rows.score[~rows.label]
        return roc_interval(positive, negative, z=z) if len(positive) and len(negative) else None
    if measure in _RATES:
        of, hits = _rate(measure, rows)
        found = int(np.count_nonzero(of))
        return wilson_interval(int(np.count_nonzero(hits)), found, z=z) if found else None
    return None


def too_few(measure: str, rows: JudgedRows) -> str:
    """Say what there is too little of for a measure to decide anything; empty for nothing."""
    if measure in _RATES:
        of = int(np.count_nonzero(_rate(measure, rows).of))
        what = {
            "precision": "positive answers",
            "recall": "positive rows",
            "false_positive_rate": "negative rows",
        }[measure]
        return "" if of >= FEWEST else f"{of} {what}"
    if measure in ("auc_roc", "average_precision"):
        positives = int(np.count_nonzero(rows.label))
        for what, count in (("positive", positives), ("negative", len(rows) - positives)):
            if count < FEWEST:
                return f"{count} {what} rows"
    return "" if len(rows) >= FEWEST else f"{len(rows)} rows"


def _rate(measure: str, rows: JudgedRows) -> _Hits:
    answer, label = rows.answer, rows.label
    match measure:
        case "precision":
            return _Hits(answer, answer & label)
        case "recall":
            return _Hits(label, answer & label)
        case _:
            return _Hits(~label, answer & ~label)


def _weighted_rate(of: NDArray[np.int64], hits: NDArray[np.int64]) -> Weighted:
    def rate(weights: NDArray[np.float64]) -> float:
        total = float(weights[of].sum())
        return float(weights[hits].sum()) / total if total else math.nan

    return rate


class _Ranked:
    """Rows from the highest score down, of which only those beside a positive one are looked at.

    Equal scores are one score. So a resample costs one sum over all rows, and the rest of the
    work is by the positive ones, which are few.
    """

    def __init__(self, label: NDArray[np.bool_], score: NDArray[np.float64]) -> None:
        self.order = np.argsort(-score, kind="stable")
        ordered = score[self.order]
        begins = np.flatnonzero(np.diff(ordered, prepend=math.inf))
        group_of = np.cumsum(np.bincount(begins, minlength=len(ordered))) - 1
        self.positive = np.flatnonzero(label[self.order])
        groups, self._first = np.unique(group_of[self.positive], return_index=True)
        ends = np.append(begins[1:], len(ordered)) if len(ordered) else begins
        self._before, self._through = begins[groups], ends[groups]

    def counted(self, weights: NDArray[np.float64]) -> "_Counted":
        """Count what a resample drew."""
        drawn = weights[self.order]
        # begins with none, so that what lies before a score is counted too
        alarms = np.concatenate([[0.0], np.cumsum(drawn)])
        found = np.add.reduceat(drawn[self.positive], self._first)
        return _Counted(
            found, np.cumsum(found), alarms[self._before], alarms[self._through], float(alarms[-1])
        )


class _Counted(NamedTuple):
    """By score that a positive row has, from the highest down.

    Attributes:
        found: Positive rows of this score.
        caught: Positive rows down to it.
        before, through: Rows above it, and with those of it.
        rows: All of them.
    """

    found: NDArray[np.float64]
    caught: NDArray[np.float64]
    before: NDArray[np.float64]
    through: NDArray[np.float64]
    rows: float

    @property
    def is_mixed(self) -> bool:
        """Whether rows of both kinds were drawn."""
        return 0 < self.caught[-1] < self.rows


def _auc_roc(label: NDArray[np.bool_], score: NDArray[np.float64]) -> Weighted:
    ranked = _Ranked(label, score)

    def area(weights: NDArray[np.float64]) -> float:
        counted = ranked.counted(weights) if len(ranked.positive) else None
        if counted is None or not counted.is_mixed:
            return math.nan
        positives = float(counted.caught[-1])
        negatives = counted.rows - positives
        above = counted.before - (counted.caught - counted.found)
        tied = counted.through - counted.before - counted.found
        return float(np.sum(counted.found * (negatives - above - tied / 2))) / positives / negatives

    return area


def _average_precision(label: NDArray[np.bool_], score: NDArray[np.float64]) -> Weighted:
    ranked = _Ranked(label, score)

    def precision(weights: NDArray[np.float64]) -> float:
        counted = ranked.counted(weights) if len(ranked.positive) else None
        if counted is None or not counted.is_mixed:
            return math.nan
        some = counted.found > 0  # alarms are more than none wherever a positive row was found
        gained = counted.found[some] * counted.caught[some] / counted.through[some]
        return float(np.sum(gained)) / float(counted.caught[-1])

    return precision


def _calibration_error(label: NDArray[np.bool_], score: NDArray[np.float64]) -> Weighted:
    at = np.searchsorted(np.array(CALIBRATION_EDGES[1:-1]), score, side="right")
    apart = score - label
    bins = len(CALIBRATION_EDGES) - 1

    def error(weights: NDArray[np.float64]) -> float:
        total = float(weights.sum())
        found = np.bincount(at, weights * apart, bins)
        return float(np.abs(found).sum()) / total if total else math.nan

    return error
