"""A rolling-origin backtest: a forecast every day, and a new model when the old one drifts.

At every origin the model in use forecasts with what was known then, and its intervals are
calibrated on the errors of the last origins, so that they widen and narrow with these.
Whether the model drifts is asked of the intervals that it was trained with: they promised
that one value in ten lies outside, and when two weeks hold more than that can explain, a
model is trained on everything known by then. Nothing later than an origin is looked at.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from kingpost.features import History
from kingpost.models import Progress, quiet
from kingpost.stats import wilson_interval
from solutions.demand.data import Collection, Origins
from solutions.demand.forecaster import Parameters
from solutions.demand.intervals import calibrate, errors_of
from solutions.demand.training import Trained, train

__all__ = ["Backtest", "Policy", "backtest", "has_drifted"]

Floats = NDArray[np.float64]
Policy = Literal["never", "on drift", "weekly"]
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
        trained_at: The step of each origin at which a model was trained, the first included.
        naive_mae: Of the value one long season before, for the same targets.
    """

    policy: Policy
    origins: int
    trained_at: tuple[int, ...]
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
    low, _ = wilson_interval(int(missed.sum()), len(missed), z=_Z)
    return low > MISSES


def backtest(
    collection: Collection,
    history: Mapping[str, History],
    *,
    origins: int,
    policy: Policy,
    progress: Progress = quiet,
) -> Backtest:
    """Forecast at the last origins of one series, a horizon apart.

    Args:
        collection: Of one series.
        origins: How many; the first model is trained on what lay before them.

    Raises:
        ExtraMissing: LightGBM is not installed.
    """
    steps = collection.kind.horizon
    [series] = collection.series
    first = series.last - origins * steps
    stage = f"{collection.kind.name} backtest, {policy}"
    trained_at, model = [first], _trained(collection, history, first)
    errors = model.errors
    found: list[tuple[Floats, Floats, Floats, Floats]] = []
    watched: list[NDArray[np.bool_]] = []
    for done in range(origins):
        origin = first + done * steps
        if _is_due(policy, watched, done):
            model, watched = _trained(collection, history, origin), []
            errors = model.errors
            trained_at.append(origin)
        asked = Origins.of([0], [origin], steps)
        said = model.forecast(collection, asked, history)
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
    return Backtest(policy, origins, tuple(trained_at), asked, actual, expected, low, high, naive)


def _is_due(policy: Policy, watched: list[NDArray[np.bool_]], done: int) -> bool:
    if policy == "weekly":
        return done > 0 and done % 7 == 0
    if policy == "never" or len(watched) < WATCHED_ORIGINS:
        return False
    return has_drifted(np.concatenate(watched))


def _trained(collection: Collection, history: Mapping[str, History], until: int) -> Trained:
    return train(collection, [until], history, candidates=(PARAMETERS,))
