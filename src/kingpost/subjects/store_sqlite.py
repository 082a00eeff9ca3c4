"""Keys of data subjects in a SQLite file.

A destroyed key is written over in the file (`secure_delete`), the log of writes is emptied and
the file is packed, so no copy of the row is left in either.
"""

import sqlite3
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import RLock

from kingpost.storage import StorageBusy, migrate, open_database, storage_error, transaction
from kingpost.subjects.store import WrappedKey

__all__ = ["SqliteSubjectKeys"]

_KEYS = (
    "CREATE TABLE subject_keys (id BLOB PRIMARY KEY, subject BLOB NOT NULL, "
    "since INTEGER NOT NULL, wrapped BLOB NOT NULL) STRICT"
)
_MIGRATIONS = (
    "CREATE TABLE master (check_value BLOB NOT NULL) STRICT",
    _KEYS,
    "CREATE INDEX subject_keys_of ON subject_keys (subject, since)",
)
_NAME = "the keys of data subjects"
_COLUMNS = "id, subject, since, wrapped"


class SqliteSubjectKeys:
    """A `KeyStore` in a file.

    Args:
        path: Made when it does not exist.

    Raises:
        DatabaseUnreadable, DatabaseNewer: See `open_database` and `migrate`.

    A process that was killed while it destroyed a key leaves a mark (`user_version`), and the
    next `destroy` finishes its work.
    """

    def __init__(self, path: Path) -> None:
        self._lock = RLock()
        self._connection = open_database(path, is_shared=True)
        try:
            self._connection.execute("PRAGMA secure_delete = ON")
            migrate(self._connection, "subjects", _MIGRATIONS)
        except BaseException:
            self._connection.close()
            raise

    @property
    def check(self) -> bytes:
        row = self._one("SELECT check_value FROM master", ())
        return b"" if row is None else bytes(row[0])

    def begin(self, check: bytes) -> None:
        with self._turn() as connection, transaction(connection):
            if connection.execute("SELECT 1 FROM master").fetchone() is None:
                connection.execute("INSERT INTO master VALUES (?)", [check])

    def add(self, keys: Sequence[WrappedKey]) -> None:
        with self._turn() as connection, transaction(connection):
            connection.executemany("INSERT INTO subject_keys VALUES (?, ?, ?, ?)", keys)

    def get(self, identifier: bytes) -> WrappedKey | None:
        return _key(self._one(f"SELECT {_COLUMNS} FROM subject_keys WHERE id = ?", (identifier,)))

    def newest(self, subject: bytes) -> WrappedKey | None:
        return _key(
            self._one(
                f"SELECT {_COLUMNS} FROM subject_keys WHERE subject = ? AND length(wrapped) > 0 "
                "ORDER BY since DESC LIMIT 1",
                (subject,),
            )
        )

    def rewind(self, offset: int) -> None:
        with self._turn() as connection, transaction(connection):
            connection.execute(
                "UPDATE subject_keys SET since = ? WHERE since > ?", (offset, offset)
            )

    def destroy(self, subject: bytes, until: int) -> int:
        with self._turn() as connection:
            with transaction(connection):
                gone = connection.execute(
                    "UPDATE subject_keys SET wrapped = x'' "
                    "WHERE subject = ? AND since <= ? AND length(wrapped) > 0",
                    (subject, until),
                ).rowcount
                if gone:
                    connection.execute("PRAGMA user_version = 1")
            self._pack(connection)
        return gone

    def every(self) -> Sequence[WrappedKey]:
        """Return all keys, also those that were destroyed."""
        with self._turn() as connection:
            rows = connection.execute(f"SELECT {_COLUMNS} FROM subject_keys ORDER BY since, id")
            return [WrappedKey(row[0], row[1], int(row[2]), row[3]) for row in rows]

    def empty(self) -> None:
        """Forget all keys, and leave no copy of any."""
        with self._turn() as connection:
            with transaction(connection):
                connection.execute("DELETE FROM subject_keys")
                connection.execute("PRAGMA user_version = 1")
            self._pack(connection)

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    @staticmethod
    def _pack(connection: sqlite3.Connection) -> None:
        """Leave no copy of a destroyed key, also one that a process has not come to remove."""
        if not connection.execute("PRAGMA user_version").fetchone()[0]:
            return
        connection.execute("VACUUM")
        if connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
            raise StorageBusy(_NAME)  # a reader holds on to the log
        connection.execute("PRAGMA user_version = 0")

    def _one(self, statement: str, values: tuple[bytes, ...]) -> tuple[bytes, ...] | None:
        with self._turn() as connection:
            found: tuple[bytes, ...] | None = connection.execute(statement, values).fetchone()
            return found

    @contextmanager
    def _turn(self) -> Generator[sqlite3.Connection, None, None]:
        with self._lock:
            try:
                yield self._connection
            except sqlite3.Error as error:
                raise storage_error(error, _NAME) from error


def _key(row: tuple[bytes, ...] | None) -> WrappedKey | None:
    if row is None:
        return None
    identifier, subject, since, wrapped = row
    return WrappedKey(identifier, subject, int(since), wrapped)
