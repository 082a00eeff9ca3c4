"""Reading a partition in order, also beside the process that writes it.

A scan needs no lock and changes nothing. It ends at the last whole commit; called again,
it goes on with what has come since. Beside a live writer it may see a commit a moment
before its sync has returned. Damage is an error, never a silent end: a gap before a later
segment always, within the last segment as far as one read looks ahead (opening the
partition for writing looks at all of it).
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from pathlib import Path

from kingpost.core import Disk
from kingpost.journal.errors import JournalCorrupt
from kingpost.journal.frames import Commit, Place
from kingpost.journal.segments import first_offsets, open_segment, segment_path
from kingpost.journal.walk import SegmentWalk, WholeFrame

__all__ = ["Scan", "last_commit", "scan", "sync_commits"]


def scan(
    directory: Path,
    *,
    disk: Disk,
    start: int = 0,
    stop: int | None = None,
    place: Place | None = None,
) -> Iterator[Commit]:
    """Yield the commits of a partition in order; none when there is no partition.

    Args:
        directory: The partition.
        disk: Where from.
        start: The first offset wanted; a commit that holds it comes whole.
        stop: Commits that begin at this offset or later are left out.
        place: Where the commit of the offset `start` lies, or will; found by reading the
            segment when None.

    Raises:
        JournalCorrupt: Commits that were durable cannot be read any more.
        JournalNewer: A later version of Kingpost wrote them.
    """
    walk = Scan(directory, disk=disk, start=start, place=place)
    try:
        yield from walk.commits(stop=stop)
    finally:
        walk.close()


def last_commit(directory: Path, *, disk: Disk) -> Commit | None:
    """Read the last commit of a partition, and none before its segment; None without one.

    Raises:
        JournalCorrupt: The last segment cannot be read.
        JournalNewer: A later version of Kingpost wrote it.
    """
    for first in reversed(first_offsets(disk, directory)):
        file, header = open_segment(disk, directory, first)
        try:
            last: WholeFrame | None = None
            for last in SegmentWalk(file, header, segment_path(directory, first)).frames():
                pass
            if last is not None:
                return last.commit()
        finally:
            file.close()
    return None


def sync_commits(directory: Path, commits: Iterable[Commit], *, disk: Disk) -> None:
    """Return when commits that were scanned are durable, also beside the process that writes them."""
    for segment in sorted({commit.place.segment for commit in commits}):
        file, _ = open_segment(disk, directory, segment)
        try:
            file.sync()
        finally:
            file.close()


class Scan:
    """A place in a partition, from which commits are read on."""

    def __init__(
        self, directory: Path, *, disk: Disk, start: int = 0, place: Place | None = None
    ) -> None:
        self._directory, self._disk = directory, disk
        self._start, self._place = start, place
        self._walk: SegmentWalk | None = None
        self._doubted = (-1, False)

    @property
    def offset(self) -> int:
        """The offset that the next commit will have, or the one it was told to start at."""
        return max(self._start, self._walk.offset if self._walk else 0)

    def commits(self, *, stop: int | None = None) -> Iterator[Commit]:
        """Yield the commits from here to the present end; call again for later ones.

        Raises:
            JournalCorrupt: Commits that were durable cannot be read any more.
            JournalNewer: A later version of Kingpost wrote them.
        """
        for frame in self.frames(stop=stop):
            yield frame.commit()

    def frames(self, *, stop: int | None = None) -> Iterator[WholeFrame]:
        """Yield the same as `commits`, as they lie in the file: nothing is decoded.

        Raises:
            JournalCorrupt, JournalNewer: As in `commits`.
        """
        while (walk := self._walk or self._enter(self._start)) is not None:
            for frame in walk.frames():
                if stop is not None and frame.offset >= stop:
                    _step_back(walk, frame)
                    return
                if frame.next_offset > self._start:
                    yield frame
            if not self._goes_on(walk):
                return

    def close(self) -> None:
        """Release the file."""
        if self._walk is not None:
            self._walk.file.close()
            self._walk = None

    def _enter(self, offset: int) -> SegmentWalk | None:
        firsts = first_offsets(self._disk, self._directory)
        if not firsts:
            return None
        first = firsts[bisect_right(firsts, offset) - 1]
        file, header = open_segment(self._disk, self._directory, first)
        walk = SegmentWalk(file, header, segment_path(self._directory, first))
        if self._place is not None and self._place.segment == first:
            walk.byte, walk.offset = self._place.byte, self._start
        self._walk, self._place = walk, None
        return walk

    def _goes_on(self, walk: SegmentWalk) -> bool:
        """Say whether there is more to read, after the walk found no further frame."""
        segment = walk.header.first_offset
        later = [at for at in first_offsets(self._disk, self._directory) if at > segment]
        if not later and not walk.is_cut_short():
            return False
        doubt = (walk.byte, bool(later))
        if self._doubted != doubt:
            # the writer may have filled this place after the walk looked at it
            self._doubted = doubt
            return True
        if not later or later[0] != walk.offset:
            raise JournalCorrupt(
                walk.path, walk.byte, f"offset {walk.offset} was stored there and is not readable"
            )
        walk.file.close()
        self._walk = None
        return self._enter(walk.offset) is not None


def _step_back(walk: SegmentWalk, frame: WholeFrame) -> None:
    walk.byte, walk.offset = frame.byte, frame.offset
