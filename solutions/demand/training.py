"""Parameters chosen, a model trained and its intervals calibrated, on what was known.

For each choice of parameters a model is trained on what lay before some past origins and
judged at these; the best is trained anew on everything. The errors of the earlier model at
those origins, which it had not seen, calibrate the intervals of the later one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kingpost.models import Progress, quiet
from solutions.demand.data import Collection, Origins
from solutions.demand.forecaster import (
    Forecaster,
    Parameters,
    Reader,
    Rows,
    fit,
    past_origins,
)
from solutions.demand.intervals import Errors, Intervals, calibrate, errors_of
from solutions.demand.measures import accuracy

__all__ = ["CANDIDATES", "Forecasts", "Trained", "Trial", "train"]

Floats = NDArray[np.float64]

CANDIDATES = (Parameters(num_leaves=15), Parameters(num_leaves=31))


@dataclass(frozen=True)
class Trial:
    """A choice of parameters, with its mean OWA at the past origins."""

    parameters: Parameters
    owa: float


@dataclass(frozen=True, eq=False)
class Forecasts:
    """What is expected, row by row, with the ends of its interval."""

    rows: Rows
    expected: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True, eq=False)
class Trained:
    """A model with its intervals.

    Attributes:
        errors: What the intervals were calibrated on.
        trials: All that were tried; the model's parameters are those of the best.
    """

    forecaster: Forecaster
    intervals: Intervals
    errors: Errors
    trials: tuple[Trial, ...]

    def forecast(self, rows: Rows) -> Forecasts:
        """Forecast, with intervals that hold 90% of what comes."""
        expected = self.forecaster.forecast(rows)
        return Forecasts(rows, expected, *self.intervals.around(rows, expected))


def train(
    collection: Collection,
    known_until: Sequence[int],
    read: Reader,
    *,
    candidates: Sequence[Parameters] = CANDIDATES,
    progress: Progress = quiet,
) -> Trained:
    """Choose, train and calibrate.

    Args:
        known_until: The last step that is known of each series; nothing later is looked at.
        read: Of the collection, which may hold later values too.

    Raises:
        ExtraMissing: LightGBM is not installed.
    """
    kind, steps = collection.kind, len(candidates) + 2
    stage = f"{kind.name} train"
    progress(stage, 0, steps)
    most = _judged_origins(collection, known_until)
    judged = past_origins(  # of short series too: they are forecast as well
        collection, known_until, before=2 * kind.horizon, every=kind.horizon, most=most
    )
    judged_rows = read(judged)
    earlier = [until - most * kind.horizon for until in known_until]
    earlier_rows = _learned_from(collection, earlier, read)
    progress(stage, 1, steps)
    tried: list[tuple[Trial, Floats]] = []
    for done, parameters in enumerate(candidates, 2):
        forecast = fit(collection, earlier_rows, parameters).forecast(judged_rows)
        owa = _mean_owa(collection, judged_rows, forecast)
        tried.append((Trial(parameters, owa), forecast))
        progress(stage, done, steps)
    best, forecast = min(tried, key=lambda one: one[0].owa)
    errors = errors_of(judged_rows, forecast, collection.actual(judged), _periods(judged))
    intervals = calibrate(errors, series=len(collection.series), horizon=kind.horizon)
    everything = _learned_from(collection, known_until, read)
    forecaster = fit(collection, everything, best.parameters)
    progress(stage, steps, steps)
    return Trained(forecaster, intervals, errors, tuple(trial for trial, _ in tried))


def _judged_origins(collection: Collection, known_until: Sequence[int]) -> int:
    """Return how many origins of each series are judged: half of the longest one, at the most."""
    kind = collection.kind
    known = max(
        until - one.first + 1 for one, until in zip(collection.series, known_until, strict=True)
    )
    return max(2, min(kind.judged, (known - kind.before) // kind.horizon // 2))


def _learned_from(collection: Collection, known_until: Sequence[int], read: Reader) -> Rows:
    kind = collection.kind
    origins = past_origins(
        collection, known_until, before=kind.before, every=kind.every, most=kind.origins
    )
    return read(origins)


def _periods(asked: Origins) -> NDArray[np.int64]:
    """Number the origins of each series, the latest one 0 and those before it below."""
    latest: dict[int, int] = {}
    for series, origin in zip(asked.series.tolist(), asked.origin.tolist(), strict=True):
        latest[series] = max(latest.get(series, origin), origin)
    ends = np.array([latest[series] for series in asked.series.tolist()])
    return (asked.origin - ends) // int(asked.horizon.max())


def _mean_owa(collection: Collection, rows: Rows, forecast: Floats) -> float:
    """Return the mean of the OWA over the periods; missing values count as met."""
    asked, steps = rows.asked, collection.kind.horizon
    actual = collection.actual(asked)
    actual = np.where(np.isnan(actual), forecast, actual)
    period = _periods(asked)[::steps]
    found: list[float] = []
    for one in np.unique(period).tolist():
        here = np.flatnonzero(period == one)
        places: list[int] = asked.series[::steps][here].tolist()
        origins: list[int] = asked.origin[::steps][here].tolist()
        past = [
            _filled(collection.series[place].until(origin))
            for place, origin in zip(places, origins, strict=True)
        ]
        true, said = (all_of.reshape(-1, steps)[here] for all_of in (actual, forecast))
        found.append(accuracy(past, list(true), list(said), collection.kind.season).owa)
    return float(np.mean(found))


def _filled(values: Floats) -> Floats:
    """Put nothing sold where there is no value."""
    return np.nan_to_num(values)
