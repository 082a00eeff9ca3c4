"""The steps of a call's course, and what all calls of one client share."""

from collections.abc import Callable, Generator
from typing import Literal, NamedTuple, TypeVar

from kingpost.calls.answer import CallAnswer
from kingpost.calls.breaker import CircuitBreaker
from kingpost.calls.call_metrics import CallMetrics
from kingpost.calls.credentials import ApiKey, Bearer
from kingpost.calls.exchange import Broken, CallRequest
from kingpost.calls.limits import CallLimiter
from kingpost.calls.retrying import RetryBudget
from kingpost.calls.service import Service
from kingpost.calls.tokens import Tokens
from kingpost.core import Clock

__all__ = [
    "Course",
    "Gate",
    "Hold",
    "Pause",
    "Reply",
    "Send",
    "ServiceState",
    "Step",
    "exchanged",
]

_T = TypeVar("_T")

Gate = Literal["slot", "refresh"]


class Pause(NamedTuple):
    """Wait for some seconds; the reply is None."""

    wait_s: float


class Hold(NamedTuple):
    """Take a place of the bulkhead, or the turn to refresh; the reply is whether it is held."""

    gate: Gate
    within_s: float


class Send(NamedTuple):
    """Send a request once; the reply is what came of it."""

    request: CallRequest
    within_s: float


Step = Pause | Hold | Send
Reply = None | bool | CallAnswer | Broken
Course = Generator[Step, Reply, _T]


class ServiceState:
    """What all calls of one client share."""

    def __init__(
        self,
        service: Service,
        *,
        clock: Clock,
        metrics: CallMetrics,
        random: Callable[[], float],
        new_key: Callable[[], str],
    ) -> None:
        self.service, self.clock, self.metrics = service, clock, metrics
        self.random, self.new_key = random, new_key
        self.breaker = None if service.breaker is None else CircuitBreaker(service.breaker)
        self.limiter = CallLimiter(service.rate_limit)
        self.budget = RetryBudget(service.retries)
        auth = service.auth
        self.tokens: Tokens | None = None
        self.fixed_headers: dict[str, str] = {}
        if isinstance(auth, ApiKey):
            self.fixed_headers = {auth.header.lower(): auth.key}
        elif isinstance(auth, Bearer):
            self.fixed_headers = {"authorization": f"Bearer {auth.token}"}
        elif auth is not None:
            self.tokens = Tokens(service.name, auth)


def exchanged(reply: Reply) -> CallAnswer | Broken:
    """Narrow the reply to a `Send`."""
    if isinstance(reply, CallAnswer | Broken):
        return reply
    raise TypeError(f"a request was answered with {type(reply).__name__}")
