"""Five folds, each with as many who leave, and none judged by a model that saw it."""

import numpy as np
import pytest
from numpy.typing import NDArray

from kingpost.models import LightGbmParameters, LightGbmTrainer, TrainingSet
from solutions.churn.app import trainer
from solutions.churn.offer import NothingHeldOut, Offer
from solutions.churn.protocol import cross_validate, folds_of

DAY_US = 86_400_000_000


def rows_that_cannot_be_known(seed: int) -> TrainingSet:
    """Make labels that have nothing to do with the features."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(600, 3)).astype(np.float32)
    y = (random.random(600) < 0.4).astype(np.float64)
    return TrainingSet(("a", "b", "c"), x, y, np.arange(600, dtype=np.int64) * DAY_US // 6)


def test_folds_are_of_one_size_and_hold_as_many_who_leave() -> None:
    y = (np.arange(1_000) % 4 == 0).astype(np.float64)

    folds = folds_of(y)

    assert np.bincount(folds).tolist() == [200] * 5
    assert np.bincount(folds, y).tolist() == [50.0] * 5
    assert np.array_equal(folds, folds_of(y))
    assert not np.array_equal(folds, folds_of(y, seed=8))


def test_labels_that_cannot_be_known_are_not_found_in_the_folds() -> None:
    """A model of so many leaves learns its own rows by heart: seeing a fold would show."""
    eager = LightGbmTrainer(
        LightGbmParameters(num_leaves=30, rounds=30, lambda_l2=0.0, min_data_in_leaf=2),
        weeks=trainer.weeks,
    )

    judged = cross_validate(rows_that_cannot_be_known(1), eager, budget=0.2, offer=Offer())

    mean, spread = judged.auc
    assert 0.4 < mean < 0.6
    assert 0 < spread < 0.1
    assert [fold.rows for fold in judged.folds] == [120] * 5


def test_the_budgets_threshold_does_not_know_the_fold_that_it_is_judged_on() -> None:
    """What is contacted in a fold is near the budget, as by chance, and never exactly it."""
    judged = cross_validate(rows_that_cannot_be_known(2), trainer, budget=0.3, offer=Offer())

    shares: NDArray[np.float64] = np.array([fold.budget.contacted for fold in judged.folds])
    assert len(set(shares.tolist())) > 1
    assert abs(shares.mean() - 0.3) < 0.15


def test_a_trainer_that_holds_nothing_out_is_told() -> None:
    with pytest.raises(NothingHeldOut, match="a trainer with past weeks"):
        cross_validate(rows_that_cannot_be_known(3), LightGbmTrainer(), budget=0.2, offer=Offer())
