"""Prediction intervals: they hold what they promise, and follow what was missed."""

import numpy as np
import pytest
from numpy.typing import NDArray

from solutions.demand.data import Origins
from solutions.demand.forecaster import Rows
from solutions.demand.intervals import Errors, calibrate, errors_of

SERIES, STEPS = 40, 8
SCALE = np.geomspace(0.03, 0.1, SERIES)
"""How far each series is usually off, in units of its forecast."""


def errors(periods: int, random: np.random.Generator) -> Errors:
    """Draw errors with heavy tails, the more so the later the step."""
    shape = (periods, SERIES, STEPS)
    horizon = np.broadcast_to(np.arange(1, STEPS + 1), shape)
    drawn = random.standard_t(4, shape) * SCALE[:, np.newaxis] * np.sqrt(horizon)
    period, series, _ = np.indices(shape)
    return Errors(series.ravel(), period.ravel() - periods + 1, horizon.ravel(), drawn.ravel())


def rows(level: float = 100.0) -> Rows:
    asked = Origins.of(range(SERIES), [0] * SERIES, STEPS)
    size = len(asked)
    return Rows(asked, np.zeros((size, 0), np.float32), np.full(size, level), np.zeros(size))


@pytest.mark.parametrize("coverage", [0.5, 0.9])
def test_as_much_lies_inside_as_is_asked_for_at_every_step_and_in_every_series(
    coverage: float,
) -> None:
    random = np.random.default_rng(7)
    intervals = calibrate(errors(60, random), series=SERIES, horizon=STEPS, coverage=coverage)
    asked, forecast = rows(), np.full(SERIES * STEPS, 1e6)  # so high that no end is at zero
    low, high = intervals.around(asked, forecast)
    unit = forecast + 10

    inside: list[NDArray[np.bool_]] = []
    for _ in range(60):
        actual = forecast + errors(1, random).error * unit
        inside.append((actual >= low) & (actual <= high))

    held = np.array(inside).reshape(60, SERIES, STEPS)
    assert held.mean() == pytest.approx(coverage, abs=0.01)
    assert held.mean(axis=(0, 1)) == pytest.approx(np.full(STEPS, coverage), abs=0.1)
    assert held.mean(axis=(0, 2)) == pytest.approx(np.full(SERIES, coverage), abs=0.15)


def test_the_two_ends_are_taken_apart() -> None:
    drawn = errors(20, np.random.default_rng(7))
    only_beyond = Errors(drawn.series, drawn.period, drawn.horizon, np.abs(drawn.error))
    forecast = np.full(SERIES * STEPS, 100.0)

    low, high = calibrate(only_beyond, series=SERIES, horizon=STEPS).around(rows(), forecast)

    assert np.all(low > forecast)
    assert np.all(high > low)


def test_nobody_asks_for_less_than_nothing() -> None:
    intervals = calibrate(errors(20, np.random.default_rng(7)), series=SERIES, horizon=STEPS)

    low, high = intervals.around(rows(), np.zeros(SERIES * STEPS))

    assert low.min() == 0
    assert np.all(high > 0), "a forecast of nothing is uncertain too"


def test_errors_are_in_units_of_the_forecast() -> None:
    asked = rows(level=100.0)
    forecast = np.full(len(asked), 40.0)
    actual = np.full(len(asked), 65.0)
    actual[0] = np.nan

    found = errors_of(asked, forecast, actual, np.zeros(len(asked), np.int64)).error

    assert np.isnan(found[0])
    assert found[1:].tolist() == [0.5] * (len(asked) - 1)  # 25 of 40 and a tenth of the level


def test_a_newer_period_takes_the_place_of_the_oldest() -> None:
    random = np.random.default_rng(7)
    known, newer = errors(3, random), errors(1, random)

    found = known.followed_by(newer)

    assert np.unique(found.period).tolist() == [-1, 0, 1]
    assert found.error[found.period == 1].tolist() == newer.error.tolist()
    assert len(found.error) == len(known.error)


def test_intervals_widen_where_newer_errors_are_larger() -> None:
    random = np.random.default_rng(7)
    known, newer = errors(4, random), errors(1, random)
    larger = Errors(newer.series, newer.period, newer.horizon, newer.error * 5)
    forecast = np.full(SERIES * STEPS, 100.0)

    before, after = (
        calibrate(one, series=SERIES, horizon=STEPS).around(rows(), forecast)
        for one in (known, known.followed_by(larger))
    )

    assert (after[1] - after[0]).mean() > (before[1] - before[0]).mean()
