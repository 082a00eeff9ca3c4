"""Tails of chance: equal to tables and to what was counted by hand."""

import math
from itertools import combinations

import pytest

from kingpost.stats import (
    BadShare,
    BadTest,
    chi_square_limit,
    chi_square_tail,
    common_rows,
    kolmogorov_limit,
    kolmogorov_tail,
    shares_tail,
    step_down_rate,
)


@pytest.mark.parametrize(
    ("value", "freedom", "expected"),
    [
        # as scipy 1.17 has them, `scipy.stats.chi2.sf`
        (3, 2, 0.22313016014842982),
        (40, 9, 7.598525229464264e-06),
        (0.01, 1, 0.920344325445942),
        (500, 10, 4.4147360999137545e-101),
        (900, 1000, 0.9892827619087102),
    ],
)
def test_a_tail_of_chi_square_is_that_of_the_tables(
    value: float, freedom: int, expected: float
) -> None:
    assert chi_square_tail(value, freedom) == pytest.approx(expected, rel=1e-12)


def test_nothing_is_too_improbable_for_a_tail() -> None:
    assert 0 < chi_square_tail(1e6, 5) < 1e-300
    assert chi_square_tail(0, 3) == 1


@pytest.mark.parametrize("rate", [0.5, 0.01, 1e-6, 1e-12])
def test_a_limit_is_exceeded_at_its_rate(rate: float) -> None:
    assert chi_square_tail(chi_square_limit(rate, 9), 9) == pytest.approx(rate, rel=1e-9)
    assert kolmogorov_tail(kolmogorov_limit(rate, 4000.0), 4000.0) == pytest.approx(rate, rel=1e-9)


def test_a_limit_knows_how_few_rows_there_are() -> None:
    assert kolmogorov_limit(1e-6, 3.0) == 1
    assert kolmogorov_limit(0.01, 100.0) > kolmogorov_limit(0.01, 1000.0)


def test_the_kolmogorov_tail_is_near_that_of_the_exact_distribution() -> None:
    # `scipy.stats.kstwo.sf(0.05, 1000)` and `.isf(1e-4, 5000)`
    assert kolmogorov_tail(0.05, 1000) == pytest.approx(0.013012, rel=0.01)
    assert kolmogorov_limit(1e-4, 5000) == pytest.approx(0.0314337, rel=0.001)


def test_a_rate_lies_between_0_and_1() -> None:
    with pytest.raises(BadTest, match="between 0 and 1"):
        chi_square_limit(0.0, 3)
    with pytest.raises(BadTest):
        kolmogorov_limit(1.0, 10)


def counted_tail(hits: int, rows: int, found: int, drawn: int, *, only_more: bool) -> float:
    """Try all ways to draw the live rows."""
    everything = rows + drawn
    marked = set(range(hits + found))
    draws = [len(marked.intersection(one)) for one in combinations(range(everything), drawn)]
    more = sum(one >= found for one in draws) / len(draws)
    fewer = sum(one <= found for one in draws) / len(draws)
    return more if only_more else min(1.0, 2 * min(more, fewer))


@pytest.mark.parametrize("only_more", [True, False])
def test_a_tail_of_shares_is_that_of_all_ways_to_draw(only_more: bool) -> None:
    for hits, rows, found, drawn in [(3, 10, 5, 7), (0, 6, 2, 5), (4, 4, 0, 6), (5, 9, 2, 4)]:
        expected = counted_tail(hits, rows, found, drawn, only_more=only_more)
        tail = shares_tail(hits, rows, found, drawn, only_more=only_more)
        assert tail == pytest.approx(expected, rel=1e-12)


def test_a_tail_of_many_rows_is_that_of_the_tables() -> None:
    # `scipy.stats.fisher_exact`, alternative "greater"
    tail = shares_tail(30_000, 1_000_000, 200, 5_000, only_more=True)
    assert tail == pytest.approx(4.5776558451e-05, rel=1e-7)
    # what a reference of a million rows never had, in one of five thousand
    assert shares_tail(0, 1_000_000, 1, 5_000, only_more=True) == pytest.approx(5 / 1005, rel=1e-6)


def test_shares_are_of_rows() -> None:
    assert shares_tail(0, 10, 0, 0, only_more=False) == 1
    with pytest.raises(BadShare, match="7 of 5 rows"):
        shares_tail(0, 10, 7, 5, only_more=True)
    with pytest.raises(BadShare):
        common_rows(0, 10)


def test_the_rate_is_shared_by_what_is_still_in_question() -> None:
    assert step_down_rate([0.5, 0.9], 0.05) == 0.025
    # the first is beyond half the rate, so the second is asked at all of it
    assert step_down_rate([0.02, 0.04], 0.05) == 0.05
    assert step_down_rate([0.03, 0.04], 0.05) == 0.025
    assert step_down_rate([0.9], 0.05) == 0.05
    assert step_down_rate([], 0.05) == 0.05
    assert math.isclose(step_down_rate([1e-9, 0.02, 1.0, 1.0], 0.03), 0.01)
