"""The live engine: requests in, durable answers out, one batch at a time.

The rule: an answer leaves only after its record is durable, and the event that asked is
in the same commit. Requests are taken in the order of their positions: each event is
applied, then read at its own position. One model call serves a batch, one row each, so an
answer never depends on the others in it.

The engine is synchronous and belongs to one thread; waiting is the shell's work: `decide`
and `ingest` return at once, and `landed` is called when what they wrote is durable. What
goes wrong with one request fails that request. What goes wrong between applying an event
and writing it stops the engine: memory would be ahead of the journal. Where the cause
passes, such as a full disk, `recover` reads memory back from the journal.
"""

import contextlib
import hashlib
import threading
from array import array
from collections.abc import Callable, Collection, Generator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING

from kingpost.contracts import ContentClosed, Contract, Event, EventKey, batch_of
from kingpost.core import Clock, Disk, KingpostError, TimeOrderedIds, parse_id
from kingpost.decisions.application import Application
from kingpost.decisions.ask import Ask, Change, Ingested, Reply
from kingpost.decisions.caching import score_caches
from kingpost.decisions.complaints import Complaints
from kingpost.decisions.drafts import Draft, Scored, commit_of, record_of, verdict_of
from kingpost.decisions.errors import (
    EngineStopped,
    ErasureFailed,
    EventConflict,
    IdempotencyKeyReused,
    UnderLegalHold,
)
from kingpost.decisions.lane import Lane, found_scores, lane_scores
from kingpost.decisions.lightening import Lightening
from kingpost.decisions.memory import Memory
from kingpost.decisions.past_events import PastEvents
from kingpost.decisions.recovery import read_back
from kingpost.decisions.routing import Route, Routed, routed_scores, tenants_of
from kingpost.decisions.served import ServedDecision
from kingpost.decisions.snapshot import Mark, find_snapshot, remove_snapshots, write_snapshot
from kingpost.decisions.subjects import Subjects
from kingpost.decisions.tenant_state import Answered
from kingpost.decisions.token_notes import Noted, noting, usage_entries
from kingpost.decisions.windows import ProcessWindows, Windows
from kingpost.features import (
    WITHHELD,
    Arrival,
    Erased,
    Erasure,
    Hold,
    MemoryRoom,
    RefusedErasure,
    encode_erasure,
    encode_hold,
    encode_refused_erasure,
    standing_hold,
)
from kingpost.features import Change as WindowChange
from kingpost.journal import (
    GROUP_BYTES,
    Entry,
    Journal,
    JournalClosed,
    Landed,
    Lookup,
    is_passing,
    last_commit,
)
from kingpost.records import DecisionRecord, Outcome, StoredRecord, decode_record

if TYPE_CHECKING:
    import asyncio

__all__ = ["Engine"]


