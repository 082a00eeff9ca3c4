"""Rows into tables of DuckDB, some thousand at a time."""

from collections.abc import Iterable, Iterator, Sequence

import duckdb
import numpy as np
from numpy.typing import NDArray

from kingpost.decisions.sealed.kinds import SUBJECTS, FeatureNames, Kind, Row, kind_of
from kingpost.journal import Commit

__all__ = ["add_rows", "columns_before", "columns_of", "make_table", "parquet", "quoted", "rows_of"]

ROWS_AT_ONCE = 10_000


def make_table(database: duckdb.DuckDBPyConnection, kind: Kind, name: str) -> None:
    """Make the table of a kind, empty, under a name."""
    columns = ", ".join(f"{quoted(column)} {type_}" for column, type_ in kind.columns.items())
    database.execute(f"CREATE TABLE {quoted(name)} ({columns})")


def columns_of(kind: Kind) -> str:
    """Write the names of a kind's columns."""
    return ", ".join(map(quoted, kind.columns))


def columns_before(kind: Kind) -> str:
    """Write the columns as files of format 1 have them, which did not know of erasures."""
    missing = {SUBJECTS: "NULL", "is_erased": "false"}
    return ", ".join(
        f"{missing[name]} AS {quoted(name)}" if name in missing else quoted(name)
        for name in kind.columns
    )


def rows_of(
    commits: Iterable[Commit], names_of: FeatureNames, wanted: frozenset[str]
) -> Iterator[tuple[Kind, Row]]:
    """Yield what is to be sealed of some commits, of the wanted kinds, in order.

    Raises:
        NewerRecord, NewerReview: A later version of Kingpost wrote it.
    """
    for commit in commits:
        offset, before = commit.offset, None
        for entry in commit.entries:
            kind = kind_of(entry)
            if kind is not None and kind.name in wanted:
                yield kind, kind.row(offset, entry, before, names_of)
            offset, before = offset + entry.count, entry


def add_rows(
    database: duckdb.DuckDBPyConnection, rows: Iterable[tuple[Kind, Row]], prefix: str = ""
) -> dict[str, int]:
    """Add rows to the tables of their kinds; return how many each got."""
    waiting: dict[str, list[Row]] = {}
    kinds: dict[str, Kind] = {}
    count: dict[str, int] = {}
    for kind, row in rows:
        kinds[kind.name] = kind
        some = waiting.setdefault(kind.name, [])
        some.append(row)
        count[kind.name] = count.get(kind.name, 0) + 1
        if len(some) >= ROWS_AT_ONCE:
            _insert(database, kind, some, prefix)
            some.clear()
    for name, some in waiting.items():
        if some:
            _insert(database, kinds[name], some, prefix)
    return count


def parquet(paths: Sequence[str]) -> str:
    """Write files as SQL reads them."""
    listed = ", ".join("'" + path.replace("'", "''") + "'" for path in paths)
    return f"read_parquet([{listed}])"


def quoted(name: str) -> str:
    """Write a name as SQL has it."""
    return '"' + name.replace('"', '""') + '"'


def _insert(
    database: duckdb.DuckDBPyConnection, kind: Kind, rows: Sequence[Row], prefix: str
) -> None:
    columns: dict[str, NDArray[np.generic]] = {}
    selected: list[str] = []
    for (name, type_), values in zip(kind.columns.items(), zip(*rows, strict=True), strict=True):
        if type_.startswith("MAP"):
            # a map is two lists: DuckDB would take a dictionary for a struct
            columns[f"{name} keys"] = _objects([one and list(one) for one in values])
            columns[f"{name} values"] = _objects([one and list(one.values()) for one in values])
            keys, held = quoted(f"{name} keys"), quoted(f"{name} values")
            selected.append(
                f"CASE WHEN {keys} IS NOT NULL THEN "
                f"map(CAST({keys} AS VARCHAR[]), CAST({held} AS DOUBLE[])) END"
            )
            continue
        columns[name] = _column(values, type_)
        selected.append(f"CAST({quoted(name)} AS {type_})")
    database.register("some rows", columns)
    database.execute(
        f'INSERT INTO {quoted(prefix + kind.name)} SELECT {", ".join(selected)} FROM "some rows"'
    )
    database.unregister("some rows")


def _column(values: Sequence[object], type_: str) -> NDArray[np.generic]:
    if type_ == "BIGINT":
        return np.array(values, np.int64)
    if type_.startswith("TIMESTAMP"):
        return np.array(values, np.int64).astype("datetime64[us]")
    return _objects(values)


def _objects(values: Sequence[object]) -> NDArray[np.generic]:
    column = np.empty(len(values), np.object_)
    column[:] = values
    return column
