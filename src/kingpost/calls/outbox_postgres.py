"""Outbox, inbox and dead letters in PostgreSQL.

The connection is handed in, after `prepare_postgres_calls` has made the tables. `put` and
`first` are part of the transaction that the caller has open on it; a relay has a
connection of its own.
"""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from kingpost.calls.errors import CallStoreFailed, CallStoreNewer
from kingpost.calls.outbox_sql import Row, SqlDeadLetters, SqlInbox, SqlOutbox, Value
from kingpost.core import ExtraMissing

if TYPE_CHECKING:
    import psycopg

__all__ = ["PostgresDeadLetters", "PostgresInbox", "PostgresOutbox", "prepare_postgres_calls"]

_MIGRATIONS: Sequence[str] = (
    """
    CREATE TABLE kingpost_outbox (
        place BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        id TEXT NOT NULL,
        route TEXT NOT NULL,
        payload BYTEA NOT NULL,
        order_key TEXT NOT NULL,
        content_type TEXT NOT NULL,
        tenant TEXT NOT NULL,
        created_us BIGINT NOT NULL,
        due_us BIGINT NOT NULL,
        attempts INTEGER NOT NULL,
        reason TEXT NOT NULL,
        leased_by TEXT NOT NULL,
        UNIQUE (tenant, id)
    )
    """,
    "CREATE INDEX kingpost_outbox_due ON kingpost_outbox (due_us, place)",
    """
    CREATE INDEX kingpost_outbox_order ON kingpost_outbox (tenant, route, order_key, place)
    """,
    """
    CREATE TABLE kingpost_dead_letters (
        id TEXT NOT NULL,
        route TEXT NOT NULL,
        payload BYTEA NOT NULL,
        order_key TEXT NOT NULL,
        content_type TEXT NOT NULL,
        tenant TEXT NOT NULL,
        created_us BIGINT NOT NULL,
        died_us BIGINT NOT NULL,
        attempts INTEGER NOT NULL,
        reason TEXT NOT NULL,
        PRIMARY KEY (tenant, id)
    )
    """,
    """
    CREATE TABLE kingpost_inbox (
        tenant TEXT NOT NULL,
        source TEXT NOT NULL,
        key TEXT NOT NULL,
        seen_us BIGINT NOT NULL,
        PRIMARY KEY (tenant, source, key)
    )
    """,
    "CREATE INDEX kingpost_inbox_seen ON kingpost_inbox (tenant, source, seen_us)",
)
_FORMATS = (
    "CREATE TABLE IF NOT EXISTS kingpost_format (owner TEXT PRIMARY KEY, version INTEGER NOT NULL)"
)
_OWNER = "calls"
_LOCK = 0x6B696E67
_IDLE = 0
_OPEN = "a transaction is open; a relay needs a connection of its own, with autocommit=True"


def prepare_postgres_calls(connection: "psycopg.Connection") -> None:
    """Bring the tables to the latest format, in one transaction.

    Raises:
        CallStoreNewer: A later version of Kingpost has been here.
        CallStoreFailed: The server refused.
    """
    database = _Postgres(connection)
    with database.transaction():
        database.run("SELECT pg_advisory_xact_lock(%(lock)s)", {"lock": _LOCK})
        database.run(_FORMATS, {})
        rows = database.run(
            "SELECT version FROM kingpost_format WHERE owner = %(owner)s", {"owner": _OWNER}
        )
        found = int(rows[0][0]) if rows else 0
        if found > len(_MIGRATIONS):
            raise CallStoreNewer(found, len(_MIGRATIONS))
        for statement in _MIGRATIONS[found:]:
            database.run(statement, {})
        database.run(
            "INSERT INTO kingpost_format VALUES (%(owner)s, %(version)s) "
            "ON CONFLICT (owner) DO UPDATE SET version = excluded.version",
            {"owner": _OWNER, "version": len(_MIGRATIONS)},
        )


class PostgresOutbox(SqlOutbox):
    """An `Outbox` at a server."""

    def __init__(self, connection: "psycopg.Connection") -> None:
        super().__init__(_Postgres(connection))


class PostgresDeadLetters(SqlDeadLetters):
    """`DeadLetters` at a server."""

    def __init__(self, connection: "psycopg.Connection") -> None:
        super().__init__(_Postgres(connection))


class PostgresInbox(SqlInbox):
    """An `Inbox` at a server."""

    def __init__(
        self, connection: "psycopg.Connection", source: str, *, tenant: str = "default"
    ) -> None:
        super().__init__(_Postgres(connection), source, tenant=tenant)


class _Postgres:
    skip_locked = "FOR UPDATE SKIP LOCKED"

    def __init__(self, connection: "psycopg.Connection") -> None:
        self._connection = connection

    def run(self, query: str, values: Mapping[str, Value]) -> Sequence[Row]:
        with _translated():
            cursor = self._connection.execute(query.encode(), values)
            return cast("Sequence[Row]", cursor.fetchall()) if cursor.description else []

    @contextmanager
    def transaction(self) -> Generator[None]:
        if self._connection.info.transaction_status != _IDLE:
            raise CallStoreFailed("PostgreSQL", _OPEN)
        with _translated(), self._connection.transaction():
            yield


@contextmanager
def _translated() -> Generator[None]:
    try:
        import psycopg
    except ImportError as error:
        raise ExtraMissing("psycopg", "postgres") from error
    try:
        yield
    except psycopg.Error as error:
        problem = str(error).partition("\n")[0]
        raise CallStoreFailed("PostgreSQL", problem) from error
