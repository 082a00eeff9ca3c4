"""Prediction intervals from errors that were seen: split conformal, in units of each series.

An error of a forecast is divided by its size and by how far the series is usually off at
other origins; quantiles of what results hold for the next origin as far as that is like
those before. Several origins are needed: what moves all series at once shows only between
them. Nothing is assumed of how errors are distributed, and the two ends are taken apart, as
demand falls short and goes beyond in different ways.

Source: Lei et al. (2018), *Distribution-free predictive inference*, locally weighted.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from solutions.demand.forecaster import Rows

__all__ = ["Errors", "Intervals", "calibrate", "errors_of"]

Floats = NDArray[np.float64]
_GROUPS = 4
_PRIOR_ROWS = 100
"""The errors of all series count in those of one as much as so many of its own."""
_SMALLEST = 0.1
"""A forecast of nothing is as uncertain as one of a tenth of the level."""


@dataclass(frozen=True, eq=False)
class Errors:
    """What forecasts missed by, row by row.

    Attributes:
        period: Which origin it was, by number.
        error: Actual less forecast, in units of the forecast's size; NaN where not known.
    """

    series: NDArray[np.int64]
    period: NDArray[np.int64]
    horizon: NDArray[np.int64]
    error: Floats

    def followed_by(self, newer: "Errors") -> "Errors":
        """Add those of a newer period and let the oldest period go."""
        kept = self.period > self.period.min()
        period = np.full(len(newer.error), self.period.max() + 1)
        return Errors(
            np.concatenate([self.series[kept], newer.series]),
            np.concatenate([self.period[kept], period]),
            np.concatenate([self.horizon[kept], newer.horizon]),
            np.concatenate([self.error[kept], newer.error]),
        )


@dataclass(frozen=True, eq=False)
class Intervals:
    """How far to both sides of a forecast the truth lies.

    Attributes:
        usual: How far each series is usually off, shape (series,).
        low: Quantiles at the lower end, one for each group of steps.
        high: At the upper end.
    """

    usual: Floats
    low: Floats
    high: Floats
    horizon: int

    def around(self, rows: Rows, forecast: Floats) -> tuple[Floats, Floats]:
        """Return the lower and the upper bounds."""
        group = _group(rows.asked.horizon, self.horizon)
        unit = _size(rows, forecast) * self.usual[rows.asked.series]
        low, high = self.low[group] * unit, self.high[group] * unit
        return np.maximum(forecast + low, 0.0), np.maximum(forecast + high, 0.0)


def errors_of(rows: Rows, forecast: Floats, actual: Floats, period: NDArray[np.int64]) -> Errors:
    """Compare forecasts with what came."""
    error = (actual - forecast) / _size(rows, forecast)
    return Errors(rows.asked.series, period, rows.asked.horizon, error)


def calibrate(errors: Errors, *, series: int, horizon: int, coverage: float = 0.9) -> Intervals:
    """Learn intervals from errors of forecasts whose targets were not learned from.

    Args:
        errors: Of two origins or more.
        coverage: The share that is to lie inside; as much lies beyond either end.
    """
    missed = np.empty(len(errors.error))
    for one in np.unique(errors.period):
        here = errors.period == one
        usual = _usual(errors, ~here, series)
        missed[here] = errors.error[here] / usual[errors.series[here]]
    group = _group(errors.horizon, horizon)
    ends = (1 - coverage) / 2
    quantiles = [np.nanquantile(missed[group == one], (ends, 1 - ends)) for one in range(_GROUPS)]
    low, high = np.array(quantiles).T
    everything = np.ones(len(missed), np.bool_)
    return Intervals(_usual(errors, everything, series), low, high, horizon)


def _usual(errors: Errors, rows: NDArray[np.bool_], series: int) -> Floats:
    """Return the mean absolute error of each series, drawn to that of all where rows are few."""
    there = rows & ~np.isnan(errors.error)
    away = np.abs(errors.error[there])
    total = np.bincount(errors.series[there], away, series)
    count = np.bincount(errors.series[there], minlength=series)
    return (total + _PRIOR_ROWS * float(away.mean())) / (count + _PRIOR_ROWS)


def _group(horizon: NDArray[np.int64], steps: int) -> NDArray[np.int64]:
    return (horizon - 1) * _GROUPS // steps


def _size(rows: Rows, forecast: Floats) -> Floats:
    return forecast + _SMALLEST * rows.level
