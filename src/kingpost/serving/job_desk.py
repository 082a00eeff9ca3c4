"""What the server does with jobs: takes them, has them decided, and lets go of old ones.

The rule: nothing here is on the path of a request for a decision. The store is asked in
threads of its own; jobs are decided in the server's loop, together with requests and behind
them, so that there is one journal and one engine however many workers there are.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple, TypeVar

from prometheus_client.metrics_core import Metric

from kingpost.access import Principal
from kingpost.calls import Relay
from kingpost.contracts import Contract, Event
from kingpost.core import Clock, KingpostError, TimeOrderedIds, id_text
from kingpost.decisions import STORE_REASONS, Ask, Exposure
from kingpost.features import FeaturesForgotten
from kingpost.jobs import (
    Decided,
    Job,
    JobBacklog,
    JobNotFound,
    JobPolicy,
    JobQueue,
    JobsFull,
    JobState,
    JobStore,
    JobWorker,
    NewJob,
    Submitted,
)
from kingpost.records import Outcome
from kingpost.serving.errors import DecisionNotFound
from kingpost.serving.extraction import ExtractionGuard
from kingpost.serving.job_metrics import job_metrics
from kingpost.serving.metrics import Histogram, Metrics
from kingpost.serving.problems import PROBLEMS
from kingpost.serving.rendering import render_answer
from kingpost.serving.shell import Settled, Shell

__all__ = ["JobDesk", "JobOptions", "JobSetup"]

_THREADS = 4
_RETRY_AFTER_S = 5
_LOOK_S = 1.0
_PRUNE_EVERY = 60
_BUSY = 32
"""Jobs wait while more requests than this are in the house, a while."""
_GIVE_WAY_S = 1.0
_WAIT_SECONDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
_NEVER = ("contract_violation", "event_conflict", "idempotency_key_reused")
"""Refusals that a further attempt gets as well."""
_UNAVAILABLE = 503

T = TypeVar("T")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class JobSetup:
    """What an installation's jobs stand on.

    Attributes:
        webhooks: The receivers that callers may name.
        relay: Sends to them; None where there is none.
        most_waiting: One more job is sent away with 503.
        keep_s: So long jobs are kept that have ended.
        works_here: Whether this server works on jobs itself.
    """

    store: JobStore
    queue: JobQueue
    webhooks: tuple[str, ...] = ()
    relay: Relay | None = None
    most_waiting: int = 100_000
    keep_s: float = 7 * 86_400.0
    works_here: bool = True
    policy: JobPolicy = field(default_factory=JobPolicy)


class JobOptions(NamedTuple):
    """What may be said of a job beside its request."""

    priority: int = 5
    webhook: str = ""
    session: str = ""
    key: str = ""
    trace_id: str = ""


class JobDesk:
    """The jobs of one server.

    Args:
        guards: By decision, what counts the answers that its callers collect.
    """

    def __init__(
        self,
        shell: Shell,
        metrics: Metrics,
        setup: JobSetup,
        clock: Clock,
        guards: Mapping[str, ExtractionGuard] | None = None,
    ) -> None:
        self.webhooks = setup.webhooks
        self._guards = guards or {}
        self._shell, self._metrics, self._setup, self._clock = shell, metrics, setup, clock
        self._ids = TimeOrderedIds(clock)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="jobs")
        self._stopped = threading.Event()
        self._running: list[threading.Thread] = []
        self._backlog: Sequence[JobBacklog] = ()
        self._waiting = 0
        self._waited = Histogram(_WAIT_SECONDS)
        self._is_closed = False

    def start(self) -> None:
        """Begin to work, in the running loop."""
        loop = asyncio.get_running_loop()
        works: list[tuple[str, Callable[[], None]]] = [("job-keeper", self._keep)]
        if self._setup.relay is not None:
            works.append(("job-webhooks", partial(self._setup.relay.run, self._stopped)))
        if self._setup.works_here:
            worker = JobWorker(
                self._setup.store, self._setup.queue, _Here(self, loop), self._setup.policy
            )
            works.append(("job-worker", partial(worker.run, self._stopped)))
        self._running = [
            threading.Thread(target=work, name=name, daemon=True) for name, work in works
        ]
        for thread in self._running:
            thread.start()

    async def stop(self) -> None:
        """Take no further job, and return when those in hand are settled."""
        self._stopped.set()
        self._setup.queue.close()
        for thread in self._running:
            await asyncio.get_running_loop().run_in_executor(None, thread.join)

    def close(self) -> None:
        """Let go of the store; closing twice is fine."""
        if not self._is_closed:
            self._is_closed = True
            self._stopped.set()
            self._setup.queue.close()
            self._threads.shutdown()
            self._setup.store.close()

    def cost_of(self, decision: str) -> float:
        """Return what an answer of a decision costs; nothing for one that is not served."""
        served = self._shell.engine.served.get(decision)
        return 0 if served is None else served.decision.cost

    async def submit(
        self, principal: Principal, decision: str, body: bytes, options: JobOptions
    ) -> Submitted:
        """Keep a job whose request fits its contract.

        Raises:
            DecisionNotFound: Nothing of that name is served.
            ContractViolation: The request does not fit.
            ExtractionBudgetSpent: It is one more answer than the caller may still collect; it
                counts now, whenever it is decided.
            JobsFull, JobKeyReused, JobStoreFailed: Nothing was kept.
        """
        served = self._shell.engine.served.get(decision)
        if served is None:
            raise DecisionNotFound
        event = served.decision.request.decode(body)
        guard = self._guards.get(decision)
        if guard is not None and not self._shell.engine.has_answered(
            principal.tenant, decision, event, body
        ):
            guard.admit(principal, event)
        if self._waiting >= self._setup.most_waiting:
            raise JobsFull(self._setup.most_waiting, _RETRY_AFTER_S)
        digest = b""
        contract = served.decision.request
        if contract.subject is not None:
            protected = contract.protect(principal.tenant, event, self._shell.engine.next_offset)
            body, digest = protected.body, protected.digest
        new = NewJob(
            id_text(self._ids.next()),
            principal.tenant,
            decision,
            principal.id,
            body,
            options.trace_id,
            options.session,
            options.priority,
            options.key,
            options.webhook,
            digest,
        )
        now_us = self._clock.now_us()
        submitted = await self.ask(lambda store: store.submit(new, now_us=now_us))
        if not submitted.is_repeat:
            self._waiting += 1
            self._setup.queue.announce()
        return submitted

    async def read(self, principal: Principal, identifier: str) -> Job:
        """Return a job whose decision somebody may make.

        Raises:
            JobNotFound: There is none of that id for them.
        """
        job = await self.ask(lambda store: store.get(principal.tenant, identifier))
        if job is None or not principal.may("decide", job.decision):
            raise JobNotFound(identifier)
        return job

    async def cancel(self, principal: Principal, identifier: str) -> Job:
        """Cancel a job; see `JobStore.cancel`."""
        await self.read(principal, identifier)
        now_us = self._clock.now_us()
        return await self.ask(
            lambda store: store.cancel(principal.tenant, identifier, now_us=now_us)
        )

    async def replay(self, principal: Principal, identifier: str) -> Job:
        """Let a dead job wait again; see `JobStore.replay`."""
        await self.read(principal, identifier)
        now_us = self._clock.now_us()
        job = await self.ask(
            lambda store: store.replay(principal.tenant, identifier, now_us=now_us)
        )
        self._setup.queue.announce()
        return job

    async def ask(self, question: Callable[[JobStore], T]) -> T:
        """Ask the store in a thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, question, self._setup.store)

    async def decide_running(self, identifier: str) -> Decided:
        """Decide a job that a worker elsewhere holds; `gone` when nobody does."""
        job = await self.ask(lambda store: store.running(identifier))
        return Decided("gone") if job is None else await self.decide(job)

    async def decide_all(self, jobs: Sequence[Job]) -> Sequence[Decided]:
        """Decide jobs together, once there is room between requests, or after a while."""
        loop = asyncio.get_running_loop()
        end = loop.time() + _GIVE_WAY_S
        while self._metrics.waiting > _BUSY and loop.time() < end:
            await asyncio.sleep(0.005)
        return await asyncio.gather(*map(self.decide, jobs))

    async def decide(self, job: Job) -> Decided:
        """Decide a job once; under its own key, so that it has one record however often."""
        if job.attempts == 0 and job.lost == 0:
            self._waited.observe(max(0, job.started_us - job.created_us) / 1e6)
        served = self._shell.engine.served.get(job.decision)
        if served is None:
            return Decided("refused", reason=DecisionNotFound.code)
        try:
            event = _event_of(served.decision.request, job.body)
            if event is None:
                return Decided("refused", reason="erased")
            ask = Ask(
                job.decision,
                job.tenant,
                job.principal,
                event,
                job.body,
                job.trace_id,
                job.session or None,
                job.decision_key,
                self._clock.monotonic_ns(),
            )
            settled = await self._shell.decide(ask)
            if (guard := self._guards.get(job.decision)) is not None and not settled.is_repeat:
                guard.learn(settled.record)
            return _decided(settled, served.decision.exposure)
        except KingpostError as error:
            return _refused(error)
        except Exception as error:  # noqa: BLE001  the boundary of a job
            _log.exception("job_failed", extra={"job": job.id})
            return Decided("failed", reason=type(error).__name__)

    def collect(self) -> Iterator[Metric]:
        """Yield what the metrics have of jobs."""
        yield from job_metrics(self._backlog, self._clock.now_us(), self._waited)

    def _keep(self) -> None:
        """Count what waits, and forget what ended long ago."""
        look = 0
        while not self._stopped.is_set():
            try:
                self._backlog = self._setup.store.backlog()
                queued = (one.number for one in self._backlog if one.state is JobState.QUEUED)
                self._waiting = sum(queued)
                if look % _PRUNE_EVERY == 0:
                    before_us = self._clock.now_us() - round(self._setup.keep_s * 1e6)
                    self._setup.store.prune(before_us=before_us)
            except KingpostError as error:
                self._backlog = ()
                _log.warning("jobs_not_counted", extra={"reason": str(error)})
            look += 1
            self._stopped.wait(_LOOK_S)


