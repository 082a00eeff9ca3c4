"""SQLite files: how they are opened, and how their tables come to the present format.

The rule: a commit is on the disk before it returns, and a format only moves forward. Each
owner of tables numbers its own migrations; what they create and who reads it is no
business of this module.
"""

import sqlite3
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from kingpost.core import KingpostError
from kingpost.storage.errors import (
    DatabaseNewer,
    DatabaseUnreadable,
    StorageBusy,
    StorageFailed,
    StorageFull,
)

__all__ = [
    "make_anew",
    "migrate",
    "open_database",
    "storage_error",
    "stored_formats",
    "transaction",
]

_BUSY_S = 5.0
_PRIMARY = 0xFF
"""An extended result code has the primary one in its lowest byte."""
_FORMATS = "CREATE TABLE IF NOT EXISTS format (owner TEXT PRIMARY KEY, version INTEGER) STRICT"
_HAS_FORMATS = "SELECT 1 FROM sqlite_master WHERE name = 'format'"
_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"


def open_database(path: Path, *, is_shared: bool = False) -> sqlite3.Connection:
    """Open a database file, and make it, for its owner alone, when it does not exist.

    The connection commits each statement by itself; several belong in a `transaction`. It
    is for the thread that opened it.

    Args:
        is_shared: Let another thread close it.

    Raises:
        DatabaseUnreadable: It is no database, or the file system refused.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        connection = sqlite3.connect(
            path, timeout=_BUSY_S, isolation_level=None, check_same_thread=not is_shared
        )
    except (OSError, sqlite3.Error) as error:
        raise DatabaseUnreadable(path, _reason(error)) from error
    try:
        for setting in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {setting}")
    except sqlite3.Error as error:
        connection.close()
        raise DatabaseUnreadable(path, str(error)) from error
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Generator[None, None, None]:
    """Run statements as one: all of them are committed, or none when an error passes.

    It claims the right to write at once, so that it never fails half-way for want of it.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # on a full disk SQLite has rolled back by itself
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def migrate(connection: sqlite3.Connection, owner: str, migrations: Sequence[str]) -> None:
    """Bring the tables of one owner to the latest format.

    Args:
        owner: The capability whose tables these are, such as `"access"`.
        migrations: SQL, one statement each; format n is what the first n of them made.
            They are only ever added to.

    Raises:
        DatabaseNewer: A later version of Kingpost has been here.
        StorageFull, StorageBusy, StorageFailed: See `storage_error`.
    """
    try:
        _migrate(connection, owner, migrations)
    except sqlite3.Error as error:
        if _code(error) == sqlite3.SQLITE_ERROR:  # a mistake in a migration
            raise
        raise storage_error(error, f"the database of {owner!r}") from error


def make_anew(connection: sqlite3.Connection, owners: Mapping[str, Sequence[str]]) -> None:
    """Drop all tables of a file and make those of some owners, empty, in one transaction.

    Args:
        owners: Owner to migrations, as in `migrate`.

    Raises:
        StorageFull, StorageBusy, StorageFailed: See `storage_error`.
    """
    try:
        with transaction(connection):
            found = connection.execute(_TABLES).fetchall()
            for (name,) in found:
                connection.execute(f'DROP TABLE "{name}"')
            connection.execute(_FORMATS)
            for owner, migrations in owners.items():
                _move(connection, owner, migrations)
    except sqlite3.Error as error:
        raise storage_error(error, f"the database of {', '.join(owners)}") from error


def stored_formats(path: Path) -> Mapping[str, int]:
    """Read which format each owner's tables in a file have; the file is not changed.

    Raises:
        DatabaseUnreadable: It is no database, or may not be read.
    """
    try:
        connection = sqlite3.connect(f"file:{quote(str(path.resolve()))}?mode=ro", uri=True)
        try:
            if connection.execute(_HAS_FORMATS).fetchone() is None:
                return {}
            return dict(connection.execute("SELECT owner, version FROM format").fetchall())
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise DatabaseUnreadable(path, _reason(error)) from error


def storage_error(error: sqlite3.Error, name: str) -> KingpostError:
    """Translate what the driver said of the database of a name."""
    match _code(error):
        case sqlite3.SQLITE_FULL:
            return StorageFull(name)
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return StorageBusy(name)
        case _:
            return StorageFailed(name, str(error))


def _code(error: sqlite3.Error) -> int:
    found: int = getattr(error, "sqlite_errorcode", 0)  # absent when Python itself refuses
    return found & _PRIMARY


def _reason(error: OSError | sqlite3.Error) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)


def _migrate(connection: sqlite3.Connection, owner: str, migrations: Sequence[str]) -> None:
    if connection.execute(_HAS_FORMATS).fetchone() and _format(connection, owner) == len(
        migrations
    ):
        return  # nobody who writes has to be waited for
    with transaction(connection):
        connection.execute(_FORMATS)
        _move(connection, owner, migrations)


def _format(connection: sqlite3.Connection, owner: str) -> int:
    row = connection.execute("SELECT version FROM format WHERE owner = ?", [owner]).fetchone()
    return int(row[0]) if row else 0


def _move(connection: sqlite3.Connection, owner: str, migrations: Sequence[str]) -> None:
    found = _format(connection, owner)
    if found > len(migrations):
        raise DatabaseNewer(owner, found, len(migrations))
    for statement in migrations[found:]:
        connection.execute(statement)
    connection.execute(
        "INSERT INTO format VALUES (?, ?) ON CONFLICT (owner) DO UPDATE SET version = ?",
        [owner, len(migrations), len(migrations)],
    )
