"""The asynchronous shell of the engine: requests gather, answers wait for the disk.

The rule: nothing leaves before the group that wrote it is durable. What arrives while a
group is on its way is decided together when that one has landed: larger batches cost less,
and the disk writes the next group while the answers of the last are sent. What wrote
nothing itself (a retry, a list of duplicates) repeats what others wrote, so it waits for
everything handed over before it. After a failed write nothing leaves at all until the
engine has recovered, where what went wrong can pass; else the server must be started again.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import msgspec

from kingpost.contracts import Event, EventKey
from kingpost.core import Clock, KingpostError
from kingpost.decisions import (
    Ask,
    Change,
    Engine,
    EngineStopped,
    ErasureFailed,
    EventUnreadable,
    Ingested,
    Lightening,
    Reply,
    UnderLegalHold,
)
from kingpost.features import Erasure, Hold
from kingpost.journal import Entry, Landed, is_passing
from kingpost.records import DecisionRecord
from kingpost.serving.errors import InternalError
from kingpost.serving.metrics import Metrics
from kingpost.serving.recovery import Pause, recovered
from kingpost.subjects import KeysNotKept

__all__ = ["Settle", "Settled", "Shell"]

T = TypeVar("T")
_BETWEEN_STEPS_S = 0.005
_log = logging.getLogger(__name__)


class Settled(msgspec.Struct, frozen=True):
    """A durable decision record; `is_repeat` when an earlier request made it."""

    record: DecisionRecord
    is_repeat: bool


class _Group:
    """What was handed to the journal together, and who waits for it."""

    __slots__ = ("followers", "handed_over_ns")

    def __init__(self, finish: Callable[[KingpostError | None], None]) -> None:
        self.followers = [finish]
        self.handed_over_ns = 0

    def finish(self, error: KingpostError | None) -> None:
        # let go of: one of them knows this group, and no cycle must wait for the collector
        followers, self.followers = self.followers, []
        for follower in followers:
            follower(error)


Settle = Callable[["Settled | KingpostError"], None]
"""Told once, in the loop's thread, what became of a request."""


