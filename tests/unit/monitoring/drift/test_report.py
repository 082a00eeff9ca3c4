"""A report finds what has moved, by the right test, and keeps its rate."""

import numpy as np
import pytest
from numpy.typing import NDArray

from kingpost.monitoring import ColumnDrift, DriftReference, build_reference, compare
from kingpost.stats import BadTest, BinMismatch
from tests.drift_tables import mixed, table, texts

Floats = NDArray[np.float64]


def normal(rows: int = 20_000, *, seed: int = 1, mean: float = 0.0) -> Floats:
    return np.random.default_rng(seed).normal(mean, 1, rows)


NORMAL = build_reference(table({"x": normal()}))


def told(known: DriftReference, live: Floats) -> ColumnDrift:
    return compare(known, known.count(table({"x": live}))).columns[0]


def test_a_moved_mean_is_found_by_both_tests_of_the_shape() -> None:
    found = told(NORMAL, normal(2_000, seed=2, mean=0.2))

    assert found.found == ("chi_square", "kolmogorov_smirnov")
    assert found.measures is not None and found.limits is not None
    assert found.measures.psi > found.limits.psi
    assert found.measures.kolmogorov_smirnov == pytest.approx(0.08, abs=0.03)
    assert found.wasserstein == pytest.approx(0.2, abs=0.06)
    assert found.wasserstein_error is not None and found.wasserstein_error < 0.05
    assert found.distance_error is not None and found.distance_error < 0.01


def test_what_has_not_moved_is_not_found() -> None:
    found = told(NORMAL, normal(2_000, seed=2))

    assert found.found == () and found.tail > 0.01
    assert found.measures is not None and found.limits is not None
    assert found.measures.psi < found.limits.psi
    assert found.measures.kullback_leibler < found.limits.kullback_leibler
    assert found.measures.jensen_shannon < found.limits.jensen_shannon


def test_missing_values_are_found_apart_from_the_shape() -> None:
    live = normal(1_000, seed=2)
    live[::20] = np.nan

    found = told(NORMAL, live)

    assert found.found == ("missing",)
    assert (found.missing, found.reference_missing, found.rows) == (0.05, 0.0, 950)


def test_values_beyond_the_reference_are_found_by_the_few() -> None:
    live = normal(2_000, seed=2)
    live[:4] = 40

    found = told(NORMAL, live)

    assert found.found == ("new",)
    assert found.new == pytest.approx(0.002, abs=0.0006)
    assert found.highest == 40


def test_a_wrong_unit_moves_the_distance_to_a_factor_of_two() -> None:
    found = told(NORMAL, normal(1_000, seed=2) * 100)

    assert found.wasserstein is not None and found.wasserstein_error is not None
    assert found.wasserstein == pytest.approx(80, rel=0.6)
    assert abs(found.wasserstein - 79) < found.wasserstein_error


def test_a_new_category_is_found() -> None:
    known = build_reference(table({"kind": texts(["a", "b"] * 5_000)}))
    live = table({"kind": texts(["a", "b"] * 490 + ["c"] * 20)})

    found = compare(known, known.count(live)).columns[0]

    assert found.found == ("new",) and found.new == 0.02


def test_rare_values_that_come_for_the_first_time_are_no_drift() -> None:
    rng = np.random.default_rng(5)

    def rare(rows: int) -> list[str]:
        return [f"v{n}" for n in np.minimum(rng.pareto(1.2, rows) * 3, 900).astype(int).tolist()]

    known = build_reference(table({"x": texts(rare(10_000))}))

    windows = [known.count(table({"x": texts(rare(4_000))})) for _ in range(20)]

    reports = [compare(known, one) for one in windows]
    assert [one.drifted for one in reports] == [()] * 20
    assert all(one.columns[0].new > 0.002 for one in reports)


def test_a_small_change_of_many_rows_does_not_matter() -> None:
    live = NORMAL.count(table({"x": normal(400_000, seed=2, mean=0.02)}))

    assert compare(NORMAL, live, least_moved=0.02).drifted == ()
    assert compare(NORMAL, live, least_moved=0.0, false_alarm_rate=0.2).drifted == ("x",)


def test_more_windows_make_every_limit_wider() -> None:
    live = NORMAL.count(table({"x": normal(1_000, seed=2, mean=0.2)}))

    one, many = compare(NORMAL, live), compare(NORMAL, live, windows=1_000_000)

    assert one.drifted == ("x",) and many.drifted == ()
    assert many.column_rate < one.column_rate


def test_the_least_probable_column_comes_first() -> None:
    known = build_reference(mixed(1, 5_000))

    report = compare(known, known.count(mixed(2, 2_000, shift=0.5)))

    assert report.columns[0].column == "amount" == report.drifted[0]
    assert [one.tail for one in report.columns] == sorted(one.tail for one in report.columns)


def test_false_alarms_keep_to_their_rate() -> None:
    # a rate so high that 200 windows show whether it is kept
    known = build_reference(mixed(1, 20_000))
    windows = [known.count(mixed(seed, 300)) for seed in range(100, 300)]

    alarms = sum(
        bool(compare(known, one, false_alarm_rate=0.2, least_moved=0).drifted) for one in windows
    )

    # 40 expected at most; 62 is four standard errors above
    assert alarms <= 62


def test_what_was_counted_otherwise_is_not_compared() -> None:
    other = build_reference(mixed(1, 500))

    with pytest.raises(BinMismatch, match="count both"):
        compare(NORMAL, other.counts)
    with pytest.raises(BinMismatch):
        NORMAL.counts.merge(other.counts)
    with pytest.raises(BadTest, match="between 0 and 1"):
        compare(NORMAL, NORMAL.counts, false_alarm_rate=1.0)
    with pytest.raises(BadTest, match="at 1 or more"):
        compare(NORMAL, NORMAL.counts, windows=0)


def test_an_empty_window_has_not_drifted() -> None:
    report = compare(NORMAL, NORMAL.count(table({"x": np.empty(0)})))

    assert report.drifted == () and report.columns[0].measures is None
