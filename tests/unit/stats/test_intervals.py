"""How sure a share, a difference of shares and a quantile are."""

import math

import numpy as np
import pytest

from kingpost.stats import (
    BadShare,
    BadTest,
    difference_interval,
    normal_quantile,
    quantile_interval,
    standard_error,
    wilson_interval,
)


def test_the_interval_is_wilsons() -> None:
    low, high = wilson_interval(10, 100)

    assert (low, high) == pytest.approx((0.05522914, 0.17436566), abs=1e-6)


def test_the_interval_ends_at_what_cannot_be_passed() -> None:
    assert wilson_interval(0, 5)[0] == 0.0
    assert wilson_interval(5, 5)[1] == 1.0


def test_a_share_is_surer_the_more_rows_it_was_counted_on() -> None:
    assert standard_error(0.5, 100) == pytest.approx(0.05)
    assert standard_error(0.5, 10_000) == pytest.approx(0.005)


def test_no_rows_or_impossible_counts_are_errors() -> None:
    for hits, rows in ((0, 0), (5, 4), (-1, 4)):
        with pytest.raises(BadShare):
            wilson_interval(hits, rows)
    for share, rows in ((0.5, 0), (1.5, 10)):
        with pytest.raises(BadShare):
            standard_error(share, rows)


def test_several_intervals_that_hold_together_reach_further() -> None:
    assert normal_quantile(0.95) == pytest.approx(1.959963984540054)
    assert normal_quantile(0.95, intervals=10) == pytest.approx(2.80703, abs=1e-5)
    with pytest.raises(BadTest):
        normal_quantile(1.0)


def test_the_interval_of_a_difference_is_newcombes() -> None:
    # the example of his paper's table II: 56/70 and 48/80
    low, high = difference_interval(56, 70, 48, 80)

    assert (low, high) == pytest.approx((0.0524, 0.3339), abs=1e-4)


def test_the_interval_of_a_difference_covers_it_for_small_groups() -> None:
    rng = np.random.default_rng(1)
    rates, drawn = (0.3, 0.1), 2000
    counts = np.stack(
        [rng.binomial(rows, rate, drawn) for rows, rate in zip((12, 15), rates, strict=True)]
    )
    covered = 0
    for one, other in counts.T.tolist():
        low, high = difference_interval(one, 12, other, 15)
        covered += low <= 0.2 <= high

    assert covered / drawn >= 0.94


def test_the_interval_of_a_quantile_covers_it_whatever_the_distribution() -> None:
    rng = np.random.default_rng(2)
    covered = 0
    for _ in range(500):
        _, low, high = quantile_interval(rng.exponential(size=2000), 0.99)
        covered += low <= -math.log(0.01) <= high

    assert covered / 500 >= 0.93


def test_a_quantile_of_few_values_ends_at_the_largest() -> None:
    values = np.arange(10.0)

    value, low, high = quantile_interval(values, 0.99)

    assert value == high == 9.0
    assert low <= value
    with pytest.raises(BadShare):
        quantile_interval(np.empty(0), 0.99)
