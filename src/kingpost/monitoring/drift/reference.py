"""The reference of a drift measurement: which columns are watched, how, and how many rows lie where.

The rule: cells are chosen once, on at most 131,072 rows of the reference that lie evenly
over it; then all of its rows are counted, and from then on everything else is counted by
the same cells. It holds counts and the values of categories, no rows.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from kingpost.monitoring.drift.columns import CategoryColumn, NumberColumn, WatchedColumn
from kingpost.monitoring.drift.counts import DriftCounts
from kingpost.monitoring.drift.grid import Grid, choose_grid
from kingpost.monitoring.drift.tables import ColumnType, Levels, Table
from kingpost.monitoring.drift.vectors import DIRECTIONS, VectorScale, scale_of, vector_numbers
from kingpost.monitoring.errors import BadTable, NewerProfile

__all__ = [
    "DriftReference",
    "build_reference",
    "decode_reference",
    "encode_reference",
    "sampled_rows",
]

_SAMPLED = 1 << 17
_SAMPLED_VECTORS = 1 << 13
_MOST_VALUES = 1000
_ROWS_A_VALUE = 10
_GOLDEN = 0.6180339887498949


class _Counted(NamedTuple):
    """One column's part of a state."""

    counts: NDArray[np.int64]
    lowest: float = np.inf
    highest: float = -np.inf


@dataclass(frozen=True)
class DriftReference:
    """What other rows are compared with.

    Attributes:
        columns: What is watched, in the order of the state.
        counts: The state of the reference itself.
    """

    columns: tuple[WatchedColumn, ...]
    counts: DriftCounts

    def count(self, table: Table, *, threads: int = 1) -> DriftCounts:
        """Count the rows of a table in one pass.

        Raises:
            BadTable: A column of the reference is not there, or holds something else.
        """
        by_source: dict[str, list[WatchedColumn]] = {}
        for column in self.columns:
            by_source.setdefault(column.source, []).append(column)
        _check(by_source, table.types)
        with ThreadPoolExecutor(threads) as pool:
            counted = pool.map(partial(_counted, table), by_source.values())
            found = {
                column.name: one
                for columns, ones in zip(by_source.values(), counted, strict=True)
                for column, one in zip(columns, ones, strict=True)
            }
        return _state(table.rows, [found[column.name] for column in self.columns])


def build_reference(
    table: Table, *, columns: Sequence[str] | None = None, threads: int = 1
) -> DriftReference:
    """Choose how to count the columns of a table, and count them.

    Args:
        columns: Those to watch; all that can be measured by default.
        threads: Columns that are read and counted at once.

    Raises:
        BadTable: It has no rows, or lacks a column.
    """
    types = table.types
    wanted = list(types) if columns is None else list(columns)
    lacking = [name for name in wanted if name not in types]
    if lacking:
        raise BadTable("the reference", f"has no column {lacking[0]!r} to measure", "leave it out")
    if not wanted or not table.rows:
        raise BadTable("the reference", "has nothing to measure", "give rows of numbers or texts")
    with ThreadPoolExecutor(threads) as pool:
        chosen = [one for many in pool.map(partial(_chosen, table), wanted) for one in many]
    counts = _state(table.rows, [counted for _, counted in chosen])
    return DriftReference(tuple(column for column, _ in chosen), counts)


def sampled_rows(rows: int) -> int:
    """Return on how many rows the cells of a reference of so many are chosen."""
    return min(rows, _SAMPLED)


def _check(
    by_source: Mapping[str, Sequence[WatchedColumn]], types: Mapping[str, ColumnType]
) -> None:
    for source, columns in by_source.items():
        found, first = types.get(source), columns[0]
        wanted: Literal["number", "text", "vector"] = "text"
        if isinstance(first, NumberColumn) and first.of != "length":
            wanted = "vector" if first.of == "vector" else "number"
        if found != wanted:
            told = "is not there" if found is None else f"holds a {found}"
            raise BadTable(f"column {source!r}", told, f"the reference has a {wanted}")


def _state(rows: int, columns: Sequence[_Counted]) -> DriftCounts:
    return DriftCounts(
        rows,
        tuple(one.counts for one in columns),
        np.array([one.lowest for one in columns]),
        np.array([one.highest for one in columns]),
    )


def _chosen(table: Table, name: str) -> list[tuple[WatchedColumn, _Counted]]:
    match table.types[name]:
        case "number":
            return [_chosen_numbers(name, name, "value", table)]
        case "vector":
            return _chosen_vectors(name, table)
        case "text":
            rows = table.values(name, _MOST_VALUES)
            if rows is None or len(rows) * _ROWS_A_VALUE > table.rows:
                return [_chosen_numbers(f"{name}.length", name, "length", table)]
            levels = Levels(tuple(rows.values()), 0, table.rows - sum(rows.values()))
            own = CategoryColumn.bins_for(levels.rows)
            column = CategoryColumn(name, name, tuple(rows), own)
            return [(column, _Counted(column.counted(levels)))]


