"""How a field's values are put to the kernel: whole numbers, one way for one and for many.

A value is taken as a whole multiple of its resolution where sums and comparisons are
asked for, and as 64 opaque bits where only identity counts: the bits of a float64, or a
stable hash of a text. A vector is several columns of two of its float32 each: what is read
of them are float64 that stand for two numbers, and never reach anybody (`unpacked`).
"""

import math
import struct
from array import array
from collections.abc import Callable, MutableSequence, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from operator import attrgetter
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from kingpost.contracts import ColumnBatch, Event, Field, Vector

__all__ = [
    "Encoding",
    "KernelColumn",
    "multiples",
    "packed_default",
    "row_encoder",
    "text_hash",
    "unpack_into",
    "unpacked",
]

Encoding = Literal["multiple", "choice", "bits", "hash", "pair"]

_OF_FLOAT = struct.Struct("<d").pack
_AS_INT64 = struct.Struct("<q").unpack
_NAN_BITS = cast("int", _AS_INT64(_OF_FLOAT(math.nan))[0])


@dataclass(frozen=True)
class KernelColumn:
    """A field as one column of the kernel.

    Attributes:
        encoding: `multiple`: whole numbers of the resolution. `choice`: the place of a text
            among its choices. `bits`: a float64, NaN where there is no value. `hash`: 64
            bits of a text. `pair`: two numbers of a vector, as float32.
        part: Which pair of the vector.
    """

    field: Field
    encoding: Encoding
    part: int = 0

    @property
    def scale(self) -> int:
        """Multiples of the column in one unit; 0 for opaque bits."""
        if self.encoding == "multiple":
            return self.field.scale
        return 1 if self.encoding == "choice" else 0

    @property
    def is_whole(self) -> bool:
        """Whether a value is the number of its multiples already."""
        return self.field.kind in ("integer", "boolean") and self.field.scale == 1

    def encoder(self) -> Callable[[object], int]:
        """Return a function that takes one value of the field, as an event has it.

        Of a pair it takes the whole vector; `row_encoder` packs that once for all its pairs.
        """
        if self.encoding == "pair":
            return lambda value: _pairs(self.field)(value)[self.part]
        if self.encoding == "multiple":
            return (
                cast("Callable[[object], int]", int) if self.is_whole else _multiple_of(self.field)
            )
        if self.encoding == "hash":
            return cast("Callable[[object], int]", text_hash)
        choices = {choice: at for at, choice in enumerate(self.field.choices)}
        if self.encoding == "choice":
            return cast("Callable[[object], int]", choices.__getitem__)

        def bits(value: object) -> int:
            if value is None:
                return _float_bits(np.nan)
            return _float_bits(choices[value] if isinstance(value, str) else cast("float", value))

        return bits

    def encode(self, batch: ColumnBatch) -> NDArray[np.int64]:
        """Return the whole column, int64, shape (rows,)."""
        if self.encoding == "multiple":
            return multiples(batch, self.field)
        if self.encoding == "hash":
            return _by_text(batch, self.field, text_hash)
        if self.encoding == "pair":
            return self._encoded_pair(batch)
        if self.field.kind == "text":
            places = {choice: at for at, choice in enumerate(self.field.choices)}
            indices = _by_text(batch, self.field, lambda text: places.get(text, -1))
            if self.encoding == "choice":
                return indices
            values = indices.astype(np.float64)
        else:
            values = batch.numbers(self.field.name).astype(np.float64) + 0.0
        present = batch.present.get(self.field.name)
        if present is not None:
            values[~present] = np.nan
        return values.view(np.int64)

    def _encoded_pair(self, batch: ColumnBatch) -> NDArray[np.int64]:
        pairs = np.zeros((batch.rows, 2), np.float32)
        first = 2 * self.part
        numbers = cast("NDArray[np.float32]", batch.numbers(self.field.name))[:, first : first + 2]
        pairs[:, : numbers.shape[1]] = numbers
        packed = pairs.view(np.int64)[:, 0]
        present = batch.present.get(self.field.name)
        if present is not None:
            packed[~present] = _NAN_BITS
        return packed


