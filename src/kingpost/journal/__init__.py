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
    JournalReadOnly,
    NoSuchOffset,
    UnknownPartition,
    is_passing,
)
from kingpost.journal.frames import MAX_COMMIT, Commit, Entry, Place
from kingpost.journal.journal import GROUP_BYTES, Journal, Landed
from kingpost.journal.lookup import Lookup, read_commit_at
from kingpost.journal.position import Position
from kingpost.journal.scans import Scan, last_commit, scan
from kingpost.journal.segments import HEADER_SIZE as SEGMENT_HEADER_SIZE
from kingpost.journal.segments import segment_identity
from kingpost.journal.surveys import SurveyedSegment, survey, survey_segment
from kingpost.journal.walk import WholeFrame

__all__ = [
    "GROUP_BYTES",
    "MAX_COMMIT",
    "SEGMENT_HEADER_SIZE",
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
    "JournalReadOnly",
    "Landed",
    "Lookup",
    "NoSuchOffset",
    "Place",
    "Position",
    "Scan",
    "SurveyedSegment",
    "UnknownPartition",
    "WholeFrame",
    "is_passing",
    "last_commit",
    "read_commit_at",
    "scan",
    "segment_identity",
    "survey",
    "survey_segment",
]
