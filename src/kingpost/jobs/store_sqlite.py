"""Jobs in a SQLite file, one connection for each thread, or in memory alone."""

import sqlite3
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from kingpost.calls import CALL_MIGRATIONS, SqliteDatabase
from kingpost.jobs.errors import JobStoreFailed
from kingpost.jobs.store_sql import SqlJobs
from kingpost.jobs.tables import INDEXES, made_table
from kingpost.storage import ThreadConnections, migrate, open_database

__all__ = ["JOB_MIGRATIONS", "MemoryJobs", "SqliteJobs"]

JOB_MIGRATIONS: Sequence[str] = (
    made_table("INTEGER PRIMARY KEY AUTOINCREMENT", "INTEGER", "BLOB", "STRICT"),
    *INDEXES,
)
"""One statement each; format n is what the first n of them made."""


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
        def connected() -> Generator[SqliteDatabase]:
            yield SqliteDatabase(connections.get(), JobStoreFailed)

        super().__init__(connected, connections.close)


class MemoryJobs(SqlJobs):
    """A `JobStore` that goes with the process."""

    def __init__(self) -> None:
        connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        _prepare(connection)
        lock = threading.RLock()

        @contextmanager
        def connected() -> Generator[SqliteDatabase]:
            with lock:
                yield SqliteDatabase(connection, JobStoreFailed)

        super().__init__(connected, connection.close)


def _prepare(connection: sqlite3.Connection) -> None:
    migrate(connection, "jobs", JOB_MIGRATIONS)
    migrate(connection, "calls", CALL_MIGRATIONS)
