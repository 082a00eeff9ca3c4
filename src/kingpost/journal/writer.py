"""Laying groups of frames into segment files, one durable write a group.

A group lies in one piece in one segment. A small one goes where zeros wait for it: in the
segment being written, else in a spare one that was filled in the background. A large one
is as well off appending, since its own size dwarfs the cost of the metadata, so bulk
loading does not write everything twice. Each spare is twice as large as the segment
before it: a journal of a few approvals stays small.

One caller at a time. After any error the writer must not be used again.
"""

import contextlib
import logging
import threading
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

from kingpost.core import Disk, DiskFile
from kingpost.journal.frames import COMPLEMENT, COPIED_BYTES, ENVELOPE, Frame
from kingpost.journal.recovery import Tail
from kingpost.journal.segments import HEADER_SIZE, SegmentHeader, publish_segment, zero_fill

__all__ = ["DRAFTS", "SegmentWriter", "check_room", "first_segment"]

LARGE_SHARE = 64
"""A group is large from this share of a segment on, 1 MiB; the first segment is as large."""
FILL_STEP = 1024 * 1024
_SPARE, _DRAFT, _ROOM = "spare.tmp", "draft.tmp", "room.tmp"
DRAFTS = (_SPARE, _DRAFT, _ROOM)
"""Files that belong to no journal yet; left over after a crash, they may be removed."""

_log = logging.getLogger(__name__)


class _Spare(NamedTuple):
    file: DiskFile
    size: int


def first_segment(disk: Disk, directory: Path, header: SegmentHeader, segment_bytes: int) -> None:
    """Make the first segment of a new partition."""
    draft = directory / _DRAFT
    file = disk.open(draft, write=True, create=True)
    try:
        zero_fill(file, HEADER_SIZE, _first_bytes(segment_bytes))
        publish_segment(disk, directory, draft, file, header)
    finally:
        file.close()


def check_room(disk: Disk, directory: Path, size: int) -> None:
    """Find out by trying whether so many bytes more fit; a quota is met no other way.

    Raises:
        OSError: They do not.
    """
    path = directory / _ROOM
    file = disk.open(path, write=True, create=True)
    try:
        zero_fill(file, 0, size)
        file.sync()
    finally:
        file.close()
        disk.remove(path)


