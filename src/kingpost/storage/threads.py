"""One connection per thread to one database file.

SQLite's connections belong to the thread that opened them; a pool of threads gets one each,
opened when the thread first asks and closed with it, or all together. Pools let idle threads
end and make new ones, so what ended threads leave open would add up to every open file the
process may have.
"""

import sqlite3
import threading
import weakref
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
        self._opened: weakref.WeakSet[_Own] = weakref.WeakSet()

    def get(self) -> sqlite3.Connection:
        """Return this thread's connection.

        Raises:
            DatabaseUnreadable: See `open_database`.
            DatabaseNewer: From `prepare`.
        """
        found: _Own | None = getattr(self._own, "held", None)
        if found is None:
            connection = open_database(self._path, is_shared=True)
            try:
                if self._prepare is not None:
                    self._prepare(connection)
            except BaseException:
                connection.close()
                raise
            self._own.held = found = _Own(connection)
            with self._lock:
                self._opened.add(found)
        return found.connection

    def close(self) -> None:
        """Close all of them; for when no thread uses its own any more."""
        with self._lock:
            while self._opened:
                self._opened.pop().connection.close()
        self._own = threading.local()


class _Own:
    """What one thread holds; it goes with the thread, and closes its connection then."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        weakref.finalize(self, connection.close).atexit = False
