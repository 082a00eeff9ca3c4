"""Reading events from PostgreSQL, by the column and in batches, through a server-side cursor.

The rules are those of files: a column whose type cannot be the field's is one error for
the whole source, so is a time without a zone unless the reading names one; a row that
breaks the contract is refused alone, with the verdict it would get from any other door.
The rows are those of one moment, in the order of the query. Nothing is written.

No address with a password leaves this module.
"""

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, LiteralString, cast

import numpy as np
from numpy.typing import NDArray

from kingpost.contracts import Contract, Event, Field, check_columns, zone_named
from kingpost.core import ExtraMissing
from kingpost.integrations.errors import SchemaMismatch, UnreadableSource
from kingpost.integrations.quarantine import refused_row
from kingpost.integrations.reading import Chunk, Reading, columns_of
from kingpost.integrations.zones import utc_of

if TYPE_CHECKING:
    import psycopg
    from psycopg import sql

__all__ = ["read_postgres"]

ROWS_PER_CHUNK = 65_536
_CONNECT_S = 10

_TYPES = {
    16: "boolean",
    19: "name",
    20: "bigint",
    21: "smallint",
    23: "integer",
    25: "text",
    700: "real",
    701: "double precision",
    1043: "varchar",
    1082: "date",
    1114: "timestamp",
    1184: "timestamptz",
    1700: "numeric",
    1021: "real[]",
    1022: "double precision[]",
    1231: "numeric[]",
    2950: "uuid",
}
"""Types that a field can come from, by their object identifiers, which never change."""

_CASTS: Mapping[tuple[str, str], str] = {
    ("text", "text"): "{}",
    ("text", "varchar"): "{}",
    ("text", "name"): "{}::text",
    ("text", "uuid"): "{}::text",
    ("integer", "smallint"): "{}",
    ("integer", "integer"): "{}",
    ("integer", "bigint"): "{}",
    ("integer", "whole numeric"): "{}::bigint",
    ("number", "smallint"): "{}::float8",
    ("number", "integer"): "{}::float8",
    ("number", "bigint"): "{}::float8",
    ("number", "real"): "{}::float8",
    ("number", "double precision"): "{}",
    ("number", "numeric"): "{}::float8",
    ("number", "whole numeric"): "{}::float8",
    ("boolean", "boolean"): "{}",
    ("vector", "real[]"): "{}",
    ("vector", "double precision[]"): "{}",
    ("vector", "numeric[]"): "{}::float8[]",
    ("time", "timestamptz"): "(extract(epoch from {}) * 1000000)::bigint",
    ("time", "timestamp"): "(extract(epoch from {}) * 1000000)::bigint",
    ("time", "date"): "(extract(epoch from {}::timestamp) * 1000000)::bigint",
}
"""SQL that makes a field's kind of a column's type; a time becomes microseconds, exactly."""

_WANTED = {
    "text": "text, varchar or uuid",
    "integer": "smallint, integer, bigint or numeric(n, 0)",
    "number": "double precision, real, numeric or whole numbers",
    "boolean": "boolean",
    "time": "timestamptz, or timestamp and a zone",
    "vector": "real[] or double precision[] (of pgvector `embedding::real[]`)",
}
_DTYPES = {"integer": np.int64, "number": np.float64, "boolean": np.bool_, "time": np.int64}


def read_postgres(
    url: str,
    select: str,
    contract: Contract[Event],
    reading: Reading,
    *,
    source: str = "postgresql",
    parameters: Sequence[object] = (),
    rows_per_chunk: int = ROWS_PER_CHUNK,
) -> Iterator[Chunk]:
    """Read the rows of a PostgreSQL query whose columns are the contract's fields.

    Args:
        url: `postgresql://[user:password@]host[:port]/database`, or a libpq string.
        select: A SELECT; its rows are taken in their order.
        source: What to call it in errors and in the quarantine.
        parameters: Values for its `%s`; with any, a `%` in it is written `%%`.
        rows_per_chunk: How many rows are fetched, checked and handed on at a time.

    Raises:
        ExtraMissing: The extra `postgres` is not installed.
        UnreadableSource: The server does not answer, the query is wrong, or it breaks off.
        SchemaMismatch: The columns do not fit the contract.
        UnknownZone: There is no such time zone.
    """
    with _connected(url, source) as connection:
        table = _Table(connection, source, contract, reading, select, parameters)
        yield from table.chunks(rows_per_chunk)


@contextmanager
def _connected(url: str, source: str) -> "Generator[psycopg.Connection]":
    try:
        import psycopg
        from psycopg.conninfo import conninfo_to_dict
    except ImportError as error:
        raise ExtraMissing("psycopg", "postgres") from error
    try:
        conninfo_to_dict(url)
    except psycopg.Error:  # whose text may hold the password
        raise UnreadableSource(
            source,
            "the address of the server cannot be read",
            "write postgresql://user:password@host:port/database",
        ) from None
    try:
        with psycopg.connect(url, connect_timeout=_CONNECT_S) as connection:
            connection.read_only = True
            yield connection
    except psycopg.Error as error:
        problem = str(error).strip().partition("\n")[0] or type(error).__name__
        raise UnreadableSource(source, f"cannot be read: {problem}", "mend it") from error


