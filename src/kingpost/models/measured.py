"""One evaluation of a model on rows that it had not seen: all measures together, by slice.

The rule: every number comes with the counts it was made of, and a slice in which a measure
is not defined says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kingpost.models.dataset import TrainingSet
from kingpost.models.measures import (
    Calibration,
    CostOutcome,
    Costs,
    CurvePoint,
    EntityPrecision,
    average_precision,
    calibration,
    cost_at,
    entity_precision,
    precision_recall_curve,
    roc_auc,
)

__all__ = ["Evaluation", "Slice", "evaluate"]


class Slice(NamedTuple):
    """The rows of one kind.

    Attributes:
        mean_score: What the model said on average; None for no rows.
        roc_auc: None where all rows are positive, or none.
        average_precision: The same.
    """

    name: str
    rows: int
    positives: int
    mean_score: float | None
    roc_auc: float | None
    average_precision: float | None


@dataclass(frozen=True)
class Evaluation:
    """How good a model was on some rows.

    Attributes:
        entity_precision: None where rows name no entities.
        at_threshold: What the threshold would have cost; None where none was given.
        precision_recall: Precision by recall, at 200 thresholds at the most.
    """

    rows: int
    positives: int
    roc_auc: float
    average_precision: float
    entity_precision: EntityPrecision | None
    calibration: Calibration
    at_threshold: CostOutcome | None
    slices: tuple[Slice, ...]
    precision_recall: tuple[CurvePoint, ...]

    def metrics(self) -> dict[str, float]:
        """Return the numbers by name, as a model version records them."""
        found = {
            "rows": float(self.rows),
            "positives": float(self.positives),
            "auc_roc": self.roc_auc,
            "average_precision": self.average_precision,
            "brier": self.calibration.brier,
            "calibration_error": self.calibration.expected_error,
        }
        if self.entity_precision is not None:
            found[f"entity_precision_{self.entity_precision.k}"] = self.entity_precision.mean
        if self.at_threshold is not None:
            found["cost"] = self.at_threshold.cost
            found["cost_without_model"] = self.at_threshold.without_model
        return found


def evaluate(
    data: TrainingSet,
    scores: NDArray[np.float64],
    *,
    k: int = 100,
    threshold: float | None = None,
    costs: Costs | None = None,
    slices: Mapping[str, NDArray[np.bool_]] | None = None,
) -> Evaluation:
    """Measure scores against the labels of rows that the model had not seen.

    Args:
        scores: Probabilities, shape (rows,).
        k: Entities looked at a day.
        threshold: Chosen before, on other rows; costed if `costs` says how.
        slices: Name to rows, bool, shape (rows,).

    Raises:
        OneClassOnly: All rows are positive, or none.
    """
    at_threshold = None
    if threshold is not None and costs is not None:
        at_threshold = cost_at(threshold, data.y, scores, costs)
    precision = None
    if data.entities is not None:
        precision = entity_precision(data.entities, data.event_time_us, data.y, scores, k=k)
    return Evaluation(
        rows=len(data),
        positives=data.positives,
        roc_auc=roc_auc(data.y, scores),
        average_precision=average_precision(data.y, scores),
        entity_precision=precision,
        calibration=calibration(data.y, scores),
        at_threshold=at_threshold,
        slices=tuple(
            _slice(name, data.y[rows], scores[rows]) for name, rows in (slices or {}).items()
        ),
        precision_recall=precision_recall_curve(data.y, scores),
    )


def _slice(name: str, y: NDArray[np.float64], scores: NDArray[np.float64]) -> Slice:
    positives = int(np.count_nonzero(y))
    mixed = 0 < positives < len(y)
    return Slice(
        name,
        len(y),
        positives,
        float(np.mean(scores)) if len(y) else None,
        roc_auc(y, scores) if mixed else None,
        average_precision(y, scores) if mixed else None,
    )
