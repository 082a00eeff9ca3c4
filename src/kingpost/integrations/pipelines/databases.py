"""Sources that are databases: any driver of the DB-API 2.0 (PEP 249), and PostgreSQL.

Rows of any driver are fetched some thousand at a time and judged one by one, as
`Contract.convert` does; those of PostgreSQL go by the column. What a driver says of a
failed connection is not repeated: it may hold the password.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Protocol
from uuid import UUID

from kingpost.contracts import BadRow, Contract, ContractViolation, Event, batch_of
from kingpost.core import KingpostError
from kingpost.integrations.errors import UnreadableSource
from kingpost.integrations.pipelines.files import moment_of
from kingpost.integrations.postgres import read_postgres
from kingpost.integrations.quarantine import RefusedRow, refused_row
from kingpost.integrations.reading import Chunk, Reading, columns_of

__all__ = ["DatabaseSource", "PostgresSource"]

ROWS_PER_CHUNK = 16_384


class Cursor(Protocol):
    """What is used of a DB-API cursor."""

    @property
    def description(self) -> Sequence[Sequence[object]] | None:
        """A sequence per column, the name first."""
        ...

    def execute(self, operation: str, parameters: Sequence[object] = ..., /) -> object:
        """Run a query."""
        ...

    def fetchmany(self, size: int = ..., /) -> Sequence[Sequence[object]]:
        """Return the next rows; none at the end."""
        ...

    def close(self) -> None:
        """Release it."""
        ...


class Connection(Protocol):
    """What is used of a DB-API connection."""

    def cursor(self) -> Cursor:
        """Make a cursor."""
        ...

    def close(self) -> None:
        """End the connection."""
        ...


@dataclass(frozen=True)
class DatabaseSource:
    """A query to a database, through the driver of your choice.

    Attributes:
        connect: Makes a connection of the DB-API, anew for each run.
        select: A SELECT whose columns are the fields. When it is incremental it has one
            placeholder in the driver's style: the time since which rows are wanted, an
            aware `datetime`.
        name: What errors, the quarantine and the list of runs call it.
        zone: What times without an offset mean; None refuses them.
    """

    connect: Callable[[], Connection]
    select: str
    name: str
    mapping: Mapping[str, str] = field(default_factory=dict[str, str])
    zone: str | None = None
    is_incremental: bool = False

    def read(self, contract: Contract[Event], since_us: int, beside: Path) -> Iterator[Chunk]:
        """Yield the rows of the query; see `Source.read`."""
        parameters = [moment_of(since_us)] if self.is_incremental else []
        try:
            connection = self.connect()
        except KingpostError:
            raise
        except Exception as error:  # noqa: BLE001  any driver's
            raise _unreachable(self.name, error) from None
        with closing(connection), closing(connection.cursor()) as cursor:
            yield from _rows(
                cursor, self.select, parameters, contract, Reading(self.mapping, self.zone),
                self.name,
            )  # fmt: skip


@dataclass(frozen=True)
class PostgresSource:
    """A query to PostgreSQL, read through a cursor on the server (extra `postgres`).

    Attributes:
        select: A SELECT whose columns are the fields. When it is incremental it has one
            `%s`: the time since which rows are wanted, a timestamptz.
        url_env: The environment variable that holds the connection URL.
    """

    select: str
    url_env: str
    name: str = "postgresql"
    mapping: Mapping[str, str] = field(default_factory=dict[str, str])
    zone: str | None = None
    is_incremental: bool = False

    def read(self, contract: Contract[Event], since_us: int, beside: Path) -> Iterator[Chunk]:
        """Yield the rows of the query; see `Source.read`."""
        url = os.environ.get(self.url_env, "")
        if not url:
            raise UnreadableSource(
                self.name,
                f"the environment variable {self.url_env} is not set",
                "set it to a URL such as postgresql://reader@warehouse/shop",
            )
        return read_postgres(
            url,
            self.select,
            contract,
            Reading(self.mapping, self.zone),
            source=self.name,
            parameters=[moment_of(since_us)] if self.is_incremental else [],
        )


def _unreachable(name: str, error: Exception) -> UnreadableSource:
    return UnreadableSource(
        name,
        f"no connection: {type(error).__name__}",
        "check the address, the account and that the server runs",
    )


def _rows(
    cursor: Cursor,
    select: str,
    parameters: Sequence[object],
    contract: Contract[Event],
    reading: Reading,
    source: str,
) -> Iterator[Chunk]:
    fetched = _fetched(cursor, select, parameters, source)
    first = next(fetched)
    names = [str(column[0]) for column in cursor.description or ()]
    field_of = {
        column: name for name, column in columns_of(contract, reading, names, source).items()
    }
    kinds = {name: contract.by_name[name].kind for name in field_of.values()}
    wanted = [(at, field_of[name]) for at, name in enumerate(names) if name in field_of]
    seen = 0
    rows = first
    while True:
        events: list[Event] = []
        refused: list[RefusedRow] = []
        for number, cells in enumerate(rows, seen + 1):
            row = {name: _plain(cells[at], kinds[name]) for at, name in wanted}
            row = contract.without_missing(row)
            try:
                events.append(contract.convert(row, zone=reading.zone))
            except ContractViolation as violation:
                refused.append(refused_row(BadRow(number, row, violation), zone=reading.zone))
        seen += len(rows)
        following = next(fetched, None)
        is_last = following is None
        yield Chunk(batch_of(contract, events), refused, seen, 1.0 if is_last else 0.0)
        if following is None:
            return
        rows = following


def _fetched(
    cursor: Cursor, select: str, parameters: Sequence[object], source: str
) -> Iterator[Sequence[Sequence[object]]]:
    """Yield the rows, some thousand at a time; at least once, and never none after that."""
    is_first = True
    try:
        cursor.execute(select, parameters)
        while True:
            rows = cursor.fetchmany(ROWS_PER_CHUNK)
            if not rows and not is_first:
                return
            is_first = False
            yield rows
    except KingpostError:
        raise
    except Exception as error:
        problem = str(error).strip().partition("\n")[0] or type(error).__name__
        raise UnreadableSource(source, f"cannot be read: {problem}", "mend the query") from error


def _plain(value: object, kind: str) -> object:
    """Return what a driver gives as JSON would say it."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, date):
        return f"{value.isoformat()}T00:00:00"
    if isinstance(value, Decimal):
        is_whole = kind == "integer" and value == value.to_integral_value()
        return int(value) if is_whole else float(value)
    if isinstance(value, UUID):
        return str(value)
    if kind == "boolean" and isinstance(value, int) and value in (0, 1):
        return bool(value)  # databases without booleans have 0 and 1
    return value