def _first_bytes(segment_bytes: int) -> int:
    return max(2 * HEADER_SIZE, segment_bytes // LARGE_SHARE)


class SegmentWriter:
    """Writes groups behind `tail`.

    Args:
        disk: Where to.
        directory: The partition.
        tail: Its end, as recovered; the writer owns it from here on.
        segment_bytes: The most a segment may take, unless one group needs more.
        in_background: Whether spares are filled in a thread, or at once by the caller.
    """

    def __init__(
        self,
        disk: Disk,
        directory: Path,
        tail: Tail,
        *,
        segment_bytes: int,
        in_background: bool = True,
    ) -> None:
        self._disk, self._directory, self._tail = disk, directory, tail
        self._segment_bytes = segment_bytes
        self._large_bytes = segment_bytes // LARGE_SHARE
        self._spare_bytes = max(_first_bytes(segment_bytes), tail.filled)
        self._in_background = in_background
        self._spare: _Spare | None = None
        self._spare_asked = False
        self._filler: threading.Thread | None = None
        self._closing = False

    def write(self, frames: Sequence[Frame]) -> None:
        """Write a group and return once it is durable.

        Raises:
            OSError: The disk refused; the journal must be opened again.
        """
        buffers, size = self._placed(frames)
        self._tail.file.write_durable(self._tail.byte, buffers)
        self._note(size)

    def begin(self, frames: Sequence[Frame]) -> int:
        """Write a group, and return the descriptor of the file that is to be synced.

        Raises:
            OSError: The disk refused; the journal must be opened again.
        """
        buffers, size = self._placed(frames)
        tail = self._tail
        for at, buffer in zip(
            accumulate(map(len, buffers), initial=tail.byte), buffers, strict=False
        ):
            tail.file.write_at(at, buffer)
        self._note(size)
        descriptor = tail.file.descriptor
        assert descriptor is not None  # or `can_begin` is false
        return descriptor

    @property
    def can_begin(self) -> bool:
        """Whether the files are the system's own, so that `begin` has something to return."""
        return self._tail.file.descriptor is not None

    def _placed(self, frames: Sequence[Frame]) -> tuple[list[bytes], int]:
        """Return what a group is on the disk, and its size; there is room for it then."""
        buffers: list[bytes] = []
        size, flip = 0, COMPLEMENT
        for frame in frames:
            buffers.append(ENVELOPE.pack(frame.size, frame.check ^ flip))
            buffers += frame.buffers
            size += frame.size
            flip = 0
        if size < COPIED_BYTES:
            buffers = [b"".join(buffers)]
        self._make_room(size, frames[0])
        return buffers, size

    def _note(self, size: int) -> None:
        tail = self._tail
        tail.byte += size
        tail.filled = max(tail.filled, tail.byte)
        if not self._spare_asked and tail.byte * 2 > tail.filled and size < self._large_bytes:
            self._ask_for_spare()

    def _make_room(self, size: int, first: Frame) -> None:
        tail, spare = self._tail, self._spare
        end = tail.byte + size
        if end <= tail.filled or tail.byte == HEADER_SIZE:
            return
        if spare is not None and size < self._large_bytes and HEADER_SIZE + size <= spare.size:
            self._spare = None
            self._spare_asked = False
            self._roll(self._directory / _SPARE, spare.file, spare.size, first)
        elif end > self._segment_bytes:
            draft = self._directory / _DRAFT
            file = self._disk.open(draft, write=True, create=True)
            filler = self._filler
            self._spare_asked = spare is not None or (filler is not None and filler.is_alive())
            self._roll(draft, file, HEADER_SIZE, first)

    def _roll(self, draft: Path, file: DiskFile, filled: int, first: Frame) -> None:
        old = self._tail
        header = replace(old.header, first_offset=first.offset, time_us=first.time_us)
        path = publish_segment(self._disk, self._directory, draft, file, header)
        self._tail = replace(
            old, file=file, header=header, path=path, byte=HEADER_SIZE, filled=filled
        )
        if old.filled > old.byte:
            old.file.truncate(old.byte)
        old.file.close()

    def _ask_for_spare(self) -> None:
        self._spare_asked = True
        size = self._spare_bytes = min(self._segment_bytes, 2 * self._spare_bytes)
        if self._in_background:
            self._filler = threading.Thread(
                target=self._fill_spare, args=(size,), name="kingpost-journal-spare", daemon=True
            )
            self._filler.start()
        else:
            self._fill_spare(size)

    def _fill_spare(self, size: int) -> None:
        path = self._directory / _SPARE
        try:
            file = self._disk.open(path, write=True, create=True)
            try:
                is_filled = self._fill(file, size)
            except OSError:
                file.close()
                self._disk.remove(path)  # it may be what fills the disk
                raise
            if is_filled:
                self._spare = _Spare(file, size)  # from here on it is the writer's
            else:
                file.close()
                self._disk.remove(path)
        except OSError as error:
            # not fatal: the writer goes on without, and meets the disk's answer itself
            _log.warning("journal_spare_failed", extra={"reason": str(error)})

    def _fill(self, file: DiskFile, size: int) -> bool:
        for start in range(0, size, FILL_STEP):
            if self._closing:
                return False
            zero_fill(file, start, min(start + FILL_STEP, size))
            file.sync()
        return True

    def close(self) -> None:
        """Release the files and give the space of an unused spare back."""
        self._closing = True
        if self._filler is not None:
            self._filler.join()
        if self._spare is not None:
            self._spare.file.close()
            with contextlib.suppress(OSError):  # the next one to open removes it
                self._disk.remove(self._directory / _SPARE)
        self._tail.file.close()
