"""Outbox, inbox and dead letters in PostgreSQL.

The connection is handed in, after `prepare_postgres_calls` has made the tables. `put` and
`first` are part of the transaction that the caller has open on it; a relay has a
connection of its own.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kingpost.calls.errors import CallStoreFailed, CallStoreNewer
from kingpost.calls.outbox_sql import SqlDeadLetters, SqlInbox, SqlOutbox
from kingpost.calls.sql_postgres import PostgresDatabase

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


def prepare_postgres_calls(connection: "psycopg.Connection") -> None:
    """Bring the tables to the latest format, in one transaction.

    Raises:
        CallStoreNewer: A later version of Kingpost has been here.
        CallStoreFailed: The server refused.
    """
    PostgresDatabase(connection, CallStoreFailed).migrate("calls", _MIGRATIONS, CallStoreNewer)


class PostgresOutbox(SqlOutbox):
    """An `Outbox` at a server."""

    def __init__(self, connection: "psycopg.Connection") -> None:
        super().__init__(PostgresDatabase(connection, CallStoreFailed))


class PostgresDeadLetters(SqlDeadLetters):
    """`DeadLetters` at a server."""

    def __init__(self, connection: "psycopg.Connection") -> None:
        super().__init__(PostgresDatabase(connection, CallStoreFailed))


class PostgresInbox(SqlInbox):
    """An `Inbox` at a server."""

    def __init__(
        self, connection: "psycopg.Connection", source: str, *, tenant: str = "default"
    ) -> None:
        super().__init__(PostgresDatabase(connection, CallStoreFailed), source, tenant=tenant)
