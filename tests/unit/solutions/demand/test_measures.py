"""The measures of M4, beside values computed by hand."""

import numpy as np
import pytest
from numpy.typing import NDArray

from solutions.demand.measures import accuracy, is_seasonal, mase_scale, naive2, smape

SHAPE = np.array([2 / 3, 4 / 3])


def seasonal(steps: int) -> NDArray[np.float64]:
    """Rise by 1.5 a step, times a factor of 2/3 and 4/3 by turns: 1, 4, 3, 8, 5, 12 …"""
    step = np.arange(steps, dtype=np.float64)
    return 1.5 * (step + 1) * np.resize(SHAPE, steps)


def test_the_percentage_error_is_symmetric_and_nothing_of_nothing_is_no_error() -> None:
    actual, forecast = np.array([100.0, 50.0, 0.0]), np.array([110.0, 40.0, 0.0])

    # 200 times the mean of 10/210, 10/90 and 0
    assert smape(actual, forecast) == pytest.approx(10.582011)
    assert smape(forecast, actual) == smape(actual, forecast)


def test_the_scale_is_the_mean_step_between_values_a_season_apart() -> None:
    past = np.array([1.0, 3.0, 2.0, 6.0])

    assert mase_scale(past, 1) == pytest.approx(7 / 3)
    assert mase_scale(past, 2) == 2.0


def test_a_series_without_season_is_forecast_by_its_last_value() -> None:
    past = np.array([5.0, 9.0, 7.0])

    assert naive2(past, 1, 2).tolist() == [7.0, 7.0]
    assert naive2(past, 24, 2).tolist() == [7.0, 7.0]


def test_a_seasonal_series_is_forecast_by_its_last_level_in_its_shape() -> None:
    past = seasonal(40)  # the level is 60 at the end, the last factor 4/3

    assert naive2(past, 2, 3) == pytest.approx(np.array([40.0, 80.0, 40.0]))


def test_it_is_the_autocorrelation_at_a_season_that_makes_a_series_seasonal() -> None:
    noise = np.random.default_rng(7).normal(10, 1, 240)

    assert is_seasonal(seasonal(40), 2)
    assert not is_seasonal(seasonal(5), 2), "three seasons are needed"
    assert not is_seasonal(noise, 24)
    assert not is_seasonal(np.full(100, 3.0), 24), "what never changes has no season"


def test_the_benchmark_itself_has_an_owa_of_one() -> None:
    past = [seasonal(40), np.array([1.0, 3.0, 2.0, 6.0, 5.0, 9.0])]
    actual = [np.array([45.0, 81.0]), np.array([7.0, 8.0])]
    forecast = [naive2(one, 2, 2) for one in past]

    assert accuracy(past, actual, forecast, 2).owa == 1.0


def test_the_owa_is_the_mean_of_two_ratios_of_means_over_series() -> None:
    past = [np.array([10.0, 20.0, 10.0, 20.0]), np.array([4.0, 5.0, 4.0])]
    actual = [np.array([10.0]), np.array([6.0])]
    ours = [np.array([15.0]), np.array([6.0])]

    found = accuracy(past, actual, ours, 1)

    # sMAPE: ours 40 and 0, of the last values 20 and 4: 66.67 and 40
    # MASE, scales 10 and 1: ours 0.5 and 0, of the last values 1 and 2
    assert found.smape == pytest.approx(20.0)
    assert found.mase == pytest.approx(0.25)
    assert found.owa == pytest.approx((40 / (200 / 3 + 40) + 0.5 / 3) / 2)


def test_a_series_that_never_changed_counts_for_the_percentage_alone() -> None:
    still, moving = np.full(4, 3.0), np.array([10.0, 20.0, 10.0, 20.0])
    ours = [np.array([3.0]), np.array([15.0])]

    found = accuracy([still, moving], [np.array([3.0]), np.array([10.0])], ours, 1)

    assert found.mase == pytest.approx(0.5)
    assert found.smape == pytest.approx(20.0)
    assert accuracy([still], [still[:1]], [still[:1]], 1).owa == 1.0
