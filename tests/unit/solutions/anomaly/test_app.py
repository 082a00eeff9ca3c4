"""The two questions asked of a measurement, and the false-alarm rate that a record promises."""

from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from kingpost.contracts import batch_of, contract_of
from kingpost.features import History, Requests, feature_matrix
from solutions.anomaly.app import Measurement, anomaly

DAY_US = 86_400_000_000
START_US = 1_772_409_600_000_000


def asked(series: Mapping[str, NDArray[np.float64]], *, a_day: int) -> NDArray[np.float64]:
    """Ask both questions of series measured so often; columns record and level, by series."""
    contract = contract_of(Measurement)
    events = [
        contract.decode(
            b'{"id":"%s-%d","at":"%sZ","series":"%s","value":%.6f}'
            % (name.encode(), row, moment(row, a_day), name.encode(), value)
        )
        for name, values in series.items()
        for row, value in enumerate(values.tolist())
    ]
    batch = batch_of(contract, events)
    places = np.arange(len(events), dtype=np.int64)
    histories = {contract.name: History(batch, places)}
    return feature_matrix(anomaly.features, Requests(batch, places), histories)[:, -2:]


def moment(row: int, a_day: int) -> bytes:
    at = np.datetime64(START_US + row * DAY_US // a_day, "us")
    return str(at).encode()


def test_a_value_beyond_four_weeks_is_a_record_as_far_as_it_goes_in_their_range() -> None:
    values = np.array([10.0, 20.0] * 30 + [22.0, 21.0, 5.0])

    record = asked({"s": values}, a_day=2)[:, 0]

    assert record[:60].tolist() == [0.0] * 60
    assert record[60:] == pytest.approx([0.2, 0.0, 5 / 12])


def test_on_the_first_day_nothing_is_known_and_nothing_is_anomalous() -> None:
    values = np.array([1.0, 100.0, -100.0, 5000.0])

    assert asked({"s": values}, a_day=4).tolist() == [[0.0, 0.0]] * 4


def test_a_value_that_never_changed_and_then_does_is_a_whole_record() -> None:
    found = asked({"s": np.array([7.0] * 8 + [7.5])}, a_day=4)

    assert found[-1].tolist() == [1.0, 0.0]


def test_a_level_is_four_hours_beside_the_week_in_its_standard_deviations() -> None:
    values = np.array([10.0, 12.0] * 36 + [14.0, 14.0])

    level = asked({"s": values}, a_day=12)[-1, 1]

    week = np.array([*values[:72], 14.0])
    assert level == pytest.approx((14 - week.mean()) / week.std(ddof=1))


def test_a_series_knows_nothing_of_another() -> None:
    calm = np.array([10.0, 20.0] * 10)

    both = asked({"a": calm, "b": calm * 1000}, a_day=2)

    assert both[:20].tolist() == asked({"a": calm}, a_day=2).tolist()


def test_records_among_values_in_any_order_are_two_in_28_days_at_the_most() -> None:
    rng = np.random.default_rng(11)
    days, a_day, many = 84, 8, 24
    series = {
        f"s{number}": rng.standard_cauchy(days * a_day).clip(-1e6, 1e6) for number in range(many)
    }

    found = asked(series, a_day=a_day)[:, 0].reshape(many, -1)[:, 28 * a_day :]

    stream_days = many * (days - 28)
    expected = 2 / 28 * stream_days
    assert expected - 4 * np.sqrt(expected) < (found > 0).sum() < expected + 4 * np.sqrt(expected)
