"""What holds of drift states whatever the rows are, and however they come."""

import math
from bisect import bisect_right

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from kingpost.monitoring import (
    BatchTable,
    DriftCounts,
    DriftReference,
    NumberColumn,
    build_reference,
    compare,
)
from kingpost.monitoring.drift.grid import Grid, choose_grid
from kingpost.stats import SMOOTHING
from tests.drift_tables import mixed, table, texts

Floats = NDArray[np.float32]

numbers = st.lists(
    st.floats(width=32) | st.integers(-5, 5).map(float), min_size=1, max_size=300
).map(lambda values: np.array(values, np.float32))
REFERENCE = build_reference(mixed(1, 4_000))


def by_definition(grid: Grid, values: Floats) -> list[int]:
    """Look every value up by itself."""
    counts, edges = [0] * (grid.cells + 1), grid.edges.tolist()
    for value in values.tolist():
        counts[grid.cells if math.isnan(value) else bisect_right(edges, value)] += 1
    return counts


@given(reference=numbers, live=numbers)
def test_every_value_is_counted_in_the_cell_of_the_definition(
    reference: Floats, live: Floats
) -> None:
    grid = choose_grid(reference)

    assert grid.count(live).tolist() == by_definition(grid, live)


@given(reference=numbers, live=numbers, repeats=st.integers(50, 90))
def test_many_values_are_counted_as_few(reference: Floats, live: Floats, repeats: int) -> None:
    grid = choose_grid(reference)
    many = np.tile(live, repeats)

    found = sum(grid.count(many[at : at + 100]) for at in range(0, len(many), 100))

    assert np.array_equal(grid.count(many), found)


def rows_of(batch: BatchTable, rows: NDArray[np.int64]) -> BatchTable:
    return BatchTable(batch._batch.take(rows))  # pyright: ignore[reportPrivateUsage]  # to cut it


@settings(max_examples=30)
@given(seed=st.integers(0, 1000), data=st.data())
def test_ten_parts_in_any_order_are_the_whole_bit_for_bit(seed: int, data: st.DataObject) -> None:
    whole = mixed(seed, 500, shift=0.1)
    cuts = data.draw(st.lists(st.integers(0, 500), min_size=9, max_size=9).map(sorted))
    places = np.array(data.draw(st.permutations(range(500))), np.int64)
    parts = [
        REFERENCE.count(rows_of(whole, places[start:end]))
        for start, end in zip([0, *cuts], [*cuts, 500], strict=True)
    ]
    order = data.draw(st.permutations(range(10)))

    merged = DriftCounts.merged([parts[at] for at in order])

    assert merged == REFERENCE.count(whole)
    assert compare(REFERENCE, merged) == compare(REFERENCE, REFERENCE.count(whole))


def shares(counts: NDArray[np.int64]) -> list[float]:
    total = int(counts.sum()) + SMOOTHING * len(counts)
    return [(count + SMOOTHING) / total for count in counts.tolist()]


@settings(max_examples=30)
@given(seed=st.integers(0, 1000), shift=st.floats(0, 1))
def test_measures_are_those_of_the_definition(seed: int, shift: float) -> None:
    live = REFERENCE.count(mixed(seed, 800, shift=shift))

    report = compare(REFERENCE, live)

    told = {one.column: one for one in report.columns}
    for at, column in enumerate(REFERENCE.columns):
        measures = told[column.name].measures
        assert measures is not None
        known, found = REFERENCE.counts.columns[at], live.columns[at]
        if measures.kolmogorov_smirnov is not None:
            p, q = (one[:-1] / one[:-1].sum() for one in (known, found))
            reached = [abs(math.fsum(p[:end]) - math.fsum(q[:end])) for end in range(len(p))]
            assert math.isclose(measures.kolmogorov_smirnov, max(reached), abs_tol=1e-12)
        p, q = (shares(bins(REFERENCE, at, one)) for one in (known, found))
        middle = [(a + b) / 2 for a, b in zip(p, q, strict=True)]
        kl = entropy(q, p)
        assert math.isclose(measures.kullback_leibler, kl, abs_tol=1e-12)
        assert math.isclose(measures.psi, kl + entropy(p, q), abs_tol=1e-12)
        js = (entropy(p, middle) + entropy(q, middle)) / 2
        assert math.isclose(measures.jensen_shannon, js, abs_tol=1e-12)


def bins(reference: DriftReference, at: int, counts: NDArray[np.int64]) -> NDArray[np.int64]:
    column = reference.columns[at]
    if isinstance(column, NumberColumn):
        return column.grid.binned(counts)
    return column.binned(counts)


def entropy(first: list[float], second: list[float]) -> float:
    return math.fsum(a * math.log(a / b) for a, b in zip(first, second, strict=True))


finite = st.lists(st.floats(-1e6, 1e6, width=32), min_size=2, max_size=200).map(
    lambda values: np.array(values, np.float64)
)


@given(reference=finite, live=finite)
def test_distances_are_within_their_stated_error(
    reference: NDArray[np.float64], live: NDArray[np.float64]
) -> None:
    known = build_reference(table({"x": reference}))

    told = compare(known, known.count(table({"x": live}))).columns[0]

    places = np.sort(np.concatenate([reference, live]))
    first, second = (
        np.searchsorted(np.sort(one), places, side="right") / len(one) for one in (reference, live)
    )
    distance = float(np.max(np.abs(first - second)))
    moved = float(np.sum(np.abs(first - second)[:-1] * np.diff(places)))
    assert told.measures is not None and told.measures.kolmogorov_smirnov is not None
    assert told.distance_error is not None
    assert told.wasserstein is not None and told.wasserstein_error is not None
    found = told.measures.kolmogorov_smirnov
    assert found - 1e-12 <= distance <= found + told.distance_error + 1e-12
    slack = 1e-9 * (1 + moved)
    assert abs(told.wasserstein - moved) <= told.wasserstein_error + slack


@given(values=st.lists(st.sampled_from("abc"), min_size=1, max_size=50))
def test_a_window_of_the_same_rows_has_not_moved(values: list[str]) -> None:
    known = build_reference(table({"x": texts(values * 10)}))

    report = compare(known, known.counts)

    assert report.drifted == ()
    assert [one.moved for one in report.columns] == [0.0] * len(report.columns)
