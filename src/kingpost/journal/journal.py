"""The one writer of a partition: append commits, and know when they are durable.

Callers hand over commits and go on; one group at a time is in flight, in a writer thread or
in an event loop (`carriers`), and what arrives meanwhile goes as the next group, in one
write and one sync. Durable means that the sync returned. After a failed write or sync nothing later is acknowledged:
what the disk holds is then unknown until the partition is opened, and recovered, anew.

Reading is left to `scans` and `lookup`, which need no writer.
"""

import errno
import logging
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from kingpost.core import Clock, Disk, DiskLock, KingpostError
from kingpost.journal.carriers import (
    GROUP_BYTES,
    Carrier,
    Ended,
    Landed,
    LoopCarrier,
    Submitted,
    ThreadCarrier,
)
from kingpost.journal.errors import (
    BadCommit,
    JournalClosed,
    JournalFailed,
    JournalFull,
    JournalInUse,
    JournalReadOnly,
)
from kingpost.journal.frames import Entry, Frame, encode
from kingpost.journal.position import Position, partition_name
from kingpost.journal.recovery import Tail, recover_tail
from kingpost.journal.segments import SegmentHeader, first_offsets
from kingpost.journal.writer import DRAFTS, SegmentWriter, check_room, first_segment

if TYPE_CHECKING:
    import asyncio

__all__ = ["GROUP_BYTES", "SEGMENT_BYTES", "Journal", "Landed"]

SEGMENT_BYTES = 64 * 1024 * 1024

_LOCK = "lock"
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_NO_RIGHT = (errno.EROFS, errno.EACCES, errno.EPERM)
_log = logging.getLogger(__name__)


