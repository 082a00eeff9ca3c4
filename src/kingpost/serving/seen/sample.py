"""A share of the requests, told to somebody by a thread of its own.

The rule: a request never waits for who looks on. Requests lie in a short queue until the
thread takes them, many at a time; what finds no room is dropped and counted.
"""

import logging
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from kingpost.serving.http import CallerSpan
from kingpost.serving.seen.request import SeenRequest

__all__ = ["Sample", "SampleCounts", "TakesSeen"]

ROOM = 4096
AT_ONCE = 256
PAUSE_S = 0.2
_CLOSING_S = 5.0
_WHOLE = 1 << 64
_log = logging.getLogger(__name__)


class TakesSeen(Protocol):
    """Is told of requests, in a thread of its own; may take its time."""

    def take(self, seen: Sequence[SeenRequest]) -> bool:
        """Tell of some requests; False when nobody heard."""
        ...

    def close(self) -> None:
        """Take no longer; called while `take` may still run."""
        ...


@dataclass(slots=True)
class SampleCounts:
    """What became of the requests of a sample; `failed` were told to nobody who heard."""

    told: int = 0
    failed: int = 0
    dropped: int = 0


class Sample:
    """The requests of a share, for one who is told of them.

    Args:
        name: What it is called in metrics.
        share: 0 to 1; by the trace id, so that every service with the same share chooses alike.
        follows_caller: Whether a caller's own choice counts instead, where it names its span.
        room: The most requests that wait.

    Attributes:
        counts: What became of them.
    """

    def __init__(
        self,
        name: str,
        share: float,
        taker: TakesSeen,
        *,
        follows_caller: bool = False,
        room: int = ROOM,
    ) -> None:
        self.name, self.counts = name, SampleCounts()
        self._below, self._follows_caller = round(share * _WHOLE), follows_caller
        self._taker, self._room = taker, room
        self._waiting: deque[SeenRequest] = deque()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"kingpost-{name}", daemon=True)
        self._thread.start()

    def wants(self, trace_id: str, caller: CallerSpan | None) -> bool:
        """Tell whether a request is of the sample."""
        if self._follows_caller and caller is not None:
            return caller.is_sampled
        return int(trace_id[16:], 16) < self._below

    def offer(self, seen: SeenRequest) -> None:
        """Take a request, or drop it when there is no room."""
        if len(self._waiting) < self._room:
            self._waiting.append(seen)
        else:
            self.counts.dropped += 1

    def close(self) -> None:
        """Tell of what waits; what takes longer than seconds is left. Closing twice is fine."""
        if self._ending.is_set():
            return
        self._ending.set()
        self._thread.join(_CLOSING_S)
        self._taker.close()

    def _run(self) -> None:
        is_last = False
        while not is_last:
            is_last = self._ending.wait(PAUSE_S)
            while self._waiting:
                self._tell()

    def _tell(self) -> None:
        seen = [self._waiting.popleft() for _ in range(min(AT_ONCE, len(self._waiting)))]
        try:
            is_told = self._taker.take(seen)
        except Exception:  # noqa: BLE001  the boundary of a batch: the next one may do
            _log.exception("requests_not_told", extra={"sample": self.name})
            is_told = False
        if is_told:
            self.counts.told += len(seen)
        else:
            self.counts.failed += len(seen)
