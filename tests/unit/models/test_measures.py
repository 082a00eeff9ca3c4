"""Measures equal the plain definitions and libraries they come from."""

import math
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from kingpost.models import (
    Costs,
    OneClassOnly,
    average_precision,
    calibration,
    cheapest_threshold,
    cost_at,
    entity_precision,
    precision_recall_curve,
    roc_auc,
)

# neither has types
pandas: Any = import_module("pandas")
metrics: Any = import_module("sklearn.metrics")

DAY = 86_400_000_000

# few different scores, so that many are equal
scored = st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=2, max_size=60).filter(
    lambda rows: len({positive for positive, _ in rows}) == 2
)


def columns(rows: list[tuple[bool, int]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return np.array([row[0] for row in rows], np.float64), np.array([row[1] / 8 for row in rows])


@given(rows=scored)
def test_roc_auc_is_that_of_scikit_learn(rows: list[tuple[bool, int]]) -> None:
    y, scores = columns(rows)

    assert roc_auc(y, scores) == pytest.approx(metrics.roc_auc_score(y, scores), abs=1e-12)


@given(rows=scored)
def test_average_precision_is_that_of_scikit_learn(rows: list[tuple[bool, int]]) -> None:
    y, scores = columns(rows)

    expected = metrics.average_precision_score(y, scores)
    assert average_precision(y, scores) == pytest.approx(expected, abs=1e-12)


@given(rows=scored)
def test_a_precision_recall_curve_is_that_of_scikit_learn(rows: list[tuple[bool, int]]) -> None:
    y, scores = columns(rows)

    found = precision_recall_curve(y, scores)

    precision, recall, thresholds = metrics.precision_recall_curve(y, scores)
    assert [point.threshold for point in found] == thresholds[::-1].tolist()
    assert [point.recall for point in found] == pytest.approx(recall[-2::-1].tolist())
    assert [point.precision for point in found] == pytest.approx(precision[-2::-1].tolist())


def test_a_thinned_curve_keeps_its_ends_and_only_points_of_the_full_one() -> None:
    rng = np.random.default_rng(2)
    scores = rng.random(20_000)
    y = (rng.random(20_000) < scores**3).astype(np.float64)

    full = precision_recall_curve(y, scores, points=20_000)
    thin = precision_recall_curve(y, scores)

    assert len(full) == 20_000
    assert 190 <= len(thin) <= 200
    assert set(thin) <= set(full)
    assert (thin[0], thin[-1]) == (full[0], full[-1])
    assert next(point for point in full if point.recall == 1) in thin
    assert thin == precision_recall_curve(y, scores)
    assert max(np.diff([point.recall for point in thin])) < 0.011


@pytest.mark.parametrize("measure", [roc_auc, average_precision, precision_recall_curve])
@pytest.mark.parametrize("label", [0.0, 1.0])
def test_a_ranking_of_one_class_is_refused(
    measure: Callable[[NDArray[np.float64], NDArray[np.float64]], object], label: float
) -> None:
    with pytest.raises(OneClassOnly, match="of 3 rows"):
        measure(np.full(3, label), np.array([0.1, 0.2, 0.3]))


def handbook_precision(table: Any, k: int) -> list[float]:
    """Card precision as the handbook does it, step by step."""
    found: list[int] = []
    per_day: list[float] = []
    for _, of_day in table.groupby("day"):
        left = of_day[~of_day.card.isin(found)]
        cards = left.groupby("card").max().sort_values("score", ascending=False).head(k)
        hits = cards[cards.fraud == 1].index.tolist()
        per_day.append(len(hits) / k)
        found.extend(hits)
    return per_day


def test_entity_precision_is_the_card_precision_of_the_handbook() -> None:
    rng = np.random.default_rng(3)
    day = np.sort(rng.integers(17_000, 17_005, 800))
    card, fraud = rng.integers(0, 90, 800), rng.random(800) < 0.2
    score = rng.permutation(800) / 800  # no two are equal
    table = pandas.DataFrame({"day": day, "card": card, "fraud": fraud.astype(int), "score": score})

    found = entity_precision(card, day * DAY + 5, fraud.astype(np.float64), score, k=20)

    assert list(found.per_day) == handbook_precision(table, 20)
    assert found.mean == pytest.approx(np.mean(found.per_day))
    assert found.found == round(sum(found.per_day) * 20)


def test_an_entity_found_on_one_day_makes_room_on_the_next() -> None:
    cards = np.array([1, 2, 1, 2, 3])
    times = np.array([0, 1, DAY, DAY + 1, DAY + 2])
    fraud = np.array([1.0, 0.0, 1.0, 0.0, 1.0])
    scores = np.array([0.9, 0.1, 0.9, 0.1, 0.5])

    assert entity_precision(cards, times, fraud, scores, k=1).per_day == (1.0, 1.0)


def test_calibration_counts_every_row_once_and_says_what_it_knows_nothing_about() -> None:
    y = np.array([0.0, 0.0, 1.0, 1.0])
    scores = np.array([0.0, 0.1, 0.1, 1.0])

    found = calibration(y, scores, edges=(0.0, 0.1, 0.5, 1.0))

    assert [(one.rows, one.positives) for one in found.bins] == [(1, 0), (2, 1), (1, 1)]
    assert [one.observed for one in found.bins] == [0.0, 0.5, 1.0]
    assert found.brier == pytest.approx((0.01 + 0.81) / 4)
    assert found.brier_of_base_rate == 0.25
    assert found.expected_error == pytest.approx(2 * 0.4 / 4)
    empty = calibration(y, scores, edges=(0.0, 0.2, 0.4, 1.0)).bins[1]
    assert math.isnan(empty.observed)


@given(
    rows=scored,
    lost=st.lists(st.integers(0, 50), min_size=60, max_size=60),
    alarm=st.integers(0, 30),
)
def test_no_threshold_is_cheaper_than_the_cheapest(
    rows: list[tuple[bool, int]], lost: list[int], alarm: int
) -> None:
    y, scores = columns(rows)
    costs = Costs(np.array(lost[: len(rows)], np.float64), float(alarm))

    best = cheapest_threshold(y, scores, costs)

    candidates = [0.0, *(step / 16 for step in range(33)), 2.0]
    everything = [cost_at(candidate, y, scores, costs) for candidate in candidates]
    assert best.cost == min(one.cost for one in everything)
    # the fewest alarms of all that cost as little
    least = min(one.caught + one.false_alarms for one in everything if one.cost == best.cost)
    assert best.caught + best.false_alarms == least


def test_the_threshold_lies_between_the_scores_that_it_parts() -> None:
    y, scores = np.array([0.0, 0.0, 1.0]), np.array([0.1, 0.2, 0.8])

    found = cheapest_threshold(y, scores, Costs(10.0, 1.0))

    assert found == (0.5, 1, 0, 0, 0.0, 10.0)


def test_where_no_alarm_pays_no_probability_reaches_the_threshold() -> None:
    y, scores = np.array([0.0, 1.0]), np.array([1.0, 1.0])

    found = cheapest_threshold(y, scores, Costs(1.0, 100.0))

    assert found.threshold > 1
    assert (found.caught, found.missed, found.cost) == (0, 1, 1.0)
