"""A worker: takes jobs from the store, has them decided, and notes what came of it.

The rule: a job is decided only while this worker's lease on it lasts, and the lease is renewed
while it is worked on. A worker that is killed says nothing, and its jobs are due again when
the lease ends. A job that was decided before its worker was killed is decided again under the
same idempotency key, which gives the same record.
"""

import logging
import random
import threading
import uuid
from collections.abc import Callable, Sequence
from typing import Protocol

from kingpost.core import Clock, KingpostError, SystemClock
from kingpost.jobs.job import Decided, Job, JobPolicy, JobState, Settlement
from kingpost.jobs.queue import JobQueue
from kingpost.jobs.store import JobStore

__all__ = ["Decider", "JobWorker", "settled_as"]

_log = logging.getLogger(__name__)
_JITTER = 0.1
_LONGEST_REASON = 500


class Decider(Protocol):
    """Decides jobs, each once."""

    def decide(self, jobs: Sequence[Job]) -> Sequence[Decided]:
        """Say what came of each, in their order; it raises nothing."""
        ...


class JobWorker:
    """Works on the jobs of a store, on the thread that calls it; several may run at once.

    Args:
        name: Unlike that of any other worker; made when left out.
    """

    def __init__(
        self,
        store: JobStore,
        queue: JobQueue,
        decider: Decider,
        policy: JobPolicy,
        *,
        clock: Clock | None = None,
        chance: Callable[[], float] = random.random,
        name: str = "",
    ) -> None:
        self._store, self._queue, self._decider = store, queue, decider
        self._policy, self._clock, self._chance = policy, clock or SystemClock(), chance
        self._name = name or str(uuid.uuid4())
        self._lock = threading.Lock()
        self._held: tuple[str, ...] = ()

    def run(self, stop: threading.Event) -> None:
        """Work until told to stop; what is in hand then is finished first."""
        beating = threading.Thread(target=self._beat, args=(stop,), name="job-leases", daemon=True)
        beating.start()
        while not stop.is_set():
            try:
                taken = self.run_once()
            except KingpostError as error:
                _log.warning("job_worker_failed", extra={"code": error.code, "reason": str(error)})
                stop.wait(self._policy.poll_s)
                continue
            if taken < self._policy.batch and not stop.is_set():
                self._queue.wait(self._policy.poll_s)

    def run_once(self) -> int:
        """Take jobs that are due, have them decided, and return how many were taken.

        Raises:
            JobStoreFailed: The store refused; what was taken is due again after the lease.
        """
        jobs = self._store.claim(
            self._name, now_us=self._now(), until_us=self._lease(), limit=self._policy.batch
        )
        lost = [job for job in jobs if job.lost > self._policy.most_lost]
        going = [job for job in jobs if job.lost <= self._policy.most_lost]
        self._hold(tuple(job.id for job in going))
        try:
            came = self._decider.decide(going) if going else ()
            now_us = self._now()
            settlements = [
                *(_given_up(job, now_us) for job in lost),
                *(
                    settled_as(job, one, self._policy, now_us, self._chance())
                    for job, one in zip(going, came, strict=True)
                    if one.kind != "gone"
                ),
            ]
            settled = self._store.settle(self._name, settlements, now_us=now_us)
        finally:
            self._hold(())
        for job in settled:
            if job.state is JobState.DEAD:
                _log.error("job_dead", extra={"job": job.id, "reason": job.reason})
        return len(jobs)

    def _beat(self, stop: threading.Event) -> None:
        """Renew the leases of what is in hand, also while the last of it is finished."""
        while True:
            is_last = stop.wait(self._policy.lease_s / 3)
            with self._lock:
                held = self._held
            if is_last and not held:
                return
            if held:
                try:
                    self._store.renew(self._name, held, until_us=self._lease())
                except KingpostError as error:
                    _log.warning("job_lease_not_renewed", extra={"reason": str(error)})
            if is_last:
                threading.Event().wait(self._policy.lease_s / 10)

    def _hold(self, identifiers: tuple[str, ...]) -> None:
        with self._lock:
            self._held = identifiers

    def _now(self) -> int:
        return self._clock.now_us()

    def _lease(self) -> int:
        return self._now() + round(self._policy.lease_s * 1e6)


def settled_as(
    job: Job, came: Decided, policy: JobPolicy, now_us: int, chance: float
) -> Settlement:
    """Return what becomes of a job: it ends, or is tried again after a wait.

    Args:
        chance: 0 to 1, for a tenth of the wait more: those that failed together part.
    """
    reason = came.reason[:_LONGEST_REASON]

    def after(wait_s: float) -> int:
        return now_us + round(max(wait_s * (1 + _JITTER * chance), came.wait_s) * 1e6)

    match came.kind:
        case "done":
            return Settlement(
                job, JobState.DONE, job.attempts, now_us, "", came.record, came.answer
            )
        case "held" | "gone":
            due_us = after(policy.held_s)
            return Settlement(job, JobState.QUEUED, job.attempts, due_us, reason)
        case "unknown":
            due_us = after(policy.held_s)
            return Settlement(job, JobState.RUNNING, job.attempts, due_us, reason)
        case "failed" | "refused":
            attempts = job.attempts + 1
            if came.kind == "failed" and attempts <= len(policy.waits_s):
                due_us = after(policy.waits_s[attempts - 1])
                return Settlement(job, JobState.QUEUED, attempts, due_us, reason, came.record)
            return Settlement(job, JobState.DEAD, attempts, now_us, reason, came.record)


def _given_up(job: Job, now_us: int) -> Settlement:
    reason = f"its workers were lost {job.lost} times"
    return Settlement(job, JobState.DEAD, job.attempts, now_us, reason)
