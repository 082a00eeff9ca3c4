"""What the engine holds of a partition, as of some position of its journal.

The rule: it is a function of the journal up to that position, whichever way it was made:
all at once from a full read, commit by commit, or from a snapshot and what came after.
Features come back bit for bit; answered requests as many as are remembered.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from kingpost.contracts import (
    ColumnBatch,
    Contract,
    Event,
    EventKey,
    batch_of,
    check_evolution,
    decode_batch,
    events_of,
)
from kingpost.core import Clock
from kingpost.decisions.application import Application
from kingpost.decisions.declare import Decision
from kingpost.decisions.past_events import PastEvents
from kingpost.decisions.tenant_state import Answered, TenantState, empty_state
from kingpost.features import (
    Arrival,
    Consent,
    Erasure,
    Histories,
    History,
    Hold,
    MemoryRoom,
    RefusedErasure,
    Versions,
    decode_erasure,
    decode_hold,
    decode_refused_erasure,
)
from kingpost.journal import Commit, Entry
from kingpost.records import Outcome, RecordIndex, decode_record

__all__ = ["Memory", "Tail"]

EVENTS_AT_ONCE = 100_000
_CONSENTS = frozenset(["event", "events", "correction", "retraction"])


class Memory:
    """Everything that serving a partition needs beside the journal itself.

    Args:
        room: Where windows go that memory has no room for; None keeps all of them.
        consents: Those that are held beside what the decisions need.
        clock: Tells how old events are; None lets none go for its age.

    Attributes:
        index: Every record's place.
        tenants: The state of each tenant that has one.
        contracts: Per stream, declared now or not, every description that its events were
            written under, the last one last.
        erasures: Per tenant, the entities that were erased, in the order of their offsets.
        refused_erasures: Per tenant, those that a hold forbade, in the order of their offsets.
        holds: Per tenant, legal holds and their ends, in the order of their offsets.
    """

    def __init__(
        self,
        application: Application,
        decisions: Mapping[str, Decision],
        room: MemoryRoom | None = None,
        consents: Collection[Consent] = (),
        clock: Clock | None = None,
    ) -> None:
        self.application, self.decisions, self.room = application, decisions, room
        self._consents, self._now_us = consents, None if clock is None else clock.now_us
        self.index = RecordIndex()
        self.tenants: dict[str, TenantState] = {}
        self.contracts: dict[str, list[bytes]] = {}
        self.erasures: dict[str, list[Erasure]] = {}
        self.refused_erasures: dict[str, list[RefusedErasure]] = {}
        self.holds: dict[str, list[Hold]] = {}

    @property
    def last_erasure(self) -> int:
        """The offset of the last erasure of any tenant, -1 for none."""
        return max((each[-1].offset for each in self.erasures.values()), default=-1)

    def tenant(self, name: str) -> TenantState:
        """Return a tenant's state, an empty one when it has none."""
        state = self.tenants.get(name)
        if state is None:
            state = self.tenants[name] = self.empty()
        return state

    def empty(self) -> TenantState:
        """Make the state of a tenant that has no events yet."""
        return empty_state(
            self.application, self.decisions, self.room, self._consents, self._now_us
        )

    def note(self, entry: Entry, offset: int) -> None:
        """Take an entry that is no event: a record, a contract, an erasure or a hold.

        What an erasure does to windows is left to the caller.

        Raises:
            IncompatibleContract: Stored events do not fit a contract declared now.
        """
        if entry.kind == "record":
            record = decode_record(entry.body)
            self.index.add(record.id, offset)
            keys = [Answered.of_event(record.decision, record.event_key)]
            if record.idempotency_key is not None:
                keys.append(Answered.of_retry(record.decision, record.idempotency_key))
            again = record.outcome is Outcome.FAILED
            answered = self.tenant(record.tenant).answered
            answered.remember(keys, record.request_digest, 0 if again else offset)
        elif entry.kind == "contract":
            self.note_contract(entry.topic, entry.body)
        elif entry.kind == "erasure":
            erased = self.erasures.setdefault(entry.tenant, [])
            erased.append(decode_erasure(entry, offset))
        elif entry.kind == "refused_erasure":
            refused = self.refused_erasures.setdefault(entry.tenant, [])
            refused.append(decode_refused_erasure(entry, offset))
        elif entry.kind == "hold":
            self.holds.setdefault(entry.tenant, []).append(decode_hold(entry, offset))

    def note_contract(self, stream: str, description: bytes) -> None:
        """Take a description that events from here on are written under.

        Raises:
            IncompatibleContract: Stored events do not fit a contract declared now.
        """
        declared = self.application.streams.get(stream)
        if declared is not None:
            check_evolution(description, declared)
        known = self.contracts.setdefault(stream, [])
        if description in known:
            known.remove(description)
        known.append(description)

    def changed_contracts(self) -> Sequence[Entry]:
        """Return an entry for each contract that is not stored as it is declared now."""
        return [
            Entry("contract", "", name, contract.description)
            for name, contract in self.application.streams.items()
            if self.contracts.get(name, [b""])[-1] != contract.description
        ]

    def load(
        self,
        histories: Histories,
        *,
        keys_of: Collection[str],
        windows: Collection[str] | None = None,
    ) -> None:
        """Take the events of a full read into states that have none of them.

        Args:
            keys_of: The streams whose keys are taken.
            windows: The digests of the windows that are loaded; all of them when None.
        """
        for name in histories.tenants():
            state = self.tenant(name)
            versions = histories.versions_of(name)
            state.keys.update({stream: versions[stream] for stream in keys_of})
            state.online.load(histories.of(name), only=windows)