class _Table:
    """The columns of a query, matched to the fields of a contract."""

    def __init__(
        self,
        connection: "psycopg.Connection",
        source: str,
        contract: Contract[Event],
        reading: Reading,
        select: str,
        parameters: Sequence[object],
    ) -> None:
        from psycopg import sql

        self._connection, self._source = connection, source
        self._contract, self._reading = contract, reading
        self._parameters = list(parameters) or None
        self._inner = sql.SQL(cast("LiteralString", select.strip().rstrip(";")))
        types = self._types()
        matched = columns_of(contract, reading, [name for name, _ in types], source)
        type_of = dict(types)
        self._fields = [contract.by_name[name] for name in matched]
        self._local: set[str] = set()
        columns = [
            self._expression(field, matched[field.name], type_of[matched[field.name]])
            for field in self._fields
        ]
        self._query = sql.SQL("SELECT {} FROM ({}) AS kingpost_rows").format(
            sql.SQL(", ").join(columns), self._inner
        )

    def chunks(self, rows_per_chunk: int) -> Iterator[Chunk]:
        """Yield the rows, checked."""
        zone = self._reading.zone
        expected = max(self._estimate(), 1)
        seen = 0
        with self._connection.cursor("kingpost_rows") as cursor:
            cursor.itersize = rows_per_chunk
            cursor.execute(self._query, self._parameters, binary=True)
            rows = cursor.fetchmany(rows_per_chunk)
            while True:
                following = cursor.fetchmany(rows_per_chunk) if rows else []
                columns = list(zip(*rows, strict=True)) or [()] * len(self._fields)
                raw = {
                    field.name: self._column(field, column)
                    for field, column in zip(self._fields, columns, strict=True)
                }
                batch, bad = check_columns(self._contract, raw, first_row=seen + 1, zone=zone)
                seen += len(rows)
                share = min(0.99, seen / expected) if following else 1.0
                yield Chunk(batch, [refused_row(one, zone=zone) for one in bad], seen, share)
                if not following:
                    return
                rows = following

    def _types(self) -> list[tuple[str, str]]:
        from psycopg import sql

        cursor = self._connection.execute(
            sql.SQL("SELECT * FROM ({}) AS kingpost_rows LIMIT 0").format(self._inner),
            self._parameters,
        )
        found: list[tuple[str, str]] = []
        for column in cursor.description or ():
            name = _TYPES.get(column.type_code, column.type_display)
            is_whole = name == "numeric" and column.scale == 0 and column.precision is not None
            found.append((column.name, "whole numeric" if is_whole else name))
        return found

    def _estimate(self) -> int:
        """Return how many rows the server expects."""
        from psycopg import sql

        explain = sql.SQL("EXPLAIN (FORMAT JSON) {}").format(self._query)
        [row] = self._connection.execute(explain, self._parameters).fetchall()
        return int(row[0][0]["Plan"]["Plan Rows"])

    def _expression(self, field: Field, column: str, found: str) -> "sql.Composed":
        from psycopg import sql

        cast_ = _CASTS.get((field.kind, found))
        if cast_ is None:
            raise self._mismatch(field, column, found, "cast it in the query")
        if field.kind == "time" and found != "timestamptz":
            if self._reading.zone is None:
                raise self._mismatch(field, column, found, "say which zone it is in, such as 'UTC'")
            self._local.add(field.name)
        return sql.SQL(cast("LiteralString", cast_)).format(sql.Identifier(column))

    def _mismatch(self, field: Field, column: str, found: str, mend: str) -> SchemaMismatch:
        return SchemaMismatch(
            self._source, field.name, _WANTED[field.kind], f"{found} in column {column!r}", mend
        )

    def _column(self, field: Field, values: tuple[object, ...]) -> NDArray[np.generic]:
        """Make an array of a column; masked where values are missing."""
        missing = np.fromiter((value is None for value in values), np.bool_, len(values))
        dtype = _DTYPES.get(field.kind)
        if dtype is None:
            array: NDArray[np.generic] = np.fromiter(values, np.object_, len(values))
        else:
            filled = [0 if value is None else value for value in values]
            array = np.array(filled, dtype)  # pyright: ignore[reportUnknownMemberType]  numbers
        if field.kind == "time":
            times = array.astype(np.int64)
            if field.name in self._local and self._reading.zone is not None:
                times = utc_of(times, zone_named(self._reading.zone))
            array = times.view("datetime64[us]")
        return np.ma.masked_array(array, missing) if missing.any() else array
