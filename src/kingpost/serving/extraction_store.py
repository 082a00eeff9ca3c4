"""Where it is kept how many answers callers have collected, and who is suspected.

The rule: an answer that counts is written down before it is given, so that a process that is
killed forgets none. Writes are handed to the system and not waited for on the disk: a power
cut may forget the last ones.
"""

import sqlite3
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

from kingpost.serving.errors import ExtractionStoreFailed

__all__ = [
    "EXTRACTION_MIGRATIONS",
    "ExtractionStore",
    "MemoryExtraction",
    "SqliteExtraction",
    "Suspect",
    "Who",
]


class Who(NamedTuple):
    """A caller of a decision."""

    decision: str
    tenant: str
    principal: str


class Suspect(NamedTuple):
    """A caller whose requests looked as if to rebuild the model; microseconds UTC."""

    pattern: str
    since_us: int
    until_us: int


class ExtractionStore(Protocol):
    """Answers that count, entities that callers brought. Calls may raise `ExtractionStoreFailed`."""

    def spend(self, who: Who, start_us: int, answers: int) -> None:
        """Keep how many answers count for a caller in the stretch that begins at a time."""
        ...

    def spent(self, who: Who, since_us: int) -> Sequence[tuple[int, int]]:
        """Return starts of stretches from a time on, and how many answers count in each."""
        ...

    def bring(self, decision: str, tenant: str, entity: bytes, at_us: int) -> None:
        """Keep when an entity first came by a request; one that is known stays."""
        ...

    def brought(self, decision: str, tenant: str) -> Sequence[tuple[bytes, int]]:
        """Return the entities that came by requests, and when."""
        ...

    def suspect(self, who: Who, suspect: Suspect) -> None:
        """Keep that a caller is suspected."""
        ...

    def suspected(self, who: Who) -> Suspect | None:
        """Return why a caller is suspected, also when that is over; None when never."""
        ...

    def callers(self) -> Sequence[Who]:
        """Return everybody of whom something is kept."""
        ...

    def forgive(self, who: Who) -> None:
        """Forget what counts for a caller, and that it is suspected."""
        ...

    def purge(self, before_us: int, brought_before_us: int) -> None:
        """Forget stretches, and entities, from before some times."""
        ...


class MemoryExtraction:
    """An `ExtractionStore` that forgets with the process."""

    def __init__(self) -> None:
        self._spent: dict[Who, dict[int, int]] = {}
        self._brought: dict[tuple[str, str], dict[bytes, int]] = {}
        self._suspects: dict[Who, Suspect] = {}

    def spend(self, who: Who, start_us: int, answers: int) -> None:
        self._spent.setdefault(who, {})[start_us] = answers

    def spent(self, who: Who, since_us: int) -> Sequence[tuple[int, int]]:
        found = self._spent.get(who, {})
        return [(start, number) for start, number in found.items() if start >= since_us]

    def bring(self, decision: str, tenant: str, entity: bytes, at_us: int) -> None:
        self._brought.setdefault((decision, tenant), {}).setdefault(entity, at_us)

    def brought(self, decision: str, tenant: str) -> Sequence[tuple[bytes, int]]:
        return list(self._brought.get((decision, tenant), {}).items())

    def suspect(self, who: Who, suspect: Suspect) -> None:
        self._suspects[who] = suspect

    def suspected(self, who: Who) -> Suspect | None:
        return self._suspects.get(who)

    def callers(self) -> Sequence[Who]:
        return sorted({*self._spent, *self._suspects})

    def forgive(self, who: Who) -> None:
        self._spent.pop(who, None)
        self._suspects.pop(who, None)

    def purge(self, before_us: int, brought_before_us: int) -> None:
        for stretches in self._spent.values():
            for start in [start for start in stretches if start < before_us]:
                del stretches[start]
        for entities in self._brought.values():
            for entity in [one for one, at in entities.items() if at < brought_before_us]:
                del entities[entity]


EXTRACTION_MIGRATIONS: Sequence[str] = (
    """
    CREATE TABLE spent (
        decision TEXT, tenant TEXT, principal TEXT, start_us INTEGER, answers INTEGER NOT NULL,
        PRIMARY KEY (decision, tenant, principal, start_us)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE brought (
        decision TEXT, tenant TEXT, entity BLOB, at_us INTEGER NOT NULL,
        PRIMARY KEY (decision, tenant, entity)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE suspects (
        decision TEXT, tenant TEXT, principal TEXT, pattern TEXT NOT NULL,
        since_us INTEGER NOT NULL, until_us INTEGER NOT NULL,
        PRIMARY KEY (decision, tenant, principal)
    ) STRICT, WITHOUT ROWID
    """,
)
"""One statement each; format n is what the first n of them made."""

_WHO = "decision = ? AND tenant = ? AND principal = ?"


class SqliteExtraction:
    """An `ExtractionStore` in a database file; for the thread that opened the connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        with _translated():
            connection.execute("PRAGMA synchronous = NORMAL")

    def spend(self, who: Who, start_us: int, answers: int) -> None:
        self._run("INSERT OR REPLACE INTO spent VALUES (?, ?, ?, ?, ?)", *who, start_us, answers)

    def spent(self, who: Who, since_us: int) -> Sequence[tuple[int, int]]:
        query = f"SELECT start_us, answers FROM spent WHERE {_WHO} AND start_us >= ?"
        return [(int(start), int(number)) for start, number in self._run(query, *who, since_us)]

    def bring(self, decision: str, tenant: str, entity: bytes, at_us: int) -> None:
        self._run(
            "INSERT OR IGNORE INTO brought VALUES (?, ?, ?, ?)", decision, tenant, entity, at_us
        )

    def brought(self, decision: str, tenant: str) -> Sequence[tuple[bytes, int]]:
        query = "SELECT entity, at_us FROM brought WHERE decision = ? AND tenant = ?"
        return [(bytes(entity), int(at_us)) for entity, at_us in self._run(query, decision, tenant)]

    def suspect(self, who: Who, suspect: Suspect) -> None:
        self._run("INSERT OR REPLACE INTO suspects VALUES (?, ?, ?, ?, ?, ?)", *who, *suspect)

    def suspected(self, who: Who) -> Suspect | None:
        query = f"SELECT pattern, since_us, until_us FROM suspects WHERE {_WHO}"
        return next((Suspect(*row) for row in self._run(query, *who)), None)

    def callers(self) -> Sequence[Who]:
        columns = "decision, tenant, principal"
        query = f"SELECT {columns} FROM spent UNION SELECT {columns} FROM suspects ORDER BY 1, 2, 3"
        return [Who(*row) for row in self._run(query)]

    def forgive(self, who: Who) -> None:
        for table in ("spent", "suspects"):
            self._run(f"DELETE FROM {table} WHERE {_WHO}", *who)

    def purge(self, before_us: int, brought_before_us: int) -> None:
        self._run("DELETE FROM spent WHERE start_us < ?", before_us)
        self._run("DELETE FROM brought WHERE at_us < ?", brought_before_us)

    def _run(self, query: str, *values: str | int | bytes) -> list[tuple[Any, ...]]:
        with _translated():
            return self._connection.execute(query, values).fetchall()


@contextmanager
def _translated() -> Generator[None, None, None]:
    try:
        yield
    except sqlite3.Error as error:
        raise ExtractionStoreFailed(str(error)) from error
