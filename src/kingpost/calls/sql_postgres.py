"""Statements at a PostgreSQL server, and how tables there come to the present format.

The rule: a format only moves forward, in one transaction, one process at a time.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from kingpost.calls.sql import Refusal, SqlRow, SqlValue
from kingpost.core import ExtraMissing, KingpostError

if TYPE_CHECKING:
    import psycopg

__all__ = ["PostgresDatabase"]

_NAME = "PostgreSQL"
_FORMATS = (
    "CREATE TABLE IF NOT EXISTS kingpost_format (owner TEXT PRIMARY KEY, version INTEGER NOT NULL)"
)
_LOCK = 0x6B696E67
_IDLE = 0
_OPEN = "a transaction is open; this needs a connection of its own, with autocommit=True"
_CONNECT_S = 5


class PostgresDatabase:
    """An `SqlDatabase` at a server; the connection commits each statement by itself."""

    skip_locked = "FOR UPDATE SKIP LOCKED"

    def __init__(self, connection: "psycopg.Connection", refusal: Refusal) -> None:
        self.connection, self._refusal = connection, refusal

    @staticmethod
    def connect(url: str, refusal: Refusal) -> "psycopg.Connection":
        """Open a connection that commits each statement by itself.

        Args:
            url: As `postgresql://user:password@host:5432/database`.

        Raises:
            ExtraMissing: The extra `postgres` is not installed.
            KingpostError: That of `refusal`, when the server does not answer.
        """
        with _translated(refusal):
            import psycopg

            return psycopg.connect(url, autocommit=True, connect_timeout=_CONNECT_S)

    def run(self, query: str, values: Mapping[str, SqlValue]) -> Sequence[SqlRow]:
        with _translated(self._refusal):
            cursor = self.connection.execute(query.encode(), values)
            return cast("Sequence[SqlRow]", cursor.fetchall()) if cursor.description else []

    @contextmanager
    def transaction(self) -> Generator[None]:
        if self.connection.info.transaction_status != _IDLE:
            raise self._refusal(_NAME, _OPEN)
        with _translated(self._refusal), self.connection.transaction():
            yield

    def migrate(
        self, owner: str, migrations: Sequence[str], newer: Callable[[int, int], KingpostError]
    ) -> None:
        """Bring the tables of one owner to the latest format.

        Args:
            migrations: One statement each; format n is what the first n of them made.
            newer: Makes the error for tables of a later version: the format found, the one known.
        """
        with self.transaction():
            self.run("SELECT pg_advisory_xact_lock(%(lock)s)", {"lock": _LOCK})
            self.run(_FORMATS, {})
            rows = self.run(
                "SELECT version FROM kingpost_format WHERE owner = %(owner)s", {"owner": owner}
            )
            found = int(rows[0][0]) if rows else 0
            if found > len(migrations):
                raise newer(found, len(migrations))
            for statement in migrations[found:]:
                self.run(statement, {})
            self.run(
                "INSERT INTO kingpost_format VALUES (%(owner)s, %(version)s) "
                "ON CONFLICT (owner) DO UPDATE SET version = excluded.version",
                {"owner": owner, "version": len(migrations)},
            )


@contextmanager
def _translated(refusal: Refusal) -> Generator[None]:
    try:
        import psycopg
    except ImportError as error:
        raise ExtraMissing("psycopg", "postgres") from error
    try:
        yield
    except psycopg.Error as error:
        raise refusal(_NAME, str(error).partition("\n")[0]) from error
