"""Keys as the kernel wants them: small whole numbers instead of names.

The rule: `uniques[codes]` is the column again, and uniques are in ascending order, so
codes depend on the values alone and not on their order.
"""

import numpy as np
from numpy.typing import NDArray

__all__ = ["factorise"]


def factorise(
    array: NDArray[np.generic],
) -> tuple[NDArray[np.int32], NDArray[np.generic]]:
    """Number the distinct values of a column.

    Args:
        array: Integers, booleans, strings or objects that compare (no nulls), shape (rows,).

    Returns:
        Codes, int32, shape (rows,), and the distinct values in ascending order.

    Raises:
        ValueError: The array does not have one dimension.
        TypeError: Its values cannot be compared with each other.
    """
    if array.ndim != 1:
        raise ValueError(f"the array has {array.ndim} dimensions, expected 1")
    if array.dtype.kind in "biu" and len(array):
        low, high = array.min(), array.max()
        span = int(high) - int(low) + 1
        if span <= 4 * len(array) + 2**16:
            return _by_table(array, low, span)
    if array.dtype.kind in "OSTU":
        return _by_dict(array)
    uniques, codes = np.unique(array, return_inverse=True)
    return codes.astype(np.int32), uniques


def _by_table(
    array: NDArray[np.generic], low: np.generic, span: int
) -> tuple[NDArray[np.int32], NDArray[np.generic]]:
    """Number integers that lie close together: one look-up each, no sort."""
    first = low.astype(np.int64)
    offsets = array.astype(np.int64, copy=False)
    if first:
        offsets = offsets - first
    used = np.zeros(span, np.bool_)
    used[offsets] = True
    numbers = np.cumsum(used, dtype=np.int32) - np.int32(1)
    uniques = (np.flatnonzero(used) + first).astype(array.dtype)
    return numbers[offsets], uniques


def _by_dict(array: NDArray[np.generic]) -> tuple[NDArray[np.int32], NDArray[np.generic]]:
    """Number strings and objects: hashing them beats sorting them."""
    values = array.tolist()
    uniques = sorted(set(values))
    number = {value: code for code, value in enumerate(uniques)}
    codes = np.fromiter(map(number.__getitem__, values), np.int32, len(values))
    return codes, np.array(uniques, array.dtype)