class Journal:
    """A partition, open for writing in this process alone; made by `open`.

    Any thread may append. Attributes:
        directory: Where it lies.
        partition: Its name, the name of the directory.
        durable_offset: Everything before this offset is durable.
    """

    def __init__(
        self,
        directory: Path,
        clock: Clock,
        lock: DiskLock,
        tail: Tail,
        writer: SegmentWriter,
        carrier: Callable[[SegmentWriter, Ended], Carrier] = ThreadCarrier,
    ) -> None:
        self.directory = directory
        self.partition = directory.name
        self.durable_offset = tail.next_offset
        self._clock, self._lock, self._writer = clock, lock, writer
        self._salt = tail.header.salt
        self._next_offset = tail.next_offset
        self._last_time_us = tail.last_time_us
        self._failure: KingpostError | None = None
        self._submitting = threading.Lock()
        self._closed = False
        self._carrier: Carrier = carrier(writer, self._ended)

    @staticmethod
    def open(
        directory: Path,
        *,
        disk: Disk,
        clock: Clock,
        segment_bytes: int = SEGMENT_BYTES,
        fill_in_background: bool = True,
        room_bytes: int = 0,
        carrier: Callable[[SegmentWriter, Ended], Carrier] = ThreadCarrier,
    ) -> "Journal":
        """Open a partition for writing, and make it when it does not exist.

        A commit that a crash left half-written is erased; whole ones stay.

        Args:
            directory: The partition; its name is the partition's name.
            disk: Where every byte goes.
            clock: Gives each commit its time.
            segment_bytes: The size at which a new segment file is begun.
            fill_in_background: Whether the next segment is filled in a thread of its own.
            room_bytes: Refuse to open when so much more does not fit, so that the first
                commits after a full disk do not meet it again.
            carrier: Makes what takes groups to the disk; a simulation brings one that it
                drives step by step.

        Raises:
            JournalInUse: Someone else has it open for writing.
            JournalCorrupt: Commits that were durable cannot be read any more.
            JournalNewer: A later version of Kingpost wrote it.
            JournalFull, JournalReadOnly, JournalFailed: The disk refused.
            BadPartitionName: The directory's name cannot name a partition.
        """
        partition_name(directory.name)
        try:
            disk.make_directory(directory)
            lock = _lock(disk, directory)
            try:
                _clear(disk, directory, room_bytes)
                tail = _recover(disk, directory, clock, segment_bytes)
            except BaseException:
                lock.release()
                raise
        except OSError as error:
            raise _failure(directory, error) from error
        writer = SegmentWriter(
            disk, directory, tail, segment_bytes=segment_bytes, in_background=fill_in_background
        )
        return Journal(directory, clock, lock, tail, writer, carrier)

    @property
    def next_offset(self) -> int:
        """The first offset that the next commit gets."""
        return self._next_offset

    @property
    def position(self) -> Position:
        """How far the partition is durable."""
        return Position.of({self.partition: self.durable_offset})

    def append(self, entries: Sequence[Entry]) -> int:
        """Append one commit and return its first offset once it is durable.

        Raises:
            BadCommit: The entries do not make a commit; nothing was written.
            JournalFull: The disk is full; open the journal again when it is not.
            JournalReadOnly: The file system takes no writes; open the journal again later.
            JournalFailed: A write failed; open the journal again.
            JournalClosed: It was closed.
        """
        wait = threading.Lock()
        wait.acquire()
        outcome: list[KingpostError | None] = []

        def landed(error: KingpostError | None) -> None:
            outcome.append(error)
            wait.release()

        offset = self.submit([entries], landed)
        wait.acquire()
        if outcome[0] is not None:
            raise _again(outcome[0]) from outcome[0]
        return offset

    def submit(self, commits: Sequence[Sequence[Entry]], landed: Landed) -> int:
        """Queue commits, in order, as part of one group; return the first one's offset.

        Args:
            commits: Each one is atomic; either all are queued or none.
            landed: Called once in the writer's thread, when all are durable or have failed.
                It should only hand the news on: the next group waits for it.

        Raises:
            BadCommit: One of them is not a commit, or there is none; nothing was queued.
            JournalFull, JournalReadOnly, JournalFailed: An earlier write failed; open the
                journal again.
            JournalClosed: It was closed.
        """
        with self._submitting:
            if self._failure is not None:
                raise _again(self._failure)
            if self._closed:
                raise JournalClosed(self.directory)
            salt, first = self._salt, self._next_offset
            now_us = max(self._clock.now_us(), self._last_time_us)
            offset = first
            frames: list[Frame] = []
            for entries in commits:
                frame = encode(entries, offset, now_us, salt)
                offset = frame.next_offset
                frames.append(frame)
            if not frames:
                raise BadCommit("there is none")
            self._next_offset = offset
            self._last_time_us = now_us
            self._carrier.put(Submitted(frames, landed))
            return first

    def enter(self, loop: "asyncio.AbstractEventLoop") -> bool:
        """Write in the thread of a loop, which is the only one to submit from here on.

        `append` would wait for itself there. `leave` or `close` it in the same thread.

        Returns:
            Whether it does; else it goes on in a thread of its own, as the system cannot
            sync without.
        """
        from kingpost.journal.file_syncs import FileSyncs

        with self._submitting:
            syncs = FileSyncs.open() if self._writer.can_begin and not self._closed else None
            if syncs is None:
                return False
            self._carrier.close()
            self._carrier = LoopCarrier(self._writer, self._ended, syncs, loop)
            return True

    def leave(self) -> None:
        """Write in a thread of its own again, once everything submitted is told."""
        with self._submitting:
            if not self._closed and isinstance(self._carrier, LoopCarrier):
                self._carrier.close()
                self._carrier = ThreadCarrier(self._writer, self._ended)

    def close(self) -> None:
        """Wait for what was queued, then release the partition; closing twice is fine."""
        with self._submitting:
            if self._closed:
                return
            self._closed = True
        self._carrier.close()
        self._writer.close()
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _ended(self, last: Frame, error: Exception | None) -> KingpostError | None:
        """Note what became of a group; return why nothing is durable from here on."""
        if error is None:
            self.durable_offset = last.next_offset
            return None
        is_a_bug = error if not isinstance(error, OSError) else None
        extra = {"partition": self.partition, "reason": str(error)}
        _log.error("journal_write_failed", extra=extra, exc_info=is_a_bug)
        self._failure = _failure(self.directory, error)
        return self._failure


def _lock(disk: Disk, directory: Path) -> DiskLock:
    path = directory / _LOCK
    try:
        return disk.lock(path)
    except BlockingIOError as error:
        file = disk.open(path, write=False)
        try:
            text = file.read_at(0, 20).decode().strip()
        finally:
            file.close()
        raise JournalInUse(directory, int(text) if text.isdigit() else None) from error


def _clear(disk: Disk, directory: Path, room_bytes: int) -> None:
    for draft in set(disk.list(directory)).intersection(DRAFTS):
        disk.remove(directory / draft)
    if room_bytes:
        check_room(disk, directory, room_bytes)


def _recover(disk: Disk, directory: Path, clock: Clock, segment_bytes: int) -> Tail:
    # a crash may have come between a segment's rename and the sync of its directory
    disk.sync_directory(directory)
    firsts = first_offsets(disk, directory)
    if not firsts:
        salt = int.from_bytes(os.urandom(4))
        header = SegmentHeader(directory.name, 0, clock.now_us(), salt)
        first_segment(disk, directory, header, segment_bytes)
        firsts = [0]
    return recover_tail(disk, directory, firsts[-1])


def _failure(directory: Path, error: Exception) -> KingpostError:
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        return JournalFull(directory)
    if isinstance(error, OSError) and error.errno in _NO_RIGHT:
        return JournalReadOnly(directory, error.strerror or str(error))
    return JournalFailed(directory, str(error))


def _again(failure: KingpostError) -> KingpostError:
    """Make the error anew: one that several threads raise would mix their tracebacks."""
    return type(failure)(*failure.args)
