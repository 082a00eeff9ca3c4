"""Reading events by the column, through DuckDB: Parquet files and queries.

A column whose type cannot be the field's is one error for the whole source. So is a time
without a zone, unless the reading names one. Rows are numbered from 1, in their order.
"""

import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import duckdb
import numpy as np
from numpy.typing import NDArray

from kingpost.contracts import Contract, Event, Field, check_columns, zone_named
from kingpost.integrations.errors import SchemaMismatch, UnreadableSource
from kingpost.integrations.quarantine import refused_row
from kingpost.integrations.reading import Chunk, Reading, columns_of
from kingpost.integrations.zones import utc_of

__all__ = ["read_parquet", "read_query"]

ROWS_PER_CHUNK = 65_536
_SETTINGS = {"autoinstall_known_extensions": False, "TimeZone": "UTC"}

_INTEGERS = frozenset(
    ["TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"]
)
_WIDE = frozenset(["HUGEINT", "UHUGEINT"])
_LOCAL_TIMES = frozenset(["TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "DATE"])
_UTC_TIME = "TIMESTAMP WITH TIME ZONE"
_WHOLE_DECIMAL = re.compile(r"DECIMAL\(\d+,0\)")
_WANTED = {
    "text": "text (VARCHAR, ENUM, UUID)",
    "integer": "whole numbers (INTEGER, BIGINT …)",
    "number": "numbers (DOUBLE, DECIMAL, INTEGER …)",
    "boolean": "BOOLEAN",
    "time": "TIMESTAMP WITH TIME ZONE, or TIMESTAMP and a zone",
    "vector": "a list or an array of numbers (FLOAT[], FLOAT[384], DOUBLE[] …)",
}

Raw = Mapping[str, NDArray[np.generic]]


def read_parquet(path: Path, contract: Contract[Event], reading: Reading) -> Iterator[Chunk]:
    """Read a Parquet file.

    Raises:
        UnreadableSource: The file is missing, empty, damaged or not Parquet.
        SchemaMismatch: Its columns do not fit the contract.
        UnknownZone: There is no such time zone.
    """
    source = str(path)
    if not path.is_file():
        raise UnreadableSource(source, "does not exist, or is no file", "check the path")
    if not path.stat().st_size:
        raise UnreadableSource(source, "is empty", "has its export failed?")
    file = _text(source)
    with _database(source) as database:
        types = _types(database, f"SELECT * FROM read_parquet({file})")
        rows = _count(database, f"SELECT count(*) FROM read_parquet({file})")
        table = _Table(source, contract, reading, types)
        scan = f"read_parquet({file}, file_row_number = true)"
        yield from table.chunks(database, scan, "file_row_number", rows)


def read_query(
    select: str,
    contract: Contract[Event],
    reading: Reading,
    *,
    source: str = "query",
    parameters: Sequence[object] = (),
) -> Iterator[Chunk]:
    """Read the rows of a DuckDB query whose columns are the contract's fields.

    Args:
        select: A SELECT over files, such as `SELECT a AS id, … FROM 'data/*.parquet'`;
            its rows are taken in their order.
        source: What to call it in errors and in the quarantine.
        parameters: Values for its `?`.

    Raises:
        UnreadableSource: The query is wrong, or a file it reads.
        SchemaMismatch: Its columns do not fit the contract.
        UnknownZone: There is no such time zone.
    """
    with _database(source) as database:
        types = _types(database, select, parameters)
        table = _Table(source, contract, reading, types)
        database.execute(f"CREATE TEMP TABLE kingpost_rows AS {select}", list(parameters))
        rows = _count(database, "SELECT count(*) FROM kingpost_rows")
        yield from table.chunks(database, "kingpost_rows", "rowid", rows)


@contextmanager
def _database(source: str) -> Generator[duckdb.DuckDBPyConnection]:
    with TemporaryDirectory(prefix="kingpost-", ignore_cleanup_errors=True) as spill:
        database = duckdb.connect(config={"temp_directory": spill, **_SETTINGS})
        try:
            yield database
        except duckdb.Error as error:
            problem = str(error).strip().partition("\n")[0]
            raise UnreadableSource(source, f"cannot be read: {problem}", "mend it") from error
        finally:
            database.close()


def _types(
    database: duckdb.DuckDBPyConnection, select: str, parameters: Sequence[object] = ()
) -> list[tuple[str, str]]:
    described = database.execute(f"DESCRIBE {select}", list(parameters)).fetchall()
    return [(str(row[0]), str(row[1])) for row in described]


def _count(database: duckdb.DuckDBPyConnection, select: str) -> int:
    found = database.execute(select).fetchone()
    return int(found[0]) if found else 0


class _Table:
    """The columns of a source, matched to the fields of a contract."""

    def __init__(
        self,
        source: str,
        contract: Contract[Event],
        reading: Reading,
        types: Sequence[tuple[str, str]],
    ) -> None:
        self._source, self._contract, self._reading = source, contract, reading
        matched = columns_of(contract, reading, [name for name, _ in types], source)
        type_of = dict(types)
        self._local: list[str] = []
        self._selected: list[str] = []
        for name, column in matched.items():
            field = contract.by_name[name]
            expression = self._expression(field, column, type_of[column])
            self._selected.append(f"{expression} AS {_name(name)}")

    def _expression(self, field: Field, column: str, found: str) -> str:
        """Return SQL for a column as the field's type."""
        quoted = _name(column)
        if field.kind == "time" and found in _LOCAL_TIMES:
            if self._reading.zone is None:
                raise self._mismatch(field, column, found, "say which zone it is in, such as 'UTC'")
            self._local.append(field.name)
        expression = _as_kind(field, quoted, found)
        if expression is None:
            raise self._mismatch(field, column, found, "cast it in a query, or mend the source")
        return expression

    def _mismatch(self, field: Field, column: str, found: str, mend: str) -> SchemaMismatch:
        return SchemaMismatch(
            self._source, field.name, _WANTED[field.kind], f"{found} in column {column!r}", mend
        )

    def chunks(
        self, database: duckdb.DuckDBPyConnection, table: str, row: str, rows: int
    ) -> Iterator[Chunk]:
        contract, zone = self._contract, self._reading.zone
        select = f"SELECT {', '.join(self._selected)} FROM {table}"
        for start in range(0, max(rows, 1), ROWS_PER_CHUNK):
            end = min(start + ROWS_PER_CHUNK, rows)
            found = database.execute(
                f"{select} WHERE {row} >= {start} AND {row} < {end} ORDER BY {row}"
            ).fetchnumpy()
            raw = self._in_utc(cast("Raw", found))
            batch, bad = check_columns(contract, raw, first_row=start + 1, zone=zone)
            refused = [refused_row(one, zone=zone) for one in bad]
            yield Chunk(batch, refused, end, end / rows if rows else 1.0)

    def _in_utc(self, raw: Raw) -> Raw:
        if self._reading.zone is None or not self._local:
            return raw
        zone = zone_named(self._reading.zone)
        localised = dict(raw)
        for name in self._local:
            times = raw[name]
            array = np.ma.getdata(times).astype("datetime64[us]")
            missing = np.ma.getmaskarray(times) | np.isnat(array)
            utc = utc_of(array.astype(np.int64), zone).view("datetime64[us]")
            localised[name] = np.ma.masked_array(utc, missing)
        return localised


def _as_kind(field: Field, quoted: str, found: str) -> str | None:
    if found == '"NULL"':
        return f"CAST({quoted} AS VARCHAR)"
    is_decimal = found.startswith("DECIMAL(")
    match field.kind:
        case "text":
            if found == "UUID" or found.startswith("ENUM("):
                return f"CAST({quoted} AS VARCHAR)"
            return quoted if found == "VARCHAR" else None
        case "integer":
            if found in _WIDE or _WHOLE_DECIMAL.fullmatch(found):
                return f"CAST({quoted} AS BIGINT)"
            return quoted if found in _INTEGERS else None
        case "number":
            if is_decimal or found in _WIDE:
                return f"CAST({quoted} AS DOUBLE)"
            return quoted if found in _INTEGERS or found in ("FLOAT", "DOUBLE") else None
        case "boolean":
            return quoted if found == "BOOLEAN" else None
        case "time":
            if found in _LOCAL_TIMES or found in (_UTC_TIME, "VARCHAR"):
                return quoted
            return None
        case "vector":
            numbers = found[: found.rindex("[")] if found.endswith("]") else ""
            if numbers in _INTEGERS or numbers in ("FLOAT", "DOUBLE"):
                return quoted
            is_decimal = numbers.startswith("DECIMAL(") and "[" not in numbers
            return f"CAST({quoted} AS DOUBLE[])" if is_decimal or numbers in _WIDE else None


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
