"""Reading single commits: by the place a scan gave, or by any offset they hold.

A search by offset halves what it has to walk over, by reading a little in the middle, until
that is some 64 kB; it remembers the places it came by. Needs no lock, works
beside the live writer.
"""

from bisect import bisect_right
from pathlib import Path

from kingpost.core import Disk, KingpostError
from kingpost.journal.errors import JournalCorrupt, NoSuchOffset
from kingpost.journal.frames import Commit, Place
from kingpost.journal.segments import HEADER_SIZE, first_offsets, open_segment, segment_path
from kingpost.journal.walk import SegmentWalk, WholeFrame, first_frame, frame_at

__all__ = ["Lookup", "read_commit_at"]

_STRIDE = 64 * 1024
_WALKED = _STRIDE
_OPEN_SEGMENTS = 64


def read_commit_at(directory: Path, place: Place, *, disk: Disk) -> Commit:
    """Read the one commit at a place; for many, keep a `Lookup`.

    Raises:
        JournalCorrupt: No whole commit lies there.
        FileNotFoundError: There is no such segment.
    """
    lookup = Lookup(directory, disk=disk)
    try:
        return lookup.read_at(place)
    finally:
        lookup.close()


class _Segment:
    """An open segment and the places known in it, about one every `_STRIDE` bytes."""

    def __init__(self, walk: SegmentWalk) -> None:
        self.walk = walk
        self._offsets = [walk.header.first_offset]
        self._bytes = [HEADER_SIZE]

    def find(self, offset: int) -> WholeFrame | None:
        self._narrow(offset)
        at = bisect_right(self._offsets, offset) - 1
        self.walk.offset, self.walk.byte = self._offsets[at], self._bytes[at]
        for frame in self.walk.frames():
            if frame.byte >= self._bytes[-1] + _STRIDE:
                self._offsets.append(frame.offset)
                self._bytes.append(frame.byte)
            if offset < frame.next_offset:
                return frame
        return None

    def _narrow(self, offset: int) -> None:
        """Learn places before an offset, until little is left to walk over."""
        walk = self.walk
        at = bisect_right(self._offsets, offset)
        low, before = self._bytes[at - 1], self._offsets[at - 1]
        high = self._bytes[at] if at < len(self._bytes) else walk.file.size()
        while high - low > _WALKED:
            middle = (low + high) // 2
            frame = first_frame(walk.file, walk.header, middle, _STRIDE)
            # none begins in the zeros at the end, nor within a long one: the walk finds out
            if frame is None or frame.byte >= high or not before < frame.offset <= offset:
                high = middle
            else:
                low, before = frame.byte, frame.offset
                at = bisect_right(self._offsets, before)
                self._offsets.insert(at, before)
                self._bytes.insert(at, low)


class Lookup:
    """Open files of a partition and what is known of places in them; for one thread."""

    def __init__(self, directory: Path, *, disk: Disk) -> None:
        self._directory, self._disk = directory, disk
        self._firsts: list[int] = []
        self._open: dict[int, _Segment] = {}

    def read(self, offset: int) -> Commit:
        """Read the commit that holds an offset.

        Raises:
            NoSuchOffset: No commit holds it.
            JournalCorrupt: The bytes where it was are damaged.
            JournalNewer: A later version of Kingpost wrote them.
        """
        frame = self._find(offset)
        if frame is None:
            self._firsts = first_offsets(self._disk, self._directory)
            frame = self._find(offset)
        if frame is None:
            raise self._missing(offset)
        return frame.commit()

    def read_at(self, place: Place) -> Commit:
        """Read the commit at a place that a scan or a lookup gave.

        Raises:
            JournalCorrupt: No whole commit lies there.
            JournalNewer: A later version of Kingpost wrote it.
            FileNotFoundError: There is no such segment.
        """
        walk = self._segment(place.segment).walk
        frame = frame_at(walk.file, walk.header, place.byte)
        if frame is None:
            raise JournalCorrupt(walk.path, place.byte, "no whole commit lies there")
        return frame.commit()

    def close(self) -> None:
        """Release the files."""
        while self._open:
            self._open.popitem()[1].walk.file.close()

    def _find(self, offset: int) -> WholeFrame | None:
        if not self._firsts or offset < 0:
            return None
        return self._segment(self._first(offset)).find(offset)

    def _first(self, offset: int) -> int:
        return self._firsts[bisect_right(self._firsts, offset) - 1]

    def _missing(self, offset: int) -> KingpostError:
        if not self._firsts or offset < 0:
            return NoSuchOffset(self._directory, offset, 0)
        first = self._first(offset)
        walk = self._segment(first).walk
        if first < self._firsts[-1] or walk.is_cut_short():
            return JournalCorrupt(
                walk.path, walk.byte, f"offset {walk.offset} was stored there and is not readable"
            )
        return NoSuchOffset(self._directory, offset, walk.offset)

    def _segment(self, first: int) -> _Segment:
        segment = self._open.pop(first, None)
        if segment is not None and segment.walk.file.is_replaced():
            segment.walk.file.close()  # commits were removed: what is left lies elsewhere in it
            segment = None
        if segment is None:
            file, header = open_segment(self._disk, self._directory, first)
            path = segment_path(self._directory, first)
            segment = _Segment(SegmentWalk(file, header, path, chunk=_STRIDE))
        self._open[first] = segment  # the last one used is the last one to go
        if len(self._open) > _OPEN_SEGMENTS:
            self._open.pop(next(iter(self._open))).walk.file.close()
        return segment
