"""One connection per thread to one database file.

SQLite's connections belong to the thread that opened them; a pool of threads gets one each,
opened when the thread first asks and closed together.
"""

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

from kingpost.storage.sqlite import open_database

__all__ = ["ThreadConnections"]


class ThreadConnections:
    """The connections of a process to a database file.

    Args:
        prepare: Called with each new connection, as to move its tables to their format.
    """

    def __init__(
        self, path: Path, prepare: Callable[[sqlite3.Connection], None] | None = None
    ) -> None:
        self._path, self._prepare = path, prepare
        self._own = threading.local()
        self._lock = threading.Lock()
        self._opened: list[sqlite3.Connection] = []

    def get(self) -> sqlite3.Connection:
        """Return this thread's connection.

        Raises:
            DatabaseUnreadable: See `open_database`.
            DatabaseNewer: From `prepare`.
        """
        found: sqlite3.Connection | None = getattr(self._own, "connection", None)
        if found is None:
            found = open_database(self._path, is_shared=True)
            try:
                if self._prepare is not None:
                    self._prepare(found)
            except BaseException:
                found.close()
                raise
            with self._lock:
                self._opened.append(found)
            self._own.connection = found
        return found

    def close(self) -> None:
        """Close all of them; for when no thread uses its own any more."""
        with self._lock:
            while self._opened:
                self._opened.pop().close()
        self._own = threading.local()
