"""The database that keeps workflows: a SQLite file, or PostgreSQL.

The rule: what a step returned is on the disk before the next one begins. SQLite is opened
with a write-ahead log and synchronous commits, which is faster than its default and keeps
as much. Where SQLite is older than 3.42, the function that DBOS needs of it is given.
"""

import logging
import sqlite3
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa
from dbos import DBOS
from dbos import error as dbos_error
from sqlalchemy import event
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from kingpost.workflows.errors import WorkflowStoreFailed, WorkflowStoreUnfit
from kingpost.workflows.worker_names import FileNames, PostgresNames, WorkerNames

__all__ = ["WorkflowDatabase"]

_COMPLETE_SQLITE = (3, 42)
_OLDEST_SQLITE = (3, 35)
"""The first with RETURNING."""

_BUSY_MS = 30_000
_PRIMARY = 0xFF
"""An extended result code has the primary one in its lowest byte."""
_PASSING = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN})
_log = logging.getLogger(__name__)


class WorkflowDatabase:
    """Where workflows are kept.

    Args:
        where: A file, or `postgresql://[user:password@]host[:port]/database`.
        schema: Where in PostgreSQL its tables are.

    Raises:
        WorkflowStoreUnfit: It is neither, or SQLite is too old.
    """

    def __init__(self, where: Path | str, *, schema: str = "kingpost_workflows") -> None:
        self.schema = schema
        self._path = where if isinstance(where, Path) else None
        self._url = "" if isinstance(where, Path) else _postgres_url(where)
        self.where = str(where) if isinstance(where, Path) else _address(where)
        if self._path is not None and sqlite3.sqlite_version_info < _OLDEST_SQLITE:
            raise WorkflowStoreUnfit(
                f"SQLite {sqlite3.sqlite_version}",
                "is too old to keep workflows",
                "use Python with SQLite 3.35 or newer, or PostgreSQL (`workflow_store`)",
            )

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a file."""
        return self._path is not None

    @property
    def is_sqlite_complete(self) -> bool:
        """Whether Python's SQLite has all that DBOS asks for by itself."""
        return sqlite3.sqlite_version_info >= _COMPLETE_SQLITE

    @property
    def url(self) -> str:
        """The address as DBOS reads it; it may hold a password."""
        return f"sqlite:///{self._path}" if self._path is not None else self._url

    def prepare(self) -> None:
        """Make its tables, or bring them to the present format.

        Raises:
            WorkflowStoreFailed: It cannot be reached, or not be written.
        """
        try:
            engine = self.engine()
            if engine is not None:
                with engine.connect():
                    pass  # the file has its settings from the first connection on
                engine.dispose()
            DBOS.migrate(self.url, schema=self.schema)
        except (SQLAlchemyError, dbos_error.DBOSException, OSError) as error:
            raise WorkflowStoreFailed(self.where, type(error).__name__) from error

    def worker_names(self) -> WorkerNames:
        """Return who tells which names of workers are taken."""
        if self._path is not None:
            return FileNames(self._path)
        return PostgresNames(self._url.replace("+psycopg", "", 1), self.schema)

    def engine(self, *, waits_for_room: bool = False) -> sa.Engine | None:
        """Make an engine over the file; None for PostgreSQL, which DBOS opens by itself.

        Args:
            waits_for_room: A disk that is full, or fails, is waited for. What a step did and
                could not be written then is neither done again nor taken for a failure.
        """
        if self._path is None:
            return None
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path.touch(mode=0o600)
        engine = sa.create_engine(self.url, pool_size=8, max_overflow=24)
        event.listen(engine, "connect", _prepare)
        if waits_for_room:
            event.listen(engine, "handle_error", _wait_for_room)
        return engine


def _prepare(connection: Any, _record: object) -> None:
    """Set up a connection of the driver, which SQLAlchemy gives without a type."""
    connection.isolation_level = "IMMEDIATE"
    for setting in (
        f"busy_timeout = {_BUSY_MS}",
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
    ):
        connection.execute(f"PRAGMA {setting}")
    if sqlite3.sqlite_version_info < _COMPLETE_SQLITE:
        # DBOS asks for `unixepoch('subsec')`, which older ones answer with NULL
        connection.create_function("unixepoch", 1, _unixepoch)


def _wait_for_room(context: sa.engine.ExceptionContext) -> OperationalError | None:
    """Call what passes as DBOS knows it: it waits for a lock, but not for a disk."""
    error = context.original_exception
    code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY
    if isinstance(error, sqlite3.OperationalError) and code in _PASSING:
        _log.error("workflow_store_waits", extra={"reason": str(error)})
        waits = sqlite3.OperationalError(f"database is locked: {error}")
        return OperationalError(None, None, waits)
    return None


def _unixepoch(_what: str) -> float:
    return time.time()


def _postgres_url(url: str) -> str:
    scheme, _, rest = url.partition("://")
    if scheme not in ("postgresql", "postgres") or not rest:
        raise WorkflowStoreUnfit(
            "the given address",
            "is no PostgreSQL",
            "write postgresql://user:password@host:port/database, or leave it out for a file",
        )
    return f"postgresql+psycopg://{rest}"


def _address(url: str) -> str:
    """Return a URL without its user and password."""
    try:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.hostname}:{parts.port or 5432}{parts.path}"
    except ValueError:
        return "the given address"
