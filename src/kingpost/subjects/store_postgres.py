"""Keys of data subjects in PostgreSQL, for servers of several machines.

The rule: a destroyed key is out of the table's file before `destroy` returns. What the database
has written elsewhere (its log, replicas, its own backups) is for whoever keeps that: keys are
wrapped there as here, by a master key that the database never sees.
"""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from threading import RLock
from typing import TYPE_CHECKING

from kingpost.calls import PostgresDatabase
from kingpost.storage import DatabaseNewer, StorageFailed
from kingpost.subjects.store import WrappedKey

if TYPE_CHECKING:
    import psycopg

__all__ = ["PostgresSubjectKeys"]

_NAME = "the keys of data subjects in PostgreSQL"
_KEYS = (
    "CREATE TABLE subject_keys (id BYTEA PRIMARY KEY, partition TEXT NOT NULL, "
    "subject BYTEA NOT NULL, since BIGINT NOT NULL, wrapped BYTEA NOT NULL)"
)
_MIGRATIONS = (
    "CREATE TABLE subject_master (partition TEXT PRIMARY KEY, check_value BYTEA NOT NULL)",
    _KEYS,
    "CREATE INDEX subject_keys_of ON subject_keys (partition, subject, since)",
)
_COLUMNS = "SELECT id, subject, since, wrapped FROM subject_keys WHERE partition = %(partition)s"


class PostgresSubjectKeys:
    """A `KeyStore` at a server, with the keys of one partition.

    A connection that broke is opened anew with the next call.

    Args:
        url: As `postgresql://user:password@host:5432/database`; an installation has a schema of
            its own, or a database.
        partition: Whose keys: offsets are of its journal.

    Raises:
        ExtraMissing: The extra `postgres` is not installed.
        StorageFailed: The server does not answer, or refused.
        DatabaseNewer: A later version of Kingpost has been here.
    """

    def __init__(self, url: str, partition: str) -> None:
        self._url, self._partition, self._lock = url, partition, RLock()
        self._connection: psycopg.Connection | None = None
        try:
            with self._turn() as database:
                database.migrate("subjects", _MIGRATIONS, _newer)
        except BaseException:
            self.close()
            raise

    @property
    def check(self) -> bytes:
        rows = self._run("SELECT check_value FROM subject_master WHERE partition = %(partition)s")
        return bytes(rows[0][0]) if rows else b""  # pyright: ignore[reportArgumentType]  of the table

    def begin(self, check: bytes) -> None:
        self._run(
            "INSERT INTO subject_master VALUES (%(partition)s, %(check)s) ON CONFLICT DO NOTHING",
            check=check,
        )

    def add(self, keys: Sequence[WrappedKey]) -> None:
        with self._turn() as database, database.transaction():
            for key in keys:
                values = {"partition": self._partition, **key._asdict()}
                database.run(
                    "INSERT INTO subject_keys VALUES "
                    "(%(id)s, %(partition)s, %(subject)s, %(since)s, %(wrapped)s)",
                    values,
                )

    def get(self, identifier: bytes) -> WrappedKey | None:
        return self._key(f"{_COLUMNS} AND id = %(id)s", id=identifier)

    def newest(self, subject: bytes) -> WrappedKey | None:
        return self._key(
            f"{_COLUMNS} AND subject = %(subject)s AND length(wrapped) > 0 "
            "ORDER BY since DESC LIMIT 1",
            subject=subject,
        )

    def rewind(self, offset: int) -> None:
        self._run(
            "UPDATE subject_keys SET since = %(since)s "
            "WHERE partition = %(partition)s AND since > %(since)s",
            since=offset,
        )

    def destroy(self, subject: bytes, until: int) -> int:
        gone = self._run(
            "UPDATE subject_keys SET wrapped = '' WHERE partition = %(partition)s "
            "AND subject = %(subject)s AND since <= %(until)s AND length(wrapped) > 0 "
            "RETURNING 1",
            subject=subject,
            until=until,
        )
        # also for a process that was killed before it came to this
        self._run("VACUUM FULL subject_keys")
        return len(gone)

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _key(self, query: str, **values: bytes) -> WrappedKey | None:
        rows = self._run(query, **values)
        if not rows:
            return None
        identifier, subject, since, wrapped = rows[0]
        return WrappedKey(bytes(identifier), bytes(subject), int(since), bytes(wrapped))  # pyright: ignore[reportArgumentType]  of the table

    def _run(self, query: str, **values: bytes | int) -> Sequence[Sequence[object]]:
        with self._turn() as database:
            return database.run(query, {"partition": self._partition, **values})

    @contextmanager
    def _turn(self) -> Generator[PostgresDatabase, None, None]:
        with self._lock:
            if self._connection is None or self._connection.closed:
                self._connection = PostgresDatabase.connect(self._url, _refusal)
            yield PostgresDatabase(self._connection, _refusal)


def _refusal(_: str, problem: str) -> StorageFailed:
    return StorageFailed(_NAME, problem)


def _newer(found: int, known: int) -> DatabaseNewer:
    return DatabaseNewer(_NAME, found, known)
