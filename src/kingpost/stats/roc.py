"""How sure an area under the ROC curve is."""

import math

import numpy as np
from numpy.typing import NDArray

from kingpost.stats.errors import EmptyWindow
from kingpost.stats.intervals import wilson_interval

__all__ = ["roc_interval"]

_Z_95 = 1.959963984540054


def roc_interval(
    positive: NDArray[np.float64], negative: NDArray[np.float64], *, z: float = _Z_95
) -> tuple[float, float]:
    """Return bounds of the ROC AUC; 95% by default.

    Args:
        positive: Scores of the positive rows, shape (m,).
        negative: Scores of the others, shape (n,).

    Raises:
        EmptyWindow: Either side has no rows.

    Source: the variance of DeLong et al. (1988) by the ranks of Sun & Xu (2014), on the scale
    of the logit. Where every positive row is above every other (or below), no variance is
    seen: the bound is then that of as many hits in a row as the smaller side has rows.
    """
    m, n = len(positive), len(negative)
    if not (m and n):
        raise EmptyWindow(m, n)
    ranks = _mid_ranks(np.concatenate([positive, negative]))
    above = (ranks[:m] - _mid_ranks(positive)) / n
    below = 1 - (ranks[m:] - _mid_ranks(negative)) / m
    area = float(above.mean())
    variance = _variance(above) / m + _variance(below) / n
    if variance <= 0 or not 0 < area < 1:
        fewest = min(m, n)
        return wilson_interval(round(area * fewest), fewest, z=z)
    half = z * math.sqrt(variance) / (area * (1 - area))
    middle = math.log(area / (1 - area))
    return _logistic(middle - half), _logistic(middle + half)


def _mid_ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rank values from 1; equal ones share the mean of their ranks."""
    _, at, equal = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(equal)
    return (last - (equal - 1) / 2)[at]


def _variance(values: NDArray[np.float64]) -> float:
    return float(values.var(ddof=1)) if len(values) > 1 else 0.0


def _logistic(value: float) -> float:
    return 1 / (1 + math.exp(-min(max(value, -700.0), 700.0)))