class Tail:
    """Takes commits one after the other into a memory that holds all before them.

    Args:
        past: Reads events that are corrected or retracted.
    """

    def __init__(self, memory: Memory, past: PastEvents) -> None:
        self._memory, self._past = memory, past
        self._waiting: dict[tuple[str, str], _Waiting] = {}

    def add(self, commit: Commit) -> None:
        """Take the next commit.

        Raises:
            IncompatibleContract: Stored events do not fit a contract declared now.
            EventUnreadable: An event that was corrected or retracted cannot be read.
        """
        offset, streams = commit.offset, self._memory.application.streams
        for entry in commit.entries:
            contract = streams.get(entry.topic)
            if entry.kind == "erasure":
                self._forget(entry, offset)
            elif contract is not None and entry.kind in _CONSENTS and self._is_consent(entry):
                self.finish()  # events count by the consent there was when they came
                self._one_by_one(contract, entry, offset)
            elif entry.kind == "event" and contract is not None:
                self._event(contract, entry, offset)
            elif entry.kind == "events" and contract is not None:
                batch = decode_batch(entry.body, contract)
                positions = np.arange(offset, offset + batch.rows, dtype=np.int64)
                self._wait_for(entry.tenant, contract).add(batch, positions)
                self._finish_many(entry.tenant, contract)
            elif entry.kind == "correction" and contract is not None:
                self._finish(entry.tenant, contract)
                self._correct(entry.tenant, contract, contract.decode_stored(entry.body), offset)
            elif entry.kind == "retraction" and contract is not None:
                self._finish(entry.tenant, contract)
                self._retract(entry.tenant, contract, contract.key_from(entry.body))
            else:
                self._memory.note(entry, offset)
            offset += entry.count

    def _is_consent(self, entry: Entry) -> bool:
        return entry.topic in self._memory.tenant(entry.tenant).online.consent_streams

    def _forget(self, entry: Entry, offset: int) -> None:
        self.finish()
        erasure = decode_erasure(entry, offset)
        self._memory.tenant(entry.tenant).online.forget(erasure.entity, erasure.key)
        self._memory.note(entry, offset)

    def _one_by_one(self, contract: Contract[Event], entry: Entry, offset: int) -> None:
        if entry.kind == "correction":
            self._correct(entry.tenant, contract, contract.decode_stored(entry.body), offset)
        elif entry.kind == "retraction":
            self._retract(entry.tenant, contract, contract.key_from(entry.body))
        else:
            state = self._memory.tenant(entry.tenant)
            versions, key_of = state.keys[contract.name], attrgetter(contract.key.name)
            for position, event in enumerate(_events_of(contract, entry), offset):
                if versions.arrive(key_of(event), position) is Arrival.COUNTS:
                    state.online.apply(contract.name, event, position)

    def finish(self) -> None:
        """Take what still waits to be taken together."""
        streams = self._memory.application.streams
        for tenant, stream in list(self._waiting):
            self._finish(tenant, streams[stream])

    def _event(self, contract: Contract[Event], entry: Entry, offset: int) -> None:
        waiting = self._wait_for(entry.tenant, contract)
        waiting.add_one(contract.decode_stored(entry.body), offset)
        self._finish_many(entry.tenant, contract)

    def _wait_for(self, tenant: str, contract: Contract[Event]) -> "_Waiting":
        waiting = self._waiting.get((tenant, contract.name))
        if waiting is None:
            versions = self._memory.tenant(tenant).keys[contract.name]
            waiting = self._waiting[tenant, contract.name] = _Waiting(contract, versions)
        return waiting

    def _finish_many(self, tenant: str, contract: Contract[Event]) -> None:
        if self._waiting[tenant, contract.name].events >= EVENTS_AT_ONCE:
            self._finish(tenant, contract)

    def _finish(self, tenant: str, contract: Contract[Event]) -> None:
        waiting = self._waiting.pop((tenant, contract.name), None)
        if waiting is not None:
            self._memory.tenant(tenant).online.extend(contract, waiting.histories())

    def _correct(self, tenant: str, contract: Contract[Event], event: Event, offset: int) -> None:
        state = self._memory.tenant(tenant)
        before = state.keys[contract.name].correct(getattr(event, contract.key.name), offset)
        if before is None:
            state.online.apply(contract.name, event, offset)
        elif before >= 0:
            old = self._past.read(contract, before)
            state.online.correct(contract.name, old, before, event, offset)

    def _retract(self, tenant: str, contract: Contract[Event], key: EventKey) -> None:
        state = self._memory.tenant(tenant)
        before = state.keys[contract.name].retract(key)
        if before is not None and before >= 0:
            state.online.retract(contract.name, self._past.read(contract, before), before)