def row_encoder(columns: Sequence[KernelColumn]) -> Callable[[Event], tuple[int, ...]]:
    """Return a function that takes an event and gives its value in each column."""
    steps: list[tuple[Callable[[Event], object], Callable[[object], tuple[int, ...]]]] = []
    for column in columns:
        get = attrgetter(column.field.name)
        if column.encoding != "pair":
            steps.append((get, _alone(column.encoder())))
        elif not column.part:  # the other pairs of a vector follow the first
            steps.append((get, _pairs(column.field)))
    if all(column.encoding != "pair" for column in columns):
        plain = [(attrgetter(column.field.name), column.encoder()) for column in columns]
        return lambda event: tuple([encode(get(event)) for get, encode in plain])
    return lambda event: tuple([value for get, of in steps for value in of(get(event))])


def _alone(encode: Callable[[object], int]) -> Callable[[object], tuple[int, ...]]:
    return lambda value: (encode(value),)


def _pairs(field: Field) -> Callable[[object], tuple[int, ...]]:
    """Return what packs a vector; one that is missing is NaN in all its pairs."""
    width = (field.dimension + 1) // 2
    padding = (0.0,) * (field.dimension % 2)
    pack, unpack = struct.Struct(f"{2 * width}f").pack, struct.Struct(f"={width}q").unpack
    gone = (_NAN_BITS,) * width

    def pairs(value: object) -> tuple[int, ...]:
        if value is None:
            return gone
        return unpack(pack(*cast("Vector", value), *padding))

    return pairs


def packed_default(default: float) -> float:
    """Return the float64 that stands for a default in both places of a pair."""
    if math.isnan(default):
        return math.nan
    return memoryview(array("f", (default, default))).cast("B").cast("d")[0]


def unpack_into(packed: "array[float]", out: MutableSequence[float], at: int, width: int) -> None:
    """Write the vector that some pairs stand for.

    No finite float32 makes its pair NaN: the upper half of one has all bits of the exponent.
    """
    if packed[0] != packed[0]:
        out[at : at + width] = array("d", (math.nan,)) * width
    else:
        out[at : at + width] = array("d", memoryview(packed).cast("B").cast("f").tolist()[:width])


def unpacked(packed: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Return the vectors that rows of pairs stand for, float64, shape (rows, width)."""
    pairs = np.ascontiguousarray(packed)
    vectors = pairs.view(np.float32)[:, :width].astype(np.float64)
    vectors[np.isnan(pairs[:, 0])] = math.nan
    return vectors


def _multiple_of(field: Field) -> Callable[[object], int]:
    """Return `field.multiple` with its scale at hand."""
    scale = float(field.scale)
    return lambda value: round(cast("float", value) * scale)


def _float_bits(value: float) -> int:
    """Return the bits of a float64; both zeros are one."""
    return cast("int", _AS_INT64(_OF_FLOAT(value + 0.0))[0])


def text_hash(text: str) -> int:
    """Return 64 stable bits of a text, as a signed number."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little", signed=True)


def _by_text(batch: ColumnBatch, field: Field, of: Callable[[str], int]) -> NDArray[np.int64]:
    texts = batch.texts(field.name)
    values: Sequence[int] = [of(text) for text in texts.values]
    return np.array(values, np.int64)[texts.codes] if values else np.empty(0, np.int64)


def multiples(batch: ColumnBatch, field: Field) -> NDArray[np.int64]:
    """Return a column as whole numbers of its resolution, as `Field.multiple` does one."""
    column = batch.numbers(field.name)
    if field.kind == "number":
        values = cast("NDArray[np.float64]", column)
        return np.rint(values * float(field.scale)).astype(np.int64)
    return column.astype(np.int64)
