"""What keeps a stream flowing: connects again whenever it must, and knows how it stands.

The rule: whatever breaks, the flow is opened again after a pause, and goes on with what was
not acknowledged. Only what no wait can mend ends it.
"""

import logging
import threading
import time
from collections.abc import Mapping
from typing import Protocol

from kingpost.core import KingpostError
from kingpost.journal import is_passing

__all__ = ["Flow", "StreamRunner"]

_FIRST_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 10.0
_IDLE_S = 0.02
_COUNT_EVERY_S = 2.0
_log = logging.getLogger(__name__)


class Flow(Protocol):
    """One way between the journal and a topic; for one thread.

    Attributes:
        name: Of the stream, or of what is published.
        direction: `in` or `out`.
        topic: What it is called at the broker, without any password.
    """

    name: str
    topic: str
    direction: str

    def open(self) -> None:
        """Connect."""
        ...

    def step(self) -> int:
        """Go on, and return how much was done; it waits a while for something to do."""
        ...

    def waiting(self) -> int:
        """Return how much is still to do."""
        ...

    def verdicts(self) -> Mapping[str, int]:
        """Return how many messages came to what, so far."""
        ...

    def close(self) -> None:
        """Disconnect; it may be opened again."""
        ...


class StreamRunner:
    """Runs a flow on the thread that calls it.

    Attributes:
        flow: What it runs.
        is_connected: Whether it flows now.
        waiting: How much was still to do when last asked; None before.
        problem: Why it does not flow; None while it does.
    """

    def __init__(self, flow: Flow) -> None:
        self.flow = flow
        self.is_connected = False
        self.waiting: int | None = None
        self.problem: KingpostError | None = None
        self._pause_s = _FIRST_PAUSE_S

    def run(self, stop: threading.Event, *, drains: bool = False) -> None:
        """Let it flow until told to stop; what is in hand then is finished first.

        Args:
            drains: End when nothing waits any more.

        Raises:
            KingpostError: What no wait can mend.
        """
        while not stop.is_set():
            try:
                self.flow.open()
                self.is_connected = True
                if self._flow_on(stop, drains=drains):
                    return
            except KingpostError as error:
                is_news = self.problem is None or self.problem.code != error.code
                self.problem = error
                if not error.retry_safe and not is_passing(error):
                    raise
                if is_news:
                    self._tell("stream_away", code=error.code, reason=str(error))
            finally:
                self.is_connected = False
                self.flow.close()
            stop.wait(self._pause_s)
            self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)

    def _flow_on(self, stop: threading.Event, *, drains: bool) -> bool:
        """Take step after step; say whether nothing is left to do."""
        counted_s = 0.0
        while not stop.is_set():
            done = self.flow.step()
            now_s = time.monotonic()
            if now_s - counted_s >= _COUNT_EVERY_S or (drains and not done):
                self.waiting, counted_s = self.flow.waiting(), now_s
                if drains and not done and not self.waiting:
                    return True
            if done or not self.waiting:
                self._is_well()
            if not done:
                stop.wait(_IDLE_S)
        return True

    def _is_well(self) -> None:
        if self.problem is not None:
            self._tell("stream_back")
        self.problem, self._pause_s = None, _FIRST_PAUSE_S

    def _tell(self, event: str, **facts: str) -> None:
        named = {"stream": self.flow.name, "direction": self.flow.direction}
        _log.warning(event, extra={**named, **facts})
