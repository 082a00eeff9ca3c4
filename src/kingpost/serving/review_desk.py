"""The desk: what people may do with tasks and records, and in which order it is kept.

The rule: what a person decided is durable before anybody is told. Of a record it is in the
journal before its task is closed; of anything else the closed task is where it is kept. After
the journal the search is brought up to date, so that they read what they
wrote; the observer does both again from the journal, which changes nothing, and so a
crash in between loses nothing.

Answers to one record are given one after the other: the second finds the task closed.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TypeVar
from weakref import WeakValueDictionary

from starlette.concurrency import run_in_threadpool

from kingpost.access import MissingScope, Principal
from kingpost.core import Clock, KingpostError, id_text
from kingpost.journal import Entry
from kingpost.records import DecisionRecord, Review, encode_review
from kingpost.serving.errors import (
    DecisionNotFound,
    RecordNotFound,
    WrongTaskKind,
)
from kingpost.serving.incident_desk import IncidentDesk
from kingpost.serving.proposals import proposal_of
from kingpost.serving.reasons import checked_reason
from kingpost.serving.review_sources import ReviewSources
from kingpost.serving.shell import Shell
from kingpost.tasks import (
    Task,
    TaskKind,
    TaskNotFound,
    TaskStore,
    TaskStoreFailed,
    TaskVerdict,
    check_value,
)

__all__ = ["ReviewDesk", "queues_for"]

_log = logging.getLogger(__name__)
T = TypeVar("T")


def queues_for(principal: Principal) -> tuple[str, ...] | None:
    """Return the queues whose tasks somebody may see and answer; None is every queue.

    Raises:
        MissingScope: There are none.
    """
    if principal.may("review"):
        return None
    queues = principal.narrowed("review")
    if not queues:
        raise MissingScope("review")
    return queues


class ReviewDesk:
    """What people may do; for one event loop.

    Args:
        sources: Where the inbox and the search are; each is asked in a thread.

    Attributes:
        incidents: What people may do about incidents; called in any thread.
    """

    def __init__(self, shell: Shell, sources: ReviewSources, clock: Clock) -> None:
        self.sources = sources
        self.incidents = IncidentDesk(sources, shell.engine.application, clock)
        self._shell, self._clock = shell, clock
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def claim(self, principal: Principal, identifier: str) -> Task:
        """Take a task, so that nobody else works on it.

        Raises:
            TaskNotFound, TaskClaimed, TaskClosed: See `TaskStore.claim`.
            MissingScope: It is in a queue of others.
            TaskStoreFailed: The inbox cannot be reached.
        """
        task = await self._task(principal, identifier)
        return await self._claim(principal, task)

    async def release(self, principal: Principal, identifier: str) -> Task:
        """Give a task back.

        Raises:
            TaskNotFound, TaskClosed, NotClaimed: See `TaskStore.release`.
            MissingScope, TaskStoreFailed: As in `claim`.
        """
        task = await self._task(principal, identifier)
        by = principal.by
        return await self._ask(lambda tasks: tasks.release(task.tenant, task.id, by))

    async def approve(self, principal: Principal, identifier: str, reason: str = "") -> Task:
        """Let a proposed answer stand, or a workflow go on; a task that nobody has is claimed.

        Raises:
            TaskNotFound, TaskClaimed, TaskClosed, MissingScope, TaskStoreFailed: See `claim`.
            WrongTaskKind: It is no review and no approval.
            BadReason: The reason cannot be kept.
            RecordNotFound, DecisionNotFound: What it is about is not here any more.
            KingpostError: Nothing can be written; see `Shell.append`.
        """
        reason = checked_reason(reason)
        async with self._alone(identifier):
            task = await self._task(principal, identifier, "review", "approval")
            if task.kind == "approval":
                return await self._close(principal, task, "approved", reason)
            record = self._record(principal, task.subject)
            proposal = proposal_of(record)
            positive = proposal is not None and proposal.positive
            await self._claim(principal, task)
            review = await self._write(principal, record, reason, task, positive=positive)
            return await self._finish(task, review)

    async def override(
        self, principal: Principal, identifier: str, *, positive: bool, reason: str
    ) -> Task:
        """Answer a review otherwise than proposed.

        Args:
            positive: The answer that stands from now on. Where it is the proposed one, that
                counts as an approval.
            reason: Why, for whoever reads the record; it must not be empty.

        Raises:
            KingpostError: As in `approve`.
        """
        reason = checked_reason(reason, is_required=True)
        async with self._alone(identifier):
            task = await self._task(principal, identifier, "review")
            record = self._record(principal, task.subject)
            await self._claim(principal, task)
            review = await self._write(principal, record, reason, task, positive=positive)
            return await self._finish(task, review)

    async def acknowledge(self, principal: Principal, identifier: str, reason: str = "") -> Task:
        """Say that an incident was seen, and what was done about it.

        Raises:
            TaskNotFound, TaskClaimed, TaskClosed, MissingScope, TaskStoreFailed: See `claim`.
            WrongTaskKind: It is no incident.
            BadReason: The reason cannot be kept.
        """
        reason = checked_reason(reason)
        task = await self._task(principal, identifier, "incident")
        return await self._close(principal, task, "acknowledged", reason)

    async def reject(self, principal: Principal, identifier: str, *, reason: str) -> Task:
        """Say no to what a workflow asks.

        Args:
            reason: Why, for whoever reads the workflow; it must not be empty.

        Raises:
            TaskNotFound, TaskClaimed, TaskClosed, MissingScope, TaskStoreFailed: See `claim`.
            WrongTaskKind: It is no approval.
            BadReason: The reason cannot be kept.
        """
        reason = checked_reason(reason, is_required=True)
        task = await self._task(principal, identifier, "approval")
        return await self._close(principal, task, "rejected", reason)

    async def modify(
        self,
        principal: Principal,
        identifier: str,
        *,
        value: Mapping[str, object],
        reason: str = "",
    ) -> Task:
        """Let a workflow go on with another value than it asked about.

        Args:
            value: What takes the place of `about`: a JSON object.

        Raises:
            BadTaskValue: The value cannot be kept.
            KingpostError: As in `reject`.
        """
        reason = checked_reason(reason)
        check_value(value)
        task = await self._task(principal, identifier, "approval")
        return await self._close(principal, task, "modified", reason, value)

    async def correct(
        self, principal: Principal, identifier: str, *, positive: bool, reason: str
    ) -> Review:
        """Override the answer of any record, whether or not it was up for review.

        A review of it that still waits is closed by that.

        Args:
            identifier: The record's id.
            positive: The answer that stands from now on.
            reason: Why; it must not be empty.

        Raises:
            RecordNotFound, DecisionNotFound: There is no such record of this tenant, or
                its decision is declared no more.
            MissingScope: It needs `review`, or that for the queue the record was sent to.
            TaskClaimed: Somebody reviews it now.
            BadReason, TaskStoreFailed: As in `approve`.
            KingpostError: Nothing can be written; see `Shell.append`.
        """
        reason = checked_reason(reason, is_required=True)
        record = self._record(principal, identifier)
        subject = id_text(record.id)
        async with self._alone(subject):
            task = await self._ask(lambda tasks: tasks.get(principal.tenant, subject))
            principal.require("review", task.queue if task else "")
            waits = task if task is not None and task.closed_us is None else None
            if waits is not None:
                await self._claim(principal, waits)
            review = await self._write(principal, record, reason, waits, positive=positive)
            if waits is not None:
                await self._finish(waits, review)
            return review

    async def _task(self, principal: Principal, identifier: str, *kinds: TaskKind) -> Task:
        task = await self._ask(lambda tasks: tasks.get(principal.tenant, identifier))
        if task is None:
            raise TaskNotFound(identifier)
        principal.require("review", task.queue)
        if kinds and task.kind not in kinds:
            raise WrongTaskKind(task.kind)
        return task

    def _record(self, principal: Principal, identifier: str) -> DecisionRecord:
        engine = self._shell.engine
        stored = engine.record(principal.tenant, identifier)
        if stored is None:
            raise RecordNotFound
        if stored.record.decision not in engine.application.decisions:
            raise DecisionNotFound
        return stored.record

    async def _claim(self, principal: Principal, task: Task) -> Task:
        by, now_us = principal.by, self._clock.now_us()
        return await self._ask(lambda tasks: tasks.claim(task.tenant, task.id, by, now_us))

    async def _close(
        self,
        principal: Principal,
        task: Task,
        verdict: TaskVerdict,
        reason: str,
        value: Mapping[str, object] | None = None,
    ) -> Task:
        """Answer a task of which the inbox alone keeps the answer."""
        await self._claim(principal, task)
        by, now_us = principal.by, self._clock.now_us()
        return await self._ask(
            lambda tasks: tasks.close(
                task.tenant, task.id, by, verdict, reason, now_us, answer=value
            )
        )

    async def _write(
        self,
        principal: Principal,
        record: DecisionRecord,
        reason: str,
        task: Task | None,
        *,
        positive: bool,
    ) -> Review:
        """Make what a person said durable, then let the search know."""
        proposal = proposal_of(record)
        is_same = proposal is not None and proposal.positive == positive
        review = Review(
            format=1,
            record=record.id,
            decision=record.decision,
            verdict="approved" if is_same else "overridden",
            positive=positive,
            reason=reason,
            by=principal.by,
            at_us=self._clock.now_us(),
            task="" if task is None else task.id,
        )
        await self._shell.append(
            [Entry("review", record.tenant, record.decision, encode_review(review))]
        )
        try:
            await run_in_threadpool(lambda: self.sources.records().review(record.tenant, [review]))
        except KingpostError:
            _log.exception("search_not_updated", extra={"record": id_text(record.id)})
        return review

    async def _finish(self, task: Task, review: Review) -> Task:
        """Close a task that was answered; what fails here, the observer makes good.

        The answer stands, whoever has the task by now. The observer may have read it in the
        journal already, and closed the task by it.
        """
        closed: Task | None = None
        try:
            closed = await self._ask(
                lambda tasks: tasks.settle(
                    task.tenant, task.id, review.by, review.verdict, review.reason, review.at_us
                )
            )
        except TaskStoreFailed:
            _log.exception("task_not_closed", extra={"task": task.id})
        return closed or replace(
            task,
            claimed_by="",
            claimed_us=None,
            closed_us=review.at_us,
            closed_by=review.by,
            verdict=review.verdict,
            reason=review.reason,
        )

    async def _ask(self, question: Callable[[TaskStore], T]) -> T:
        return await run_in_threadpool(lambda: question(self.sources.tasks()))

    @asynccontextmanager
    async def _alone(self, subject: str) -> AsyncGenerator[None, None]:
        lock = self._locks.get(subject)
        if lock is None:
            lock = self._locks[subject] = asyncio.Lock()
        async with lock:
            yield
