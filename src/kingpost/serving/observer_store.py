"""What the observer keeps for itself in `observed.sqlite`: how far it is, what it owes others.

The rule: both are written in the same transaction as what was observed, so that after a
crash nothing is observed twice and nothing is forgotten to be passed on. What is owed is
passed on at least once; who takes it knows it by its id.
"""

import sqlite3
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from zlib import crc32

import msgspec

from kingpost.core import Disk, KingpostError
from kingpost.journal import Commit, JournalCorrupt, Place, read_commit_at
from kingpost.monitoring import Incident
from kingpost.tasks import Task, TaskVerdict

__all__ = [
    "OBSERVER_MIGRATIONS",
    "NewTask",
    "ObserverStore",
    "ObserverStoreFailed",
    "Opened",
    "Owed",
    "Progress",
    "Settled",
    "is_where_it_was",
    "progress_after",
]

OBSERVER_MIGRATIONS: Sequence[str] = (
    """
    CREATE TABLE observer_progress (
        only INTEGER PRIMARY KEY CHECK (only = 1),
        progress BLOB NOT NULL
    ) STRICT
    """,
    "CREATE TABLE observer_owed (number INTEGER PRIMARY KEY, owed BLOB NOT NULL) STRICT",
    # records know who asked: a place where no commit is has everything observed anew
    "UPDATE observer_progress SET progress = x'950100000000'",
    # and once more, since what records cost is counted
    "UPDATE observer_progress SET progress = x'950100000000'",
)
"""One statement each; format n is what the first n of them made."""


class ObserverStoreFailed(KingpostError):
    """The observer's database could not be read or written.

    Safe to retry: nothing was changed.
    """

    code = "observer_store_failed"
    retry_safe = True

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"observed.sqlite cannot be written ({self.reason}); check the disk and who owns the "
            "file. Decisions go on; they are observed as soon as it can be written again"
        )


class Progress(msgspec.Struct, array_like=True, frozen=True):
    """How far the journal was observed, and the last commit, by which it is known again.

    Attributes:
        next_offset: The first offset that was not.
        segment, byte: Place of the last commit.
        offset, check: Its offset, and a checksum of its bodies.
    """

    next_offset: int
    segment: int
    byte: int
    offset: int
    check: int


class NewTask(msgspec.Struct, array_like=True, frozen=True, tag=True):
    """A task to add to the inbox."""

    task: Task


class Settled(msgspec.Struct, array_like=True, frozen=True, tag=True):
    """A task that was answered, to close in the inbox."""

    tenant: str
    task: str
    by: str
    verdict: TaskVerdict
    reason: str
    at_us: int


class Opened(msgspec.Struct, array_like=True, frozen=True, tag=True):
    """An incident to tell people of."""

    incident: Incident


Owed = NewTask | Settled | Opened

_encode = msgspec.msgpack.Encoder().encode
_owed = msgspec.msgpack.Decoder(Owed)
_progress = msgspec.msgpack.Decoder(Progress)


def progress_after(commit: Commit) -> Progress:
    """Return the progress of whoever has observed a commit."""
    return Progress(
        commit.next_offset, commit.place.segment, commit.place.byte, commit.offset, _check(commit)
    )


def is_where_it_was(directory: Path, progress: Progress, *, disk: Disk) -> bool:
    """Tell whether the last commit observed is still where it was in a partition."""
    place = Place(progress.segment, progress.byte)
    try:
        commit = read_commit_at(directory, place, disk=disk)
    except (JournalCorrupt, FileNotFoundError):
        return False
    return commit.offset == progress.offset and _check(commit) == progress.check


def _check(commit: Commit) -> int:
    check = commit.time_us & 0xFFFF_FFFF
    for entry in commit.entries:
        check = crc32(entry.body, check)
    return check


class ObserverStore:
    """Progress and debts; every call belongs to the transaction that it is made in.

    Every call may raise `ObserverStoreFailed`.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def progress(self) -> Progress | None:
        """Return how far it is; None at the very beginning."""
        with _translated():
            row = self._connection.execute("SELECT progress FROM observer_progress").fetchone()
        return None if row is None else _progress.decode(row[0])

    def save(self, progress: Progress, owed: Sequence[Owed]) -> None:
        """Note how far it is, and what came to be owed on the way."""
        with _translated():
            self._connection.execute(
                "INSERT OR REPLACE INTO observer_progress VALUES (1, ?)", [_encode(progress)]
            )
        self.owe(owed)

    def owe(self, owed: Sequence[Owed]) -> None:
        """Note what came to be owed without a step in the journal."""
        with _translated():
            self._connection.executemany(
                "INSERT INTO observer_owed (owed) VALUES (?)", [(_encode(one),) for one in owed]
            )

    def owed(self, limit: int) -> Sequence[tuple[int, Owed]]:
        """Return what is owed with its numbers, in order, at most so many."""
        with _translated():
            rows = self._connection.execute(
                "SELECT number, owed FROM observer_owed ORDER BY number LIMIT ?", [limit]
            ).fetchall()
        return [(number, _owed.decode(body)) for number, body in rows]

    def paid(self, number: int) -> None:
        """Forget what is owed up to a number."""
        with _translated():
            self._connection.execute("DELETE FROM observer_owed WHERE number <= ?", [number])


@contextmanager
def _translated() -> Generator[None, None, None]:
    try:
        yield
    except sqlite3.Error as error:
        raise ObserverStoreFailed(str(error)) from error
