"""Jobs in a SQLite file, one connection for each thread, or in memory alone."""

import re
import sqlite3
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from kingpost.calls import CALL_MIGRATIONS, Outbox, SqliteOutbox
from kingpost.jobs.errors import JobStoreFailed
from kingpost.jobs.store_sql import Row, SqlJobs, Value
from kingpost.jobs.tables import INDEXES, made_table
from kingpost.storage import ThreadConnections, migrate, open_database

__all__ = ["JOB_MIGRATIONS", "MemoryJobs", "SqliteJobs"]

JOB_MIGRATIONS: Sequence[str] = (
    made_table("INTEGER PRIMARY KEY AUTOINCREMENT", "INTEGER", "BLOB", "STRICT"),
    *INDEXES,
)
"""One statement each; format n is what the first n of them made."""

_NAMED = re.compile(r"%\((\w+)\)s")


class SqliteJobs(SqlJobs):
    """A `JobStore` in a file, for the processes of one machine.

    Raises:
        DatabaseUnreadable, DatabaseNewer: The file is no database, or a later version's.
        StorageFull, StorageBusy, StorageFailed: The disk refused.
    """

    def __init__(self, path: Path) -> None:
        first = open_database(path)
        try:
            _prepare(first)
        finally:
            first.close()
        connections = ThreadConnections(path)

        @contextmanager
        def connected() -> Generator["_Sqlite"]:
            yield _Sqlite(connections.get())

        super().__init__(connected, connections.close)


class MemoryJobs(SqlJobs):
    """A `JobStore` that goes with the process."""

    def __init__(self) -> None:
        connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        _prepare(connection)
        lock = threading.RLock()

        @contextmanager
        def connected() -> Generator["_Sqlite"]:
            with lock:
                yield _Sqlite(connection)

        super().__init__(connected, connection.close)


def _prepare(connection: sqlite3.Connection) -> None:
    migrate(connection, "jobs", JOB_MIGRATIONS)
    migrate(connection, "calls", CALL_MIGRATIONS)


class _Sqlite:
    skip_locked = ""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @property
    def outbox(self) -> Outbox:
        return SqliteOutbox(self._connection)

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
        raise JobStoreFailed("SQLite", str(error)) from error
