"""Names of workers: each belongs to one process at a time, and is free when that is gone.

The rule: whoever has a name may take up what was left under it. So a name is claimed before
anything is taken up, with a claim that ends with the process: a lock on a file beside a
SQLite database, an advisory lock of a session in PostgreSQL.
"""

import threading
from contextlib import suppress
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

import psycopg

from kingpost.core import DiskLock, SystemDisk

__all__ = ["FileNames", "PostgresNames", "WorkerNames"]

_CONNECT_S = 5
_NOTICE = {"tcp_keepalives_idle": 10, "tcp_keepalives_interval": 5, "tcp_keepalives_count": 3}
"""So that the server notices within half a minute that a machine is gone."""
_KEY = "SELECT {}(hashtextextended(%s, 0))"


class WorkerNames(Protocol):
    """Who has which name. Any thread may call."""

    def claim(self, name: str) -> bool:
        """Take a name for this process; False when another one has it.

        Raises:
            psycopg.Error, OSError: It cannot be told.
        """
        ...

    def release(self, name: str) -> None:
        """Give a name back."""
        ...

    def close(self) -> None:
        """Give all names back."""
        ...


class FileNames:
    """Names of workers on one machine, by files beside the database."""

    def __init__(self, database: Path) -> None:
        self._database, self._locks = database, dict[str, DiskLock]()

    def claim(self, name: str) -> bool:
        if name in self._locks:
            return True
        path = self._database.with_name(f"{self._database.name}.{quote(name, safe='')}.lock")
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            self._locks[name] = SystemDisk().lock(path)
        except BlockingIOError:
            return False
        return True

    def release(self, name: str) -> None:
        self._locks.pop(name).release()

    def close(self) -> None:
        while self._locks:
            self._locks.popitem()[1].release()


class PostgresNames:
    """Names of workers of any machine, by advisory locks.

    A connection that was lost is made anew, and what this process had is claimed again.
    """

    def __init__(self, url: str, schema: str) -> None:
        self._url, self._schema = url, schema
        self._lock = threading.Lock()
        self._connection: psycopg.Connection | None = None
        self._claimed: set[str] = set()

    def claim(self, name: str) -> bool:
        with self._lock:
            if name in self._claimed and self._is_alive():
                return True
            if not self._ask("pg_try_advisory_lock", name):
                return False
            self._claimed.add(name)
            return True

    def release(self, name: str) -> None:
        with self._lock:
            self._claimed.discard(name)
            with suppress(psycopg.Error):  # then the lock is gone with its session
                self._ask("pg_advisory_unlock", name)

    def close(self) -> None:
        with self._lock:
            self._claimed.clear()
            if self._connection is not None:
                with suppress(psycopg.Error):
                    # a server notices later that a session has ended
                    self._connection.execute("SELECT pg_advisory_unlock_all()")
                self._connection.close()
                self._connection = None

    def _is_alive(self) -> bool:
        try:
            return self._connection is not None and bool(self._connection.execute("SELECT 1"))
        except psycopg.Error:
            self._connection = None
            return False

    def _ask(self, function: str, name: str) -> bool:
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(
                self._url, autocommit=True, connect_timeout=_CONNECT_S
            )
            for setting, value in _NOTICE.items():
                self._connection.execute(f"SET {setting} = {value}".encode())
        key = f"kingpost worker {self._schema} {name}"
        row = self._connection.execute(_KEY.format(function).encode(), (key,)).fetchone()
        return row is not None and bool(row[0])
