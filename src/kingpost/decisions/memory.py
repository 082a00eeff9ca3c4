"""What the engine holds of a partition, as of some position of its journal.

The rule: it is a function of the journal up to that position, whichever way it was made:
all at once from a full read, commit by commit, or from a snapshot and what came after.
Features come back bit for bit; answered requests as many as are remembered.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from operator import attrgetter

import numpy as np

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
from kingpost.decisions.application import Application
from kingpost.decisions.declare import Decision
from kingpost.decisions.past_events import PastEvents
from kingpost.decisions.tenant_state import Answered, TenantState, empty_state
from kingpost.features import (
    Arrival,
    Erasure,
    Histories,
    History,
    MemoryRoom,
    decode_erasure,
)
from kingpost.journal import Commit, Entry
from kingpost.records import Outcome, RecordIndex, decode_record

__all__ = ["Memory", "Tail"]

SINGLES_AT_ONCE = 50_000
_CONSENTS = frozenset(["event", "events", "correction", "retraction"])


class Memory:
    """Everything that serving a partition needs beside the journal itself.

    Args:
        room: Where windows go that memory has no room for; None keeps all of them.

    Attributes:
        index: Every record's place.
        tenants: The state of each tenant that has one.
        contracts: Per stream, declared now or not, every description that its events were
            written under, the last one last.
        erasures: Per tenant, the entities that were erased, in the order of their offsets.
    """

    def __init__(
        self,
        application: Application,
        decisions: Mapping[str, Decision],
        room: MemoryRoom | None = None,
    ) -> None:
        self.application, self.decisions, self.room = application, decisions, room
        self.index = RecordIndex()
        self.tenants: dict[str, TenantState] = {}
        self.contracts: dict[str, list[bytes]] = {}
        self.erasures: dict[str, list[Erasure]] = {}

    @property
    def last_erasure(self) -> int:
        """The offset of the last erasure of any tenant, -1 for none."""
        return max((each[-1].offset for each in self.erasures.values()), default=-1)

    def tenant(self, name: str) -> TenantState:
        """Return a tenant's state, an empty one when it has none."""
        state = self.tenants.get(name)
        if state is None:
            state = empty_state(self.application, self.decisions, self.room)
            self.tenants[name] = state
        return state

    def note(self, entry: Entry, offset: int) -> None:
        """Take an entry that is no event: a record, a contract or an erasure.

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
                self._finish(entry.tenant, contract)
                self._take(entry.tenant, contract, decode_batch(entry.body, contract), offset)
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
        waiting = self._waiting.get((entry.tenant, contract.name))
        if waiting is None:
            waiting = self._waiting[entry.tenant, contract.name] = _Waiting()
        waiting.events.append(contract.decode_stored(entry.body))
        waiting.positions.append(offset)
        if len(waiting.events) == SINGLES_AT_ONCE:
            self._finish(entry.tenant, contract)

    def _finish(self, tenant: str, contract: Contract[Event]) -> None:
        waiting = self._waiting.pop((tenant, contract.name), None)
        if waiting is not None:
            batch = batch_of(contract, waiting.events)
            self._load(tenant, contract, batch, waiting.positions)

    def _take(
        self, tenant: str, contract: Contract[Event], batch: ColumnBatch, offset: int
    ) -> None:
        self._load(tenant, contract, batch, range(offset, offset + batch.rows))

    def _load(
        self, tenant: str, contract: Contract[Event], batch: ColumnBatch, positions: Sequence[int]
    ) -> None:
        state = self._memory.tenant(tenant)
        versions = state.keys[contract.name]
        keys: list[EventKey] = batch.values(contract.key.name)  # pyright: ignore[reportAssignmentType]  a key is never missing
        places = np.array(positions, np.int64)
        if versions.may_withhold:
            # whatever is in the journal was new when it came, but it may have been withheld
            arrivals = map(versions.arrive, keys, positions)
            counts = np.array([one is Arrival.COUNTS for one in arrivals], np.bool_)
            batch, places = batch.take(counts), places[counts]
        else:
            versions.load(keys, positions, {})
        state.online.extend(contract, History(batch, places))

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
    """Events that came alone and are taken together."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.positions: list[int] = []
