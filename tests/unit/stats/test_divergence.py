"""Divergences measure what they say, on counts where the answer is known."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from kingpost.stats import (
    BinMismatch,
    EmptyWindow,
    jensen_shannon,
    kolmogorov_smirnov,
    kullback_leibler,
    population_stability_index,
)

Measure = Callable[[NDArray[np.int64], NDArray[np.int64]], float]
MEASURES: list[Measure] = [
    population_stability_index,
    kullback_leibler,
    jensen_shannon,
    kolmogorov_smirnov,
]


def counts(*numbers: int) -> NDArray[np.int64]:
    return np.array(numbers, np.int64)


def test_the_index_is_the_sum_of_both_ways() -> None:
    one, other = counts(10, 20, 70), counts(40, 30, 30)

    both = kullback_leibler(one, other) + kullback_leibler(other, one)

    assert population_stability_index(one, other) == pytest.approx(both)


def test_large_counts_give_the_textbook_value() -> None:
    reference, live = counts(500_000, 500_000), counts(900_000, 100_000)

    expected = 0.4 * math.log(0.9 / 0.5) - 0.4 * math.log(0.1 / 0.5)

    assert population_stability_index(reference, live) == pytest.approx(expected, rel=1e-4)


def test_an_empty_bin_is_finite_and_counts_the_same_on_either_side() -> None:
    one, other = counts(100, 0), counts(50, 50)

    moved = population_stability_index(one, other)

    assert math.isfinite(moved)
    assert moved == pytest.approx(population_stability_index(other, one))


def test_what_has_nothing_in_common_is_as_far_apart_as_can_be() -> None:
    one, other = counts(10_000_000, 0), counts(0, 10_000_000)

    assert kolmogorov_smirnov(one, other) == 1.0
    assert jensen_shannon(one, other) == pytest.approx(math.log(2), rel=1e-4)


def test_the_largest_distance_is_found_between_the_bins() -> None:
    assert kolmogorov_smirnov(counts(10, 10, 80), counts(50, 20, 30)) == pytest.approx(0.5)


@pytest.mark.parametrize("measure", MEASURES)
def test_other_bins_or_no_rows_are_errors(measure: Measure) -> None:
    with pytest.raises(BinMismatch, match="over different bins"):
        measure(counts(1, 2), counts(1, 2, 3))
    with pytest.raises(EmptyWindow, match="the window 0"):
        measure(counts(1, 2), counts(0, 0))
