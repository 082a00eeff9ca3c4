"""How a field's values are put to the kernel: whole numbers, one way for one and for many.

A value is taken as a whole multiple of its resolution where sums and comparisons are
asked for, and as 64 opaque bits where only identity counts: the bits of a float64, or a
stable hash of a text.
"""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from kingpost.contracts import ColumnBatch, Field

__all__ = ["Encoding", "KernelColumn", "multiples", "text_hash"]

Encoding = Literal["multiple", "choice", "bits", "hash"]

_OF_FLOAT = struct.Struct("<d").pack
_AS_INT64 = struct.Struct("<q").unpack


@dataclass(frozen=True)
class KernelColumn:
    """A field as one column of the kernel.

    Attributes:
        encoding: `multiple`: whole numbers of the resolution. `choice`: the place of a text
            among its choices. `bits`: a float64, NaN where there is no value. `hash`: 64
            bits of a text.
    """

    field: Field
    encoding: Encoding

    @property
    def scale(self) -> int:
        """Multiples of the column in one unit; 0 for opaque bits."""
        if self.encoding == "multiple":
            return self.field.scale
        return 1 if self.encoding == "choice" else 0

    def encoder(self) -> Callable[[object], int]:
        """Return a function that takes one value of the field, as an event has it."""
        if self.encoding == "multiple":
            return _multiple_of(self.field)
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


def _multiple_of(field: Field) -> Callable[[object], int]:
    """Return `field.multiple` with its scale at hand: every event goes through it."""
    if field.kind in ("integer", "boolean") and field.scale == 1:
        return cast("Callable[[object], int]", int)
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
