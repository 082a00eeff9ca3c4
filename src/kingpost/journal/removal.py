"""Taking commits out of a finished segment for good, when nobody may keep them any longer.

The rule: what stays keeps its bytes and its offset. A run of commits that go becomes one frame
with one entry, of kind `removed`, which takes the offsets of all of them and says how many they
were and why; so whoever reads the partition goes on over them, and a log over it can still be
checked. The segment is replaced as a whole, or not at all.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec

from kingpost.core import Disk
from kingpost.journal.errors import JournalCorrupt, JournalNewer
from kingpost.journal.frames import COMPLEMENT, ENVELOPE, FRAME_HEAD, Commit, Entry, Frame, encode
from kingpost.journal.segment_files import FinishedSegment
from kingpost.journal.segments import HEADER_SIZE, open_segment
from kingpost.journal.walk import SegmentWalk, WholeFrame

__all__ = ["REMOVED", "RemovedRange", "decode_removed", "is_removed", "remove_commits"]

REMOVED = "removed"
_FORMAT = 1
_DRAFT = "removed.tmp"
_LABELS_AT = 10
_LABELS = REMOVED.encode() + b"\0\0"
_WRITTEN = 1024 * 1024


class RemovedRange(NamedTuple):
    """Commits that are gone: the offsets they took, how many there were, and why."""

    offset: int
    next_offset: int
    commits: int
    reason: str


class _Body(msgspec.Struct, array_like=True, frozen=True):
    """What stands for commits that are gone; fields are only added at the end."""

    format: int
    commits: int
    reason: str


def is_removed(frame: WholeFrame) -> bool:
    """Say whether a frame stands for commits that were removed, without decoding it."""
    at = frame.entries_at + _LABELS_AT
    return frame.buffer.startswith(_LABELS, at)


def decode_removed(frame: WholeFrame) -> RemovedRange:
    """Read what a frame says that stands for removed commits.

    Raises:
        JournalNewer: A later version of Kingpost wrote it.
    """
    (entry,) = frame.commit().entries
    body = msgspec.msgpack.decode(entry.body, type=_Body)
    if body.format > _FORMAT:
        raise JournalNewer(Path(f"offset {frame.offset}"), body.format, _FORMAT)
    return RemovedRange(frame.offset, frame.next_offset, body.commits, body.reason)


def remove_commits(
    segment: FinishedSegment, is_kept: Callable[[Commit], bool], reason: str, *, disk: Disk
) -> int:
    """Take the commits out of a finished segment that are not kept.

    Readers that have it open go on with what they have opened; others see what is left.

    Args:
        is_kept: Asked of each commit that is still there.
        reason: Why, for whoever reads it later.

    Returns:
        How many were taken out; where there are none, nothing is written.

    Raises:
        JournalCorrupt: Not all of its commits can be read; nothing was changed.
        JournalNewer: A later version of Kingpost wrote it.
        SegmentArchived: It lies in an object store, and not here.
        OSError: The disk refused; nothing was changed.
    """
    directory = segment.path.parent
    file, header = open_segment(disk, directory, segment.first_offset)
    draft = directory / _DRAFT
    try:
        out = _Draft(draft, file.read_at(0, HEADER_SIZE), header.salt, reason, disk)
        try:
            walk = SegmentWalk(file, header, segment.path)
            for frame in walk.frames():
                if is_removed(frame):
                    out.remove(frame, decode_removed(frame).commits)
                elif is_kept(frame.commit()):
                    out.keep(frame)
                else:
                    out.remove(frame, 1)
                    out.removed += 1
            if walk.offset != segment.next_offset:
                what = f"offset {walk.offset} was stored there and is not readable"
                raise JournalCorrupt(segment.path, walk.byte, what)
            if out.removed:
                out.finish()
                disk.rename(draft, segment.path)
                disk.sync_directory(directory)
            return out.removed
        finally:
            out.close()
    finally:
        file.close()


class _Draft:
    """A segment as it will be.

    Attributes:
        removed: How many commits go that were still there.
    """

    def __init__(self, path: Path, head: bytes, salt: int, reason: str, disk: Disk) -> None:
        self.removed = 0
        self._path, self._disk = path, disk
        self._salt, self._reason = salt, reason
        self._file = disk.open(path, write=True, create=True)
        self._file.truncate(0)
        self._parts, self._waiting, self._place = [head], len(head), 0
        self._gone: list[WholeFrame] = []
        self._commits = 0
        self._is_finished = False

    def keep(self, frame: WholeFrame) -> None:
        self._end_run()
        self._add(frame.buffer[frame.entries_at - FRAME_HEAD.size : frame.end])

    def remove(self, frame: WholeFrame, commits: int) -> None:
        self._gone = [*self._gone[:1], frame]  # the first and the last one of a run
        self._commits += commits

    def finish(self) -> None:
        self._end_run()
        self._flush()
        self._file.sync()
        self._is_finished = True

    def close(self) -> None:
        self._file.close()
        if not self._is_finished:
            self._disk.remove(self._path)

    def _end_run(self) -> None:
        if not self._gone:
            return
        first, last = self._gone[0], self._gone[-1]
        body = msgspec.msgpack.encode(_Body(_FORMAT, self._commits, self._reason))
        entry = Entry(REMOVED, "", "", body, last.next_offset - first.offset)
        self._add(_bytes_of(encode([entry], first.offset, last.time_us, self._salt)))
        self._gone, self._commits = [], 0

    def _add(self, data: bytes) -> None:
        self._parts.append(data)
        self._waiting += len(data)
        if self._waiting >= _WRITTEN:
            self._flush()

    def _flush(self) -> None:
        data = b"".join(self._parts)
        self._file.write_at(self._place, data)
        self._place += len(data)
        self._parts, self._waiting = [], 0


def _bytes_of(frame: Frame) -> bytes:
    """Write a frame as the first one of a group: what lies before it is durable."""
    return ENVELOPE.pack(frame.size, frame.check ^ COMPLEMENT) + b"".join(frame.buffers)