class _Here:
    """A `Decider` in this process, for a worker in a thread."""

    def __init__(self, desk: JobDesk, loop: asyncio.AbstractEventLoop) -> None:
        self._desk, self._loop = desk, loop

    def decide(self, jobs: Sequence[Job]) -> Sequence[Decided]:
        deciding = asyncio.run_coroutine_threadsafe(self._desk.decide_all(jobs), self._loop)
        return deciding.result()


def _event_of(contract: Contract[Event], body: bytes) -> Event | None:
    """Read the request of a job; None when its subject was erased since."""
    if contract.subject is None:
        return contract.decode(body)
    event = contract.decode_stored(body)
    return None if contract.stored_digest(body) is None else event


def _decided(settled: Settled, exposure: Exposure | None) -> Decided:
    record = settled.record
    identifier = id_text(record.id)
    if record.outcome is not Outcome.FAILED:
        return Decided("done", identifier, render_answer(record, exposure))
    if record.reason == FeaturesForgotten.code:
        return Decided("refused", identifier, reason=record.reason)
    kind = "held" if record.reason in STORE_REASONS else "failed"
    return Decided(kind, identifier, reason=record.reason)


def _refused(error: KingpostError) -> Decided:
    problem = PROBLEMS.get(error.code)
    if error.code in _NEVER:
        return Decided("refused", reason=error.code)
    if problem is not None and problem.status == _UNAVAILABLE:
        return Decided("held", reason=error.code)
    return Decided("failed", reason=error.code)
