"""Outbox, inbox and dead letters in SQLite.

The connection is handed in, with the tables already at the format that `CALL_MIGRATIONS`
lead to. `put` and `first` are part of the transaction that the caller has open on it.
"""

import sqlite3
from collections.abc import Sequence

from kingpost.calls.errors import CallStoreFailed
from kingpost.calls.outbox_sql import SqlDeadLetters, SqlInbox, SqlOutbox
from kingpost.calls.sql_sqlite import SqliteDatabase

__all__ = ["CALL_MIGRATIONS", "SqliteDeadLetters", "SqliteInbox", "SqliteOutbox"]

CALL_MIGRATIONS: Sequence[str] = (
    """
    CREATE TABLE kingpost_outbox (
        place INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL,
        route TEXT NOT NULL,
        payload BLOB NOT NULL,
        order_key TEXT NOT NULL,
        content_type TEXT NOT NULL,
        tenant TEXT NOT NULL,
        created_us INTEGER NOT NULL,
        due_us INTEGER NOT NULL,
        attempts INTEGER NOT NULL,
        reason TEXT NOT NULL,
        leased_by TEXT NOT NULL,
        UNIQUE (tenant, id)
    ) STRICT
    """,
    "CREATE INDEX kingpost_outbox_due ON kingpost_outbox (due_us, place)",
    """
    CREATE INDEX kingpost_outbox_order ON kingpost_outbox (tenant, route, order_key, place)
    """,
    """
    CREATE TABLE kingpost_dead_letters (
        id TEXT NOT NULL,
        route TEXT NOT NULL,
        payload BLOB NOT NULL,
        order_key TEXT NOT NULL,
        content_type TEXT NOT NULL,
        tenant TEXT NOT NULL,
        created_us INTEGER NOT NULL,
        died_us INTEGER NOT NULL,
        attempts INTEGER NOT NULL,
        reason TEXT NOT NULL,
        PRIMARY KEY (tenant, id)
    ) STRICT
    """,
    """
    CREATE TABLE kingpost_inbox (
        tenant TEXT NOT NULL,
        source TEXT NOT NULL,
        key TEXT NOT NULL,
        seen_us INTEGER NOT NULL,
        PRIMARY KEY (tenant, source, key)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX kingpost_inbox_seen ON kingpost_inbox (tenant, source, seen_us)",
)
"""One statement each; format n is what the first n of them made."""


class SqliteOutbox(SqlOutbox):
    """An `Outbox` in a database file; for the thread that opened the connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__(SqliteDatabase(connection, CallStoreFailed))


class SqliteDeadLetters(SqlDeadLetters):
    """`DeadLetters` in a database file; for the thread that opened the connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__(SqliteDatabase(connection, CallStoreFailed))


class SqliteInbox(SqlInbox):
    """An `Inbox` in a database file; for the thread that opened the connection."""

    def __init__(
        self, connection: sqlite3.Connection, source: str, *, tenant: str = "default"
    ) -> None:
        super().__init__(SqliteDatabase(connection, CallStoreFailed), source, tenant=tenant)
