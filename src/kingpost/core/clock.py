"""The clock as a parameter, so that tests and simulations own the time."""

import time
from typing import Protocol

__all__ = ["Clock", "SystemClock"]


class Clock(Protocol):
    """Tells the time; one implementation reads the machine, tests bring their own."""

    def now_us(self) -> int:
        """Return the UTC time in microseconds since 1970."""
        ...

    def monotonic_ns(self) -> int:
        """Return a time that never goes back, in nanoseconds, for measuring durations."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now_us(self) -> int:
        return time.time_ns() // 1000

    # no method around it: a request asks several times
    monotonic_ns = staticmethod(time.perf_counter_ns)
