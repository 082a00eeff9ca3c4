"""How many workflows have not ended, for the metrics and for who looks at them.

The rule: neither scrapes nor pages can load the database, however often they come. Counting
takes a twentieth of the time at most; what is read in between is what was counted last.
"""

import logging
import threading
from collections.abc import Callable, Mapping

from starlette.concurrency import run_in_threadpool

from kingpost.core import Clock, KingpostError

__all__ = ["SparingCount", "WorkflowCounts"]

_SHORTEST_NS = 10_000_000_000
_REST = 19
_log = logging.getLogger(__name__)

Counts = Mapping[tuple[str, str], int]
"""How many, by workflow and state."""


class SparingCount:
    """Counts when it is asked, but rests after each time; any thread may ask.

    Args:
        shortest_ns: How long it rests at least.
    """

    def __init__(self, count: Callable[[], Counts], clock: Clock, *, shortest_ns: int = 0) -> None:
        self._count, self._clock, self._shortest_ns = count, clock, shortest_ns
        self._latest: Counts = {}
        self._due_ns = clock.monotonic_ns()
        self._lock = threading.Lock()

    @property
    def is_due(self) -> bool:
        """Whether it would count now."""
        return self._clock.monotonic_ns() >= self._due_ns

    def read(self) -> Counts:
        """Return how many there are, or were a moment ago.

        Raises:
            WorkflowStoreFailed: The database is not reached; it is not asked again at once.
        """
        with self._lock:
            begun_ns = self._clock.monotonic_ns()
            if begun_ns < self._due_ns:
                return self._latest
            self._latest = {}
            try:
                self._latest = self._count()
            finally:
                ended_ns = self._clock.monotonic_ns()
                rest_ns = max(self._shortest_ns, _REST * (ended_ns - begun_ns))
                self._due_ns = ended_ns + rest_ns
            return self._latest


class WorkflowCounts:
    """The counts of all tenants for the metrics; nothing while the database is not reached.

    Args:
        count: Called in a thread.

    Attributes:
        latest: What was counted last.
    """

    def __init__(self, count: Callable[[], Counts], clock: Clock) -> None:
        self._count = SparingCount(count, clock, shortest_ns=_SHORTEST_NS)
        self.latest: Counts = {}
        self._is_counting = False

    async def refresh(self) -> None:
        """Count, if it is time; a caller that comes meanwhile does not wait."""
        if self._is_counting or not self._count.is_due:
            return
        self._is_counting = True
        try:
            self.latest = await run_in_threadpool(self._count.read)
        except KingpostError as error:
            self.latest = {}
            _log.warning("workflows_not_counted", extra={"reason": error.code})
        finally:
            self._is_counting = False
