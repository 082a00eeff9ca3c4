"""API keys in SQLite.

The connection is handed in, with the tables already at the format that `MIGRATIONS` lead
to; opening it and moving its format forward is the storage's work.
"""

import sqlite3
from collections.abc import Sequence
from contextlib import contextmanager

from kingpost.access.errors import KeyStoreFailed
from kingpost.access.limits import Limits
from kingpost.access.store import ApiKey, StoredKey

__all__ = ["MIGRATIONS", "SqliteKeys"]

MIGRATIONS: Sequence[str] = (
    """
    CREATE TABLE api_keys (
        id TEXT PRIMARY KEY,
        tenant TEXT NOT NULL,
        scopes TEXT NOT NULL,
        name TEXT NOT NULL,
        created_us INTEGER NOT NULL,
        expires_us INTEGER,
        revoked_us INTEGER,
        secret_sha256 BLOB NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE sessions (
        digest BLOB PRIMARY KEY,
        principal TEXT NOT NULL,
        tenant TEXT NOT NULL,
        scopes TEXT NOT NULL,
        name TEXT NOT NULL,
        key TEXT NOT NULL,
        csrf TEXT NOT NULL,
        created_us INTEGER NOT NULL,
        expires_us INTEGER NOT NULL,
        seen_us INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    "ALTER TABLE api_keys ADD COLUMN holder TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE api_keys ADD COLUMN limits TEXT NOT NULL DEFAULT ''",
)
"""One statement each; format n is what the first n of them made."""

_Row = tuple[str, str, str, str, int, int | None, int | None, str, str, bytes]
_COLUMNS = (
    "id, tenant, scopes, name, created_us, expires_us, revoked_us, holder, limits, secret_sha256"
)


class SqliteKeys:
    """A `KeyStore` in a database file; for the thread that opened the connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add(self, key: ApiKey, secret_sha256: bytes) -> None:
        values = (
            key.id,
            key.tenant,
            " ".join(key.scopes),
            key.name,
            key.created_us,
            key.expires_us,
            key.revoked_us,
            key.holder,
            key.limits.to_text(),
            secret_sha256,
        )
        with _translated():
            self._connection.execute(
                f"INSERT INTO api_keys ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values
            )

    def find(self, identifier: str) -> StoredKey | None:
        with _translated():
            row = self._connection.execute(
                f"SELECT {_COLUMNS} FROM api_keys WHERE id = ?", [identifier]
            ).fetchone()
        return None if row is None else _stored(row)

    def list(self, tenant: str | None = None) -> Sequence[ApiKey]:
        with _translated():
            rows = self._connection.execute(
                f"SELECT {_COLUMNS} FROM api_keys WHERE ?1 IS NULL OR tenant = ?1 "
                "ORDER BY created_us, id",
                [tenant],
            ).fetchall()
        return [_stored(row).key for row in rows]

    def expire(self, identifier: str, at_us: int) -> None:
        with _translated():
            self._connection.execute(
                "UPDATE api_keys SET expires_us = ?1 "
                "WHERE id = ?2 AND (expires_us IS NULL OR expires_us > ?1)",
                [at_us, identifier],
            )

    def revoke(self, identifier: str, at_us: int) -> None:
        with _translated():
            self._connection.execute(
                "UPDATE api_keys SET revoked_us = ? WHERE id = ? AND revoked_us IS NULL",
                [at_us, identifier],
            )


def _stored(row: _Row) -> StoredKey:
    (
        identifier,
        tenant,
        scopes,
        name,
        created_us,
        expires_us,
        revoked_us,
        holder,
        limits,
        digest,
    ) = row
    key = ApiKey(
        id=identifier,
        tenant=tenant,
        scopes=tuple(scopes.split()),
        name=name,
        created_us=created_us,
        expires_us=expires_us,
        revoked_us=revoked_us,
        holder=holder,
        limits=Limits.from_text(limits),
    )
    return StoredKey(key, digest)


@contextmanager
def _translated():
    try:
        yield
    except sqlite3.Error as error:
        raise KeyStoreFailed(str(error)) from error
