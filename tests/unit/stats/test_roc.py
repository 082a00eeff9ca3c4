"""How sure an area under the ROC curve is."""

from math import erf

import numpy as np
import pytest

from kingpost.stats import EmptyWindow, roc_interval


def test_the_interval_covers_the_area_as_often_as_it_says() -> None:
    rng = np.random.default_rng(3)
    area = 0.5 * (1 + erf(1.2 / 2))  # of two normal distributions 1.2 apart
    covered = 0
    for _ in range(1000):
        low, high = roc_interval(rng.normal(1.2, size=25), rng.normal(size=60))
        covered += low <= area <= high

    assert 0.93 <= covered / 1000 <= 0.98


def test_rows_that_are_all_in_order_are_no_certainty() -> None:
    low, high = roc_interval(np.array([0.8, 0.9, 0.95]), np.array([0.1, 0.2, 0.3, 0.4]))

    assert high == 1.0
    assert low < 0.5


def test_the_upside_down_model_has_the_mirrored_interval() -> None:
    rng = np.random.default_rng(4)
    positive, negative = rng.normal(1, size=40), rng.normal(size=50)

    low, high = roc_interval(positive, negative)
    mirrored = roc_interval(-positive, -negative)

    assert mirrored == pytest.approx((1 - high, 1 - low))


def test_one_kind_of_rows_is_an_error() -> None:
    with pytest.raises(EmptyWindow):
        roc_interval(np.empty(0), np.ones(3))
