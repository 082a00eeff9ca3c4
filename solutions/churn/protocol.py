"""How good the model is: five folds of customers, each judged by a model of the other four.

The rule: nothing is fitted on the fold that is judged, neither the model nor a threshold.
That of a budget is chosen on the rows that the trainer held out of its own training rows;
that of an offer follows from what the offer costs and brings.
"""

from dataclasses import dataclass
from statistics import mean, stdev

import numpy as np
from numpy.typing import NDArray

from kingpost.models import (
    Calibration,
    LightGbmTrainer,
    OnnxScorer,
    Progress,
    TrainingSet,
    average_precision,
    calibration,
    quiet,
    roc_auc,
)
from solutions.churn.offer import NothingHeldOut, Offer, Reached, budget_threshold, reached

__all__ = ["FoldQuality", "Judged", "cross_validate", "folds_of"]

FOLDS = 5


@dataclass(frozen=True)
class FoldQuality:
    """How good one model was on the customers that it had not seen.

    Attributes:
        budget: What a campaign for a share of the customers would have reached.
        offer: What a campaign would have reached that contacts all for whom the offer pays.
        everybody: What an offer to all would have reached.
    """

    rows: int
    auc: float
    average_precision: float
    budget: Reached
    offer: Reached
    everybody: Reached


@dataclass(frozen=True, eq=False)
class Judged:
    """All folds.

    Attributes:
        calibration: Of the scores of all rows, each by the model that had not seen it.
    """

    folds: tuple[FoldQuality, ...]
    calibration: Calibration

    @property
    def auc(self) -> tuple[float, float]:
        """The mean of the folds and their standard deviation."""
        found = [fold.auc for fold in self.folds]
        return mean(found), stdev(found)


def folds_of(y: NDArray[np.float64], *, folds: int = FOLDS, seed: int = 7) -> NDArray[np.int64]:
    """Put each row into a fold at random, with as many who leave in each."""
    random = np.random.default_rng(seed)
    found = np.empty(len(y), np.int64)
    for label in (0, 1):
        rows = random.permutation(np.flatnonzero(y == label))
        found[rows] = np.arange(len(rows)) % folds
    return found


def cross_validate(
    data: TrainingSet,
    trainer: LightGbmTrainer,
    *,
    budget: float,
    offer: Offer,
    seed: int = 7,
    progress: Progress = quiet,
) -> Judged:
    """Train on four fifths and judge on the last, five times.

    Args:
        budget: The share of customers that a campaign can contact.

    Raises:
        OneClassOnly: Nobody leaves, or everybody.
        HistoryTooShort: There are too few customers to hold weeks out.
        NothingHeldOut: The trainer holds none out.
        ExtraMissing: LightGBM is not installed.
    """
    fold_of = folds_of(data.y, seed=seed)
    scores = np.empty(len(data))
    found: list[FoldQuality] = []
    for fold in range(FOLDS):
        progress("folds", fold, FOLDS)
        model = trainer(data.take(np.flatnonzero(fold_of != fold)))
        if model.held_out is None:
            raise NothingHeldOut(0, budget)
        threshold = budget_threshold(model.held_out.scores, budget)
        rows = np.flatnonzero(fold_of == fold)
        scores[rows] = OnnxScorer(model.onnx).scores(data.x[rows])
        y, given = data.y[rows], scores[rows]
        quality = FoldQuality(
            rows=len(rows),
            auc=roc_auc(y, given),
            average_precision=average_precision(y, given),
            budget=reached(y, given, threshold, offer),
            offer=reached(y, given, offer.break_even, offer),
            everybody=reached(y, given, 0.0, offer),
        )
        found.append(quality)
    progress("folds", FOLDS, FOLDS)
    return Judged(tuple(found), calibration(data.y, scores))
