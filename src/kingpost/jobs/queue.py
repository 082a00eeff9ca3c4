"""How workers hear that a job waits.

The rule: the store is the truth, a queue only wakes. What it loses costs time and never a job,
since a worker that hears nothing looks into the store by itself; what it says twice costs a
look. So no fault of a broker loses a job or has one done twice.
"""

import threading
from typing import Protocol

__all__ = ["JobQueue", "LocalQueue"]


class JobQueue(Protocol):
    """Wakes workers; for any thread."""

    def announce(self) -> None:
        """Say that a job waits; it never blocks, and what goes wrong is made good by itself."""
        ...

    def wait(self, timeout_s: float) -> None:
        """Return when a job waits, or after a time."""
        ...

    def close(self) -> None:
        """End; what waits returns."""
        ...


class LocalQueue:
    """A `JobQueue` within one process; workers elsewhere look into the store by themselves."""

    def __init__(self) -> None:
        self._heard = threading.Event()

    def announce(self) -> None:
        self._heard.set()

    def wait(self, timeout_s: float) -> None:
        self._heard.wait(timeout_s)
        self._heard.clear()

    def close(self) -> None:
        self._heard.set()