def _events_of(contract: Contract[Event], entry: Entry) -> Iterable[Event]:
    if entry.kind == "event":
        return [contract.decode_stored(entry.body)]
    return events_of(contract, decode_batch(entry.body, contract))


class _Waiting:
    """Events of one stream that the windows take together; which of them count is found at once.

    Attributes:
        events: How many there are.
    """

    def __init__(self, contract: Contract[Event], versions: Versions) -> None:
        self.events = 0
        self._contract, self._versions = contract, versions
        self._histories: list[History] = []
        self._singles: list[Event] = []
        self._positions: list[int] = []

    def add_one(self, event: Event, position: int) -> None:
        """Take an event that came alone."""
        self._singles.append(event)
        self._positions.append(position)
        self.events += 1

    def add(self, batch: ColumnBatch, positions: NDArray[np.int64]) -> None:
        """Take events that came together."""
        self._gather_singles()
        self._take(batch, positions)
        self.events += batch.rows

    def histories(self) -> Sequence[History]:
        """Return those that count."""
        self._gather_singles()
        return self._histories

    def _gather_singles(self) -> None:
        if self._singles:
            batch = batch_of(self._contract, self._singles)
            self._take(batch, np.array(self._positions, np.int64))
            self._singles, self._positions = [], []

    def _take(self, batch: ColumnBatch, places: NDArray[np.int64]) -> None:
        keys: list[EventKey] = batch.values(self._contract.key.name)  # pyright: ignore[reportAssignmentType]  a key is never missing
        positions: list[int] = places.tolist()
        if self._versions.may_withhold:
            # whatever is in the journal was new when it came, but it may have been withheld
            arrivals = map(self._versions.arrive, keys, positions)
            counts = np.array([one is Arrival.COUNTS for one in arrivals], np.bool_)
            batch, places = batch.take(counts), places[counts]
        else:
            self._versions.load(keys, positions, {})
        self._histories.append(History(batch, places))
