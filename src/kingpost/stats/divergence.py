"""How far one distribution over bins has moved from another.

The rule: both sides are integer counts over the same bins, and both are smoothed with the
same constant, `(c + a) / (n + a * k)`, so that an empty bin neither makes a measure
infinite nor counts for more on one side than on the other. What the bins are is the
caller's business; those of the reference are the usual choice, with bins of their own for
values outside of it and for missing ones.
"""

import numpy as np
from numpy.typing import NDArray

from kingpost.stats.errors import BinMismatch, EmptyWindow

__all__ = [
    "SMOOTHING",
    "Counts",
    "chi_square",
    "jensen_shannon",
    "kolmogorov_smirnov",
    "kullback_leibler",
    "population_stability_index",
    "total_variation",
    "wasserstein",
]

Counts = NDArray[np.int64]
"""Rows per bin, shape (bins,)."""

SMOOTHING = 0.5
"""What is added to each bin's count, after Krichevsky & Trofimov (1981)."""


def population_stability_index(
    reference: Counts, live: Counts, *, smoothing: float = SMOOTHING
) -> float:
    """Measure how far the live distribution has moved from the reference, either way alike.

    Returns:
        The index in nats, 0 or more; 0 when all shares are equal.

    Raises:
        BinMismatch: The shapes differ.
        EmptyWindow: Either side has no rows.

    Source: the divergence J(1, 2) of Kullback & Leibler (1951).
    """
    p, q = _shares(reference, live, smoothing)
    return float(np.sum((q - p) * np.log(q / p)))


def kullback_leibler(reference: Counts, live: Counts, *, smoothing: float = SMOOTHING) -> float:
    """Measure what the live rows would surprise whoever expects the reference, in nats.

    Raises:
        BinMismatch, EmptyWindow: As in `population_stability_index`.

    Source: I(2 : 1) of Kullback & Leibler (1951).
    """
    p, q = _shares(reference, live, smoothing)
    return max(0.0, float(np.sum(q * np.log(q / p))))


def jensen_shannon(reference: Counts, live: Counts, *, smoothing: float = SMOOTHING) -> float:
    """Measure the mean surprise of both sides beside their middle, 0 to ln 2 nats.

    Raises:
        BinMismatch, EmptyWindow: As in `population_stability_index`.

    Source: Lin (1991), with equal weights.
    """
    p, q = _shares(reference, live, smoothing)
    middle = (p + q) / 2
    total = np.sum(p * np.log(p / middle)) + np.sum(q * np.log(q / middle))
    return max(0.0, float(total) / 2)


def kolmogorov_smirnov(reference: Counts, live: Counts) -> float:
    """Measure the largest distance between both cumulative shares, 0 to 1, at the bins' edges.

    The bins are in the order of their values; nothing is smoothed.

    Raises:
        BinMismatch, EmptyWindow: As in `population_stability_index`.
    """
    return float(np.max(_apart(reference, live), initial=0.0))


def total_variation(reference: Counts, live: Counts) -> float:
    """Measure which share of the rows lies in another bin than it should, 0 to 1.

    Raises:
        BinMismatch, EmptyWindow: As in `population_stability_index`.
    """
    p, q = _shares(reference, live, 0.0)
    return float(np.sum(np.abs(p - q))) / 2


def wasserstein(reference: Counts, live: Counts, positions: NDArray[np.float64]) -> float:
    """Measure how far rows have to be moved on average to turn one side into the other.

    Args:
        positions: Where the rows of each bin lie, ascending, shape (bins,).

    Returns:
        The distance of first order, in the unit of the positions.

    Raises:
        BinMismatch, EmptyWindow: As in `population_stability_index`.
    """
    apart = _apart(reference, live)
    if positions.shape != apart.shape:
        raise BinMismatch(apart.shape, positions.shape)
    return float(np.sum(apart[:-1] * np.diff(positions)))


def chi_square(reference: Counts, live: Counts) -> tuple[float, int]:
    """Measure whether two samples can be of the same, in Pearson's way, nothing smoothed.

    Returns:
        The statistic and its degrees of freedom; a bin that is empty on both sides has none.

    Raises:
        BinMismatch, EmptyWindow: As in `population_stability_index`.

    Source: Pearson (1911), "On the probability that two independent distributions of
        frequency are really samples from the same population".
    """
    p, q = _shares(reference, live, 0.0)
    both = (reference + live).astype(np.float64)
    used = both > 0
    rows, live_rows = float(reference.sum()), float(live.sum())
    apart = (p[used] - q[used]) ** 2 / both[used]
    return float(np.sum(apart)) * rows * live_rows, int(np.count_nonzero(used)) - 1


def _apart(reference: Counts, live: Counts) -> NDArray[np.float64]:
    """Return how far the cumulative shares are apart at each bin's end; exactly 0 at the last."""
    _checked(reference, live)
    return np.abs(np.cumsum(reference) / reference.sum() - np.cumsum(live) / live.sum())


def _checked(reference: Counts, live: Counts) -> tuple[int, int]:
    if reference.shape != live.shape or reference.ndim != 1:
        raise BinMismatch(reference.shape, live.shape)
    rows, live_rows = int(reference.sum()), int(live.sum())
    if not (rows and live_rows):
        raise EmptyWindow(rows, live_rows)
    return rows, live_rows


def _shares(
    reference: Counts, live: Counts, smoothing: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rows, live_rows = _checked(reference, live)
    bins = len(reference)
    expected = (reference.astype(np.float64) + smoothing) / (rows + smoothing * bins)
    found = (live.astype(np.float64) + smoothing) / (live_rows + smoothing * bins)
    return expected, found
