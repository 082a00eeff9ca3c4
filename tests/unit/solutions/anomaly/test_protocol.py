"""The judgement: bounds from other series alone, one alarm a day, false alarms as stated."""

from dataclasses import replace

import numpy as np
import pytest

from solutions.anomaly.app import BOUNDS, Bounds, scores
from solutions.anomaly.data import MeasurementFiles, Series
from solutions.anomaly.nab import Labelled
from solutions.anomaly.protocol import (
    Judged,
    Verdict,
    alarms_of,
    best_without,
    false_alarms_a_day,
    judge,
    total,
)
from solutions.anomaly.simulator import Simulation, simulate, write_folder

HOUR_US = 3_600_000_000


def alarmed(bounds: Bounds, *alarms: int) -> Judged:
    """Judge alarms of a series of 200 hours whose rows 150 to 199 are a window."""
    labelled = Labelled.of(200, [(150, 199)])
    hours = np.arange(200) * HOUR_US
    series = Series("s", np.arange(200), hours, labelled, [(150 * HOUR_US, 199 * HOUR_US)])
    rows = np.array(alarms, np.int64)
    return Judged(series, bounds, rows, labelled.score(rows), [])


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> MeasurementFiles:
    folder = tmp_path_factory.mktemp("machines")
    write_folder(*simulate(Simulation(machines=4, days=21, every_minutes=30)), folder)
    return MeasurementFiles.find(folder)


@pytest.fixture(scope="module")
def verdict(files: MeasurementFiles) -> Verdict:
    return judge(files)


def test_a_score_is_a_half_at_either_bound_and_rises_towards_one() -> None:
    rows = np.array([[0, 0, 0], [9, BOUNDS.record, 0], [9, 0, BOUNDS.level], [9, 3e8, 9]])

    found = scores(rows.astype(np.float32))

    assert found[0] == 0
    assert found[1:3] == pytest.approx([0.5, 0.5], abs=1e-7)
    assert 0.99 < found[3] <= 1


def test_a_bound_can_be_left_out() -> None:
    rows = np.array([[0.0, 0.0, 100.0], [0.0, 0.2, 0.0]], np.float32)

    assert (scores(rows, Bounds(0.1, float("inf"))) >= 0.5).tolist() == [False, True]


def test_a_series_alarms_once_and_is_quiet_for_a_day() -> None:
    hours = np.array([0, 1, 23, 24, 30, 47, 49])

    alarms = alarms_of(hours * HOUR_US, np.array([0, 1, 1, 1, 0, 1, 1], np.bool_))

    assert hours[alarms].tolist() == [1, 47]


def test_most_faults_of_machines_are_found_with_bounds_from_other_machines(
    verdict: Verdict,
) -> None:
    score = total(verdict.by_series)

    assert score.windows == 8
    assert score.found >= 6
    assert false_alarms_a_day(verdict.by_series) <= 0.1


def test_what_is_wrong_in_one_series_changes_no_bound_that_it_is_judged_with(
    files: MeasurementFiles, verdict: Verdict
) -> None:
    first = verdict.by_series[0]
    blind = replace(files, windows={**files.windows, first.series.name: []})

    again = judge(blind).by_series[0]

    assert again.bounds == first.bounds
    assert again.alarms.tolist() == first.alarms.tolist()


def test_bounds_are_the_best_on_the_others_within_the_stated_rate() -> None:
    eager, strict = Bounds(0.01, 2.0), Bounds(0.1, 4.0)
    tried = [
        [alarmed(eager, 50, 150), alarmed(eager, 150), alarmed(eager, 150)],
        [alarmed(strict), alarmed(strict, 190), alarmed(strict, 190)],
    ]

    assert best_without(tried, leaving=0, most=0.0) == 0
    assert best_without(tried, leaving=2, most=0.0) == 1
    assert best_without(tried, leaving=2, most=1.0) == 0


def test_where_no_bounds_keep_to_the_rate_those_with_the_fewest_false_alarms_are_taken() -> None:
    eager, strict = Bounds(0.01, 2.0), Bounds(0.1, 4.0)
    tried = [
        [alarmed(eager, 50, 60, 150), alarmed(eager, 50, 60, 150)],
        [alarmed(strict, 50), alarmed(strict, 50)],
    ]

    assert best_without(tried, leaving=0, most=0.0) == 1


def test_one_series_alone_has_nobody_to_take_bounds_from(files: MeasurementFiles) -> None:
    events = files.measurements()
    name = files.series(events)[0].name
    folder = files.path / "one"
    table, windows = simulate(Simulation(machines=1, days=21, every_minutes=30))
    write_folder(table, windows, folder)

    alone = judge(MeasurementFiles.find(folder))

    assert alone.by_series == []
    assert [one.series.name for one in alone.declared] == [name]
