"""Tables that are stored: files, and tables of other libraries in memory.

The rule: no more of a table is in memory than one column of four million rows. Parquet is
read where it lies, a column at a time; anything else, such as CSV, or a table of Arrow,
Polars or pandas (all that has `__arrow_c_stream__`), is first copied into a table of
DuckDB's, which moves to disk when it grows.
"""

import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from kingpost.monitoring.binning import model_values
from kingpost.monitoring.drift.tables import ColumnType, Levels, frequent_first
from kingpost.monitoring.errors import BadTable

if TYPE_CHECKING:
    import duckdb  # 0.1 s to import: not for whoever reads no tables

__all__ = ["ArrowStream", "StoredTable", "open_table"]

_VALUES_AT_ONCE = 1 << 22
_READERS = {".parquet": "read_parquet", ".csv": "read_csv", ".gz": "read_csv"}
_WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
_NUMBERS = {*_WHOLE, *(f"U{one}" for one in _WHOLE), "FLOAT", "DOUBLE", "BOOLEAN"}
_ROW = "file_row_number"


@runtime_checkable
class ArrowStream(Protocol):
    """A table in memory that hands itself over in the form of Apache Arrow."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Return a capsule of Arrow's C stream."""
        ...


@contextmanager
def open_table(source: Path | Sequence[Path] | ArrowStream) -> Generator["StoredTable"]:
    """Open a Parquet or CSV file, several of the same columns, or a table in memory.

    Raises:
        BadTable: There is no such file, or it cannot be read.
    """
    import duckdb

    with TemporaryDirectory(prefix="kingpost-", ignore_cleanup_errors=True) as spill:
        database = duckdb.connect(config={"threads": 1, "temp_directory": spill})
        try:
            yield _opened(source, database)
        finally:
            database.close()


@dataclass(frozen=True, slots=True)
class _Part:
    """Rows of a file, or of a copied table, from one to before another."""

    scan: str
    row: str
    first: int
    end: int
    is_whole: bool = True


