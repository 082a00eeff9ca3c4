"""How groups of commits get to the disk: in a thread of their own, or in an event loop.

One group is in flight at a time; what is handed over meanwhile goes as the next one, in one
write and one sync. The thread serves every program; a server whose requests live in a loop
lets the kernel sync there, which takes the interpreter's lock from nobody.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import TYPE_CHECKING, NamedTuple, Protocol

from kingpost.core import KingpostError
from kingpost.journal.frames import Frame
from kingpost.journal.writer import SegmentWriter

if TYPE_CHECKING:
    import asyncio

    from kingpost.journal.file_syncs import FileSyncs

__all__ = ["GROUP_BYTES", "Carrier", "Ended", "Landed", "LoopCarrier", "Submitted", "ThreadCarrier"]

GROUP_BYTES = 8 * 1024 * 1024
"""A group stops gathering at this size."""

_log = logging.getLogger(__name__)

Landed = Callable[[KingpostError | None], None]
"""Told once, in the carrier's thread: None when the commits are durable, else why not."""


class Submitted(NamedTuple):
    """Commits that were handed over together, and who waits for them."""

    frames: Sequence[Frame]
    landed: Landed

    @property
    def size(self) -> int:
        """Of all frames, in bytes."""
        return sum(frame.size for frame in self.frames)


Ended = Callable[[Frame, Exception | None], KingpostError | None]
"""Told the last frame of a group and what its write met; says why nothing is durable now."""


class Carrier(Protocol):
    """Takes commits to the disk, in the order in which they come."""

    def put(self, submitted: Submitted) -> None:
        """Take some, and return at once."""
        ...

    def close(self) -> None:
        """Return once everyone was told."""
        ...


class ThreadCarrier:
    """Writes in a thread of its own."""

    def __init__(self, writer: SegmentWriter, ended: Ended) -> None:
        self._writer, self._ended = writer, ended
        self._failure: KingpostError | None = None
        self._queue: SimpleQueue[Submitted | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="kingpost-journal", daemon=True)
        self._thread.start()

    def put(self, submitted: Submitted) -> None:
        """Take some, from any thread."""
        self._queue.put(submitted)

    def close(self) -> None:
        """Return once everyone was told."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while group := self._gather():
            if self._failure is None:
                frames = _frames_of(group)
                error: Exception | None = None
                try:
                    self._writer.write(frames)
                except Exception as caught:  # noqa: BLE001  the boundary of the writer thread
                    error = caught
                self._failure = self._ended(frames[-1], error)
            _tell(group, self._failure)

    def _gather(self) -> list[Submitted]:
        """Wait for a submission, and take what came with it; none once closed."""
        queue = self._queue
        group: list[Submitted] = []
        size = 0
        while size < GROUP_BYTES and (not group or queue.qsize()):
            submitted = queue.get()
            if submitted is None:
                if group:
                    queue.put(None)  # the last item, for the next time
                break
            group.append(submitted)
            size += submitted.size
        return group


class LoopCarrier:
    """Writes in the thread of an event loop, where it also hears of the syncs.

    Args:
        syncs: Closed with the carrier.
    """

    def __init__(
        self,
        writer: SegmentWriter,
        ended: Ended,
        syncs: "FileSyncs",
        loop: "asyncio.AbstractEventLoop",
    ) -> None:
        self._writer, self._ended, self._syncs, self._loop = writer, ended, syncs, loop
        self._failure: KingpostError | None = None
        self._waiting: deque[Submitted] = deque()
        self._flying: list[Submitted] = []
        self._refusal: Exception | None = None
        """Why the group in flight never took off; nobody was told yet."""
        syncs.watch(loop)

    def put(self, submitted: Submitted) -> None:
        """Take some, in the loop's thread."""
        self._waiting.append(submitted)
        if not self._flying:
            self._launch()

    def close(self) -> None:
        """Return once everyone was told; in the loop's thread, or when it has ended."""
        while self._flying:
            if self._refusal is None:
                self._syncs.wait()
            else:
                self._refused()
        self._syncs.close()

    def _launch(self) -> None:
        size, waiting = 0, self._waiting
        while waiting and size < GROUP_BYTES:
            self._flying.append(waiting.popleft())
            size += self._flying[-1].size
        try:
            descriptor = self._writer.begin(_frames_of(self._flying))
            self._syncs.begin(descriptor, self._synced)
        except Exception as error:  # noqa: BLE001  the boundary of the writer
            # told later: who hands over must not hear of it before it has
            self._refusal = error
            self._loop.call_soon(self._refused)

    def _refused(self) -> None:
        error, self._refusal = self._refusal, None
        if error is not None:  # else it was told when the carrier was closed
            self._synced(error)

    def _synced(self, error: Exception | None) -> None:
        group, self._flying = self._flying, []
        self._failure = self._ended(group[-1].frames[-1], error)
        if self._failure is not None:
            group += self._waiting
            self._waiting.clear()
        elif self._waiting:
            self._launch()  # so that the disk writes while answers are sent
        _tell(group, self._failure)


def _frames_of(group: Sequence[Submitted]) -> list[Frame]:
    return [frame for submitted in group for frame in submitted.frames]


def _tell(group: Sequence[Submitted], failure: KingpostError | None) -> None:
    for submitted in group:
        try:
            submitted.landed(failure)
        except Exception:  # noqa: BLE001  a caller's mistake must not stop the others' commits
            _log.exception("journal_landed_failed")
