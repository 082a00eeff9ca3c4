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
        return float(weights @ values) / total if total else math.nan

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


def _auc_roc(label: NDArray[np.bool_], score: NDArray[np.float64]) -> Weighted:
    _, at = np.unique(score, return_inverse=True)
    different = int(at.max()) + 1 if len(at) else 0

    def area(weights: NDArray[np.float64]) -> float:
        positive = np.bincount(at, weights * label, different)
        negative = np.bincount(at, weights * ~label, different)
        pairs = float(positive.sum() * negative.sum())
        below = np.cumsum(negative) - negative / 2
        return float(positive @ below) / pairs if pairs else math.nan

    return area


def _average_precision(label: NDArray[np.bool_], score: NDArray[np.float64]) -> Weighted:
    order = np.argsort(-score, kind="stable")
    ordered = score[order]
    first_of_equals = np.flatnonzero(np.diff(ordered, prepend=math.inf))
    positive = label[order].astype(np.float64)

    def precision(weights: NDArray[np.float64]) -> float:
        if not len(order):
            return math.nan
        drawn = weights[order]
        found = np.add.reduceat(drawn * positive, first_of_equals)
        alarms = np.cumsum(np.add.reduceat(drawn, first_of_equals))
        total = float(found.sum())
        if not total or total == alarms[-1]:
            return math.nan
        caught = np.cumsum(found)
        some = found > 0  # alarms are more than none wherever a positive row was found
        return float(np.sum(found[some] * caught[some] / alarms[some])) / total

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
