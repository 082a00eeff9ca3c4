"""SQLite files: how they are opened, and how their tables come to the present format.

The rule: a commit is on the disk before it returns, and a format only moves forward. Each
owner of tables numbers its own migrations; what they create and who reads it is no
business of this module.
"""

import sqlite3
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from kingpost.storage.errors import DatabaseNewer, DatabaseUnreadable

__all__ = ["migrate", "open_database", "transaction"]

_BUSY_S = 5.0
_FORMATS = "CREATE TABLE IF NOT EXISTS format (owner TEXT PRIMARY KEY, version INTEGER) STRICT"


def open_database(path: Path) -> sqlite3.Connection:
    """Open a database file, and make it, for its owner alone, when it does not exist.

    The connection commits each statement by itself; several belong in a `transaction`. It
    is for the thread that opened it.

    Raises:
        DatabaseUnreadable: It is no database, or the file system refused.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        connection = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)
    except (OSError, sqlite3.Error) as error:
        raise DatabaseUnreadable(path, str(error)) from error
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
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def migrate(connection: sqlite3.Connection, owner: str, migrations: Sequence[str]) -> None:
    """Bring the tables of one owner to the latest format.

    Args:
        owner: The capability whose tables these are, such as `"access"`.
        migrations: SQL, one statement each; format n is what the first n of them made.
            They are only ever added to.

    Raises:
        DatabaseNewer: A later version of Kingpost has been here.
    """
    with transaction(connection):
        connection.execute(_FORMATS)
        row = connection.execute("SELECT version FROM format WHERE owner = ?", [owner]).fetchone()
        found = int(row[0]) if row else 0
        if found > len(migrations):
            raise DatabaseNewer(owner, found, len(migrations))
        if found == len(migrations):
            return
        for statement in migrations[found:]:
            connection.execute(statement)
        connection.execute(
            "INSERT INTO format VALUES (?, ?) ON CONFLICT (owner) DO UPDATE SET version = ?",
            [owner, len(migrations), len(migrations)],
        )
