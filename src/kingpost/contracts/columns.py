"""Events by the column: how many of them are checked, stored and read at once.

A batch holds one array per field: whole numbers and times as int64 (times in
microseconds), numbers as float64, booleans as bool, texts as codes into a list of
distinct values, vectors as a float32 matrix of a row each. A field that may be missing has an array of presence beside it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeGuard, TypeVar, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from kingpost.contracts.contract import (
    Contract,
    Field,
    Scalar,
    greatest_multiple,
    is_writable,
)
from kingpost.contracts.errors import ContractViolation, UnreadableBatch
from kingpost.contracts.event import Event, Vector
from kingpost.contracts.instant import FIRST_US, LAST_US, Instant

__all__ = [
    "BATCH_FORMAT",
    "BadRow",
    "Column",
    "ColumnBatch",
    "Texts",
    "batch_format",
    "batch_of",
    "check_columns",
    "decode_batch",
    "events_of",
    "join_batches",
]

BATCH_FORMAT = 2
"""The newest format; 1 has no vectors, and is what a batch without any is written as."""
_NOT_A_TIME = np.iinfo(np.int64).min
_DTYPES: dict[str, type[np.generic]] = {
    "integer": np.int64,
    "number": np.float64,
    "boolean": np.bool_,
    "time": np.int64,
    "vector": np.float32,
}
_INTEGERS = (np.int8, np.int16, np.int32, np.int64)
E = TypeVar("E", bound=Event)


class Texts(NamedTuple):
    """A column of text: row i is `values[codes[i]]`."""

    codes: NDArray[np.int32]
    values: Sequence[str]


Column = NDArray[np.generic] | Texts


class BadRow(NamedTuple):
    """A row that broke its contract: where it was, what it held and why."""

    row: int
    values: Mapping[str, object]
    violation: ContractViolation


class _ColumnHeader(msgspec.Struct, array_like=True):
    name: str
    dtype: str
    values: list[str] | None
    has_presence: bool


class _Header(msgspec.Struct, array_like=True):
    format: int
    rows: int
    columns: list[_ColumnHeader]


@dataclass(frozen=True)
class ColumnBatch:
    """Events that keep their contract, by the column.

    Attributes:
        columns: A column per field, each of `rows` rows.
        present: For fields that may be missing, which rows have a value, bool (rows,).
    """

    rows: int
    columns: Mapping[str, Column]
    present: Mapping[str, NDArray[np.bool_]]

    def numbers(self, name: str) -> NDArray[np.generic]:
        """Return a column that is not text; of vectors, float32 of shape (rows, dimension)."""
        column = self.columns[name]
        if isinstance(column, Texts):
            raise TypeError(f"column {name!r} holds text")
        return column

    def texts(self, name: str) -> Texts:
        """Return a column of text."""
        column = self.columns[name]
        if not isinstance(column, Texts):
            raise TypeError(f"column {name!r} holds no text")
        return column

    def values(self, name: str) -> list[Scalar]:
        """Return a column as Python values; times as microseconds, None where missing.

        Raises:
            TypeError: It holds vectors, which `vectors` reads row by row.
        """
        column = self.columns[name]
        if isinstance(column, Texts):
            texts = column.values
            found: list[Scalar] = list(map(texts.__getitem__, column.codes.tolist()))
        elif column.ndim > 1:
            raise TypeError(f"column {name!r} holds vectors")
        else:
            found = column.tolist()
        present = self.present.get(name)
        if present is not None:
            return [v if p else None for v, p in zip(found, present.tolist(), strict=True)]
        return found

    def vectors(self, name: str) -> Iterator[Vector | None]:
        """Read a column of vectors, one at a time: a list of many would be eight times as large."""
        present = self.present.get(name)
        for row, vector in enumerate(self.numbers(name)):
            is_there = present is None or bool(present[row])
            yield tuple(cast("list[float]", vector.tolist())) if is_there else None

    def take(self, rows: NDArray[np.integer] | NDArray[np.bool_]) -> "ColumnBatch":
        """Return some of the rows, by index or by mask."""
        columns: dict[str, Column] = {
            name: Texts(column.codes[rows], column.values)
            if isinstance(column, Texts)
            else column[rows]
            for name, column in self.columns.items()
        }
        present = {name: mask[rows] for name, mask in self.present.items()}
        taken = int(np.count_nonzero(rows)) if rows.dtype == np.bool_ else len(rows)
        return ColumnBatch(taken, columns, present)

    def encode(self) -> bytes:
        """Write the batch as bytes: a MessagePack header, then the arrays, little-endian."""
        headers: list[_ColumnHeader] = []
        parts: list[bytes] = []
        for name, column in self.columns.items():
            if isinstance(column, Texts):
                column = _pruned(column)
            texts = column.values if isinstance(column, Texts) else None
            array = column.codes if isinstance(column, Texts) else column
            array = np.ascontiguousarray(_narrow(array))
            present = self.present.get(name)
            headers.append(
                _ColumnHeader(
                    name,
                    _dtype_text(array),
                    None if texts is None else list(texts),
                    present is not None,
                )
            )
            parts.append(array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes())
            if present is not None:
                parts.append(np.packbits(present).tobytes())
        has_vectors = any(not isinstance(c, Texts) and c.ndim > 1 for c in self.columns.values())
        header = msgspec.msgpack.encode(_Header(2 if has_vectors else 1, self.rows, headers))
        return b"".join([len(header).to_bytes(4, "little"), header, *parts])


def _dtype_text(array: NDArray[np.generic]) -> str:
    """Name the type of one row as `numpy.dtype` reads it: `<f8`, or `(384,)<f4` of a vector."""
    text = array.dtype.newbyteorder("<").str
    return f"({array.shape[1]},){text}" if array.ndim > 1 else text


def _pruned(column: Texts) -> Texts:
    """Drop the values that no row has, as after `take`."""
    used = np.zeros(len(column.values), np.bool_)
    used[column.codes] = True
    if used.all():
        return column
    places = np.cumsum(used, dtype=np.int32) - np.int32(1)
    kept = [column.values[at] for at in np.flatnonzero(used).tolist()]
    return Texts(places[column.codes], kept)


def _narrow(array: NDArray[np.generic]) -> NDArray[np.generic]:
    """Store whole numbers in the fewest bytes that hold them all."""
    if array.dtype.kind != "i" or not len(array):
        return array
    low, high = int(array.min()), int(array.max())
    for dtype in _INTEGERS:
        limits = np.iinfo(dtype)
        if limits.min <= low and high <= limits.max:
            return array.astype(dtype, copy=False)
    return array


def events_of(contract: Contract[E], batch: ColumnBatch) -> Iterator[E]:
    """Turn a batch into events, one by one."""
    names = [field.name for field in contract.fields]
    times = {field.name for field in contract.fields if field.kind == "time"}
    vectors = {field.name for field in contract.fields if field.kind == "vector"}
    columns = [
        map(Instant, cast("list[int]", batch.values(name)))
        if name in times
        else batch.vectors(name)
        if name in vectors
        else batch.values(name)
        for name in names
    ]
    for values in zip(*columns, strict=True):
        yield contract.type(**dict(zip(names, values, strict=True)))


def batch_format(body: bytes | memoryview) -> int:
    """Return the format that a stored batch was written in."""
    view = memoryview(body)
    length = int.from_bytes(view[:4], "little")
    return msgspec.msgpack.decode(view[4 : 4 + length], type=_Header).format


def decode_batch(body: bytes | memoryview, contract: Contract[Event]) -> ColumnBatch:
    """Read a batch that `ColumnBatch.encode` wrote, as the contract sees it today.

    Fields that were removed since are passed over; fields that were added take their
    default; whole numbers that became numbers are converted.

    Raises:
        UnreadableBatch: A newer version wrote it.
    """
    view = memoryview(body)
    length = int.from_bytes(view[:4], "little")
    header = msgspec.msgpack.decode(view[4 : 4 + length], type=_Header)
    if header.format > BATCH_FORMAT:
        raise UnreadableBatch(f"format {header.format}, this version reads up to {BATCH_FORMAT}")
    columns: dict[str, Column] = {}
    present: dict[str, NDArray[np.bool_]] = {}
    place, rows = 4 + length, header.rows
    for stored in header.columns:
        dtype = np.dtype(stored.dtype)
        array = np.frombuffer(view, dtype, rows, place)
        place += array.nbytes
        if not array.flags.aligned:
            array = array.copy()  # the kernel reads whole words
        field = contract.by_name.get(stored.name)
        if stored.has_presence:
            packed = np.frombuffer(view, np.uint8, (rows + 7) // 8, place)
            place += packed.nbytes
            if field is not None:
                present[stored.name] = np.unpackbits(packed, count=rows).astype(np.bool_)
        if field is None:
            continue
        if stored.values is not None:
            columns[stored.name] = Texts(array.astype(np.int32, copy=False), stored.values)
        else:
            columns[stored.name] = array.astype(_DTYPES[field.kind], copy=False)
    for field in contract.fields:
        if field.name not in columns:
            columns[field.name], mask = _filled(field, [field.default] * rows)
            if mask is not None:
                present[field.name] = mask
        elif field.optional and field.name not in present:
            present[field.name] = np.ones(rows, np.bool_)
    return ColumnBatch(rows, columns, present)


def _filled(field: Field, values: Sequence[object]) -> tuple[Column, NDArray[np.bool_] | None]:
    mask = np.array([value is not None for value in values], np.bool_) if field.optional else None
    if field.kind == "text":
        distinct: dict[str, int] = {}
        codes = [
            distinct.setdefault(value if isinstance(value, str) else "", len(distinct))
            for value in values
        ]
        return Texts(np.array(codes, np.int32), list(distinct)), mask
    if field.kind == "time":
        values = [value.us if isinstance(value, Instant) else value for value in values]
    if field.kind == "vector":
        return _matrix(field, values), mask
    filled = [0 if value is None else value for value in values]
    return np.array(filled, _DTYPES[field.kind]), mask


def _matrix(field: Field, values: Sequence[object]) -> NDArray[np.float32]:
    """Put vectors under one another, float32; a missing one is zeros."""
    matrix = np.zeros((len(values), field.dimension), np.float32)
    for row, value in enumerate(values):
        if value is not None:
            matrix[row] = cast("Vector", value)
    return matrix


def batch_of(contract: Contract[E], events: Sequence[E]) -> ColumnBatch:
    """Turn events into a batch."""
    columns: dict[str, Column] = {}
    present: dict[str, NDArray[np.bool_]] = {}
    for field in contract.fields:
        column, mask = _filled(field, [getattr(event, field.name) for event in events])
        columns[field.name] = column
        if mask is not None:
            present[field.name] = mask
    return ColumnBatch(len(events), columns, present)


def check_columns(
    contract: Contract[E],
    raw: Mapping[str, NDArray[np.generic]],
    *,
    first_row: int = 0,
    zone: str | None = None,
) -> tuple[ColumnBatch, list[BadRow]]:
    """Check many typed rows at once; the verdicts are those of `Contract.convert`.

    Rows that are plainly right pass by the column. Every other row goes through
    `Contract.convert`, which accepts it or says why not.

    Args:
        contract: What each row must keep.
        raw: An array per column, equal lengths: numbers, booleans, datetime64 (UTC) or
            objects; a masked array where values are missing. A missing value is None
            where the field may be None, else not there, so that the default counts.
        first_row: The number of the first row, for the reports.
        zone: What a time that is text without an offset means; None refuses it.

    Returns:
        The rows that keep the contract, in their order, and those that do not.
    """
    rows = len(next(iter(raw.values()))) if raw else 0
    doubtful = np.zeros(rows, np.bool_)
    if set(raw) - set(contract.by_name):
        doubtful[:] = True
    columns: dict[str, Column] = {}
    present: dict[str, NDArray[np.bool_]] = {}
    for field in contract.fields:
        if field.name in raw:
            column, mask, bad = _checked(field, raw[field.name])
        else:
            column, mask = _filled(field, [field.default] * rows)
            bad = np.full(rows, field.required)
        columns[field.name] = column
        doubtful |= bad
        if mask is not None:
            present[field.name] = mask
    batch = ColumnBatch(rows, columns, present)
    if not doubtful.any():
        return batch, []
    rescued: list[tuple[int, E]] = []
    refused: list[BadRow] = []
    for row in np.flatnonzero(doubtful).tolist():
        values = {name: _plain(array, row) for name, array in raw.items()}
        try:
            rescued.append((row, contract.convert(contract.without_missing(values), zone=zone)))
        except ContractViolation as violation:
            refused.append(BadRow(first_row + row, values, violation))
    sound = batch.take(~doubtful)
    if rescued:
        order = np.concatenate([np.flatnonzero(~doubtful), [row for row, _ in rescued]])
        others = batch_of(contract, [event for _, event in rescued])
        joined = join_batches(contract, [sound, others])
        sound = joined.take(np.argsort(order, kind="stable"))
    return sound, refused


def _plain(array: NDArray[np.generic], row: int) -> object:
    if bool(np.all(np.ma.getmaskarray(array)[row])):
        return None
    value = array[row] if array.ndim > 1 else np.ma.getdata(array)[row]
    if isinstance(value, np.ndarray):
        return cast("object", value.tolist())  # of a masked one, None where it is masked
    if isinstance(value, np.datetime64):
        us = int(value.astype("datetime64[us]").astype(np.int64))
        return None if us == _NOT_A_TIME else Instant(us)
    return cast("object", value.item()) if isinstance(value, np.generic) else value


def _checked(
    field: Field, raw: NDArray[np.generic]
) -> tuple[Column, NDArray[np.bool_] | None, NDArray[np.bool_]]:
    """Return the column, its presence and the rows that need a closer look."""
    if field.kind == "vector":
        return _checked_vectors(field, raw)
    missing = np.ma.getmaskarray(raw)
    array = np.ma.getdata(raw)
    kinds = {"integer": "iu", "number": "fiu", "boolean": "b", "time": "M", "text": "OU"}
    if array.dtype.kind not in kinds[field.kind]:
        filler = "" if field.kind == "text" else 0
        column, _ = _filled(field, [filler] * len(array))
        return column, _all_there(field, len(array)), np.ones(len(array), np.bool_)
    if field.kind == "text":
        values = array.tolist()
        missing = missing | np.array([value is None for value in values], np.bool_)
        if missing.any():
            values = ["" if gone else v for v, gone in zip(values, missing.tolist(), strict=True)]
        column, wrong = _checked_texts(field, values)
    elif field.kind == "time":
        missing = missing | np.isnat(array)
        column = array.astype("datetime64[us]").astype(np.int64)
        wrong = (column < FIRST_US) | (column > LAST_US)
    else:
        column = array.astype(_DTYPES[field.kind])
        # whole numbers are compared as such, so that 2**53 + 1 is not rounded into reach
        exact = column if array.dtype.kind == "f" else array
        wrong = np.zeros(len(array), np.bool_)
        if field.kind != "boolean":
            wrong = ~_within(field, cast("NDArray[np.float64]", exact))
    if not field.optional:
        return column, None, missing | wrong
    if missing.any() and not isinstance(column, Texts):
        column[missing] = 0
    return column, ~missing, wrong & ~missing


def _checked_vectors(
    field: Field, raw: NDArray[np.generic]
) -> tuple[Column, NDArray[np.bool_] | None, NDArray[np.bool_]]:
    """Check arrays, one a row; lists and all that is not plainly right need a closer look."""
    missing, array = np.ma.getmaskarray(raw).copy(), np.ma.getdata(raw)
    column: NDArray[np.float32] = np.zeros((len(array), field.dimension), np.float32)
    wrong: NDArray[np.bool_] = np.zeros(len(array), np.bool_)
    with np.errstate(over="ignore"):
        if array.ndim == 2 and array.dtype.kind in "fiu" and array.shape[1] == field.dimension:
            column[:] = array.astype(np.float64, copy=False)  # one rounding for whole numbers too
            missing, wrong = _all_of(missing), ~_all_of(~missing)
        elif array.dtype == np.object_ and array.ndim == 1:
            for row, value in enumerate(array):
                if missing[row] or value is None:
                    missing[row] = True
                elif _is_plain_vector(value, field):
                    column[row] = np.asarray(value, np.float64)
                else:
                    wrong[row] = True
        else:
            missing, wrong[:] = np.zeros(len(array), np.bool_), True
    wrong |= ~_all_of(np.isfinite(column))
    column[wrong | missing] = 0
    if not field.optional:
        return column, None, missing | wrong
    return column, ~missing, wrong & ~missing


def _all_of(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return np.logical_and.reduce(mask, axis=1)


def _is_plain_vector(
    value: object, field: Field
) -> TypeGuard[NDArray[np.integer | np.floating] | list[float]]:
    if type(value) is list:
        numbers = cast("list[object]", value)
        return len(numbers) == field.dimension and set(map(type, numbers)) == {float}
    if not isinstance(value, np.ndarray) or isinstance(value, np.ma.MaskedArray):
        return False
    found = cast("NDArray[np.generic]", value)
    return found.dtype.kind in "fiu" and found.shape == (field.dimension,)


def _all_there(field: Field, rows: int) -> NDArray[np.bool_] | None:
    return np.ones(rows, np.bool_) if field.optional else None


def _checked_texts(field: Field, values: Sequence[object]) -> tuple[Texts, NDArray[np.bool_]]:
    texts, wrong = cast("Sequence[str]", values), np.zeros(len(values), np.bool_)
    if not set(map(type, values)) <= {str}:
        wrong = np.array([not isinstance(value, str) for value in values], np.bool_)
        texts = [value if isinstance(value, str) else "" for value in values]
    distinct: dict[str, int] = {}
    codes = np.array([distinct.setdefault(text, len(distinct)) for text in texts], np.int32)
    if len(texts):
        wrong |= np.array([not _is_text(field, text) for text in distinct], np.bool_)[codes]
    return Texts(codes, list(distinct)), wrong


def _is_text(field: Field, value: str) -> bool:
    if (field.choices and value not in field.choices) or not is_writable(value):
        return False
    bounds = field.bounds
    return bounds.get("min_length", 0) <= len(value) <= bounds.get("max_length", len(value))


def _within(field: Field, column: NDArray[np.float64]) -> NDArray[np.bool_]:
    reach = greatest_multiple / field.scale if field.kind == "number" else greatest_multiple
    with np.errstate(invalid="ignore"):
        ok = (column >= -reach) & (column <= reach)
        bounds = field.bounds
        if "ge" in bounds:
            ok &= column >= bounds["ge"]
        if "gt" in bounds:
            ok &= column > bounds["gt"]
        if "le" in bounds:
            ok &= column <= bounds["le"]
        if "lt" in bounds:
            ok &= column < bounds["lt"]
    return ok


def join_batches(contract: Contract[E], batches: Sequence[ColumnBatch]) -> ColumnBatch:
    """Put batches of one contract after one another."""
    if len(batches) == 1:
        return batches[0]
    columns: dict[str, Column] = {}
    present: dict[str, NDArray[np.bool_]] = {}
    for field in contract.fields:
        if field.kind == "text":
            columns[field.name] = _joined_texts([batch.texts(field.name) for batch in batches])
        else:
            columns[field.name] = np.concatenate([batch.numbers(field.name) for batch in batches])
        if field.optional:
            present[field.name] = np.concatenate([batch.present[field.name] for batch in batches])
    return ColumnBatch(sum(batch.rows for batch in batches), columns, present)


def _joined_texts(columns: Sequence[Texts]) -> Texts:
    distinct: dict[str, int] = {}
    codes: list[NDArray[np.int32]] = []
    for column in columns:
        mapped = [distinct.setdefault(value, len(distinct)) for value in column.values]
        codes.append(np.array(mapped, np.int32)[column.codes] if mapped else column.codes)
    return Texts(np.concatenate(codes), list(distinct))