class Shell:
    """An engine for one event loop.

    Args:
        max_batch: The most requests decided together.
        pause: Waits for so many seconds, between attempts to recover.

    Attributes:
        failure: Why nothing is decided now; None while all is well.
        is_recovering: Whether that may pass by itself.
    """

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        metrics: Metrics,
        *,
        max_batch: int,
        pause: Pause = asyncio.sleep,
    ) -> None:
        self.engine = engine
        self.failure: KingpostError | None = None
        self._pause = pause
        self._recovering: asyncio.Task[None] | None = None
        self._clock, self._metrics, self._max_batch = clock, metrics, max_batch
        self._arrived: list[tuple[Ask, Settle]] = []
        self._is_due = False
        self._is_in_loop = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._flying: deque[_Group] = deque()

    def start(self) -> None:
        """Let the journal write in this loop, where the system can."""
        self._loop = asyncio.get_running_loop()
        self._is_in_loop = self.engine.enter(self._loop)

    def lighten(self) -> None:
        """Let the engine read in its newest snapshot what memory holds now; for any thread.

        Raises:
            KingpostError, OSError: The snapshot cannot be read.
        """
        loop, found = self._loop, self.engine.lighten()
        if found is not None and loop is not None:
            with contextlib.suppress(RuntimeError):  # it has ended meanwhile
                loop.call_soon_threadsafe(self._lighten, found)

    def _lighten(self, found: Lightening) -> None:
        if self.failure is None and found.step():
            asyncio.get_running_loop().call_later(_BETWEEN_STEPS_S, self._lighten, found)

    def submit(self, ask: Ask, settle: Settle) -> None:
        """Decide a request together with those that arrive with it.

        Args:
            settle: Told its durable record, or why there is none: what `decide` raises.
        """
        self._arrived.append((ask, settle))
        if not self._flying:
            self._soon()

    async def decide(self, ask: Ask) -> Settled:
        """Do what `submit` does, and wait for what came of it.

        Raises:
            EventConflict, IdempotencyKeyReused: See `Engine.decide`.
            JournalFull, JournalFailed, JournalClosed, EngineStopped: Nothing is recorded.
        """
        # one future for each request: a caller that is cancelled takes its own along
        waiting: asyncio.Future[Settled | KingpostError] = (
            asyncio.get_running_loop().create_future()
        )
        self.submit(ask, partial(_tell, waiting))
        settled = await waiting
        if isinstance(settled, Settled):
            return settled
        raise _anew(settled)

    async def ingest(
        self,
        tenant: str,
        stream: str,
        events: Sequence[tuple[Event, bytes]],
        beside: Sequence[Entry] = (),
    ) -> Ingested:
        """Take events, and return when they are durable.

        Raises:
            JournalFull, JournalFailed, JournalClosed, EngineStopped: Nothing is recorded.
        """
        return await self._written(
            lambda landed: self.engine.ingest(tenant, stream, events, landed, beside=beside)
        )

    async def retract(self, tenant: str, stream: str, key: EventKey) -> Change:
        """Take an event back, and return when that is durable; see `Engine.retract`.

        Raises:
            EventUnreadable: The event cannot be read back; nothing was changed.
            JournalFull, JournalFailed, JournalClosed, EngineStopped: Nothing is recorded.
        """
        return await self._changed(lambda landed: self.engine.retract(tenant, stream, key, landed))

    async def correct(self, tenant: str, stream: str, event: Event, body: bytes) -> Change:
        """Correct an event, and return when that is durable; see `Engine.correct`.

        Raises:
            EventUnreadable, JournalFull, JournalFailed, JournalClosed, EngineStopped: As in
                `retract`.
        """
        return await self._changed(
            lambda landed: self.engine.correct(tenant, stream, event, body, landed)
        )

    async def erase(
        self, tenant: str, entity: str, key: str, *, by: str, reason: str
    ) -> tuple[Erasure, int]:
        """Erase an entity, and return when that is durable; see `Engine.erase`.

        Raises:
            UnderLegalHold: Nothing was erased, and it is recorded that somebody asked.
            ErasureFailed: Nothing was erased.
            StorageFull, StorageBusy, StorageFailed: It is recorded and counts, and nothing is
                opened with the keys of personal content, but they are still on the disk: ask
                again.
            JournalFull, JournalFailed, JournalClosed, EngineStopped: Nothing is recorded.
        """
        try:
            erasure, forgotten = await self._written(
                lambda landed: (
                    self.engine.erase(tenant, entity, key, by=by, reason=reason, landed=landed),
                    True,
                )
            )
        except UnderLegalHold:
            await self._written(
                lambda landed: (
                    self.engine.note_refused_erasure(
                        tenant, entity, key, by=by, reason=reason, landed=landed
                    ),
                    True,
                )
            )
            raise
        # a thread: the file of keys is packed, which takes as long as it is large
        await asyncio.to_thread(self.engine.destroy_keys, tenant, erasure)
        return erasure, forgotten

    async def hold(
        self, tenant: str, entity: str, key: str, *, by: str, reason: str, is_released: bool
    ) -> Hold:
        """Hold an entity, or release it, and return when that is durable; see `Engine.hold`.

        Raises:
            JournalFull, JournalFailed, JournalClosed, EngineStopped: Nothing is recorded.
        """
        return await self._written(
            lambda landed: (
                self.engine.hold(
                    tenant,
                    entity,
                    key,
                    by=by,
                    reason=reason,
                    is_released=is_released,
                    landed=landed,
                ),
                True,
            )
        )

    async def append(self, entries: Sequence[Entry]) -> None:
        """Write entries that change nothing of what is decided, and return when they are durable.

        Raises:
            JournalFull, JournalFailed, JournalClosed, EngineStopped: Nothing is recorded.
        """
        await self._written(lambda landed: (self.engine.append(entries, landed), True))

    async def idle(self) -> None:
        """Return once everything that arrived is settled."""
        while self._arrived or self._flying:
            await asyncio.sleep(0.005)

    async def _changed(self, write: Callable[[Landed], tuple[Change, bool]]) -> Change:
        while (change := await self._written(write)) is Change.NOT_YET:
            pass  # everything written before is durable now
        return change

    async def _written(self, write: Callable[[Landed], tuple[T, bool]]) -> T:
        """Let the engine write, and return what it gave once that is durable.

        Args:
            write: Gives its result, and whether anything was written.
        """
        waiting: asyncio.Future[KingpostError | None] = asyncio.get_running_loop().create_future()
        group = _Group(partial(_tell, waiting))
        self._refuse_after_failure()
        try:
            result, has_written = write(self._landing(group))
        except (EventUnreadable, ErasureFailed, KeysNotKept, UnderLegalHold):
            raise  # before anything was changed
        except Exception as error:
            self._stop(error)
            raise
        self._hand_over(group, has_written=has_written)
        error = await waiting
        if error is not None:
            raise _anew(error)
        return result

    def _soon(self) -> None:
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._tick)

    def _tick(self) -> None:
        """Decide what has arrived."""
        self._is_due = False
        arrived, self._arrived = self._arrived, []
        if arrived:
            self._decide_batch(arrived[: self._max_batch])
            self._arrived = arrived[self._max_batch :] + self._arrived
            if self._arrived:
                self._soon()

    def _decide_batch(self, batch: Sequence[tuple[Ask, Settle]]) -> None:
        group = _Group(_ignore)
        try:
            self._refuse_after_failure()
            replies, has_written = self.engine.decide(
                [ask for ask, _ in batch], self._landing(group)
            )
        except Exception as error:  # noqa: BLE001  the boundary of a batch
            if not isinstance(error, KeysNotKept):  # which is raised before anything is changed
                self._stop(error)
            refusal = error if isinstance(error, KingpostError) else InternalError()
            for _, settle in batch:
                settle(refusal)
            return
        self._metrics.batch_sizes.observe(len(batch))
        group.followers[0] = partial(self._settle, group, batch, replies)
        self._hand_over(group, has_written=has_written)

    def _landing(self, group: _Group) -> Callable[[KingpostError | None], None]:
        loop = asyncio.get_running_loop()

        def landed(error: KingpostError | None) -> None:
            if self._is_in_loop:
                self._landed(group, error)
            else:
                loop.call_soon_threadsafe(self._landed, group, error)

        return landed

    def _hand_over(self, group: _Group, *, has_written: bool) -> None:
        group.handed_over_ns = self._clock.monotonic_ns()
        if has_written:
            self._flying.append(group)
        elif self._flying:
            self._flying[-1].followers.extend(group.followers)
        else:
            group.finish(self.failure)

    def _landed(self, group: _Group, error: KingpostError | None) -> None:
        """Hear from the journal, in the loop's thread; groups land in order."""
        flown = self._flying.popleft()
        assert flown is group
        self._metrics.group_seconds.observe(self._since(group))
        if error is not None:
            self._stop(error)
        self._tick()  # before the answers: the disk writes while they are sent
        group.finish(error)

    def _settle(
        self,
        group: _Group,
        batch: Sequence[tuple[Ask, Settle]],
        replies: Sequence[Reply],
        error: KingpostError | None,
    ) -> None:
        records: dict[str, list[DecisionRecord]] = {}
        for (ask, settle), reply in zip(batch, replies, strict=True):
            if error is not None:
                settle(error)
            elif reply.record is not None:
                records.setdefault(ask.decision, []).append(reply.record)
                settle(Settled(reply.record, is_repeat=False))
            else:
                settle(self._repeated(ask, reply))
        for name, made in records.items():
            self._metrics.by_decision[name].note_batch(made, self._since(group))

    def _repeated(self, ask: Ask, reply: Reply) -> Settled | KingpostError:
        if reply.repeats is None:
            return reply.error or InternalError()
        try:
            stored = self.engine.record_at(ask.tenant, reply.repeats)
        except KingpostError as error:
            _log.exception("record_unreadable", extra={"offset": reply.repeats})
            return error
        return InternalError() if stored is None else Settled(stored.record, is_repeat=True)

    def _since(self, group: _Group) -> float:
        return (self._clock.monotonic_ns() - group.handed_over_ns) / 1e9

    def _refuse_after_failure(self) -> None:
        if self.failure is not None:
            raise _anew(self.failure)

    @property
    def is_recovering(self) -> bool:
        return self._recovering is not None

    def _stop(self, error: Exception) -> None:
        """Decide nothing until it has recovered, if it can; the first reason is kept."""
        if self.failure is None:
            _log.error("serving_stopped", exc_info=error)
            is_known = isinstance(error, KingpostError)
            self.failure = error if is_known else EngineStopped(type(error).__name__)
            if is_passing(error):
                self._recovering = asyncio.get_running_loop().create_task(self._recover())

    async def _recover(self) -> None:
        stopped_ns = self._clock.monotonic_ns()
        was_in_loop = self._is_in_loop
        if was_in_loop:  # another thread opens the journal anew
            self.engine.leave()
            self._is_in_loop = False
        self.failure = await recovered(self.engine, self._pause)
        self._recovering = None
        if self.failure is None:
            # the old journal told every group its end before it was closed
            assert not self._flying
            if was_in_loop:
                self.start()
            stopped_s = round((self._clock.monotonic_ns() - stopped_ns) / 1e9, 1)
            _log.warning("serving_recovered", extra={"stopped_s": stopped_s})


def _tell(waiting: asyncio.Future[T], result: T) -> None:
    if not waiting.done():
        waiting.set_result(result)


def _ignore(error: KingpostError | None) -> None:
    """Wait for nothing."""


def _anew(error: KingpostError) -> KingpostError:
    """Make the error anew: one that many raise would gather all their tracebacks."""
    return type(error)(*error.args)
