"""Forecasts of demand never look ahead, and a row is the same whatever it is computed with."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from solutions.demand.backtest import Policy, backtest, reader_of_days
from solutions.demand.data import Collection, Origins, Series
from solutions.demand.files import read_collections
from solutions.demand.forecaster import Rows, past_origins, read_rows, reader
from solutions.demand.kinds import BIKES, HOURLY, WEEKLY, Kind
from solutions.demand.simulator import Simulation, write_files
from solutions.demand.training import train

KNOWN = {"hourly": 400, "weekly": 120, "bikes": 400}


def random_series(kind: Kind, seed: int) -> Collection:
    """Make two series with gaps, whose last horizon follows what is known."""
    random = np.random.default_rng(seed)
    values = random.gamma(2, 50, (2, KNOWN[kind.name] + kind.horizon)).round(4)
    values[random.random(values.shape) < 0.05] = np.nan
    names = [f"{kind.name}-{at}" for at in range(2)]
    series = (Series(name, kind.places, one) for name, one in zip(names, values, strict=True))
    return Collection(kind, tuple(series))


def changed_after(collection: Collection, known: int, factor: float) -> Collection:
    """Let everything after so many values be another."""

    def changed(one: Series) -> Series:
        values = one.values.copy()
        values[known:] = np.nan_to_num(values[known:] * factor, nan=factor)
        return replace(one, values=values)

    return replace(collection, series=tuple(map(changed, collection.series)))


def same_bits(one: Rows, other: Rows) -> bool:
    return all(
        getattr(one, name).tobytes() == getattr(other, name).tobytes()
        for name in ("x", "level", "base")
    )


@pytest.mark.parametrize("kind", [HOURLY, WEEKLY, BIKES], ids=lambda kind: kind.name)
@given(seed=st.integers(0, 2**32 - 1), factor=st.floats(0, 100), back=st.integers(0, 60))
def test_what_comes_after_an_origin_changes_nothing_of_its_rows(
    kind: Kind, seed: int, factor: float, back: int
) -> None:
    known = KNOWN[kind.name] - back
    collection = random_series(kind, seed)
    origins = [one.first + known - 1 for one in collection.series]
    asked = Origins.of([0, 1], origins, kind.horizon)

    other = changed_after(collection, known, factor)

    assert same_bits(
        read_rows(collection, asked, collection.history()),
        read_rows(other, asked, other.history()),
    )


@given(seed=st.integers(0, 2**32 - 1), taken=st.sets(st.integers(3, 16), min_size=1))
def test_rows_are_the_same_computed_alone_or_with_those_of_all_days(
    seed: int, taken: set[int]
) -> None:
    both = random_series(BIKES, seed)
    collection = replace(both, series=both.series[:1])
    last = collection.series[0].last
    asked = Origins.of([0] * len(taken), [last - 24 * (17 - day) for day in sorted(taken)], 24)

    assert same_bits(reader_of_days(collection)(asked), reader(collection)(asked))


@given(
    until=st.integers(100, 900),
    before=st.integers(1, 400),
    every=st.integers(1, 60),
    most=st.integers(1, 30),
)
def test_every_target_that_is_learned_from_was_known(
    until: int, before: int, every: int, most: int
) -> None:
    series = Series("H1", 168, np.ones(1000))
    asked = past_origins(
        Collection(HOURLY, (series,)), [until], before=before, every=every, most=most
    )

    assert len(asked) <= most * HOURLY.horizon
    assert asked.target.max(initial=until) <= until
    assert np.all(asked.origin - series.first + 1 >= before)


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    folder = tmp_path_factory.mktemp("simulated")
    write_files(Simulation(series=1, days=90, grows_on=65), folder)
    [found] = read_collections(folder / "bikes.parquet")
    return found


@pytest.mark.parametrize("policy", ["on drift", "every four weeks"])
def test_a_backtest_of_the_first_days_is_the_same_whatever_comes_later(
    city: Collection, policy: Policy
) -> None:
    origins, same = 32, 30
    known = len(city.series[0].values) - (origins - same) * 24

    one = backtest(city, origins=origins, policy=policy)
    other = backtest(changed_after(city, known, 3.0), origins=origins, policy=policy)

    first = slice(0, same * 24)
    for name in ("expected", "low", "high"):
        assert np.array_equal(getattr(one, name)[first], getattr(other, name)[first])
    assert len(one.trained_on) > 1
    assert one.trained_on == other.trained_on
    assert one.coverage > 0.8
    assert not np.array_equal(one.expected, other.expected)


def test_a_model_learns_nothing_of_what_comes_after_what_is_known(city: Collection) -> None:
    known = len(city.series[0].values) - 24
    until = [city.series[0].last - 24]
    asked = Origins.of([0], until, 24)
    other = changed_after(city, known, 3.0)

    forecasts = [
        train(values, until, reader(values)).forecast(reader(city)(asked))
        for values in (city, other)
    ]

    for name in ("expected", "low", "high"):
        assert np.array_equal(getattr(forecasts[0], name), getattr(forecasts[1], name))
