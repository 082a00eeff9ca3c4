"""One way to run the same statements in SQLite and in PostgreSQL.

The rule: statements are written once, with `%(name)s` for values; a driver's exception is
translated to the error that the owner of the tables names. What the statements say is no
business of this module.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from kingpost.core import KingpostError

__all__ = ["Refusal", "SqlDatabase", "SqlRow", "SqlValue"]

SqlValue = str | int | bytes | None
SqlRow = Sequence[str | int | bytes]
Refusal = Callable[[str, str], KingpostError]
"""Makes an error of the database's name and what it said."""


class SqlDatabase(Protocol):
    """An open connection, for one thread at a time.

    Attributes:
        skip_locked: What a query ends with that passes over rows others have taken.
    """

    @property
    def skip_locked(self) -> str: ...

    def run(self, query: str, values: Mapping[str, SqlValue]) -> Sequence[SqlRow]:
        """Run a statement with `%(name)s` for values; return its rows."""
        ...

    def transaction(self) -> AbstractContextManager[object]:
        """Run statements as one."""
        ...
