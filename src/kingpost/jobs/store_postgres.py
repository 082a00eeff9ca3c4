"""Jobs in PostgreSQL, for workers of several machines.

The rule: a connection is lent to one thread at a time, and one that broke is not lent again.
"""

import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kingpost.calls import PostgresDatabase, prepare_postgres_calls
from kingpost.jobs.errors import JobStoreFailed, JobStoreNewer
from kingpost.jobs.store_sql import SqlJobs
from kingpost.jobs.tables import INDEXES, made_table

if TYPE_CHECKING:
    import psycopg

__all__ = ["PostgresJobs"]

_MIGRATIONS: Sequence[str] = (
    made_table("BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY", "BIGINT", "BYTEA"),
    *INDEXES,
)


class PostgresJobs(SqlJobs):
    """A `JobStore` at a server.

    Args:
        url: As `postgresql://user:password@host:5432/database`.

    Raises:
        ExtraMissing: The extra `postgres` is not installed.
        JobStoreFailed: The server does not answer, or refused.
        JobStoreNewer: A later version of Kingpost has been here.
    """

    def __init__(self, url: str) -> None:
        pool = _Pool(url)
        try:
            with pool.lent() as connection:
                prepare_postgres_calls(connection)
                _database(connection).migrate("jobs", _MIGRATIONS, JobStoreNewer)
        except BaseException:
            pool.close()
            raise

        @contextmanager
        def connected() -> Generator[PostgresDatabase]:
            with pool.lent() as connection:
                yield _database(connection)

        super().__init__(connected, pool.close)


class _Pool:
    """As many connections as threads ever used at a time."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._idle: list[psycopg.Connection] = []
        self._lock = threading.Lock()

    @contextmanager
    def lent(self) -> "Generator[psycopg.Connection]":
        with self._lock:
            connection = self._idle.pop() if self._idle else None
        if connection is None:
            connection = self._opened()
        try:
            yield connection
        finally:
            if connection.closed or connection.info.transaction_status:
                connection.close()  # it broke, or died half-way
            else:
                with self._lock:
                    self._idle.append(connection)

    def close(self) -> None:
        with self._lock:
            while self._idle:
                self._idle.pop().close()

    def _opened(self) -> "psycopg.Connection":
        return PostgresDatabase.connect(self._url, JobStoreFailed)


def _database(connection: "psycopg.Connection") -> PostgresDatabase:
    return PostgresDatabase(connection, JobStoreFailed)
