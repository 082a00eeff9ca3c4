"""Rows drawn again and again: how far a number would move on other rows of the same kind.

The rule: the same rows and the same seed give the same interval, bit for bit. Rows are taken
for independent of each other.

Source: Efron & Tibshirani (1993), percentile intervals.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from kingpost.stats.errors import BadTest, EmptyWindow

__all__ = ["RESAMPLES", "drawn_weights", "percentile_interval"]

RESAMPLES = 1000
_SEED = 7


def drawn_weights(
    rows: int, *, resamples: int = RESAMPLES, seed: int = _SEED
) -> Iterator[NDArray[np.float64]]:
    """Draw as many rows as there are, with replacement, and say how often each came.

    Both models of a paired test are measured by the same weights.

    Yields:
        float64, shape (rows,), once per resample.

    Raises:
        EmptyWindow: There are no rows.
    """
    if rows <= 0:
        raise EmptyWindow(rows, rows)
    rng = np.random.default_rng(seed)
    for _ in range(resamples):
        yield np.bincount(rng.integers(rows, size=rows), minlength=rows).astype(np.float64)


def percentile_interval(
    found: Sequence[float] | NDArray[np.float64], *, confidence: float
) -> tuple[float, float]:
    """Return between which bounds the middle of what the resamples gave lies.

    A resample in which the number is not defined (NaN) does not count.

    Raises:
        BadTest: The confidence is not between 0 and 1.
        EmptyWindow: No resample gave a number.
    """
    if not 0 < confidence < 1:
        raise BadTest("confidence", confidence, "between 0 and 1")
    values = np.asarray(found, np.float64)
    values = values[~np.isnan(values)]
    if not len(values):
        raise EmptyWindow(len(found), 0)
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)
