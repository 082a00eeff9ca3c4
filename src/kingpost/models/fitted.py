"""What training gives: the model's bytes, and everything that explains them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Choice", "FittedModel", "HeldOut", "Progress", "Setting", "Trial", "quiet"]

Setting = str | int | float | bool | None


class Progress(Protocol):
    """Who is told how far a long work has come."""

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Take note: `done` of `total` steps of a stage."""
        ...


def quiet(stage: str, done: int, total: int) -> None:
    """Tell nobody."""


class Trial(NamedTuple):
    """One choice of parameters that was tried.

    Attributes:
        average_precision: Mean over the folds, what the choice went by.
        per_fold: The same, fold by fold.
        roc_auc: Mean over the folds.
    """

    parameters: Mapping[str, Setting]
    average_precision: float
    per_fold: tuple[float, ...]
    roc_auc: float


@dataclass(frozen=True)
class Choice:
    """How parameters were chosen.

    Attributes:
        protocol: What was judged on what and by which measure, for people.
        folds: The folds, for people.
        trials: All that was tried, in order.
        chosen: Which trial won.
    """

    protocol: str
    folds: tuple[str, ...]
    trials: tuple[Trial, ...]
    chosen: int


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Scores of rows by models that had not seen them: for a threshold or a calibration.

    Attributes:
        rows: Rows of the training set, int64, ascending within a fold.
        scores: float64, one per row.
    """

    rows: NDArray[np.int64]
    scores: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FittedModel:
    """A trained model, ready to be judged, registered and served.

    Attributes:
        onnx: What is served, checked against `native` on the training rows.
        native: The model in its library's own format.
        library: The library and its version.
        rows: Training rows.
        positives: Positive ones among them.
        importance: Share of the gain per feature, largest first.
        export_difference: The largest difference of a score between the two formats.
        held_out: Scores by earlier models with the same parameters; None without folds.
        choice: How the parameters were chosen; None when they were given.
    """

    feature_names: tuple[str, ...]
    onnx: bytes
    native: bytes
    library: str
    parameters: Mapping[str, Setting]
    seed: int
    rows: int
    positives: int
    importance: tuple[tuple[str, float], ...]
    export_difference: float
    held_out: HeldOut | None = None
    choice: Choice | None = None
