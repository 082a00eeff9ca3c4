"""A service in virtual time: what it answers is written down, and nobody waits."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from kingpost.calls import (
    Broken,
    CallAnswer,
    CallMetrics,
    CallRequest,
    CallSurroundings,
    NoCallMetrics,
    Service,
    ServiceClient,
)

__all__ = ["Slow", "VirtualService", "VirtualTime", "answer"]


def answer(status: int = 200, body: bytes = b"", **headers: str) -> CallAnswer:
    """Write an answer; `retry_after="3"` is the header `retry-after: 3`."""
    return CallAnswer(
        status, {name.replace("_", "-"): text for name, text in headers.items()}, body
    )


class Slow(NamedTuple):
    """An outcome that takes its time; what is not there in time is lost."""

    outcome: CallAnswer | Broken
    takes_s: float


Outcome = CallAnswer | Broken | Slow


class VirtualTime:
    """A clock that moves when somebody sleeps."""

    def __init__(self, now_us: int = 1_800_000_000_000_000) -> None:
        self.start_us = self.time_us = now_us
        self.slept: list[float] = []

    @property
    def passed_s(self) -> float:
        return (self.time_us - self.start_us) / 1e6

    def now_us(self) -> int:
        return self.time_us

    def monotonic_ns(self) -> int:
        return self.time_us * 1000

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time_us += round(seconds * 1e6)


class VirtualService:
    """Gives its outcomes one after the other, the last of them for ever.

    Attributes:
        sent: The requests that came, tokens included.
        at_s: When each came, in seconds since the start.
    """

    def __init__(self, *outcomes: Outcome, time: VirtualTime | None = None) -> None:
        self.time = time or VirtualTime()
        self._outcomes = list(outcomes) or [answer()]
        self.sent: list[CallRequest] = []
        self.at_s: list[float] = []
        self.answers: Callable[[CallRequest], Outcome] | None = None

    def __call__(self, request: CallRequest, within_s: float) -> CallAnswer | Broken:
        self.sent.append(request)
        self.at_s.append(self.time.passed_s)
        if self.answers is not None:
            outcome = self.answers(request)
        else:
            outcome = self._outcomes.pop(0) if len(self._outcomes) > 1 else self._outcomes[0]
        if not isinstance(outcome, Slow):
            return outcome
        self.time.time_us += round(min(outcome.takes_s, within_s) * 1e6)
        if outcome.takes_s < within_s:
            return outcome.outcome
        return Broken("lost", "no answer in time")

    def client(
        self,
        service: Service,
        *,
        random: Callable[[], float] = lambda: 1.0,
        metrics: CallMetrics | None = None,
        keys: Sequence[str] = (),
    ) -> ServiceClient:
        left = list(keys)
        surroundings = CallSurroundings(
            clock=self.time,
            metrics=metrics or NoCallMetrics(),
            random=random,
            new_key=lambda: left.pop(0) if left else f"key-{len(self.sent)}",
        )
        return ServiceClient(service, surroundings, exchange=self, sleep=self.time.sleep)
