"""Clients of a service, for threads and for tasks: they take the steps of a call's course."""

import asyncio
import random
import threading
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from kingpost.calls.answer import CallAnswer
from kingpost.calls.call import Call
from kingpost.calls.call_metrics import CallMetrics, NoCallMetrics
from kingpost.calls.course import course_of
from kingpost.calls.exchange import AsyncExchange, AsyncHttpExchange, Exchange, HttpExchange
from kingpost.calls.service import Service
from kingpost.calls.steps import Gate, Hold, Pause, Reply, Send, ServiceState, Step
from kingpost.core import Clock, SystemClock

__all__ = ["AsyncServiceClient", "CallSurroundings", "ServiceClient"]


def _new_key() -> str:
    return str(uuid.uuid4())


@dataclass(frozen=True)
class CallSurroundings:
    """What a client takes from outside; tests bring their own.

    Attributes:
        random: Gives numbers from 0 to 1.
        new_key: Makes idempotency keys.
    """

    clock: Clock = field(default_factory=SystemClock)
    metrics: CallMetrics = field(default_factory=NoCallMetrics)
    random: Callable[[], float] = random.random
    new_key: Callable[[], str] = _new_key

    def state(self, service: Service) -> ServiceState:
        """Make what all calls of a client share."""
        return ServiceState(
            service,
            clock=self.clock,
            metrics=self.metrics,
            random=self.random,
            new_key=self.new_key,
        )


class ServiceClient:
    """Calls one service; may be used from several threads.

    Make one for each service and keep it: breaker, limits, tokens and connections are its
    own. Close it after use.

    Args:
        surroundings: Clock, metrics, chance.
        exchange: Sends requests; HTTP when left out.
        sleep: Waits for some seconds.
    """

    def __init__(
        self,
        service: Service,
        surroundings: CallSurroundings | None = None,
        *,
        exchange: Exchange | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.service = service
        self._state = (surroundings or CallSurroundings()).state(service)
        self._http = HttpExchange(service) if exchange is None else None
        self._exchange = exchange or self._http
        self._sleep = sleep
        self._gates: dict[Gate, threading.Semaphore] = {
            "slot": threading.BoundedSemaphore(service.bulkhead),
            "refresh": threading.BoundedSemaphore(1),
        }

    def call(self, call: Call) -> CallAnswer:
        """Call the service, and return any answer that is not to be asked for again.

        Raises:
            BadCall: It cannot be written as a request.
            EffectUndeclared: It may do something twice, and nothing is declared of that.
            OutcomeUnknown: It was sent without a key and has no answer.
            DeadlineExceeded, CallFailed: The service gave no answer in time, or none.
            CircuitOpen, RateLimited, BulkheadFull: Now is no time to call.
            AuthFailed: There is no access token.
            AnswerTooLarge, PeerUntrusted: The answer, or the service, cannot be taken.
        """
        course = course_of(self._state, call, self._release)
        try:
            step = next(course)
            while True:
                step = course.send(self._take(step))
        except StopIteration as end:
            answer: CallAnswer = end.value
            return answer
        finally:
            course.close()

    def get(self, path: str = "") -> CallAnswer:
        """Call with GET, as `call` does."""
        return self.call(Call("GET", path))

    def post(self, path: str = "", json: object = None, *, idempotency_key: str = "") -> CallAnswer:
        """Call with POST, as `call` does."""
        return self.call(Call("POST", path, json=json, idempotency_key=idempotency_key))

    def close(self) -> None:
        """Close the connections."""
        if self._http is not None:
            self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _take(self, step: Step) -> Reply:
        match step:
            case Pause(wait_s):
                return self._sleep(wait_s)
            case Hold(gate, within_s):
                if within_s <= 0:
                    return self._gates[gate].acquire(blocking=False)
                return self._gates[gate].acquire(timeout=within_s)
            case Send(request, within_s):
                assert self._exchange is not None
                return self._exchange(request, within_s)

    def _release(self, gate: Gate) -> None:
        self._gates[gate].release()


class AsyncServiceClient:
    """Calls one service from the tasks of one event loop; else as `ServiceClient`."""

    def __init__(
        self,
        service: Service,
        surroundings: CallSurroundings | None = None,
        *,
        exchange: AsyncExchange | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.service = service
        self._state = (surroundings or CallSurroundings()).state(service)
        self._http = AsyncHttpExchange(service) if exchange is None else None
        self._exchange = exchange or self._http
        self._sleep = sleep
        self._gates: dict[Gate, asyncio.Semaphore] = {
            "slot": asyncio.BoundedSemaphore(service.bulkhead),
            "refresh": asyncio.BoundedSemaphore(1),
        }

    async def call(self, call: Call) -> CallAnswer:
        """Call the service, as `ServiceClient.call` does."""
        course = course_of(self._state, call, self._release)
        try:
            step = next(course)
            while True:
                step = course.send(await self._take(step))
        except StopIteration as end:
            answer: CallAnswer = end.value
            return answer
        finally:
            course.close()

    async def get(self, path: str = "") -> CallAnswer:
        """Call with GET, as `call` does."""
        return await self.call(Call("GET", path))

    async def post(
        self, path: str = "", json: object = None, *, idempotency_key: str = ""
    ) -> CallAnswer:
        """Call with POST, as `call` does."""
        return await self.call(Call("POST", path, json=json, idempotency_key=idempotency_key))

    async def close(self) -> None:
        """Close the connections."""
        if self._http is not None:
            await self._http.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def _take(self, step: Step) -> Reply:
        match step:
            case Pause(wait_s):
                return await self._sleep(wait_s)
            case Hold(gate, within_s):
                return await self._hold(gate, within_s)
            case Send(request, within_s):
                assert self._exchange is not None
                return await self._exchange(request, within_s)

    async def _hold(self, gate: Gate, within_s: float) -> bool:
        if within_s <= 0 and self._gates[gate].locked():
            return False
        try:
            async with asyncio.timeout(max(within_s, 1e-3)):
                return await self._gates[gate].acquire()
        except TimeoutError:
            return False

    def _release(self, gate: Gate) -> None:
        self._gates[gate].release()
