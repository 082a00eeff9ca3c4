"""Rows drawn again and again."""

import numpy as np
import pytest

from kingpost.stats import BadTest, EmptyWindow, drawn_weights, percentile_interval


def test_the_same_rows_are_drawn_alike_each_time() -> None:
    first = [weights.tolist() for weights in drawn_weights(20, resamples=5)]
    second = [weights.tolist() for weights in drawn_weights(20, resamples=5)]

    assert first == second
    assert all(sum(weights) == 20 for weights in first)
    assert first != [weights.tolist() for weights in drawn_weights(20, resamples=5, seed=8)]


def test_the_interval_of_a_mean_covers_it_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    covered = 0
    for seed in range(300):
        values = rng.exponential(size=80)
        means = [
            float(values @ weights) / 80 for weights in drawn_weights(80, resamples=300, seed=seed)
        ]
        low, high = percentile_interval(means, confidence=0.9)
        covered += low <= 1.0 <= high

    assert 0.84 <= covered / 300 <= 0.94


def test_a_resample_without_the_number_does_not_count() -> None:
    assert percentile_interval([float("nan"), 2.0, 2.0], confidence=0.95) == (2.0, 2.0)
    with pytest.raises(EmptyWindow):
        percentile_interval([float("nan")], confidence=0.95)


def test_what_cannot_be_drawn_is_an_error() -> None:
    with pytest.raises(EmptyWindow):
        next(drawn_weights(0))
    with pytest.raises(BadTest):
        percentile_interval([1.0], confidence=1.0)
