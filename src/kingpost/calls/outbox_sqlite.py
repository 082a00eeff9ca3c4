"""Outbox, inbox and dead letters in SQLite.

The connection is handed in, with the tables already at the format that `CALL_MIGRATIONS`
lead to. `put` and `first` are part of the transaction that the caller has open on it.
"""

import re
import sqlite3
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager

from kingpost.calls.errors import CallStoreFailed
from kingpost.calls.outbox_sql import Row, SqlDeadLetters, SqlInbox, SqlOutbox, Value

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

_NAMED = re.compile(r"%\((\w+)\)s")


class SqliteOutbox(SqlOutbox):
    """An `Outbox` in a database file; for the thread that opened the connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__(_Sqlite(connection))


class SqliteDeadLetters(SqlDeadLetters):
    """`DeadLetters` in a database file; for the thread that opened the connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__(_Sqlite(connection))


class SqliteInbox(SqlInbox):
    """An `Inbox` in a database file; for the thread that opened the connection."""

    def __init__(
        self, connection: sqlite3.Connection, source: str, *, tenant: str = "default"
    ) -> None:
        super().__init__(_Sqlite(connection), source, tenant=tenant)


class _Sqlite:
    skip_locked = ""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def run(self, query: str, values: Mapping[str, Value]) -> Sequence[Row]:
        with _translated():
            return self._connection.execute(_NAMED.sub(r":\1", query), values).fetchall()

    @contextmanager
    def transaction(self) -> Generator[None]:
        with _translated():
            self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            with _translated():
                self._connection.execute("COMMIT")
        except BaseException:
            # on a full disk SQLite has rolled back by itself
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise


@contextmanager
def _translated() -> Generator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise CallStoreFailed("SQLite", str(error)) from error
