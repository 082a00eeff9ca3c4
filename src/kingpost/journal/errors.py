"""What can go wrong with a journal, and what to do about it."""

from pathlib import Path

from kingpost.core import KingpostError

__all__ = [
    "BadCommit",
    "BadPartitionName",
    "BadPosition",
    "DifferentPartitions",
    "JournalClosed",
    "JournalCorrupt",
    "JournalFailed",
    "JournalFull",
    "JournalInUse",
    "JournalNewer",
    "JournalReadOnly",
    "NoSuchOffset",
    "SegmentArchived",
    "UnknownPartition",
    "is_passing",
]


class JournalInUse(KingpostError):
    """Another process, or another part of this one, has the partition open for writing.

    Safe to retry: nothing was opened.
    """

    code = "journal_in_use"
    retry_safe = True

    def __init__(self, directory: Path, pid: int | None) -> None:
        super().__init__(directory, pid)
        self.directory, self.pid = directory, pid

    def __str__(self) -> str:
        holder = f"process {self.pid}" if self.pid else "another process"
        return (
            f"the journal in {self.directory} is open for writing in {holder}; "
            "one process writes a partition: stop that one first, or only read"
        )


class JournalCorrupt(KingpostError):
    """Bytes that had been durable are no longer what was written."""

    code = "journal_corrupt"

    def __init__(self, path: Path, byte: int, reason: str) -> None:
        super().__init__(path, byte, reason)
        self.path, self.byte, self.reason = path, byte, reason

    def __str__(self) -> str:
        return (
            f"{self.path} is damaged at byte {self.byte}: {self.reason}; nothing was changed. "
            "Restore the file from a backup. Without one, the commits from there on are lost: "
            f"copy the directory, then `truncate -s {self.byte} {self.path.name}` "
            "(byte 0: remove the file) and move the segments after it away"
        )


class JournalNewer(KingpostError):
    """The file was written by a later version of Kingpost."""

    code = "journal_newer"

    def __init__(self, path: Path, found: int, known: int) -> None:
        super().__init__(path, found, known)
        self.path, self.found, self.known = path, found, known

    def __str__(self) -> str:
        return (
            f"{self.path} has journal format {self.found}, this version of Kingpost reads up to "
            f"{self.known}; nothing was changed: install the version that wrote it, or a later one"
        )


class JournalFull(KingpostError):
    """The disk had no room for a commit; whether it counts is known after reopening."""

    code = "journal_full"

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.directory = directory

    def __str__(self) -> str:
        return (
            f"no space left on the disk of {self.directory}; everything acknowledged is kept. "
            "Free some space, then open the journal again: it goes on after the last whole commit"
        )


class JournalFailed(KingpostError):
    """A write or a sync failed, so nothing later may be acknowledged."""

    code = "journal_failed"

    def __init__(self, directory: Path, reason: str) -> None:
        super().__init__(directory, reason)
        self.directory, self.reason = directory, reason

    def __str__(self) -> str:
        return (
            f"the journal in {self.directory} stopped after a failed write ({self.reason}); "
            "everything acknowledged is kept. Check the disk, then open the journal again: "
            "it goes on after the last whole commit"
        )


class JournalReadOnly(KingpostError):
    """The file system takes no writes from this process; what is there can be read."""

    code = "journal_read_only"

    def __init__(self, directory: Path, reason: str) -> None:
        super().__init__(directory, reason)
        self.directory, self.reason = directory, reason

    def __str__(self) -> str:
        return (
            f"the journal in {self.directory} cannot be written ({self.reason}); everything "
            "acknowledged is kept. Let this user write there: check who owns the directory and "
            "how its file system is mounted, then open the journal again"
        )


class JournalClosed(KingpostError):
    """The journal was closed in this process.

    Safe to retry on a journal that is open: nothing was written.
    """

    code = "journal_closed"
    retry_safe = True

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.directory = directory

    def __str__(self) -> str:
        return f"the journal in {self.directory} is closed; open it again to append"


class BadCommit(KingpostError):
    """The entries do not make a commit."""

    code = "bad_commit"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"the commit was refused and nothing was written: {self.reason}"


class BadPartitionName(KingpostError):
    """A directory's name cannot be the name of a partition."""

    code = "bad_partition_name"

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return (
            f"{self.name!r} cannot name a partition; use 1 to 64 lower-case letters, digits, "
            "'_' and '-', beginning with a letter or a digit"
        )


class SegmentArchived(KingpostError):
    """What is to be read lies in an object store, and not on this disk."""

    code = "segment_archived"

    def __init__(self, path: Path, store: str, key: str) -> None:
        super().__init__(path, store, key)
        self.path, self.store, self.key = path, store, key

    def __str__(self) -> str:
        offset = self.path.stem.lstrip("0") or "0"
        return (
            f"{self.path} was archived to {self.store}/{self.key} and removed here; bring it "
            f"back with `kingpost archive --fetch {offset}`, then try again"
        )


class NoSuchOffset(KingpostError):
    """No commit holds the offset."""

    code = "no_such_offset"

    def __init__(self, directory: Path, offset: int, next_offset: int) -> None:
        super().__init__(directory, offset, next_offset)
        self.directory, self.offset, self.next_offset = directory, offset, next_offset

    def __str__(self) -> str:
        return (
            f"the journal in {self.directory} has no offset {self.offset}; "
            f"it holds 0 up to, but not including, {self.next_offset}"
        )


class BadPosition(KingpostError):
    """The text is not a position."""

    code = "bad_position"

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f"{self.text!r} is not a position; pass on the text of one that was handed to you"


class UnknownPartition(KingpostError):
    """A position says nothing of the partition asked for."""

    code = "unknown_partition"

    def __init__(self, partition: str, position: str) -> None:
        super().__init__(partition, position)
        self.partition, self.position = partition, position

    def __str__(self) -> str:
        return f"position {self.position!r} says nothing of partition {self.partition!r}"


class DifferentPartitions(KingpostError):
    """Two positions over different partitions have no order."""

    code = "different_partitions"

    def __init__(self, one: str, other: str) -> None:
        super().__init__(one, other)
        self.one, self.other = one, other

    def __str__(self) -> str:
        return (
            f"positions {self.one!r} and {self.other!r} are over different partitions and have "
            "no order; compare the offsets of one partition that both name"
        )


def is_passing(error: BaseException) -> bool:
    """Say whether opening the journal again may succeed once the machine's state has changed.

    True where space or the right to write was missing, or another process had it open.
    After a failed sync it is false: a disk that lost a write is looked at by a person.
    """
    return isinstance(error, JournalFull | JournalReadOnly | JournalInUse)
