"""Searching parameters with Optuna, on the same past weeks as a grid.

The rule: the same rows, ranges, seed and versions give the same trials and the same choice, so
a search is as reproducible as a training without one. The declared parameters are the first
trial: on the folds the choice is never worse than they are.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kingpost.core import ExtraMissing
from kingpost.models.dataset import TrainingSet
from kingpost.models.errors import BadSearch
from kingpost.models.fitted import Progress, Trial
from kingpost.models.folds import Fold
from kingpost.models.search import (
    Judged,
    PastWeeks,
    Searched,
    chosen_of,
    fewer_rows,
    thinned_rows,
    trial_of,
)
from kingpost.models.trees import LightGbmParameters, bin_rows, fit_trees

if TYPE_CHECKING:
    import lightgbm
    import optuna

__all__ = ["LightGbmSearch", "tune_parameters"]


@dataclass(frozen=True)
class LightGbmSearch:
    """Between which bounds parameters are searched, both included; equal bounds fix one.

    Attributes:
        trials: How many choices are tried; the first is what is declared.
        seed: Of the sampler (TPE).

    Raises:
        BadSearch: There are no trials, or bounds are out of order or not above 0.
    """

    trials: int = 30
    num_leaves: tuple[int, int] = (4, 63)
    lambda_l2: tuple[float, float] = (0.01, 200.0)
    learning_rate: tuple[float, float] = (0.02, 0.2)
    min_data_in_leaf: tuple[int, int] = (20, 400)
    rounds: tuple[int, int] = (50, 400)
    seed: int = 7

    def __post_init__(self) -> None:
        if self.trials < 1:
            raise BadSearch(f"trials is {self.trials}", "try one at least")
        for name in ("num_leaves", "lambda_l2", "learning_rate", "min_data_in_leaf", "rounds"):
            low, high = getattr(self, name)
            if not 0 < low <= high < math.inf:
                raise BadSearch(f"{name} lies between {low:g} and {high:g}", "0 < low <= high")
        if self.num_leaves[0] < 2:
            raise BadSearch("a tree of one leaf decides nothing", "let num_leaves begin at 2")


class _Prepared(NamedTuple):
    """A fold whose rows are in bins already."""

    bins: "lightgbm.Dataset"
    rows: NDArray[np.int64]
    x: NDArray[np.float32]


def tune_parameters(
    data: TrainingSet,
    start: LightGbmParameters,
    search: LightGbmSearch,
    weeks: PastWeeks,
    progress: Progress,
) -> Searched:
    """Search parameters on the folds and take those of the highest mean average precision.

    Args:
        start: What is tried first; its seed and threads hold for all trials.

    Raises:
        HistoryTooShort: The rows do not reach back to the first fold.
        OneClassOnly: The rows that count in a fold are all positive, or none.
        ExtraMissing: Optuna or LightGBM is not installed.
    """
    study, version = _study(search.seed)
    study.enqueue_trial(_within(search, start))
    folds = weeks.folds.of(data)
    prepared = [_prepare(data, fold, start, weeks) for fold in folds]
    tried: list[LightGbmParameters] = []
    trials: list[Trial] = []
    scores: list[list[NDArray[np.float64]]] = [[] for _ in folds]
    for number in range(search.trials):
        asked = study.ask()
        chosen = _suggested(asked, search, start)
        for fold, seen in zip(prepared, scores, strict=True):
            seen.append(_scored(fewer_rows(chosen, weeks), fold))
        judged = [
            Judged(fold.rows, [seen[-1]]) for fold, seen in zip(prepared, scores, strict=True)
        ]
        tried.append(chosen)
        trials.append(trial_of(chosen, data, judged, 0))
        study.tell(asked, trials[-1].average_precision)
        progress("search", number + 1, search.trials)
    protocol = (
        f"the highest mean average precision of {search.trials} trials that a TPE sampler chose "
        f"(optuna {version}, seed {search.seed}) over {weeks}"
    )
    found = list(_judged(prepared, scores))
    return chosen_of(protocol, folds, tried, tuple(trials), found)


def _study(seed: int) -> tuple["optuna.Study", str]:
    try:
        import optuna
    except ImportError as error:
        raise ExtraMissing("optuna", "tune") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(seed=seed)
    return optuna.create_study(direction="maximize", sampler=sampler), optuna.__version__


def _within(search: LightGbmSearch, start: LightGbmParameters) -> dict[str, float]:
    """Return the declared parameters, moved to the nearest that are searched."""
    return {
        name: min(max(getattr(start, name), low), high)
        for name, (low, high) in (
            ("num_leaves", search.num_leaves),
            ("lambda_l2", search.lambda_l2),
            ("learning_rate", search.learning_rate),
            ("min_data_in_leaf", search.min_data_in_leaf),
            ("rounds", search.rounds),
        )
    }


def _suggested(
    asked: "optuna.Trial", search: LightGbmSearch, start: LightGbmParameters
) -> LightGbmParameters:
    return replace(
        start,
        num_leaves=asked.suggest_int("num_leaves", *search.num_leaves, log=True),
        lambda_l2=asked.suggest_float("lambda_l2", *search.lambda_l2, log=True),
        learning_rate=asked.suggest_float("learning_rate", *search.learning_rate, log=True),
        min_data_in_leaf=asked.suggest_int("min_data_in_leaf", *search.min_data_in_leaf, log=True),
        rounds=asked.suggest_int("rounds", *search.rounds),
    )


def _prepare(
    data: TrainingSet, fold: Fold, start: LightGbmParameters, weeks: PastWeeks
) -> _Prepared:
    learned, weight = thinned_rows(data, fold, weeks.negatives, start.seed)
    rows = weeks.judged(data, fold.from_us, fold.until_us)
    bins = bin_rows(start, data.x[learned], data.y[learned], weight)
    return _Prepared(bins, rows, data.x[rows])


def _scored(parameters: LightGbmParameters, fold: _Prepared) -> NDArray[np.float64]:
    trees = fit_trees(parameters, fold.bins, lambda _: None)
    return trees.predict(fold.x, num_iteration=parameters.rounds, num_threads=parameters.threads)


def _judged(
    prepared: Sequence[_Prepared], scores: Sequence[list[NDArray[np.float64]]]
) -> Iterator[Judged]:
    for fold, seen in zip(prepared, scores, strict=True):
        yield Judged(fold.rows, seen)
