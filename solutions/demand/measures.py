"""The measures of the M4 competition: sMAPE, MASE, OWA, and the benchmark Naive2.

Sources: Makridakis, Spiliotis and Assimakopoulos, *The M4 Competition* (2020), and the
competition's own R code (`M4-methods`, "Benchmarks and Evaluation"): the OWA is the mean of
two ratios, each of a mean over all series and steps to that of Naive2.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Accuracy", "accuracy", "is_seasonal", "mase_scale", "naive2", "smape"]

Floats = NDArray[np.float64]
_CRITICAL = 1.645
"""Of the test for seasonality: 90%, two-sided."""


class Accuracy(NamedTuple):
    """How good forecasts are.

    Attributes:
        smape: Mean over series and steps, per cent.
        mase: The same of the scaled absolute errors.
        owa: Below 1 is better than Naive2.
    """

    smape: float
    mase: float
    owa: float


def smape(actual: Floats, forecast: Floats) -> float:
    """Return the symmetric mean absolute percentage error, 0 to 200; none where both are 0."""
    total = np.abs(actual) + np.abs(forecast)
    shares = np.divide(np.abs(actual - forecast), total, out=np.zeros_like(total), where=total > 0)
    return float(200 * shares.mean())


def mase_scale(past: Floats, season: int) -> float:
    """Return the mean absolute difference of values one season apart."""
    return float(np.abs(past[season:] - past[:-season]).mean())


def accuracy(
    past: Sequence[Floats], actual: Sequence[Floats], forecast: Sequence[Floats], season: int
) -> Accuracy:
    """Judge the forecasts of many series beside those of Naive2.

    A series that never changed from one season to the next has no scale, and no part in the
    MASE.

    Args:
        past: What was known of each series when its forecast was made.
        season: Steps of a season as the competition has it: 24 for hours, 1 for weeks.
    """
    ours = _errors(past, actual, forecast, season)
    benchmark = [naive2(one, season, len(steps)) for one, steps in zip(past, actual, strict=True)]
    theirs = _errors(past, actual, benchmark, season)
    ratios = [_ratio(one, other) for one, other in zip(ours, theirs, strict=True)]
    return Accuracy(*ours, sum(ratios) / 2)


def naive2(past: Floats, season: int, steps: int) -> Floats:
    """Forecast the last value, seasonally adjusted where the series is seasonal.

    Adjusted is by classical multiplicative decomposition, as R's `decompose`.
    """
    if not is_seasonal(past, season):
        return np.full(steps, past[-1])
    place = np.arange(len(past)) % season
    factors = _factors(past, season)
    later = np.arange(len(past), len(past) + steps) % season
    return past[-1] / factors[place[-1]] * factors[later]


def is_seasonal(past: Floats, season: int) -> bool:
    """Test the autocorrelation at one season's lag, as the competition does."""
    if season < 2 or len(past) < 3 * season:
        return False
    away = past - past.mean()
    whole = float(away @ away)
    if whole == 0:
        return False
    found = np.array([away[lag:] @ away[:-lag] for lag in range(1, season + 1)]) / whole
    limit = _CRITICAL * np.sqrt((1 + 2 * (found[:-1] ** 2).sum()) / len(past))
    return bool(abs(found[-1]) > limit)


def _factors(past: Floats, season: int) -> Floats:
    """Return a factor for each place in the season, with a mean of one."""
    half = season // 2
    weights = np.ones(season) if season % 2 else np.r_[0.5, np.ones(season - 1), 0.5]
    trend = np.convolve(past, weights / season, "valid")
    away = past[half : half + len(trend)] / trend
    place = np.arange(half, half + len(trend)) % season
    factors = np.array([away[place == one].mean() for one in range(season)])
    return factors / factors.mean()


def _errors(
    past: Sequence[Floats], actual: Sequence[Floats], forecast: Sequence[Floats], season: int
) -> tuple[float, float]:
    relative: list[float] = []
    scaled: list[float] = []
    for before, true, said in zip(past, actual, forecast, strict=True):
        relative.append(smape(true, said))
        scale = mase_scale(before, season)
        if scale > 0:
            scaled.append(float(np.abs(true - said).mean()) / scale)
    return float(np.mean(relative)), float(np.mean(scaled)) if scaled else 0.0


def _ratio(ours: float, theirs: float) -> float:
    """Return ours beside theirs; where they are never wrong, being so too is a ratio of one."""
    return ours / theirs if theirs else 1.0 + ours
