"""Series, and what is asked of them, as events."""

import numpy as np
import pytest

from solutions.demand.data import Collection, Origins, Series
from solutions.demand.errors import BadDemandFiles
from solutions.demand.kinds import BIKES, HOURLY, WEEKLY

HOUR_US = 3_600_000_000
MONDAY_US = int(np.datetime64("2000-01-03", "us").astype(np.int64))


def test_a_series_has_no_value_beyond_its_ends_and_knows_what_was_known() -> None:
    series = Series("H1", 10, np.array([1.0, 2.0, 3.0]))

    found = series.at(np.array([9, 10, 12, 13]))

    assert np.isnan(found[[0, 3]]).all()
    assert found[1:3].tolist() == [1.0, 3.0]
    assert series.until(11).tolist() == [1.0, 2.0]


def test_every_step_of_the_horizon_is_asked_at_each_origin() -> None:
    asked = Origins.of([0, 1], [5, 7], 3)

    assert asked.series.tolist() == [0, 0, 0, 1, 1, 1]
    assert asked.target.tolist() == [6, 7, 8, 8, 9, 10]
    assert asked.at(np.array([4])).target.tolist() == [9]


def test_a_value_is_an_event_of_the_moment_when_its_step_is_over() -> None:
    values = np.array([4.0, np.nan, 6.0])
    collection = Collection(HOURLY, (Series("H1", 168, values), Series("H2", 169, values)))

    events = collection.history()["sale"].events

    hours_after_monday = (events.numbers("at").astype(np.int64) - MONDAY_US) // HOUR_US
    assert hours_after_monday.tolist() == [169, 170, 171, 172]
    assert events.values("series") == ["H1", "H2", "H1", "H2"]
    assert events.values("amount") == [4.0, 4.0, 6.0, 6.0]
    assert (events.values("hour"), events.values("place")) == ([0, 1, 2, 3], [0, 1, 2, 3])


def test_an_order_names_the_place_of_its_target_and_whether_its_day_is_free() -> None:
    friday_evening = 4 * 24 + 23
    collection = Collection(BIKES, (Series("bikes", 0, np.zeros(200)),), frozenset({5, 6}))

    orders = collection.orders(Origins.of([0, 0], [friday_evening, friday_evening - 24], 2))

    assert orders.values("place") == [120, 121, 96, 97]
    assert orders.values("hour") == [0, 1, 0, 1]
    assert orders.values("day") == ["free", "free", "working", "working"]
    assert orders.numbers("at")[0] == MONDAY_US + 5 * 24 * HOUR_US


def test_of_days_after_the_last_value_weekends_are_free() -> None:
    thursday_night = 4 * 24 - 1
    collection = Collection(BIKES, (Series("bikes", 0, np.zeros(96)),), frozenset({0}))

    orders = collection.orders(Origins.of([0], [thursday_night], 25))

    assert orders.values("day") == ["working"] * 24 + ["free"]


def test_a_week_has_its_place_in_the_year() -> None:
    collection = Collection(WEEKLY, (Series("W1", 52, np.ones(120)),))

    orders = collection.orders(Origins.of([0], [103], 2))

    assert orders.values("place") == [0, 1]
    assert orders.values("day") == ["unknown"] * 2


def test_an_outcome_is_known_when_the_step_that_was_asked_about_is_over() -> None:
    collection = Collection(BIKES, (Series("bikes", 0, np.zeros(200)),))
    asked = Origins.of([0], [99], 2)
    orders = collection.orders(asked)

    outcomes = collection.outcomes(orders, asked, np.array([True, False]))

    known = (outcomes.numbers("known_at").astype(np.int64) - MONDAY_US) // HOUR_US
    assert known.tolist() == [101, 102]
    assert outcomes.values("order") == orders.values("id")


def test_series_are_cut_at_their_ends_and_left_out_when_too_short() -> None:
    long, short = Series("W1", 52, np.arange(132.0)), Series("W2", 52, np.arange(64.0))
    collection = Collection(WEEKLY, (long, short))

    assert collection.but_last(0).series[1].last == short.last
    [cut] = collection.but_last(13).series
    assert (cut.name, cut.last) == ("W1", long.last - 13)
    with pytest.raises(BadDemandFiles, match="14 steps before the end, none has 119 values"):
        collection.but_last(14)