def _chosen_numbers(
    name: str, source: str, of: Literal["value", "length"], table: Table
) -> tuple[WatchedColumn, _Counted]:
    parts = table.numbers(source)
    step = max(1.0, table.rows / _SAMPLED)
    first = next(parts, np.empty(0, np.float32))
    second = next(parts, None)
    if second is None:
        grid = choose_grid(_spread(first, step))
        counted = _count_numbers(grid, iter([first]))
    else:
        sampled = [_spread(one, step) for one in (first, second, *parts)]
        grid = choose_grid(np.concatenate(sampled))
        counted = _count_numbers(grid, table.numbers(source))
    return NumberColumn(name, source, of, *_as_tuples(grid)), counted


def _chosen_vectors(source: str, table: Table) -> list[tuple[WatchedColumn, _Counted]]:
    dimension = table.dimension(source)
    if not dimension:
        return []
    step = max(1.0, table.rows / _SAMPLED_VECTORS)
    parts = [_spread(one, step) for one in table.vectors(source, dimension)]
    sample = np.concatenate(parts) if parts else np.empty((0, dimension), np.float32)
    scale = scale_of(sample)
    columns = [
        NumberColumn(
            f"{source}.{'norm' if part == 0 else f'direction_{part}'}",
            source,
            "vector",
            *_as_tuples(choose_grid(values)),
            part,
            scale,
        )
        for part, values in enumerate(vector_numbers(scale, sample))
    ]
    return list(zip(columns, _count_vectors(columns, scale, table), strict=True))


def _counted(table: Table, columns: Sequence[WatchedColumn]) -> list[_Counted]:
    """Count the columns that are taken from one source."""
    first = columns[0]
    if isinstance(first, CategoryColumn):
        return [_Counted(first.counted(table.levels(first.source, first.values)))]
    if first.scale is None:
        return [_count_numbers(first.grid, table.numbers(first.source))]
    numbers = [column for column in columns if isinstance(column, NumberColumn)]
    return _count_vectors(numbers, first.scale, table)


def _count_numbers(grid: Grid, parts: Iterator[NDArray[np.float32]]) -> _Counted:
    counts = np.zeros(grid.cells + 1, np.int64)
    lowest, highest = np.inf, -np.inf
    for values in parts:
        counts += grid.count(values)
        low, high = _range(values)
        lowest, highest = min(lowest, low), max(highest, high)
    return _Counted(counts, lowest, highest)


def _count_vectors(
    columns: Sequence[NumberColumn], scale: VectorScale, table: Table
) -> list[_Counted]:
    grids = [column.grid for column in columns]
    counts = [np.zeros(grid.cells + 1, np.int64) for grid in grids]
    lowest, highest = np.full(1 + DIRECTIONS, np.inf), np.full(1 + DIRECTIONS, -np.inf)
    seen = 0
    for vectors in table.vectors(columns[0].source, scale.dimension):
        seen += len(vectors)
        numbers = vector_numbers(scale, vectors)
        for at, (grid, column) in enumerate(zip(grids, columns, strict=True)):
            counts[at] += grid.count(numbers[column.part])
            low, high = _range(numbers[column.part])
            lowest[at], highest[at] = min(lowest[at], low), max(highest[at], high)
    for one in counts:
        one[-1] += table.rows - seen
    return [_Counted(*one) for one in zip(counts, lowest.tolist(), highest.tolist(), strict=False)]


def _range(values: NDArray[np.float32]) -> tuple[float, float]:
    """Return the least and the greatest finite value; infinite the wrong way for none."""
    if len(values):
        low, high = float(np.fmin.reduce(values)), float(np.fmax.reduce(values))
        if np.isfinite(low) and np.isfinite(high):
            return low, high
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if len(finite) else (np.inf, -np.inf)


def _spread(values: NDArray[np.float32], step: float) -> NDArray[np.float32]:
    """Take one row of each step, not always at the same place of it, so that no rhythm is met."""
    if step <= 1:
        return values
    steps = np.arange(int(len(values) / step))
    return values[((steps + steps * _GOLDEN % 1) * step).astype(np.int64)]


def _as_tuples(grid: Grid) -> tuple[tuple[float, ...], tuple[float, ...]]:
    return tuple(grid.edges.astype(np.float64).tolist()), tuple(
        grid.bins.astype(np.float64).tolist()
    )


class _Stored(msgspec.Struct, frozen=True):
    format: Literal[1]
    rows: int
    columns: tuple[WatchedColumn, ...]
    counts: tuple[tuple[int, ...], ...]
    ranges: tuple[tuple[float, float] | None, ...]


_encoder = msgspec.json.Encoder(order="deterministic")
_decoder = msgspec.json.Decoder(_Stored)


def encode_reference(reference: DriftReference) -> bytes:
    """Write a reference as JSON, the same bytes for the same reference."""
    counts = reference.counts
    ranges = zip(counts.lowest.tolist(), counts.highest.tolist(), strict=True)
    return _encoder.encode(
        _Stored(
            1,
            counts.rows,
            reference.columns,
            tuple(tuple(one.tolist()) for one in counts.columns),
            tuple((low, high) if low <= high else None for low, high in ranges),
        )
    )


def decode_reference(body: bytes) -> DriftReference:
    """Read what `encode_reference` wrote.

    Raises:
        NewerProfile: Its format is not known here.
    """
    try:
        stored = _decoder.decode(body)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise NewerProfile(str(error)) from error
    columns = [
        _Counted(np.array(counts, np.int64), *(found or ()))
        for counts, found in zip(stored.counts, stored.ranges, strict=True)
    ]
    return DriftReference(stored.columns, _state(stored.rows, columns))
