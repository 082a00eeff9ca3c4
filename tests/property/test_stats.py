"""What holds of divergences and histograms whatever the counts are."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from kingpost.stats import (
    LogHistogram,
    jensen_shannon,
    kolmogorov_smirnov,
    kullback_leibler,
    population_stability_index,
    wilson_interval,
)

Counts = NDArray[np.int64]


@st.composite
def two_sides(draw: st.DrawFn) -> tuple[Counts, Counts]:
    bins = draw(st.integers(1, 12))
    rows = st.lists(st.integers(0, 10_000), min_size=bins, max_size=bins).filter(any)
    return np.array(draw(rows), np.int64), np.array(draw(rows), np.int64)


@given(both=two_sides())
def test_divergences_are_finite_and_never_negative(both: tuple[Counts, Counts]) -> None:
    for measure in (
        population_stability_index,
        kullback_leibler,
        jensen_shannon,
        kolmogorov_smirnov,
    ):
        found = measure(*both)
        assert math.isfinite(found)
        assert found >= 0


@given(both=two_sides())
def test_three_of_them_do_not_ask_which_side_is_which(both: tuple[Counts, Counts]) -> None:
    one, other = both

    for measure in (population_stability_index, jensen_shannon, kolmogorov_smirnov):
        assert math.isclose(measure(one, other), measure(other, one), abs_tol=1e-12)


@given(both=two_sides())
def test_what_is_equal_has_not_moved(both: tuple[Counts, Counts]) -> None:
    one, _ = both

    for measure in (
        population_stability_index,
        kullback_leibler,
        jensen_shannon,
        kolmogorov_smirnov,
    ):
        assert measure(one, one) == 0


durations = st.lists(st.integers(0, 10**9), max_size=50).map(lambda all_: np.array(all_, np.int64))


@given(first=durations, second=durations)
def test_parts_of_a_histogram_add_up_to_the_whole(first: Counts, second: Counts) -> None:
    whole = LogHistogram.of(np.concatenate([first, second]))

    assert LogHistogram.of(first).merge(LogHistogram.of(second)) == whole
    assert LogHistogram.of(second).merge(LogHistogram.of(first)) == whole


@given(rows=st.integers(1, 10**6), data=st.data())
def test_an_interval_holds_its_share(rows: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, rows))

    low, high = wilson_interval(hits, rows)

    assert 0 <= low <= hits / rows <= high <= 1
