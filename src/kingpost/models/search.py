"""Choosing parameters on past weeks, and scores of rows that a model had not seen.

The rule: each fold is judged by models of what lay before it, never by what came after, so
that the choice is as honest as the test that follows.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kingpost.models.dataset import TrainingSet
from kingpost.models.fitted import Choice, HeldOut, Progress, Trial
from kingpost.models.folds import Fold, Folds, RowsToJudge, every_row
from kingpost.models.measures import average_precision, roc_auc
from kingpost.models.trees import LightGbmParameters, bin_rows, fit_trees

__all__ = [
    "Judged",
    "LightGbmGrid",
    "PastWeeks",
    "Searched",
    "chosen_of",
    "fewer_rows",
    "part_of",
    "search_parameters",
    "thinned_rows",
    "trial_of",
]


@dataclass(frozen=True)
class LightGbmGrid:
    """Which parameters to try: all combinations.

    Attributes:
        rounds: Numbers of trees, all read from one training.
    """

    num_leaves: tuple[int, ...] = (8, 15, 31)
    lambda_l2: tuple[float, ...] = (0.0, 50.0)
    rounds: tuple[int, ...] = (100, 150, 200)


@dataclass(frozen=True)
class PastWeeks:
    """What is judged on what.

    Attributes:
        judged: Which rows of a fold count.
        negatives: One negative row in so many is learned from, with so much weight: a
            fraction of the time for the same choice.
    """

    folds: Folds = field(default_factory=Folds)
    judged: RowsToJudge = every_row
    negatives: int = 4

    def __str__(self) -> str:
        return (
            f"{self.folds}; one negative row in {self.negatives} was learned from, "
            f"weighing {self.negatives}"
        )


class Searched(NamedTuple):
    """The parameters that won, how, and what they scored on the folds."""

    parameters: LightGbmParameters
    choice: Choice
    held_out: HeldOut


class _Training(NamedTuple):
    """One training: fewer trees of the same parameters are its first ones."""

    parameters: LightGbmParameters
    rounds: tuple[int, ...]

    def trials(self) -> Iterator[LightGbmParameters]:
        return (replace(self.parameters, rounds=rounds) for rounds in self.rounds)


class Judged(NamedTuple):
    """A fold's rows and the scores that each trial gave them."""

    rows: NDArray[np.int64]
    scores: Sequence[NDArray[np.float64]]


def search_parameters(
    data: TrainingSet,
    start: LightGbmParameters,
    grid: LightGbmGrid | None,
    weeks: PastWeeks,
    progress: Progress,
) -> Searched:
    """Try parameters on the folds and take those of the highest mean average precision.

    Args:
        start: What the grid does not say.
        grid: None tries `start` alone.

    Raises:
        HistoryTooShort: The rows do not reach back to the first fold.
        OneClassOnly: The rows that count in a fold are all positive, or none.
        ExtraMissing: LightGBM is not installed.
    """
    trainings = tuple(_trainings(start, grid))
    folds = weeks.folds.of(data)
    judged: list[Judged] = []
    for at, fold in enumerate(folds):
        judged.append(_judge(data, fold, trainings, weeks, part_of(progress, at, len(folds))))
    tried = [parameters for training in trainings for parameters in training.trials()]
    trials = tuple(trial_of(one, data, judged, at) for at, one in enumerate(tried))
    protocol = f"the highest mean average precision of {len(trials)} trials over {weeks}"
    return chosen_of(protocol, folds, tried, trials, judged)


def chosen_of(
    protocol: str,
    folds: Sequence[Fold],
    tried: Sequence[LightGbmParameters],
    trials: tuple[Trial, ...],
    judged: Sequence[Judged],
) -> Searched:
    """Take the best of what was tried, with its scores of the folds."""
    # of equals the first: the smaller model, as a grid ascends
    best = max(range(len(trials)), key=lambda at: trials[at].average_precision)
    return Searched(
        tried[best],
        Choice(protocol, tuple(map(str, folds)), trials, best),
        HeldOut(
            np.concatenate([one.rows for one in judged]),
            np.concatenate([one.scores[best] for one in judged]),
        ),
    )


def _trainings(start: LightGbmParameters, grid: LightGbmGrid | None) -> Iterator[_Training]:
    if grid is None:
        yield _Training(start, (start.rounds,))
        return
    for num_leaves, lambda_l2 in itertools.product(grid.num_leaves, grid.lambda_l2):
        yield _Training(replace(start, num_leaves=num_leaves, lambda_l2=lambda_l2), grid.rounds)


def _judge(
    data: TrainingSet,
    fold: Fold,
    trainings: Sequence[_Training],
    weeks: PastWeeks,
    progress: Progress,
) -> Judged:
    start = trainings[0].parameters
    learned, weight = thinned_rows(data, fold, weeks.negatives, start.seed)
    bins = bin_rows(start, data.x[learned], data.y[learned], weight)
    rows = weeks.judged(data, fold.from_us, fold.until_us)
    x = data.x[rows]
    scores: list[NDArray[np.float64]] = []
    for at, training in enumerate(trainings):
        most = replace(fewer_rows(training.parameters, weeks), rounds=max(training.rounds))
        trees = fit_trees(most, bins, lambda _: None)
        scores += [
            trees.predict(x, num_iteration=rounds, num_threads=most.threads)
            for rounds in training.rounds
        ]
        progress("search", at + 1, len(trainings))
    return Judged(rows, scores)


def fewer_rows(parameters: LightGbmParameters, weeks: PastWeeks) -> LightGbmParameters:
    """Ask for fewer rows in a leaf, as fewer are learned from."""
    fewer = max(1, parameters.min_data_in_leaf // weeks.negatives)
    return replace(parameters, min_data_in_leaf=fewer)


def thinned_rows(
    data: TrainingSet, fold: Fold, negatives: int, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the rows to learn from, and their weights."""
    rows = data.rows_between(None, fold.train_until_us)
    drawn = np.random.default_rng(seed).integers(negatives, size=len(rows))
    rows = rows[(data.y[rows] == 1) | (drawn == 0)]
    return rows, np.where(data.y[rows] == 1, 1.0, float(negatives))


def trial_of(
    parameters: LightGbmParameters, data: TrainingSet, judged: Sequence[Judged], at: int
) -> Trial:
    """Sum up what one choice of parameters scored on the folds, `at` among what was tried."""
    labels = [data.y[one.rows] for one in judged]
    scores = [one.scores[at] for one in judged]
    per_fold = tuple(map(average_precision, labels, scores))
    return Trial(
        parameters.settings(),
        float(np.mean(per_fold)),
        per_fold,
        float(np.mean(list(map(roc_auc, labels, scores)))),
    )


def part_of(progress: Progress, at: int, parts: int) -> Progress:
    """Tell of one part of a work as of a part of the whole."""

    def told(stage: str, done: int, total: int) -> None:
        progress(stage, at * total + done, parts * total)

    return told