class _Reader:
    """Asks the database, each thread in a way of its own; its errors are ours."""

    def __init__(self, name: str, database: "duckdb.DuckDBPyConnection") -> None:
        self.name, self._database = name, database
        self._local = threading.local()
        self._local.cursor = database  # this thread sees what was registered
        self._copies = 0

    def rows(self, query: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        import duckdb

        try:
            return self._cursor().execute(query, list(parameters)).fetchall()
        except duckdb.Error as error:
            raise self._unreadable(error) from error

    def floats(self, column: str, rest: str) -> NDArray[np.float32]:
        """Read numbers as float32, NaN where missing, infinite where it cannot hold them."""
        import duckdb

        query = "SELECT coalesce(CAST({} AS {}), 'NaN') AS x {}"
        try:
            try:
                found = self._array(query.format(column, "FLOAT", rest))
            except duckdb.ConversionException:
                found = self._array(query.format(column, "DOUBLE", rest))
        except duckdb.Error as error:
            raise self._unreadable(error) from error
        return model_values(found)

    def copied(self, scan: str) -> _Part:
        self._copies += 1
        table = f"copy_{self._copies}"
        self.rows(f"CREATE TABLE {table} AS SELECT * FROM {scan}")
        return _Part(table, "rowid", 0, int(self.rows(f"SELECT count(*) FROM {table}")[0][0]))

    def _array(self, query: str) -> NDArray[np.floating]:
        return cast("NDArray[np.floating]", self._cursor().execute(query).fetchnumpy()["x"])

    def _cursor(self) -> "duckdb.DuckDBPyConnection":
        if not hasattr(self._local, "cursor"):
            self._local.cursor = self._database.cursor()
        return cast("duckdb.DuckDBPyConnection", self._local.cursor)

    def _unreadable(self, error: "duckdb.Error") -> BadTable:
        problem = str(error).strip().partition("\n")[0]
        return BadTable(self.name, f"cannot be read: {problem}", "mend it")


class _Stream:
    """A table of any library, which DuckDB then reads without asking for that library."""

    def __init__(self, table: ArrowStream) -> None:
        self._table = table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._table.__arrow_c_stream__(requested_schema)


def _opened(
    source: Path | Sequence[Path] | ArrowStream, database: "duckdb.DuckDBPyConnection"
) -> "StoredTable":
    if isinstance(source, ArrowStream):
        reader = _Reader(type(source).__name__, database)
        database.register("given", _Stream(source))
        parts = (reader.copied("given"),)
    else:
        paths = [source] if isinstance(source, Path) else list(source)
        reader = _Reader(", ".join(map(str, paths)), database)
        parts = tuple(_file_part(path, reader) for path in paths)
    if not parts:
        raise BadTable("the table", "has no files", "name at least one")
    described = reader.rows(f"DESCRIBE SELECT * FROM {parts[0].scan}")
    kinds = {str(row[0]): str(row[1]) for row in described if row[0] != _ROW}
    return StoredTable(reader, kinds, parts)


def _file_part(path: Path, reader: _Reader) -> _Part:
    function = _READERS.get(path.suffix.lower())
    if function is None or not path.is_file():
        problem = "is of no known kind" if path.is_file() else "does not exist, or is no file"
        raise BadTable(str(path), problem, "give a .parquet, .csv or .csv.gz file")
    file = "'" + str(path).replace("'", "''") + "'"
    if function != "read_parquet":
        return reader.copied(f"{function}({file})")
    rows = int(reader.rows(f"SELECT count(*) FROM read_parquet({file})")[0][0])
    return _Part(f"read_parquet({file}, {_ROW} = true)", _ROW, 0, rows)


@dataclass(frozen=True, slots=True)
class StoredTable:
    """Rows of a stored table, all of them or a window."""

    _reader: _Reader
    _kinds: Mapping[str, str]
    _parts: tuple[_Part, ...]
    _where: str = ""

    @property
    def rows(self) -> int:
        """How many rows it has."""
        if not self._where:
            return sum(part.end - part.first for part in self._parts)
        return sum(int(self._one("count(*)", part)[0]) for part in self._parts)

    @property
    def types(self) -> Mapping[str, ColumnType]:
        """The columns that hold numbers, truth values, texts or lists of numbers."""
        found: dict[str, ColumnType] = {}
        for name, kind in self._kinds.items():
            measured = _measured_as(kind)
            if measured is not None:
                found[name] = measured
        return found

    @property
    def skipped(self) -> Sequence[str]:
        """The columns that hold anything else."""
        types = self.types
        return [name for name in self._kinds if name not in types]

    def numbers(self, name: str) -> Iterator[NDArray[np.float32]]:
        """Give the values of a column of numbers, or the lengths of texts."""
        column = _quoted(name)
        if self.types[name] == "text":
            column = f"length(CAST({column} AS VARCHAR))"
        for part in self._ranges(_VALUES_AT_ONCE):
            yield self._reader.floats(column, f"FROM {part.scan}{self._condition(part)}")

    def vectors(self, name: str, dimension: int) -> Iterator[NDArray[np.float32]]:
        """Give the vectors of a column."""
        column = f"CAST({_quoted(name)} AS FLOAT[])"
        for part in self._ranges(max(1, _VALUES_AT_ONCE // max(dimension, 1))):
            where = self._condition(part, f"len({column}) = {dimension}")
            flat = self._reader.floats(f"unnest({column})", f"FROM {part.scan}{where}")
            yield flat.reshape(-1, dimension)

    def dimension(self, name: str) -> int:
        """Return how many elements the first vector has; 0 where there is none."""
        column = f"any_value(len(CAST({_quoted(name)} AS FLOAT[])))"
        found = (self._one(column, part)[0] for part in self._parts)
        return next((int(one) for one in found if one is not None), 0)

    def values(self, name: str, most: int) -> Mapping[str, int] | None:
        """Return the rows of each value of a text, the most frequent first."""
        rows: dict[str, int] = {}
        column = f"CAST({_quoted(name)} AS VARCHAR)"
        for part in self._parts:
            where = self._condition(part, f"{column} IS NOT NULL")
            for value, count in self._reader.rows(
                f"SELECT {column} AS value, count(*) FROM {part.scan}{where} "
                f"GROUP BY 1 LIMIT {most + 1}"
            ):
                rows[str(value)] = rows.get(str(value), 0) + int(count)
        return None if len(rows) > most else frequent_first(rows)

    def levels(self, name: str, values: Sequence[str]) -> Levels:
        """Count the rows of some values of a text."""
        column = f"CAST({_quoted(name)} AS VARCHAR)"
        known = f"CASE WHEN {column} IN (SELECT unnest(CAST(? AS VARCHAR[]))) THEN {column} END"
        rows = dict.fromkeys(values, 0)
        new = missing = 0
        for part in self._parts:
            for value, count, there in self._reader.rows(
                f"SELECT {known} AS value, count(*), count({column}) "
                f"FROM {part.scan}{self._condition(part)} GROUP BY 1",
                [list(values)],
            ):
                if value is None:
                    new, missing = new + int(there), missing + int(count) - int(there)
                else:
                    rows[str(value)] += int(count)
        return Levels(tuple(rows[value] for value in values), new, missing)

    def by_count(self, rows: int) -> Iterator[tuple[int, "StoredTable"]]:
        """Give windows of so many rows, and the row each begins at; the last may be shorter."""
        whole = sum(part.end - part.first for part in self._parts)
        for first in range(0, whole, rows):
            yield first, replace(self, _parts=_between(self._parts, first, first + rows))

    def by_time(self, column: str, length_us: int) -> Iterator[tuple[int, "StoredTable"]]:
        """Give windows of such a length that have rows, and when each begins, microseconds.

        Raises:
            BadTable: The column is no time.
        """
        if not self._kinds.get(column, "").startswith(("TIMESTAMP", "DATE")):
            raise BadTable(self._reader.name, f"column {column!r} is no time", "name a timestamp")
        moment = f"epoch_us(CAST({_quoted(column)} AS TIMESTAMP))"
        window = f"SELECT DISTINCT CAST(floor({moment} / {length_us}) AS BIGINT) FROM"
        found = {
            int(row[0])
            for part in self._parts
            for row in self._reader.rows(
                f"{window} {part.scan}{self._condition(part, f'{moment} IS NOT NULL')}"
            )
        }
        for start_us in sorted(one * length_us for one in found):
            inside = f"{moment} >= {start_us} AND {moment} < {start_us + length_us}"
            yield start_us, replace(self, _where=inside)

    def _ranges(self, rows: int) -> Iterator[_Part]:
        for part in self._parts:
            if part.end - part.first <= rows:
                yield part
                continue
            for first in range(part.first, part.end, rows):
                end = min(first + rows, part.end)
                yield replace(part, first=first, end=end, is_whole=False)

    def _condition(self, part: _Part, *others: str) -> str:
        conditions = [one for one in (self._where, *others) if one]
        if not part.is_whole:
            conditions.append(f"{part.row} >= {part.first} AND {part.row} < {part.end}")
        return f" WHERE {' AND '.join(conditions)}" if conditions else ""

    def _one(self, selected: str, part: _Part) -> Sequence[Any]:
        return self._reader.rows(f"SELECT {selected} FROM {part.scan}{self._condition(part)}")[0]


def _between(parts: Sequence[_Part], first: int, end: int) -> tuple[_Part, ...]:
    """Cut out rows by their number over all parts."""
    found: list[_Part] = []
    before = 0
    for part in parts:
        begin = part.first + max(first - before, 0)
        stop = min(part.first + end - before, part.end)
        if begin < stop:
            found.append(replace(part, first=begin, end=stop, is_whole=False))
        before += part.end - part.first
    return tuple(found)


def _measured_as(kind: str) -> ColumnType | None:
    if kind.startswith(("VARCHAR", "ENUM")) and not kind.endswith("]"):
        return "text"
    element, bracket, _ = kind.partition("[")
    if element in _NUMBERS or element.startswith("DECIMAL"):
        return "vector" if bracket else "number"
    return None


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
