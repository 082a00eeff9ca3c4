"""As-of joins in bulk: the latest row of a table as it stood at the moment of each request.

The rule: a row counts for a request once it is true (its time is not after the request's)
and, where the table says when rows became known, known by then; of equal times, the last.
A request's values are those of one row; nothing is carried over from an older one.

Keys are numbered and the window kernel finds the rows, as it does for declared look-ups.
This is for whole tables and no stream's business: a decision's look-ups are declared.
"""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, cast

import duckdb
import numpy as np
from numpy.typing import NDArray

from kingpost.features.errors import UnfitTable
from kingpost.features.kernel import backfill
from kingpost.features.keys import factorise

__all__ = ["KeyedTimes", "TableColumns", "join_as_of", "rows_as_of", "values_as_of"]

_ALWAYS: Final = 2**63 - 1
_ALL_TIME_US: Final = 2**62
_LARGEST_TABLE: Final = 2**31 - 1
_TIME, _KNOWN = "kingpost_time", "kingpost_known"
_Setting = str | bool | int | float | list[str]
_SETTINGS: Final[Mapping[str, _Setting]] = {
    "autoinstall_known_extensions": False,
    "TimeZone": "UTC",
}


@dataclass(frozen=True)
class KeyedTimes:
    """Whom and when each row of a table is about.

    Attributes:
        keys: One array per key field, shape (rows,), no missing values.
        times: Event times, or the moments asked about, microseconds UTC, int64, shape (rows,).
        known: When each row became known, microseconds UTC, int64; None: as of its time.
    """

    keys: Sequence[NDArray[np.generic]]
    times: NDArray[np.int64]
    known: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.times)


@dataclass(frozen=True)
class TableColumns:
    """Where a table keeps what a join needs; names of columns.

    Attributes:
        keys: The key fields, named alike in both tables.
        time: Its timestamp.
        known: When a row became known; None: as of its time.
    """

    keys: Sequence[str]
    time: str
    known: str | None = None


def rows_as_of(
    table: KeyedTimes,
    requests: KeyedTimes,
    *,
    max_age_us: int | None = None,
    threads: int | None = None,
) -> NDArray[np.int64]:
    """Find the latest row of a table for each request, as of the request's time.

    Args:
        table: In any order; of equal keys and times the last row counts.
        requests: As many key fields, of comparable types; `known` is not looked at.
        max_age_us: Rows must be younger than this at the request; None: of any age.
        threads: None: all processors this process may use. The rows do not depend on it.

    Returns:
        The place of the row in the table, −1 where there is none; int64, shape (requests,).

    Raises:
        UnfitTable: The two differ in their key fields, an array in its length, or the age is
            not positive.
    """
    _check(table, requests, max_age_us)
    if not len(table) or not len(requests):
        return np.full(len(requests), -1, np.int64)
    codes = _codes(table, requests)
    found = np.empty(len(requests), np.float64)
    times, asked = _int64(table.times), _int64(requests.times)
    known, by = (None, None) if table.known is None else (_int64(table.known), asked)
    age = _ALL_TIME_US if max_age_us is None else min(max_age_us, _ALL_TIME_US)
    backfill(
        [],
        [("sequence", -1, age, 0, -1.0, 0, 0)],
        codes[: len(table)],
        times,
        np.arange(len(table)),
        known,
        None,
        [],
        codes[len(table) :],
        asked,
        np.full(len(requests), _ALWAYS),
        by,
        found,
        1,
        0,
        threads or _processors(),
    )
    return found.astype(np.int64)


def values_as_of(column: NDArray[np.generic], rows: NDArray[np.int64]) -> NDArray[np.generic]:
    """Take a column's values at rows that `rows_as_of` found.

    Args:
        column: Shape (rows of the table,); masked where a value is missing.
        rows: −1 where there is no row.

    Returns:
        Numbers and booleans as float64, NaN where there is no row or no value; anything else
        as objects, None there. Shape (requests,).
    """
    missing = rows < 0
    values = np.ma.getdata(column)
    if np.ma.isMaskedArray(column) and len(values):
        missing |= np.ma.getmaskarray(column)[rows]
    if values.dtype.kind not in "biuf":
        objects = values[rows].astype(np.object_) if len(values) else np.empty(len(rows), object)
        objects[missing] = None
        return objects
    if not len(values):
        return np.full(len(rows), np.nan)
    numbers = values[rows].astype(np.float64, copy=False)
    numbers[missing] = np.nan
    return numbers


