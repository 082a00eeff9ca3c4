"""Finished segments as files: for what copies, seals or moves them as a whole.

The rule: a segment is finished when a later one has its name. Nothing is written to it any
more; the zeros that may stand behind its last frame do not belong to it, so that its digest
is the same before and after they are cut off.
"""

import hashlib
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import msgspec

from kingpost.core import Disk
from kingpost.journal.errors import JournalCorrupt
from kingpost.journal.segments import (
    ArchivedSegment,
    archived_path,
    first_offsets,
    open_segment,
    segment_path,
)
from kingpost.journal.walk import CHUNK, SegmentWalk

__all__ = [
    "CheckedSegment",
    "FinishedSegment",
    "archived_segment",
    "check_segment",
    "finished_segments",
    "last_time_us",
    "note_archived",
    "restore_segment",
]

_DRAFT = "restored.tmp"


class FinishedSegment(NamedTuple):
    """A segment that nothing is added to; `next_offset` is the first one after it."""

    path: Path
    first_offset: int
    next_offset: int


class CheckedSegment(NamedTuple):
    """What a segment holds: its bytes without the zeros behind them, and their SHA-256."""

    size_bytes: int
    sha256: str


def finished_segments(directory: Path, *, disk: Disk) -> Sequence[FinishedSegment]:
    """List the finished segments of a partition in order, archived ones too.

    Raises:
        JournalCorrupt: The first segment is missing.
    """
    firsts = first_offsets(disk, directory)
    return [
        FinishedSegment(segment_path(directory, first), first, following)
        for first, following in pairwise(firsts)
    ]


def check_segment(segment: FinishedSegment, *, disk: Disk) -> CheckedSegment:
    """Read a finished segment with every check, and digest it.

    Raises:
        JournalCorrupt: Not all of its commits can be read.
        JournalNewer: A later version of Kingpost wrote it.
        SegmentArchived: It lies in an object store, and not here.
    """
    file, header = open_segment(disk, segment.path.parent, segment.first_offset)
    try:
        walk = SegmentWalk(file, header, segment.path)
        for _ in walk.frames():
            pass
        if walk.offset != segment.next_offset:
            reason = f"offset {walk.offset} was stored there and is not readable"
            raise JournalCorrupt(segment.path, walk.byte, reason)
        state = hashlib.sha256()
        for at in range(0, walk.byte, CHUNK):
            state.update(file.read_at(at, min(CHUNK, walk.byte - at)))
        return CheckedSegment(walk.byte, state.hexdigest())
    finally:
        file.close()


def last_time_us(segment: FinishedSegment, *, disk: Disk) -> int:
    """Say when the last commit of a finished segment was appended, microseconds UTC.

    Raises:
        JournalCorrupt, JournalNewer, SegmentArchived: As in `check_segment`.
    """
    file, header = open_segment(disk, segment.path.parent, segment.first_offset)
    try:
        time_us = header.time_us
        for frame in SegmentWalk(file, header, segment.path).frames():
            time_us = frame.time_us
        return time_us
    finally:
        file.close()


def archived_segment(segment: FinishedSegment, *, disk: Disk) -> ArchivedSegment | None:
    """Say where a segment lies that is not here any more; None when it is here."""
    if segment.path.name in disk.list(segment.path.parent):
        return None
    return ArchivedSegment.read(disk, segment.path)


def note_archived(segment: FinishedSegment, where: ArchivedSegment, *, disk: Disk) -> None:
    """Write down where a segment lies from now on, then remove it here."""
    directory = segment.path.parent
    draft = directory / "archived.tmp"
    _write(disk, draft, msgspec.json.encode(where))
    disk.rename(draft, archived_path(segment.path))
    disk.sync_directory(directory)
    disk.remove(segment.path)
    disk.sync_directory(directory)


def restore_segment(segment: FinishedSegment, body: bytes, *, disk: Disk) -> None:
    """Put a segment back that was archived; its bytes were checked by the caller."""
    directory = segment.path.parent
    draft = directory / _DRAFT
    _write(disk, draft, body)
    disk.rename(draft, segment.path)
    disk.sync_directory(directory)
    disk.remove(archived_path(segment.path))
    disk.sync_directory(directory)


def _write(disk: Disk, path: Path, body: bytes) -> None:
    file = disk.open(path, write=True, create=True)
    try:
        file.truncate(0)
        file.write_at(0, body)
        file.sync()
    finally:
        file.close()
