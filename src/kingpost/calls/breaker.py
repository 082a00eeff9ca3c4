"""The circuit breaker: a service that fails is left alone, then asked carefully.

The rule: closed it lets all through; once enough of the latest outcomes are failures it is
open and lets nothing through; after a while it is half open and lets a few probes through,
which close it when all succeed and open it again when one fails. An outcome counts only in
the state in which its call was let through.

No I/O and no clock: times are monotonic nanoseconds that the caller passes.
"""

import threading
from collections import deque
from typing import Literal

from kingpost.calls.service import Breaker, seconds_of

__all__ = ["BreakerState", "CircuitBreaker", "Refusal"]

BreakerState = Literal["closed", "open", "half_open"]


class Refusal(float):
    """How many seconds from now a call may be let through again."""


class CircuitBreaker:
    """The state of one service; may be used from several threads."""

    def __init__(self, breaker: Breaker) -> None:
        self._breaker = breaker
        self._window_ns = round(seconds_of(breaker.window) * 1e9)
        self._open_ns = round(seconds_of(breaker.open) * 1e9)
        self._outcomes: deque[tuple[int, bool]] = deque()
        self._failures = 0
        self._state: BreakerState = "closed"
        self._turn = 0
        self._opened_ns = 0
        self._probing = self._proved = 0
        self._lock = threading.Lock()

    @property
    def state(self) -> BreakerState:
        """The state as the last call left it."""
        return self._state

    def refusal(self, now_ns: int) -> Refusal | None:
        """Say when to come again if no call would be let through; changes nothing."""
        with self._lock:
            left_ns = self._opened_ns + self._open_ns - now_ns
            return Refusal(left_ns / 1e9) if self._state == "open" and left_ns > 0 else None

    def admit(self, now_ns: int) -> int | Refusal:
        """Let a call through, and return what to pass to `note`; or say when to come again."""
        with self._lock:
            if self._state == "open":
                left_ns = self._opened_ns + self._open_ns - now_ns
                if left_ns > 0:
                    return Refusal(left_ns / 1e9)
                self._become("half_open")
            if self._state == "half_open":
                if self._probing + self._proved >= self._breaker.probes:
                    return Refusal(self._open_ns / 1e9)
                self._probing += 1
            return self._turn

    def note(self, turn: int, now_ns: int, *, failed: bool | None) -> None:
        """Take the outcome of a call that was let through; None when there is none."""
        with self._lock:
            if turn != self._turn:
                return
            if self._state == "half_open":
                self._note_probe(now_ns, failed)
            elif failed is not None:
                self._note_call(now_ns, failed)

    def _note_probe(self, now_ns: int, failed: bool | None) -> None:
        self._probing -= 1
        if failed:
            self._open(now_ns)
        elif failed is not None:
            self._proved += 1
            if self._proved >= self._breaker.probes:
                self._become("closed")

    def _note_call(self, now_ns: int, failed: bool) -> None:
        self._outcomes.append((now_ns, failed))
        self._failures += failed
        while (
            len(self._outcomes) > self._breaker.calls
            or self._outcomes[0][0] <= now_ns - self._window_ns
        ):
            self._failures -= self._outcomes.popleft()[1]
        counted = len(self._outcomes)
        is_enough = failed and counted >= self._breaker.minimum
        if is_enough and self._failures >= self._breaker.failures * counted:
            self._open(now_ns)

    def _open(self, now_ns: int) -> None:
        self._opened_ns = now_ns
        self._become("open")

    def _become(self, state: BreakerState) -> None:
        self._state = state
        self._turn += 1
        self._probing = self._proved = self._failures = 0
        self._outcomes.clear()