def join_as_of(
    requests: Path,
    request_columns: TableColumns,
    table: Path,
    table_columns: TableColumns,
    values: Sequence[str],
    *,
    max_age_us: int | None = None,
    threads: int | None = None,
) -> Mapping[str, NDArray[np.generic]]:
    """Join columns of one Parquet file to the rows of another, as of the time of each.

    Args:
        requests: Every column is kept; a missing key finds no row.
        table: Rows without a key or a time count for nobody.
        values: The columns to take; none may be named like one of the requests.
        max_age_us: As `rows_as_of`.
        threads: As `rows_as_of`, for reading too.

    Returns:
        All columns of the requests, in their order, and the values as `values_as_of` gives
        them.

    Raises:
        UnfitTable: A file cannot be read, has not the columns, or two names collide; a
            request has no time.
    """
    threads = threads or _processors()
    with ThreadPoolExecutor(1) as beside:  # both files are read at once
        reading = beside.submit(_read_times, table, table_columns, threads)
        asked = _read_requests(requests, request_columns, threads)
        twice = [name for name in values if name in asked.rest]
        if twice:
            raise UnfitTable(
                f"{requests} and {table} both have a column {twice[0]!r}",
                "rename it in one of them",
            )
        times = reading.result()
    rows = _rows_of_files(times, asked, max_age_us, threads)
    return {**asked.rest, **_read_values(table, values, rows, len(times), threads)}


def _check(table: KeyedTimes, requests: KeyedTimes, max_age_us: int | None) -> None:
    if len(table.keys) != len(requests.keys) or not table.keys:
        raise UnfitTable(
            f"the table has {len(table.keys)} key fields, the requests {len(requests.keys)}",
            "give both the same, one or more",
        )
    for name, one in (("the table", table), ("the requests", requests)):
        columns = [*one.keys, *([] if one.known is None else [one.known])]
        lengths = {len(one), *map(len, columns)}
        if len(lengths) > 1:
            raise UnfitTable(f"arrays of {name} have {sorted(lengths)} rows", "give as many each")
    if len(table) + len(requests) > _LARGEST_TABLE:
        raise UnfitTable(
            f"{len(table) + len(requests)} rows are more than {_LARGEST_TABLE}",
            "join in parts, by ranges of the key",
        )
    if max_age_us is not None and max_age_us <= 0:
        raise UnfitTable(f"no row is younger than {max_age_us} µs", "give a positive age")


def _codes(table: KeyedTimes, requests: KeyedTimes) -> NDArray[np.int32]:
    """Number the keys of both alike: the table's rows first, then the requests'."""
    parts = [
        factorise(np.concatenate([ours, theirs]))
        for ours, theirs in zip(table.keys, requests.keys, strict=True)
    ]
    if len(parts) == 1:
        return parts[0][0]

    def combined(
        codes: NDArray[np.int32], part: tuple[NDArray[np.int32], NDArray[np.generic]]
    ) -> NDArray[np.int32]:
        return factorise(codes.astype(np.int64) << 32 | part[0])[0]

    return reduce(combined, parts[1:], parts[0][0])


def _rows_of_files(
    table: KeyedTimes, asked: "_Read", max_age_us: int | None, threads: int
) -> NDArray[np.int64]:
    """Find the rows where keys and times may be missing: such a row counts for nobody."""
    requests = asked.times
    told = _there([*table.keys, table.times, *([] if table.known is None else [table.known])])
    asking = _there(requests.keys)
    found = rows_as_of(
        _some(table, told), _some(requests, asking), max_age_us=max_age_us, threads=threads
    )
    if told is not None:
        found = np.append(told, -1)[found]
    if asking is None:
        return found
    rows = np.full(len(requests), -1, np.int64)
    rows[asking] = found
    return rows


def _there(columns: Sequence[NDArray[np.generic]]) -> NDArray[np.int64] | None:
    """Return the rows in which no value is missing; None for all."""
    gone = [np.ma.getmaskarray(one) for one in columns if np.ma.isMaskedArray(one)]
    if not any(one.any() for one in gone):
        return None
    return np.flatnonzero(~np.logical_or.reduce(gone))


