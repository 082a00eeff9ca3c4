"""How good scores are: ranking, precision per entity, calibration, cost.

The rule: equal scores are one score, never ordered by chance; a measure that is not defined
on the rows given is an error, not a number.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kingpost.models.dataset import DAY_US
from kingpost.models.errors import OneClassOnly

__all__ = [
    "Calibration",
    "CostOutcome",
    "Costs",
    "CurvePoint",
    "EntityPrecision",
    "ReliabilityBin",
    "average_precision",
    "calibration",
    "cheapest_threshold",
    "cost_at",
    "entity_precision",
    "precision_recall_curve",
    "roc_auc",
]

CALIBRATION_EDGES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 1.0)


def roc_auc(y: NDArray[np.float64], scores: NDArray[np.float64]) -> float:
    """Measure how often a positive row scores above a negative one; a tie counts half.

    Raises:
        OneClassOnly: All rows are positive, or none.

    Source: the Mann-Whitney statistic, equal to scikit-learn's `roc_auc_score`.
    """
    positives = _both_classes("ROC AUC", y)
    _, rank_of, equal = np.unique(scores, return_inverse=True, return_counts=True)
    last_rank = np.cumsum(equal)
    mean_rank = last_rank - (equal - 1) / 2
    above = mean_rank[rank_of][y == 1].sum() - positives * (positives + 1) / 2
    return float(above / (positives * (len(y) - positives)))


def average_precision(y: NDArray[np.float64], scores: NDArray[np.float64]) -> float:
    """Sum precision over the recall gained, from the highest score down.

    Raises:
        OneClassOnly: All rows are positive, or none.

    Source: scikit-learn's `average_precision_score`: no interpolation, equal scores at once.
    """
    positives = _both_classes("average precision", y)
    caught, alarms = _from_above(y, scores)
    recall_gained = np.diff(caught, prepend=0) / positives
    return float(np.sum(recall_gained * caught / alarms))


class CurvePoint(NamedTuple):
    """What alarms from a score on would have caught.

    Attributes:
        threshold: A score that some row has.
        recall: Which share of the positive rows scores so high.
        precision: Which share of the rows that score so high is positive.
    """

    threshold: float
    recall: float
    precision: float


def precision_recall_curve(
    y: NDArray[np.float64], scores: NDArray[np.float64], *, points: int = 200
) -> tuple[CurvePoint, ...]:
    """Return precision by recall, from the highest score down to the lowest.

    A curve of more points is thinned evenly along the recall. The first, the last and the
    first that catches every positive row stay, and each point is one of the full curve.

    Args:
        points: The most to return, 3 at least.

    Raises:
        OneClassOnly: All rows are positive, or none.

    Source: scikit-learn's `precision_recall_curve`, without its added point at recall 0.
    """
    positives = _both_classes("a precision-recall curve", y)
    caught, alarms = _from_above(y, scores)
    kept = np.arange(len(caught))
    if len(kept) > points:
        levels = np.linspace(float(caught[0]), positives, points - 1, dtype=np.float64)
        kept = np.unique(np.append(np.searchsorted(caught, levels), len(caught) - 1))
    thresholds = np.unique(scores)[::-1]
    return tuple(
        CurvePoint(*point)
        for point in zip(
            thresholds[kept].tolist(),
            (caught[kept] / positives).tolist(),
            (caught[kept] / alarms[kept]).tolist(),
            strict=True,
        )
    )


class EntityPrecision(NamedTuple):
    """Precision among the entities of the highest scores, day by day.

    Attributes:
        k: How many entities are looked at a day.
        mean: Mean over the days.
        per_day: The precision of each day.
        found: Entities found in all.
    """

    k: int
    mean: float
    per_day: tuple[float, ...]
    found: int


def entity_precision(
    entities: NDArray[np.int64],
    event_time_us: NDArray[np.int64],
    y: NDArray[np.float64],
    scores: NDArray[np.float64],
    *,
    k: int = 100,
) -> EntityPrecision:
    """Measure which share of the `k` most suspicious entities of a day is positive.

    An entity counts with its highest score of the UTC day, as positive if any of its rows
    of the day is; one found on an earlier day is no longer looked at. Of equal scores the
    lower entity number comes first.

    Raises:
        OneClassOnly: There are no rows.

    Source: `card_precision_top_k` of the Fraud Detection Handbook, chapter 3.
    """
    if not len(y):
        raise OneClassOnly("precision per entity", 0, 0)
    days = event_time_us // DAY_US
    found = np.empty(0, np.int64)
    per_day: list[float] = []
    for day in np.unique(days):
        rows = np.flatnonzero((days == day) & ~np.isin(entities, found))
        candidates, owner = np.unique(entities[rows], return_inverse=True)
        score, positive = np.full(len(candidates), -math.inf), np.zeros(len(candidates), np.bool_)
        np.maximum.at(score, owner, scores[rows])
        np.logical_or.at(positive, owner, y[rows] == 1)
        top = np.argsort(-score, kind="stable")[:k]
        hits = candidates[top[positive[top]]]
        per_day.append(len(hits) / k)
        found = np.union1d(found, hits)
    return EntityPrecision(k, float(np.mean(per_day)), tuple(per_day), len(found))


class ReliabilityBin(NamedTuple):
    """Rows whose score lies in [low, high); the last bin takes 1 too.

    Attributes:
        mean_score: What the model said; NaN for an empty bin.
        observed: Which share was positive; NaN for an empty bin.
    """

    low: float
    high: float
    rows: int
    positives: int
    mean_score: float
    observed: float


@dataclass(frozen=True)
class Calibration:
    """Whether a score of 0.3 means that three in ten are positive.

    Attributes:
        brier: Mean squared distance of score and label.
        brier_of_base_rate: The same for the share of positives as every row's score.
        expected_error: Mean distance of score and observed share over the bins, by rows.
    """

    brier: float
    brier_of_base_rate: float
    expected_error: float
    bins: tuple[ReliabilityBin, ...]


def calibration(
    y: NDArray[np.float64],
    scores: NDArray[np.float64],
    *,
    edges: tuple[float, ...] = CALIBRATION_EDGES,
) -> Calibration:
    """Compare probabilities with what happened.

    Args:
        edges: Ascending, from 0 to 1; narrow where most scores of a rare event lie.

    Raises:
        OneClassOnly: There are no rows.
    """
    if not len(y):
        raise OneClassOnly("calibration", 0, 0)
    at = np.searchsorted(np.array(edges[1:-1]), scores, side="right")
    rows = np.bincount(at, minlength=len(edges) - 1)
    positives = np.bincount(at, y, len(edges) - 1)
    said = np.bincount(at, scores, len(edges) - 1)
    bins = tuple(
        ReliabilityBin(
            low,
            high,
            int(n),
            int(hits),
            float(total / n) if n else math.nan,
            float(hits / n) if n else math.nan,
        )
        for low, high, n, hits, total in zip(edges, edges[1:], rows, positives, said, strict=False)
    )
    base = float(np.mean(y))
    return Calibration(
        float(np.mean((scores - y) ** 2)),
        base * (1 - base),
        float(np.abs(said - positives).sum() / len(y)),
        bins,
    )


@dataclass(frozen=True, eq=False)
class Costs:
    """What mistakes cost, in one unit.

    Attributes:
        missed: A positive row below the threshold: one number, or one per row, such as the
            amount of the payment, shape (rows,).
        false_alarm: A negative row at or above it.
    """

    missed: float | NDArray[np.float64]
    false_alarm: float


class CostOutcome(NamedTuple):
    """What a threshold would have cost on some rows.

    Attributes:
        threshold: Scores from here on raise an alarm.
        without_model: What missing every positive row costs.
    """

    threshold: float
    caught: int
    missed: int
    false_alarms: int
    cost: float
    without_model: float


def cheapest_threshold(
    y: NDArray[np.float64], scores: NDArray[np.float64], costs: Costs
) -> CostOutcome:
    """Find the threshold of the lowest total cost; choose it on rows held out.

    The threshold lies half way between the two scores it parts. Of equal costs the highest
    threshold counts: the fewest alarms.

    Raises:
        OneClassOnly: All rows are positive, or none.
    """
    _both_classes("a threshold by cost", y)
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    lost = np.where(y == 1, costs.missed, 0.0)[order]
    alarmed = np.where(y == 1, 0.0, costs.false_alarm)[order]
    # cost of alarming the first n rows, where n does not part equal scores
    total = np.concatenate([[0.0], np.cumsum(alarmed - lost)]) + lost.sum()
    parts = np.concatenate([[True], ordered[1:] != ordered[:-1], [True]])
    total[~parts] = math.inf
    first = int(np.argmin(total))
    return cost_at(_between(ordered, first), y, scores, costs)


def cost_at(
    threshold: float, y: NDArray[np.float64], scores: NDArray[np.float64], costs: Costs
) -> CostOutcome:
    """Add up what a threshold costs."""
    positive, alarm = y == 1, scores >= threshold
    lost = np.where(positive, costs.missed, 0.0)
    false_alarms = int(np.count_nonzero(alarm & ~positive))
    return CostOutcome(
        threshold,
        int(np.count_nonzero(alarm & positive)),
        int(np.count_nonzero(~alarm & positive)),
        false_alarms,
        float(lost[~alarm].sum()) + false_alarms * costs.false_alarm,
        float(lost.sum()),
    )


def _between(descending: NDArray[np.float64], first: int) -> float:
    """Return a threshold that only the first so many scores reach."""
    if not first:
        return math.nextafter(1.0, 2.0)  # which no probability reaches
    above = float(descending[first - 1])
    below = float(descending[first]) if first < len(descending) else 0.0
    middle = (above + below) / 2
    return middle if middle > below else above


def _from_above(
    y: NDArray[np.float64], scores: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Count positives and rows down to each different score, the highest first."""
    order = np.argsort(-scores, kind="stable")
    last_of_equals = np.flatnonzero(np.diff(scores[order], append=math.inf))
    return np.cumsum(y[order])[last_of_equals], (last_of_equals + 1).astype(np.float64)


def _both_classes(what: str, y: NDArray[np.float64]) -> int:
    positives = int(np.count_nonzero(y))
    if not 0 < positives < len(y):
        raise OneClassOnly(what, len(y), positives)
    return positives
