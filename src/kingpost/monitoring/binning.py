"""Bins: chosen once on the reference, then the same for ever.

The rule: what is compared is what the model sees, float32, on both sides. A value that a
tenth of the reference has gets a bin of its own, as do the values of a column that has
few; the rest is cut at quantiles, none of them below a fiftieth of the rows. What lies
below or above all of the reference has a bin each, and so has what is missing.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["bin_codes", "bin_edges", "model_values"]

_FEW_VALUES = 10
_HEAVY_SHARE = 0.1
_QUANTILE_BINS = 10
_SMALLEST_BIN = 0.02


def model_values(values: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return values as the model sees them; what float32 cannot hold is infinite."""
    with np.errstate(over="ignore"):
        return values.astype(np.float32)


def bin_edges(values: NDArray[np.float32], *, step: float = 0.0) -> tuple[float, ...]:
    """Choose the edges of a column's bins; missing and infinite values count for nothing.

    The last edge is just above the greatest value. There are none when no value is left.

    Args:
        step: Values of one step are one value, which begins at a multiple of it.
    """
    finite = values[np.isfinite(values)]
    if step:
        finite = model_values(np.floor(finite.astype(np.float64) / step) * step)
    distinct, counts = np.unique(finite, return_counts=True)
    if len(distinct) <= _FEW_VALUES:
        starts = distinct
    else:
        heavy = distinct[counts >= _HEAVY_SHARE * len(finite)]
        starts = np.concatenate([heavy, _above(heavy, step), _quantiles(finite, heavy)])
        starts = np.concatenate([distinct[:1], starts[starts <= distinct[-1]]])
    edges = np.unique(np.concatenate([starts, _above(distinct[-1:], step)]))
    return tuple(edges.astype(np.float64).tolist())


def _above(values: NDArray[np.float32], step: float) -> NDArray[np.float32]:
    if step:
        return model_values((np.round(values.astype(np.float64) / step) + 1) * step)
    return np.nextafter(values, np.float32(np.inf), dtype=np.float32)


def _quantiles(finite: NDArray[np.float32], heavy: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cut what is not heavy into parts of equal rows."""
    rest = np.sort(finite[~np.isin(finite, heavy)])
    bins = min(_QUANTILE_BINS - len(heavy), int(len(rest) / (_SMALLEST_BIN * len(finite))))
    if bins < 2:
        return rest[:0]
    return rest[(np.arange(1, bins) * len(rest)) // bins]


def bin_codes(edges: Sequence[float], values: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return each value's bin: `len(edges) + 1` for one that is missing."""
    seen = model_values(values)
    codes = np.searchsorted(np.array(edges, np.float32), seen, side="right")
    codes[np.isnan(seen)] = len(edges) + 1
    return codes