def _some(table: KeyedTimes, rows: NDArray[np.int64] | None) -> KeyedTimes:
    keys = [np.ma.getdata(one) for one in table.keys]
    times, known = _int64(table.times), table.known
    known = None if known is None else _int64(known)
    if rows is None:
        return KeyedTimes(keys, times, known)
    return KeyedTimes(
        [one[rows] for one in keys], times[rows], None if known is None else known[rows]
    )


@dataclass(frozen=True)
class _Read:
    times: KeyedTimes
    rest: Mapping[str, NDArray[np.generic]]


def _read_requests(path: Path, columns: TableColumns, threads: int) -> _Read:
    """Read a file with all its columns; a key that is missing is masked."""
    name = _quoted(columns.time)
    found = _fetch(path, ["*", f"epoch_us({name}) AS {_TIME}"], threads)
    times = found.pop(_TIME)
    if np.ma.getmaskarray(times).any():
        raise UnfitTable(f"a row of {path} has no {columns.time!r}", "leave it out")
    keys = [_column(path, found, key) for key in columns.keys]
    return _Read(KeyedTimes(keys, _int64(times)), found)


def _read_times(path: Path, columns: TableColumns, threads: int) -> KeyedTimes:
    """Read keys and times, masked where one is missing."""
    select = [f"{_quoted(name)} AS k{at}" for at, name in enumerate(columns.keys)]
    select += [f"epoch_us({_quoted(columns.time)}) AS {_TIME}"]
    if columns.known:
        select += [f"epoch_us({_quoted(columns.known)}) AS {_KNOWN}"]
    found = _fetch(path, select, threads)
    return KeyedTimes(
        [found[f"k{at}"] for at in range(len(columns.keys))],
        cast("NDArray[np.int64]", found[_TIME]),
        cast("NDArray[np.int64]", found[_KNOWN]) if columns.known else None,
    )


def _read_values(
    path: Path, names: Sequence[str], rows: NDArray[np.int64], size: int, threads: int
) -> Mapping[str, NDArray[np.generic]]:
    """Read columns of a file of `size` rows at some of them, as `values_as_of` gives them.

    Only the rows that are wanted leave the reader: most of a long table is older history.
    """
    is_wanted = np.zeros(size + 1, np.bool_)
    is_wanted[rows] = True  # row −1 is the last place, which no row of the file has
    wanted = np.flatnonzero(is_wanted[:-1])
    select = ["file_row_number AS place"]
    select += [f"{_quoted(name)} AS v{at}" for at, name in enumerate(names)]
    found = _fetch(path, select, threads, only=wanted)
    at = np.full(size + 1, -1, np.int32)
    at[cast("NDArray[np.int64]", found["place"])] = np.arange(len(wanted), dtype=np.int32)
    chosen = at[rows].astype(np.int64)
    return {name: values_as_of(found[f"v{at}"], chosen) for at, name in enumerate(names)}


def _fetch(
    path: Path, select: Sequence[str], threads: int, *, only: NDArray[np.int64] | None = None
) -> dict[str, NDArray[np.generic]]:
    """Read some columns, rows in the order of the file; or some rows, in any order."""
    source = "read_parquet(?)"
    if only is not None:
        source = "read_parquet(?, file_row_number = true) SEMI JOIN wanted ON file_row_number = row"
    with TemporaryDirectory(prefix="kingpost-", ignore_cleanup_errors=True) as spill:
        settings: dict[str, _Setting] = {"threads": threads, "temp_directory": spill, **_SETTINGS}
        with duckdb.connect(config=settings) as database:
            if only is not None:
                database.register("wanted", {"row": only})
            try:
                found = database.execute(
                    f"SELECT {', '.join(select)} FROM {source}", [str(path)]
                ).fetchnumpy()
            except duckdb.Error as error:
                problem = str(error).strip().partition("\n")[0]
                raise UnfitTable(f"{path} cannot be read: {problem}", "mend it") from error
    return cast("dict[str, NDArray[np.generic]]", found)  # Parquet has no categories


def _column(
    path: Path, columns: Mapping[str, NDArray[np.generic]], name: str
) -> NDArray[np.generic]:
    if name not in columns:
        raise UnfitTable(f"{path} has no column {name!r}", f"use one of {', '.join(columns)}")
    return columns[name]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _int64(array: NDArray[np.generic]) -> NDArray[np.int64]:
    return np.ascontiguousarray(np.ma.getdata(array), np.int64)


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
