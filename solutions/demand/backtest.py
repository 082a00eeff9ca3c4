"""A rolling-origin backtest: a forecast every day, and a new model when the old one drifts.

At every origin the model in use forecasts with what was known then, and its intervals are
calibrated on the errors of the last origins, so that they widen and narrow with these.
Whether the model drifts is asked of the intervals that it was trained with: they promised
that one value in ten lies outside, and when two weeks hold more than that can explain, a
model is trained on everything known by then. Nothing later than an origin is looked at.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from kingpost.models import Progress, quiet
from kingpost.stats import wilson_interval
from solutions.demand.data import Collection, Origins
from solutions.demand.errors import BadDemandFiles
from solutions.demand.forecaster import Parameters, Reader, Rows, reader
from solutions.demand.intervals import calibrate, errors_of
from solutions.demand.training import Trained, train

__all__ = ["Backtest", "Policy", "backtest", "has_drifted", "reader_of_days"]

Floats = NDArray[np.float64]
Policy = Literal["never", "on drift", "every four weeks"]
PARAMETERS = Parameters(num_leaves=15, rounds=200, min_data_in_leaf=40)
MISSES = 0.1
"""What the intervals promise to miss."""
WATCHED_ORIGINS = 14
_Z = 4.0
"""Errors of one day go together, so a bound of independent ones must be a wide one."""


@dataclass(frozen=True, eq=False)
class Backtest:
    """What came of it.

    Attributes:
        trained_on: The origins at which a model was trained, by number; the first is 0.
        naive_mae: Of the value one long season before, for the same targets.
    """

    policy: Policy
    origins: int
    trained_on: tuple[int, ...]
    asked: Origins
    actual: Floats
    expected: Floats
    low: Floats
    high: Floats
    naive: Floats

    @property
    def mae(self) -> float:
        """The mean absolute error."""
        return float(np.nanmean(np.abs(self.actual - self.expected)))

    @property
    def naive_mae(self) -> float:
        """The mean absolute error of the value one long season before."""
        return float(np.nanmean(np.abs(self.actual - self.naive)))

    @property
    def coverage(self) -> float:
        """The share of values inside their interval."""
        there = ~np.isnan(self.actual)
        inside = (self.actual >= self.low) & (self.actual <= self.high)
        return float(inside[there].mean())


def has_drifted(missed: NDArray[np.bool_]) -> bool:
    """Say whether more values lie outside their intervals than these promise.

    Args:
        missed: Of the values watched, in no order.
    """
    if not len(missed):
        return False
    low, _ = wilson_interval(int(missed.sum()), len(missed), z=_Z)
    return low > MISSES


def backtest(
    collection: Collection,
    *,
    origins: int,
    policy: Policy,
    read: Reader | None = None,
    progress: Progress = quiet,
) -> Backtest:
    """Forecast at the last origins of one series, a horizon apart.

    Args:
        collection: Of one series.
        origins: How many; the first model is trained on what lay before them.
        read: As from `reader_of_days`, where several backtests share it.

    Raises:
        BadDemandFiles: Too little lies before the first origin.
        ExtraMissing: LightGBM is not installed.
    """
    steps = collection.kind.horizon
    [series] = collection.series
    first = series.last - origins * steps
    _check_known(collection, origins)
    read = read or reader_of_days(collection)
    stage = f"{collection.kind.name} backtest, {policy}"
    trained_on, model = [0], _trained(collection, read, first)
    errors = model.errors
    found: list[tuple[Floats, Floats, Floats, Floats]] = []
    watched: list[NDArray[np.bool_]] = []
    for done in range(origins):
        origin = first + done * steps
        if _is_due(policy, watched, done):
            model, watched = _trained(collection, read, origin), []
            errors = model.errors
            trained_on.append(done)
        asked = Origins.of([0], [origin], steps)
        said = model.forecast(read(asked))
        low, high = calibrate(errors, series=1, horizon=steps).around(said.rows, said.expected)
        actual = collection.actual(asked)
        found.append((actual, said.expected, low, high))
        outside = (actual < said.low) | (actual > said.high)
        watched = [*watched, outside[~np.isnan(actual)]][-WATCHED_ORIGINS:]
        newest = errors_of(said.rows, said.expected, actual, np.zeros(steps, np.int64))
        errors = errors.followed_by(newest)
        progress(stage, done + 1, origins)
    asked = Origins.of([0] * origins, [first + at * steps for at in range(origins)], steps)
    actual, expected, low, high = (np.concatenate([one[at] for one in found]) for at in range(4))
    naive = series.at(asked.target - collection.kind.places)
    return Backtest(policy, origins, tuple(trained_on), asked, actual, expected, low, high, naive)


def reader_of_days(collection: Collection) -> Reader:
    """Compute all rows of one series at once, at origins a horizon apart, the last value's one.

    A row is a function of its origin alone, whatever it is computed with, so this is `reader`
    made quick.
    """
    steps = collection.kind.horizon
    [series] = collection.series
    days = len(series.values) // steps
    first = series.last - (days - 1) * steps
    every = [first + day * steps for day in range(days)]
    rows = reader(collection)(Origins.of([0] * days, every, steps))

    def read(asked: Origins) -> Rows:
        return rows.at(asked.origin - first + asked.horizon - 1)

    return read


def _check_known(collection: Collection, origins: int) -> None:
    kind = collection.kind
    [series] = collection.series
    most = (len(series.values) - kind.before) // kind.horizon - 4
    if not 1 <= origins <= most:
        raise BadDemandFiles(
            f"series {series.name!r}",
            f"{origins} origins cannot be tested: its {len(series.values)} values allow {most}",
            "test fewer, or give a longer series",
        )


def _is_due(policy: Policy, watched: list[NDArray[np.bool_]], done: int) -> bool:
    if policy == "every four weeks":
        return done > 0 and done % 28 == 0
    if policy == "never" or len(watched) < WATCHED_ORIGINS:
        return False
    return has_drifted(np.concatenate(watched))


def _trained(collection: Collection, read: Reader, until: int) -> Trained:
    return train(collection, [until], read, candidates=(PARAMETERS,))