class Engine:
    """The decisions of one data directory, live; made by `open`.

    Attributes:
        application: What is declared.
        served: The decisions that are answered, by name, with their champions; it changes
            with them.
        routes: The releases that go on, by decision.
        score_caches: What is kept of the models' scores, by decision; those that declare it.
    """

    def __init__(
        self,
        journal: Journal,
        disk: Disk,
        clock: Clock,
        application: Application,
        served: MutableMapping[str, ServedDecision],
        memory: Memory,
        windows: Windows,
        snapshots: Path | None = None,
        open_journal: Callable[..., Journal] = Journal.open,
        subjects: Subjects | None = None,
    ) -> None:
        self.application = application
        self._subjects = subjects
        self.served = served
        self.routes: dict[str, Route] = {}
        self.score_caches = score_caches(
            {name: one.decision.model.cache for name, one in served.items()}, clock
        )
        self._windows = windows
        self._journal, self._disk, self._clock = journal, disk, clock
        self._open_journal = open_journal
        self._lookup = Lookup(journal.directory, disk=disk)
        self._past = PastEvents(self._lookup)
        self._memory, self._snapshots = memory, snapshots
        self._ids = TimeOrderedIds(clock, after=memory.index.last)
        self._key_of = {
            name: attrgetter(contract.key.name) for name, contract in application.streams.items()
        }
        self._event_time_of = {
            name: attrgetter(f"{contract.event_time.name}.us")
            for name, contract in application.streams.items()
        }
        self._failure: EngineStopped | None = None
        self._may_recover = True
        self._is_closed = False
        self._reopening = threading.Lock()
        self._complaints = Complaints(clock)

    @staticmethod
    def open(
        directory: Path,
        application: Application,
        served: MutableMapping[str, ServedDecision],
        *,
        disk: Disk,
        clock: Clock,
        snapshots: Path | None = None,
        room: MemoryRoom | None = None,
        windows: Windows | None = None,
        open_journal: Callable[..., Journal] = Journal.open,
        subjects: Subjects | None = None,
    ) -> "Engine":
        """Open a data partition for writing and rebuild from it what serving needs.

        Args:
            directory: The partition of events and records.
            served: The decisions to answer, by name.
            snapshots: Where snapshots lie; None reads the whole journal.
            room: Where windows go that memory has no room for; None keeps all of them.
            windows: Where they are; None keeps them in this process. Closed with the engine.
            open_journal: Called as `Journal.open` is; a simulation brings one of its own.
            subjects: The keys of personal content, where a stream has some. Closed with the
                engine.

        Raises:
            ContentClosed: A stream has personal content, and no keys were given.
            ColumnsNewer: A later version of Kingpost wrote the newest snapshot.
            IncompatibleContract: Stored events do not fit the contracts declared now.
            JournalInUse, JournalCorrupt, JournalFull, JournalReadOnly, JournalFailed: See
                `Journal.open`.
            KingpostError: The windows cannot be brought up to date, see `Windows.follow`.
        """
        windows = windows or ProcessWindows({name: one.decision for name, one in served.items()})
        journal = open_journal(directory, disk=disk, clock=clock)
        try:
            memory = read_back(
                journal,
                application,
                windows.in_memory,
                disk=disk,
                snapshots=snapshots,
                room=room,
                consents=windows.consents,
                clock=clock,
            )
            windows.follow(journal, memory.tenants)
            for contract in application.streams.values():
                if contract.subject is not None and subjects is None:
                    raise ContentClosed(contract.name)
            if subjects is not None:
                subjects.begin(memory.erasures, journal.next_offset)
            return Engine(
                journal,
                disk,
                clock,
                application,
                served,
                memory,
                windows,
                snapshots,
                open_journal,
                subjects,
            )
        except BaseException:
            journal.close()
            raise

    def close(self) -> None:
        """Wait until everything accepted is durable, then release the partition."""
        self._is_closed = True
        with self._reopening:
            self._journal.close()
            self._lookup.close()
            self._windows.close()
            if self._subjects is not None:
                self._subjects.close()

    def enter(self, loop: "asyncio.AbstractEventLoop") -> bool:
        """Let the journal write in the thread of a loop; False when the system cannot.

        `landed` is called in that thread then. See `Journal.enter`.
        """
        return self._journal.enter(loop)

    def leave(self) -> None:
        """Let the journal write in a thread of its own, once everything written is told."""
        self._journal.leave()

    @property
    def features_problem(self) -> KingpostError | None:
        """Why features cannot be read now; None while they can."""
        return self._windows.problem

    @property
    def partition(self) -> str:
        """The name of the partition, as in the positions of records."""
        return self._journal.partition

    @property
    def next_offset(self) -> int:
        """The first offset that the next commit gets."""
        return self._journal.next_offset

    @property
    def durable_offset(self) -> int:
        """The offset before which everything is durable."""
        return self._journal.durable_offset

    def adopt(self, name: str, champion: ServedDecision, route: Route | None) -> None:
        """Let bundles that are ready answer a decision from the next batch on.

        What is kept of the scores of other models is forgotten.

        Args:
            champion: Of the same features, contract and code as the one before.
            route: The release that goes on; None when there is none.
        """
        self.served[name] = champion
        if route is None:
            self.routes.pop(name, None)
        else:
            self.routes[name] = route
        kept = self.score_caches.get(name)
        if kept is not None:
            kept.retain({champion.model} if route is None else {champion.model, route.new.model})

    def write_snapshot(self) -> bool:
        """Write what is in memory, once the engine is closed; False when it must not be.

        It must not after a failure, when memory may be ahead of the journal, and when
        somebody has written to the journal since.

        Raises:
            SnapshotInProgress, OSError: See `kingpost.decisions.snapshot.write_snapshot`.
        """
        if self._snapshots is None or self._failure is not None or not self._is_closed:
            return False
        last = last_commit(self._journal.directory, disk=self._disk)
        if last is None or last.next_offset != self._journal.next_offset:
            return False
        write_snapshot(self._snapshots, self._memory, Mark.of(last), disk=self._disk)
        return True

    def lighten(self) -> "Lightening | None":
        """Find the newest snapshot to read keys and records in, instead of from memory.

        For any thread: what it gives is applied in the engine's own; None when there is none.

        Raises:
            KingpostError, OSError: It cannot be read.
        """
        if self._snapshots is None:
            return None
        found = find_snapshot(self._snapshots, self._lookup, disk=self._disk)
        return None if found is None else Lightening(found, self._memory)

    def recover(self) -> None:
        """Open the partition again after a failure that passes, and rebuild memory from it.

        What was acknowledged is there; of the rest, whole commits may be. For any thread,
        but until it returns nothing may be decided or taken in; records can be read.

        Raises:
            JournalFull, JournalReadOnly, JournalInUse: Not yet; call it again later.
            EngineStopped: What stopped the engine does not pass.
            JournalClosed: It was closed meanwhile.
            KingpostError: The partition cannot be opened, see `open`.
        """
        if not self._may_recover:
            raise EngineStopped(*(self._failure.args if self._failure else ("",)))
        directory = self._journal.directory
        with self._reopening:
            self._journal.close()
            self._refuse_when_closed()
            memory = self._memory
            memory.tenants = {}  # room for those that are read back
            if memory.room is not None:
                memory.room.clear()
            journal = self._open_journal(
                directory, disk=self._disk, clock=self._clock, room_bytes=GROUP_BYTES
            )
            try:
                self._memory = read_back(
                    journal,
                    self.application,
                    memory.decisions,
                    disk=self._disk,
                    snapshots=self._snapshots,
                    room=memory.room,
                    consents=self._windows.consents,
                    clock=self._clock,
                    each=self._refuse_when_closed,
                )
            except BaseException:
                journal.close()
                raise
            self._windows.follow(journal, self._memory.tenants)
            if self._subjects is not None:
                self._subjects.begin(self._memory.erasures, journal.next_offset)
            self._journal = journal
            self._failure = None

    def decide(self, asks: Sequence[Ask], landed: Landed) -> tuple[list[Reply], bool]:
        """Decide a batch of requests.

        Args:
            landed: Told once when all records are durable, or why they are not; called
                in the journal's thread or loop, and only when the second result is true.

        Returns:
            A reply per request, and whether anything was written. No reply may leave
            before `landed`. One that repeats an earlier record may leave when everything
            written up to now is durable, and is then read with `record_at`.

        Raises:
            JournalFull, JournalFailed, JournalClosed: Nothing can be written.
            EngineStopped: Something failed half-way, now or before.
        """
        if self._subjects is not None:
            self._refuse_when_failed()
            asked = ((ask.tenant, self._request_of(ask), ask.event) for ask in asks)
            self._subjects.prepare(asked, self._journal.next_offset)
        with self._writing():
            return self._decide(asks, landed)

    def ingest(
        self,
        tenant: str,
        stream: str,
        events: Sequence[tuple[Event, bytes]],
        landed: Landed,
        *,
        beside: Sequence[Entry] = (),
    ) -> tuple[Ingested, bool]:
        """Take events that ask for no decision.

        Args:
            events: Each with the body it came in.
            landed: As in `decide`.
            beside: Entries to write in the same commit, such as refused rows.

        Returns:
            How many were new, and whether anything was written; also that there were
            only duplicates may be told when everything written up to now is durable.

        Raises:
            JournalFull, JournalFailed, JournalClosed, EngineStopped: As in `decide`.
        """
        if self._subjects is not None:
            self._refuse_when_failed()
            contract = self.application.streams[stream]
            taken = ((tenant, contract, event) for event, _ in events)
            self._subjects.prepare(taken, self._journal.next_offset)
        with self._writing():
            return self._ingest(tenant, stream, events, landed, beside)

    def retract(
        self, tenant: str, stream: str, key: EventKey, landed: Landed
    ) -> tuple[Change, bool]:
        """Take an event back: from here on it does not count.

        Args:
            landed: As in `decide`.

        Returns:
            What became of it, and whether anything was written; also that nothing changed
            may be told when everything written up to now is durable.

        Raises:
            EventUnreadable: The event cannot be read back; nothing was changed.
            JournalFull, JournalFailed, JournalClosed, EngineStopped: As in `decide`.
        """
        self._refuse_when_failed()
        contract, state = self.application.streams[stream], self._memory.tenant(tenant)
        at = state.keys[stream].find(key)
        if at is not None and at < 0:
            return Change.HELD if at == WITHHELD else Change.UNCHANGED, False
        if at is not None and at >= self._journal.durable_offset:
            return Change.NOT_YET, False
        old = None if at is None else self._past.read(contract, at)
        with self._writing():
            state.keys[stream].retract(key)
            if at is not None and old is not None:
                self._windows.retract(tenant, state, self._going(tenant, stream, old, at))
            entry = Entry("retraction", tenant, stream, contract.key_body(key))
            self._submit([[entry]], landed)
        return Change.HELD if at is None else Change.RETRACTED, True

    def correct(
        self, tenant: str, stream: str, event: Event, body: bytes, landed: Landed
    ) -> tuple[Change, bool]:
        """Put an event in the place of the one that is held under its key.

        Args:
            body: The event as it came.
            landed: As in `decide`.

        Returns:
            As `retract`.

        Raises:
            EventUnreadable: The event held cannot be read back; nothing was changed.
            JournalFull, JournalFailed, JournalClosed, EngineStopped: As in `decide`.
        """
        self._refuse_when_failed()
        contract, state = self.application.streams[stream], self._memory.tenant(tenant)
        key: EventKey = self._key_of[stream](event)
        at = state.keys[stream].find(key)
        if at is None or at < 0:
            return Change.NO_EVENT if at is None else Change.WAS_RETRACTED, False
        if at >= self._journal.durable_offset:
            return Change.NOT_YET, False
        old = self._past.read(contract, at)
        if event == old:
            return Change.UNCHANGED, False
        if self._subjects is not None:
            self._subjects.prepare([(tenant, contract, event)], self._journal.next_offset)
        with self._writing():
            offset = self._journal.next_offset
            if contract.subject is not None:
                body = contract.protect(tenant, event, offset).body
            state.keys[stream].correct(key, offset)
            self._windows.correct(tenant, state, self._going(tenant, stream, old, at), event)
            self._submit([[Entry("correction", tenant, stream, body)]], landed)
        return Change.CORRECTED, True

    def erase(
        self, tenant: str, entity: str, key: str, *, by: str, reason: str, landed: Landed
    ) -> tuple[Erasure, int]:
        """Forget an entity: what features hold of it, and what they made of it before.

        From here on its earlier events count for no feature that is grouped by `entity`, also
        in training and after a restart. Snapshots that still hold them are removed.

        Args:
            entity: A field of some stream, as `customer`.
            key: Its value there, as text.
            by: Who asks.
            landed: As in `decide`.

        Returns:
            The erasure as recorded, and how many keys of windows were dropped.

        Raises:
            UnderLegalHold: It is held; nothing was erased.
            ErasureFailed: A snapshot cannot be removed; nothing was erased.
            JournalFull, JournalFailed, JournalClosed, EngineStopped: As in `decide`.
        """
        self._refuse_when_failed()
        held = standing_hold(self.legal_holds(tenant), entity, key)
        if held is not None:
            raise UnderLegalHold(entity, held.by, held.reason)
        offset = self._journal.next_offset
        try:
            snapshots = self._remove_snapshots(offset)
        except OSError as error:
            raise ErasureFailed(error.strerror or type(error).__name__) from error

        def recorded(error: KingpostError | None) -> None:
            if error is None:
                # again, for one that another process has finished meanwhile; one that it
                # finishes after this it removes itself
                with contextlib.suppress(OSError):
                    self._remove_snapshots(offset)
            landed(error)

        with self._writing():
            state = self._memory.tenant(tenant)
            forgotten = self._windows.forget(tenant, state, offset, entity, key)
            at_us = self._clock.now_us()
            erasure = Erasure(offset, entity, key, at_us, by, reason, forgotten, snapshots)
            entry = encode_erasure(tenant, erasure)
            self._memory.note(entry, offset)
            if self._subjects is not None:
                self._subjects.erase(tenant, entity, key, offset)
            self._submit([[entry]], recorded)
        return erasure, forgotten

    def note_refused_erasure(
        self, tenant: str, entity: str, key: str, *, by: str, reason: str, landed: Landed
    ) -> RefusedErasure:
        """Record that an erasure was asked for and a legal hold forbade it.

        Args:
            landed: As in `decide`; always called.

        Raises:
            JournalFull, JournalFailed, JournalClosed, EngineStopped: As in `decide`.
        """
        held = standing_hold(self.legal_holds(tenant), entity, key)
        with self._writing():
            offset, at_us = self._journal.next_offset, self._clock.now_us()
            refused = RefusedErasure(
                offset, entity, key, at_us, by, reason, -1 if held is None else held.offset
            )
            entry = encode_refused_erasure(tenant, refused)
            self._memory.note(entry, offset)
            self._submit([[entry]], landed)
        return refused

    def refused_erasures(self, tenant: str) -> Sequence[RefusedErasure]:
        """Return the erasures that legal holds forbade, in their order."""
        return self._memory.refused_erasures.get(tenant, ())

    def destroy_keys(self, tenant: str, erasure: Erasure) -> int:
        """Destroy the keys under which personal content of an erased entity is encrypted.

        For any thread, once the erasure is durable; from `erase` on nothing is opened with them.

        Returns:
            How many there were.

        Raises:
            StorageFull, StorageBusy, StorageFailed: They are still there; call it again. The
                next start does, too.
        """
        return 0 if self._subjects is None else self._subjects.destroy({tenant: [erasure]})

    def erasures(self, tenant: str) -> Sequence[Erasure]:
        """Return the entities of a tenant that were erased, in their order."""
        return self._memory.erasures.get(tenant, ())

    def hold(
        self,
        tenant: str,
        entity: str,
        key: str,
        *,
        by: str,
        reason: str,
        is_released: bool,
        landed: Landed,
    ) -> Hold:
        """Let nobody erase an entity, until a later hold of it says that it is released.

        Args:
            entity: A field of some stream, as `customer`.
            key: Its value there, as text.
            by: Who says so.
            landed: As in `decide`; always called.

        Raises:
            JournalFull, JournalFailed, JournalClosed, EngineStopped: As in `decide`.
        """
        with self._writing():
            offset = self._journal.next_offset
            hold = Hold(offset, entity, key, self._clock.now_us(), by, reason, is_released)
            entry = encode_hold(tenant, hold)
            self._memory.note(entry, offset)
            self._submit([[entry]], landed)
        return hold

    def legal_holds(self, tenant: str) -> Sequence[Hold]:
        """Return the legal holds of a tenant and their ends, in their order."""
        return self._memory.holds.get(tenant, ())

    @property
    def other_partitions(self) -> Sequence[str]:
        """Those whose servers share the windows: each erases what its own has brought."""
        return self._windows.others

    def append(self, entries: Sequence[Entry], landed: Landed) -> None:
        """Write entries that change nothing of what is in memory, such as a person's review.

        Args:
            landed: As in `decide`; always called.

        Raises:
            JournalFull, JournalFailed, JournalClosed, EngineStopped: As in `decide`.
        """
        with self._writing():
            self._journal.submit([entries], landed)

    def record(self, tenant: str, identifier: str) -> StoredRecord | None:
        """Read a durable record by its id; None when the tenant has none of that id."""
        parsed = parse_id(identifier)
        offset = self._memory.index.offset_of(parsed) if parsed else None
        return None if offset is None else self.record_at(tenant, offset)

    def record_at(self, tenant: str, offset: int) -> StoredRecord | None:
        """Read a durable record by its offset; None when the tenant has none there."""
        entry = self._entry_at(offset)
        if entry is None or entry.kind != "record" or entry.tenant != tenant:
            return None
        return StoredRecord(offset, decode_record(entry.body))

    def request_of(self, record: DecisionRecord) -> bytes | None:
        """Read the body that asked for a record; None when it is not there.

        Personal content is opened; what is erased says so.

        Raises:
            KingpostError: Personal content was altered.
        """
        entry = self._entry_at(record.event_offset)
        if entry is None or entry.tenant != record.tenant:
            return None
        contract = self.application.streams.get(entry.topic)
        return entry.body if contract is None else contract.open_body(entry.body)

    def holds(self, tenant: str, stream: str, entity: str, value: object) -> bool | None:
        """Say whether a tenant has events of an entity in windows over a stream.

        Args:
            entity: The field that names it.

        Returns:
            None where that cannot be told: no windows are grouped by the field, or they are
            not in this process.
        """
        state = self._memory.tenants.get(tenant)
        return False if state is None else state.online.holds(stream, entity, value)

    def has_answered(self, tenant: str, decision: str, event: Event, body: bytes) -> bool:
        """Say whether the same request was answered before, so that its answer is repeated."""
        state = self._memory.tenants.get(tenant)
        if state is None:
            return False
        key = str(self._key_of[self.served[decision].decision.request.name](event))
        before = state.answered.find(Answered.of_event(decision, key))
        if before is None or not before.offset:
            return False
        contract = self.served[decision].decision.request
        if contract.subject is None:
            return before.digest == hashlib.sha256(body).digest()
        return before.digest == contract.protect(tenant, event, self.next_offset).digest

    def events_held(self) -> Mapping[str, int]:
        """Count the events that count, by stream."""
        held: dict[str, int] = {}
        for state in self._memory.tenants.values():
            for stream, keys in state.keys.items():
                held[stream] = held.get(stream, 0) + len(keys)
        return held

    @contextmanager
    def _writing(self) -> Generator[None, None, None]:
        """Stop for good when something fails half-way: memory may be ahead of the journal."""
        self._refuse_when_failed()
        try:
            yield
        except BaseException as error:
            self._failure = EngineStopped(type(error).__name__)
            self._may_recover = is_passing(error)
            raise

    def _going(self, tenant: str, stream: str, event: Event, came_at: int) -> WindowChange:
        """Return the change by which an event goes out at the next offset."""
        erased = Erased(self.erasures(tenant)).fields(event, came_at)
        return WindowChange(stream, event, self._journal.next_offset, came_at, erased)

    def _request_of(self, ask: Ask) -> Contract[Event]:
        return self.served[ask.decision].decision.request

    def _remove_snapshots(self, offset: int) -> int:
        """Remove those that reach not beyond an offset; return how many there were."""
        if self._snapshots is None:
            return 0
        return remove_snapshots(self._snapshots, offset, disk=self._disk)

    def _refuse_when_failed(self) -> None:
        if self._failure is not None:
            raise EngineStopped(*self._failure.args)

    def _refuse_when_closed(self) -> None:
        if self._is_closed:
            raise JournalClosed(self._journal.directory)

    def _entry_at(self, offset: int) -> Entry | None:
        if offset >= self._journal.durable_offset:
            return None
        return self._lookup.read(offset).entry_at(offset)

    def _submit(self, commits: Sequence[Sequence[Entry]], landed: Landed) -> None:
        self._journal.submit(commits, self._windows.landing(landed))

    def _decide(self, asks: Sequence[Ask], landed: Landed) -> tuple[list[Reply], bool]:
        started_ns = self._clock.monotonic_ns()
        replies: list[Reply | None] = []
        drafts: list[Draft] = []
        reading = self._windows.batch(self._complaints)
        offset = self._journal.next_offset
        for ask in asks:
            made = self._draft(ask, offset)
            if isinstance(made, Reply):
                replies.append(made)
                continue
            replies.append(None)
            drafts.append(made)
            deadline_ns = made.served.deadline_ns
            if deadline_ns is not None and started_ns - ask.arrived_ns > deadline_ns:
                made.reason = "deadline_exceeded"
            else:
                reading.add(made)
            offset += 2
        if not drafts:
            return [reply for reply in replies if reply is not None], False
        lanes = reading.lanes()
        read_ns = self._clock.monotonic_ns()
        noted: dict[str, Noted] = {}
        scores, took, found = self._scores(lanes, drafts, noted)
        scored_ns = self._clock.monotonic_ns()
        each = 1000 * len(drafts)
        stages = ((read_ns - started_ns) // each, (scored_ns - read_ns) // each)
        scored = Scored(lanes, scores, started_ns, self._clock.now_us(), stages, found)
        records = self._records(drafts, scored)
        if self.routes:
            self._note_routed(drafts, records, scored, took)
        commits = [commit_of(draft, record) for draft, record in zip(drafts, records, strict=True)]
        if noted:
            commits += _usage_commits(noted, drafts, records, found)
        self._submit(commits, landed)
        waiting = iter(records)
        return [Reply(next(waiting)) if reply is None else reply for reply in replies], True

    def _scores(
        self, lanes: Mapping[str, Lane], drafts: Sequence[Draft], noted: dict[str, Noted]
    ) -> tuple[
        Mapping[str, Sequence[float | None]],
        Mapping[str, Mapping[bytes, float]],
        Mapping[str, Collection[int]],
    ]:
        """Score the lanes; return what each bundle of a release took, and what was found too.

        Args:
            noted: Gets the tokens that models used, by decision.
        """
        scores: dict[str, Sequence[float | None]] = {}
        took: dict[str, Mapping[bytes, float]] = {}
        found: dict[str, Collection[int]] = {}
        for name, lane in lanes.items():
            kept = self.score_caches.get(name)
            with noting(lane.served.decision, noted):
                if kept is None and name not in self.routes:
                    scores[name] = lane_scores(lane, self._complaints)
                    continue
                mine = [draft for draft in drafts if draft.ask.decision == name]
                if name in self.routes:
                    scores[name], took[name], found[name] = routed_scores(
                        lane, mine, self._complaints, self._clock, kept
                    )
                elif kept is not None:
                    asking = [tenant for _, tenant in sorted(tenants_of(mine).items())]
                    scores[name], found[name] = found_scores(lane, asking, kept, self._complaints)
        return scores, took, found

    def _note_routed(
        self,
        drafts: Sequence[Draft],
        records: Sequence[DecisionRecord],
        scored: Scored,
        took: Mapping[str, Mapping[bytes, float]],
    ) -> None:
        for name, route in self.routes.items():
            mine = [at for at, draft in enumerate(drafts) if draft.ask.decision == name]
            if not mine:
                continue
            lane = scored.lanes.get(name)
            routed = Routed(
                [drafts[at] for at in mine],
                [records[at] for at in mine],
                scored.scores.get(name, ()),
                array("d") if lane is None else lane.values,
                took.get(name, {}),
            )
            try:
                route.note(routed)
            except Exception as error:  # noqa: BLE001  who looks on never stops who answers
                self._complaints.log("release_not_judged", name, error)

    def _draft(self, ask: Ask, offset: int) -> Draft | Reply:
        """Begin a record, or find that the request was answered before."""
        route = self.routes.get(ask.decision) if self.routes else None
        served = self.served[ask.decision] if route is None else route.choose(ask)
        contract = served.decision.request
        state = self._memory.tenant(ask.tenant)
        answered = state.answered
        if contract.subject is None:
            body, digest = ask.body, hashlib.sha256(ask.body).digest()
        else:
            protected = contract.protect(ask.tenant, ask.event, offset)
            body, digest = protected.body, protected.digest
        key = self._key_of[contract.name](ask.event)
        event_key = str(key)
        keys = (Answered.of_event(ask.decision, event_key),)
        if ask.idempotency_key is not None:
            keys = (*keys, Answered.of_retry(ask.decision, ask.idempotency_key))
            before = answered.find(keys[1])
            if before is not None and before.digest != digest:
                return Reply(error=IdempotencyKeyReused(ask.idempotency_key))
            if before is not None and before.offset:
                return Reply(repeats=before.offset)
        before = answered.find(keys[0])
        if before is not None and before.digest != digest:
            return Reply(error=EventConflict(contract.name, contract.key.name))
        if before is not None and before.offset:
            return Reply(repeats=before.offset)
        arrival = state.keys[contract.name].arrive(key, offset)
        is_event = arrival is not Arrival.DUPLICATE
        if arrival is Arrival.COUNTS:
            self._windows.adding(ask.tenant, state)(contract.name, ask.event, offset)
        # noted now, so that a retry in the same batch finds it; a failure takes it back
        answered.remember(keys, digest, offset + 1)
        return Draft(
            ask,
            served,
            state,
            keys,
            event_key,
            digest,
            offset,
            is_event,
            f"{self._journal.partition}:{offset}",
            self._event_time_of[contract.name](ask.event),
            body,
        )

    def _records(self, drafts: Sequence[Draft], scored: Scored) -> list[DecisionRecord]:
        identifiers = self._ids.take(len(drafts))
        self._memory.index.extend(identifiers, [draft.offset + 1 for draft in drafts])
        records: list[DecisionRecord] = []
        failed = Outcome.FAILED
        for draft, identifier in zip(drafts, identifiers, strict=True):
            verdict = verdict_of(draft, scored)
            if verdict.outcome is failed:
                draft.state.answered.remember(draft.keys, draft.digest, 0)
            records.append(record_of(draft, scored, verdict, identifier))
        return records

    def _ingest(
        self,
        tenant: str,
        stream: str,
        events: Sequence[tuple[Event, bytes]],
        landed: Landed,
        beside: Sequence[Entry],
    ) -> tuple[Ingested, bool]:
        contract, key_of = self.application.streams[stream], self._key_of[stream]
        state = self._memory.tenant(tenant)
        arrive, add = state.keys[stream].arrive, self._windows.adding(tenant, state)
        fresh: list[tuple[Event, bytes]] = []
        offset = self._journal.next_offset
        for event, body in events:
            arrival = arrive(key_of(event), offset)
            if arrival is Arrival.DUPLICATE:
                continue
            if arrival is Arrival.COUNTS:
                add(stream, event, offset)
            fresh.append((event, body))
            offset += 1
        entries: list[Entry] = []
        if contract.subject is not None:
            first = self._journal.next_offset
            for event, _ in fresh:  # each under the key of its own subject
                protected = contract.protect(tenant, event, first)
                entries.append(Entry("event", tenant, stream, protected.body))
        elif len(fresh) == 1:
            entries.append(Entry("event", tenant, stream, fresh[0][1]))
        elif fresh:
            batch = batch_of(contract, [event for event, _ in fresh])
            entries.append(Entry("events", tenant, stream, batch.encode(), len(fresh)))
        entries.extend(beside)
        if entries:
            self._submit([entries], landed)
        return Ingested(len(fresh), len(events) - len(fresh)), bool(entries)


def _usage_commits(
    noted: Mapping[str, Noted],
    drafts: Sequence[Draft],
    records: Sequence[DecisionRecord],
    found: Mapping[str, Collection[int]],
) -> list[Sequence[Entry]]:
    """Write which tokens were used for which records: those that a model scored."""
    entries: list[Entry] = []
    for name, tokens in noted.items():
        kept = found.get(name, ())
        scored = [
            record
            for draft, record in zip(drafts, records, strict=True)
            if record.decision == name and draft.lane_row >= 0 and draft.lane_row not in kept
        ]
        entries += usage_entries(tokens, scored)
    return [entries] if entries else []
