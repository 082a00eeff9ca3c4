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
    SegmentArchived,
    UnknownPartition,
    is_passing,
)
from kingpost.journal.frames import MAX_COMMIT, Commit, Entry, Place
from kingpost.journal.journal import GROUP_BYTES, Journal, Landed
from kingpost.journal.lookup import Lookup, read_commit_at
from kingpost.journal.position import Position
from kingpost.journal.removal import (
    REMOVED,
    RemovedRange,
    decode_removed,
    is_removed,
    remove_commits,
)
from kingpost.journal.scans import Scan, last_commit, scan, sync_commits
from kingpost.journal.segment_files import (
    CheckedSegment,
    FinishedSegment,
    archived_segment,
    check_segment,
    finished_segments,
    last_time_us,
    note_archived,
    restore_segment,
)
from kingpost.journal.segments import HEADER_SIZE as SEGMENT_HEADER_SIZE
from kingpost.journal.segments import ArchivedSegment, segment_identity
from kingpost.journal.surveys import SurveyedSegment, survey, survey_segment
from kingpost.journal.walk import WholeFrame

__all__ = [
    "GROUP_BYTES",
    "MAX_COMMIT",
    "REMOVED",
    "SEGMENT_HEADER_SIZE",
    "ArchivedSegment",
    "BadCommit",
    "BadPartitionName",
    "BadPosition",
    "CheckedSegment",
    "Commit",
    "DifferentPartitions",
    "Entry",
    "FinishedSegment",
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
    "RemovedRange",
    "Scan",
    "SegmentArchived",
    "SurveyedSegment",
    "UnknownPartition",
    "WholeFrame",
    "archived_segment",
    "check_segment",
    "decode_removed",
    "finished_segments",
    "is_passing",
    "is_removed",
    "last_commit",
    "last_time_us",
    "note_archived",
    "read_commit_at",
    "remove_commits",
    "restore_segment",
    "scan",
    "segment_identity",
    "survey",
    "survey_segment",
    "sync_commits",
]
