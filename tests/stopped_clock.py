"""A clock that shows the time it is set to."""

__all__ = ["StoppedClock"]


class StoppedClock:
    """Stands still until a test moves it."""

    def __init__(self, now_us: int = 1_800_000_000_000_000) -> None:
        self.time_us = now_us

    def now_us(self) -> int:
        return self.time_us

    def monotonic_ns(self) -> int:
        return self.time_us * 1000
