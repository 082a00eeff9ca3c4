"""Jobs in PostgreSQL, for workers of several machines.

The rule: a connection is lent to one thread at a time, and one that broke is not lent again.
"""

import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from kingpost.calls import Outbox, PostgresOutbox, prepare_postgres_calls
from kingpost.core import ExtraMissing
from kingpost.jobs.errors import JobStoreFailed, JobStoreNewer
from kingpost.jobs.store_sql import Row, SqlJobs, Value
from kingpost.jobs.tables import INDEXES, made_table

if TYPE_CHECKING:
    import psycopg

__all__ = ["PostgresJobs"]

_MIGRATIONS: Sequence[str] = (
    made_table("BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY", "BIGINT", "BYTEA"),
    *INDEXES,
)
_FORMATS = (
    "CREATE TABLE IF NOT EXISTS kingpost_format (owner TEXT PRIMARY KEY, version INTEGER NOT NULL)"
)
_OWNER = "jobs"
_LOCK = 0x6B696E67
_CONNECT_S = 5


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
                _prepare(_Postgres(connection))
        except BaseException:
            pool.close()
            raise

        @contextmanager
        def connected() -> Generator["_Postgres"]:
            with pool.lent() as connection:
                yield _Postgres(connection)

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
        with _translated():
            import psycopg

            return psycopg.connect(self._url, autocommit=True, connect_timeout=_CONNECT_S)


class _Postgres:
    skip_locked = "FOR UPDATE SKIP LOCKED"

    def __init__(self, connection: "psycopg.Connection") -> None:
        self._connection = connection

    @property
    def outbox(self) -> Outbox:
        return PostgresOutbox(self._connection)

    def run(self, query: str, values: Mapping[str, Value]) -> Sequence[Row]:
        with _translated():
            cursor = self._connection.execute(query.encode(), values)
            return cast("Sequence[Row]", cursor.fetchall()) if cursor.description else []

    @contextmanager
    def transaction(self) -> Generator[None]:
        with _translated(), self._connection.transaction():
            yield


def _prepare(database: _Postgres) -> None:
    with database.transaction():
        database.run("SELECT pg_advisory_xact_lock(%(lock)s)", {"lock": _LOCK})
        database.run(_FORMATS, {})
        rows = database.run(
            "SELECT version FROM kingpost_format WHERE owner = %(owner)s", {"owner": _OWNER}
        )
        found = int(rows[0][0]) if rows else 0
        if found > len(_MIGRATIONS):
            raise JobStoreNewer(found, len(_MIGRATIONS))
        for statement in _MIGRATIONS[found:]:
            database.run(statement, {})
        database.run(
            "INSERT INTO kingpost_format VALUES (%(owner)s, %(version)s) "
            "ON CONFLICT (owner) DO UPDATE SET version = excluded.version",
            {"owner": _OWNER, "version": len(_MIGRATIONS)},
        )


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
        raise JobStoreFailed("PostgreSQL", problem) from error
