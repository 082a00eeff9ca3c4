"""An append-only log in partitions: commits, durable before they are acknowledged."""

from kingpost.journal.errors import (
    BadCommit,
    BadPartitionName,
    BadPosition,
    DifferentPartitions,
    JournalClosed,
    JournalCorrupt,
    JournalFailed,
    JournalFull,
    JournalInUse,
    JournalNewer,
    NoSuchOffset,
    UnknownPartition,
)
from kingpost.journal.frames import MAX_COMMIT, Commit, Entry, Place
from kingpost.journal.journal import Journal, Landed
from kingpost.journal.lookup import Lookup, read_commit_at
from kingpost.journal.position import Position
from kingpost.journal.scans import Scan, scan

__all__ = [
    "MAX_COMMIT",
    "BadCommit",
    "BadPartitionName",
    "BadPosition",
    "Commit",
    "DifferentPartitions",
    "Entry",
    "Journal",
    "JournalClosed",
    "JournalCorrupt",
    "JournalFailed",
    "JournalFull",
    "JournalInUse",
    "JournalNewer",
    "Landed",
    "Lookup",
    "NoSuchOffset",
    "Place",
    "Position",
    "Scan",
    "UnknownPartition",
    "read_commit_at",
    "scan",
]
