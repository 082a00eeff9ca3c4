"""Vectors as numbers: how long each is, and how far it reaches in some fixed directions.

The rule: exact, so that a vector gives the same numbers in whatever batch it comes. Its
elements are rounded to whole multiples of a unit, taken from the reference, that are small
enough for sums of squares to stay below 2 ** 53: then no sum is ever rounded, and neither
its order nor the library that adds it up matters. Directions have elements of plus and
minus one, drawn once for every length of vector.

Source: Johnson & Lindenstrauss (1984) with the signs of Achlioptas (2003); distances along
    directions as in the sliced distance of Rabin et al. (2011).
"""

import hashlib
import math
from functools import lru_cache

import msgspec
import numpy as np
from numpy.typing import NDArray

__all__ = ["DIRECTIONS", "VectorScale", "scale_of", "vector_numbers"]

DIRECTIONS = 16
_HEADROOM_BITS = 2
"""Elements up to four times those of the reference are told apart."""


class VectorScale(msgspec.Struct, frozen=True):
    """How the vectors of a column are rounded.

    Attributes:
        dimension: Elements of each vector; one of another length counts as missing.
        unit: A power of two.
    """

    dimension: int
    unit: float

    @property
    def most(self) -> int:
        """The greatest multiple of the unit; what is larger counts as this."""
        return 1 << _bits(self.dimension)


def _bits(dimension: int) -> int:
    return (52 - max(1, math.ceil(math.log2(dimension)))) // 2


def scale_of(sample: NDArray[np.float32]) -> VectorScale:
    """Choose the unit on vectors of the reference, shape (rows, dimension), at least one."""
    dimension = sample.shape[1]
    finite = np.abs(sample[np.isfinite(sample)])
    largest = float(finite.max()) if len(finite) else 0.0
    exponent = math.frexp(largest)[1] if largest else 0
    return VectorScale(dimension, 2.0 ** (exponent - _bits(dimension) + _HEADROOM_BITS))


def vector_numbers(scale: VectorScale, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return length and reach of each vector, shape (1 + DIRECTIONS, rows), NaN where not finite.

    Args:
        vectors: Shape (rows, dimension).
    """
    missing = ~np.isfinite(vectors).all(axis=1)
    whole = np.rint(np.nan_to_num(vectors.astype(np.float64)) / scale.unit)
    np.clip(whole, -scale.most, scale.most, out=whole)
    found = np.empty((1 + DIRECTIONS, len(vectors)), np.float64)
    found[0] = np.sqrt(np.square(whole).sum(axis=1))
    found[1:] = (whole @ _directions(scale.dimension)).T / math.sqrt(scale.dimension)
    found *= scale.unit
    found[:, missing] = np.nan
    return found.astype(np.float32)


@lru_cache(16)
def _directions(dimension: int) -> NDArray[np.float64]:
    size = dimension * DIRECTIONS
    drawn = hashlib.shake_256(f"directions of {dimension}".encode()).digest(-(-size // 8))
    bits = np.unpackbits(np.frombuffer(drawn, np.uint8), count=size)
    return bits.reshape(dimension, DIRECTIONS).astype(np.float64) * 2 - 1
