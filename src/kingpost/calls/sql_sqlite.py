"""Statements in a SQLite connection that is open."""

import re
import sqlite3
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager

from kingpost.calls.sql import Refusal, SqlRow, SqlValue

__all__ = ["SqliteDatabase"]

_NAMED = re.compile(r"%\((\w+)\)s")


class SqliteDatabase:
    """An `SqlDatabase` in a file or in memory."""

    skip_locked = ""

    def __init__(self, connection: sqlite3.Connection, refusal: Refusal) -> None:
        self.connection, self._refusal = connection, refusal

    def run(self, query: str, values: Mapping[str, SqlValue]) -> Sequence[SqlRow]:
        with self._translated():
            return self.connection.execute(_NAMED.sub(r":\1", query), values).fetchall()

    @contextmanager
    def transaction(self) -> Generator[None]:
        with self._translated():
            self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            with self._translated():
                self.connection.execute("COMMIT")
        except BaseException:
            # on a full disk SQLite has rolled back by itself
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            raise

    @contextmanager
    def _translated(self) -> Generator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self._refusal("SQLite", str(error)) from error
