"""The benchmark's score: cases worked out by hand from its definition."""

import math

import numpy as np
import pytest

from solutions.anomaly.nab import Labelled, Score, normalised

ROWS = 100
"""15 of them are the probation."""


def sigmoid(position: float) -> float:
    """Say what a position is worth, as the definition writes it."""
    return 2 / (1 + math.exp(5 * position)) - 1


def scored(alarms: list[int], *windows: tuple[int, int], rows: int = ROWS) -> Score:
    return Labelled.of(rows, windows).score(np.array(alarms, np.int64))


def test_an_alarm_on_the_first_row_of_every_window_is_perfect() -> None:
    found = scored([40, 70], (40, 49), (70, 79))

    assert (found.raw, found.silent, found.windows, found.found) == (2.0, -2.0, 2, 2)
    assert normalised(found) == 100


def test_saying_nothing_is_nothing() -> None:
    found = scored([], (40, 49), (70, 79))

    assert (found.raw, found.found, found.false_alarms) == (-2.0, 0, 0)
    assert normalised(found) == 0


def test_a_later_alarm_in_a_window_earns_less_and_only_the_first_one_counts() -> None:
    # row 44 of the window 40 to 49: six of its ten rows are left
    expected = sigmoid(-0.6) / sigmoid(-1.0)

    assert scored([44], (40, 49)).raw == pytest.approx(expected, abs=1e-15)
    assert scored([44, 46, 49], (40, 49)).raw == pytest.approx(expected, abs=1e-15)
    assert scored([49], (40, 49)).raw == pytest.approx(sigmoid(-0.1) / sigmoid(-1.0), abs=1e-15)


@pytest.mark.parametrize(
    ("row", "cost"),
    [
        (20, 0.11),  # nothing came before
        (50, -0.11 * sigmoid(1 / 9)),  # one row after a window that is ten rows wide
        (58, -0.11 * sigmoid(1.0)),
        (76, -0.11 * sigmoid(3.0)),
        (77, 0.11),  # more than three widths behind it
    ],
)
def test_a_false_alarm_costs_less_just_after_a_window(row: int, cost: float) -> None:
    found = scored([40, row], (40, 49))

    assert found.raw == pytest.approx(1 - cost, abs=1e-15)
    assert found.false_alarms == 1


def test_every_false_alarm_costs() -> None:
    assert scored([20, 21, 22, 40], (40, 49)).raw == pytest.approx(1 - 3 * 0.11, abs=1e-15)


def test_a_false_alarm_is_measured_from_the_window_before_it_not_the_next() -> None:
    found = scored([69], (40, 49), (70, 79))

    assert found.raw == pytest.approx(-2 + 0.11 * sigmoid(20 / 9), abs=1e-15)


def test_the_probation_does_not_count() -> None:
    assert scored([3, 14], (40, 49)).false_alarms == 0
    assert scored([15], (40, 49)).false_alarms == 1
    assert Labelled.of(10_000, []).probation == 750


def test_a_window_within_the_probation_can_neither_be_found_nor_missed() -> None:
    found = scored([40], (5, 9), (40, 49))

    assert (found.raw, found.silent, found.found, found.windows) == (1.0, -1.0, 1, 2)
    # the benchmark counts it among those that a perfect detector finds all the same
    assert normalised(found) == pytest.approx(100 * 2 / 3)


def test_series_without_windows_have_no_score_of_their_own_but_cost() -> None:
    silent = scored([20])

    assert math.isnan(normalised(silent))
    assert normalised(silent + scored([40], (40, 49))) == pytest.approx(100 * (2 - 0.11) / 2)
