"""Sessions in SQLite, beside the API keys; their tables are in the keys' `MIGRATIONS`."""

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager

from kingpost.access.errors import SessionStoreFailed
from kingpost.access.principal import Principal
from kingpost.access.session_store import Session

__all__ = ["SqliteSessions"]

_COLUMNS = "digest, principal, tenant, scopes, name, key, csrf, created_us, expires_us, seen_us"


class SqliteSessions:
    """A `SessionStore` in a database file; for the thread that opened the connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add(self, digest: bytes, session: Session) -> None:
        principal = session.principal
        values = (
            digest,
            principal.id,
            principal.tenant,
            " ".join(sorted(principal.scopes)),
            principal.name,
            session.key,
            session.csrf,
            session.created_us,
            session.expires_us,
            session.seen_us,
        )
        with _translated():
            self._connection.execute(
                f"INSERT INTO sessions ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values
            )

    def find(self, digest: bytes) -> Session | None:
        with _translated():
            row = self._connection.execute(
                f"SELECT {_COLUMNS} FROM sessions WHERE digest = ?", [digest]
            ).fetchone()
        if row is None:
            return None
        _, identifier, tenant, scopes, name, key, csrf, created_us, expires_us, seen_us = row
        return Session(
            principal=Principal(identifier, tenant, frozenset(scopes.split()), name),
            key=key,
            csrf=csrf,
            created_us=created_us,
            expires_us=expires_us,
            seen_us=seen_us,
        )

    def seen(self, digest: bytes, at_us: int) -> None:
        with _translated():
            self._connection.execute(
                "UPDATE sessions SET seen_us = ? WHERE digest = ?", [at_us, digest]
            )

    def remove(self, digest: bytes) -> None:
        with _translated():
            self._connection.execute("DELETE FROM sessions WHERE digest = ?", [digest])

    def purge(self, now_us: int, idle_since_us: int) -> None:
        with _translated():
            self._connection.execute(
                "DELETE FROM sessions WHERE expires_us <= ? OR seen_us <= ?",
                [now_us, idle_since_us],
            )


@contextmanager
def _translated() -> Generator[None, None, None]:
    try:
        yield
    except sqlite3.Error as error:
        raise SessionStoreFailed(str(error)) from error
