"""Contributions are Shapley values: they add up, and agree with what can be worked out."""

import math
from collections.abc import Callable
from itertools import combinations

import lightgbm
import numpy as np
import pytest
from numpy.typing import NDArray

from kingpost.models import (
    Contributions,
    LightGbmParameters,
    LightGbmTrainer,
    NothingToCompare,
    OnnxScorer,
    TrainingSet,
    contributions,
    lightgbm_scores,
    model_input,
)
from tests.onnx_models import logistic_onnx

Score = Callable[[NDArray[np.float32]], NDArray[np.float64]]

rng = np.random.default_rng(3)


def exact(
    score: Score, row: NDArray[np.float32], background: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Work out Shapley values from all subsets of the features."""
    features = len(row)

    def worth(members: tuple[int, ...]) -> float:
        rows = background.copy()
        rows[:, list(members)] = row[list(members)]
        return float(score(rows).mean())

    values = np.zeros(features)
    for feature in range(features):
        others = [other for other in range(features) if other != feature]
        for size in range(features):
            share = math.factorial(size) * math.factorial(features - 1 - size)
            for members in combinations(others, size):
                gain = worth((*members, feature)) - worth(members)
                values[feature] += share / math.factorial(features) * gain
    return values


def tangled(rows: NDArray[np.float32]) -> NDArray[np.float64]:
    """Score rows of eight features that work on each other."""
    x = rows.astype(np.float64)
    total = x[:, 0] * x[:, 1] + np.where(x[:, 2] > 0, x[:, 3], -x[:, 4]) + 0.3 * x[:, 5]
    return 1 / (1 + np.exp(-total))


def test_contributions_agree_with_all_subsets() -> None:
    background = rng.normal(size=(30, 8)).astype(np.float32)
    row = np.array([1.5, -1, 2, 0.5, 1, 3, 0, 9], np.float32)

    found = contributions(tangled, row, background, pairs=200)

    assert np.allclose(found.values, exact(tangled, row, background), atol=0.004)


def test_contributions_add_up_from_the_usual_score_to_the_row_s() -> None:
    background = rng.normal(size=(7, 8)).astype(np.float32)
    row = rng.normal(size=8).astype(np.float32)

    found = contributions(tangled, row, background, pairs=1)

    assert found.base == pytest.approx(float(tangled(background).mean()))
    assert found.score == pytest.approx(float(tangled(row[np.newaxis])[0]))
    assert sum(found.values) == pytest.approx(found.score - found.base, abs=1e-12)


def test_the_same_row_gives_the_same_numbers_and_another_seed_others() -> None:
    background = rng.normal(size=(5, 8)).astype(np.float32)
    row = rng.normal(size=8).astype(np.float32)

    def explained(seed: int) -> Contributions:
        return contributions(tangled, row, background, seed=seed)

    assert explained(1) == explained(1)
    assert explained(1) != explained(2)


def test_a_feature_that_changes_nothing_adds_exactly_nothing() -> None:
    background = rng.normal(size=(20, 8)).astype(np.float32)
    row = rng.normal(size=8).astype(np.float32)
    background[:, 0] = row[0]

    found = contributions(tangled, row, background)

    assert (found.values[0], found.standard_errors[0]) == (0, 0)  # the row's own value
    assert (found.values[7], found.standard_errors[7]) == (0, 0)  # not looked at by the model


def test_of_a_sum_each_feature_adds_its_own_difference_whatever_the_order() -> None:
    def weighed(rows: NDArray[np.float32]) -> NDArray[np.float64]:
        return rows.astype(np.float64) @ np.array([1.0, -2.0, 0.5])

    background = rng.normal(size=(50, 3)).astype(np.float32)
    row = np.array([1, 2, 3], np.float32)

    found = contributions(weighed, row, background, pairs=1)

    mean = background.astype(np.float64).mean(axis=0)
    assert np.allclose(found.values, (row - mean) * [1, -2, 0.5], atol=1e-6)


def test_contributions_agree_with_those_of_lightgbm_where_both_are_exact() -> None:
    x = model_input(rng.normal(size=(400, 4)))
    y = (x[:, 0] + 0.5 * x[:, 1] + rng.normal(size=400) > 0).astype(np.float64)
    data = TrainingSet(("a", "b", "c", "d"), x, y, np.arange(400))
    stumps = LightGbmParameters(num_leaves=2, rounds=40, min_data_in_leaf=20)
    model = LightGbmTrainer(stumps)(data)
    trees = lightgbm.Booster(model_str=model.native.decode())

    def log_odds(rows: NDArray[np.float32]) -> NDArray[np.float64]:
        return np.asarray(trees.predict(rows, raw_score=True), np.float64)

    found = contributions(log_odds, x[7], x, pairs=1)

    # a stump has one feature, so LightGBM's tree SHAP is exact: the rows learned from weigh it
    theirs = np.asarray(trees.predict(x[7:8], pred_contrib=True), np.float64)[0]
    assert np.allclose(found.values, theirs[:4], atol=1e-5)
    assert found.base == pytest.approx(theirs[4], abs=1e-5)


def test_what_is_served_and_what_was_trained_are_explained_alike() -> None:
    x = model_input(rng.normal(size=(600, 6)))
    x[::9, 2] = np.nan
    y = (x[:, 0] * x[:, 1] > 0.2).astype(np.float64)
    data = TrainingSet(tuple("abcdef"), x, y, np.arange(600))
    model = LightGbmTrainer(LightGbmParameters(num_leaves=7, rounds=20, min_data_in_leaf=20))(data)
    served = OnnxScorer(model.onnx).scores

    for row in (x[1], x[9]):
        found = contributions(served, row, x[:60], pairs=50)
        native = contributions(lambda rows: lightgbm_scores(model.native, rows), row, x[:60])
        assert np.allclose(found.values, exact(served, row, x[:60]), atol=0.01)
        assert found.score == pytest.approx(native.score, abs=1e-5)


def test_a_missing_value_is_a_value_like_others() -> None:
    def by_presence(rows: NDArray[np.float32]) -> NDArray[np.float64]:
        return np.where(np.isnan(rows[:, 0]), 0.9, 0.1) + 0 * rows[:, 1].astype(np.float64)

    present = np.array([[1, 1], [2, 1]], np.float32)
    missing = np.array([[np.nan, 1], [np.nan, 1]], np.float32)
    row = np.array([np.nan, 1], np.float32)

    assert contributions(by_presence, row, present).values == pytest.approx((0.8, 0.0))
    assert contributions(by_presence, row, missing).values == (0.0, 0.0)


def test_the_standard_error_says_how_far_other_orders_and_rows_lie() -> None:
    background = rng.normal(size=(100, 8)).astype(np.float32)
    row = np.array([1.5, -1, 2, 0.5, 1, 3, 0, 9], np.float32)

    found = contributions(tangled, row, background)
    off = np.abs(np.array(found.values) - exact(tangled, row, background))

    assert np.all(off <= 3 * np.array(found.standard_errors) + 1e-9)
    assert all(
        math.isnan(one) for one in contributions(tangled, row, row[np.newaxis]).standard_errors
    )


def test_many_scores_are_asked_for_in_few_calls() -> None:
    calls: list[int] = []
    model = OnnxScorer(logistic_onnx([0.1] * 8)).scores

    def counted(rows: NDArray[np.float32]) -> NDArray[np.float64]:
        calls.append(len(rows))
        return model(rows)

    contributions(counted, np.ones(8, np.float32), np.zeros((100, 8), np.float32), pairs=1)

    assert calls == [101, 100 * 2 * 7]


def test_rows_that_do_not_fit_explain_nothing() -> None:
    with pytest.raises(NothingToCompare) as none:
        contributions(tangled, np.ones(8, np.float32), np.ones((0, 8), np.float32))
    with pytest.raises(NothingToCompare):
        contributions(tangled, np.ones(8, np.float32), np.ones((3, 7), np.float32))

    assert "expected (rows, 8) with one row at least" in str(none.value)
