"""A journal's carrier that takes a step when it is told to, in the thread that tells it."""

from collections import deque
from collections.abc import Callable, Sequence

from kingpost.core import KingpostError
from kingpost.journal import Entry
from kingpost.journal.carriers import Ended, Submitted
from kingpost.journal.frames import FRAME_HEAD, Frame, decode_entries
from kingpost.journal.writer import SegmentWriter

__all__ = ["Handed", "SteppedCarrier", "handed"]

Handed = tuple[int, int, list[Entry]]
"""A commit as it was handed over: its offset, the one after it, its entries."""


class SteppedCarrier:
    """Holds what it is given until `step`; at once while `is_held` is false.

    Args:
        seen: Told each commit when it is handed over.
    """

    tells_before_it_writes = False
    """A flaw to plant: an acknowledgement that does not wait for the disk."""

    def __init__(self, writer: SegmentWriter, ended: Ended, seen: Callable[[Handed], None]) -> None:
        self._writer, self._ended, self._seen = writer, ended, seen
        self._waiting: deque[Submitted] = deque()
        self._failure: KingpostError | None = None
        self.is_held = False
        self.telling = 0
        """The offset after what the one who is told now has handed over."""

    @property
    def waiting(self) -> int:
        """How many submissions wait."""
        return len(self._waiting)

    def put(self, submitted: Submitted) -> None:
        for frame in submitted.frames:
            self._seen(handed(frame))
        self._waiting.append(submitted)
        if not self.is_held:
            self.step(1)

    def step(self, most: int) -> None:
        """Write up to so many submissions as one group, and tell who waits for them."""
        group = [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]
        if not group:
            return
        if self.tells_before_it_writes:
            self._tell(group)
        if self._failure is None:
            frames = [frame for submitted in group for frame in submitted.frames]
            error: Exception | None = None
            try:
                self._writer.write(frames)
            except OSError as caught:
                error = caught
            self._failure = self._ended(frames[-1], error)
        if not self.tells_before_it_writes:
            self._tell(group)

    def _tell(self, group: Sequence[Submitted]) -> None:
        for submitted in group:
            self.telling = submitted.frames[-1].next_offset
            submitted.landed(self._failure)

    def close(self) -> None:
        while self._waiting:
            self.step(len(self._waiting))


def handed(frame: Frame) -> Handed:
    """Read a frame back."""
    body = bytes(8) + b"".join(frame.buffers)
    entries = decode_entries(body, FRAME_HEAD.size, len(body))
    return frame.offset, frame.next_offset, list(entries)
