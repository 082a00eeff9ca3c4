"""What the engine holds of each tenant, and how a scan of the journal gives it back.

The rule: nothing is shared between tenants, and what a scan rebuilds is what serving had.
Features come back bit for bit; answered requests as many as are remembered.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from kingpost.contracts import check_evolution
from kingpost.core import Disk
from kingpost.decisions.application import Application
from kingpost.decisions.served import ServedDecision
from kingpost.features import (
    FeatureReader,
    Histories,
    OnlineFeatures,
    Versions,
    WindowFeatures,
)
from kingpost.journal import Commit, Entry, Journal, scan
from kingpost.records import DecisionRecord, Outcome, RecordIndex, decode_record

__all__ = [
    "RETRIES_REMEMBERED",
    "Answered",
    "Before",
    "Recovery",
    "TenantState",
    "empty_state",
    "read_back",
]

RETRIES_REMEMBERED = 500_000
"""Per tenant: a retry is recognised among at least half as many of the latest requests."""


class Before(NamedTuple):
    """An earlier request under the same key.

    Attributes:
        digest: SHA-256 of its body.
        offset: Where its record lies; 0 when it failed and may be asked again.
    """

    digest: bytes
    offset: int


class Answered:
    """The latest requests of a tenant by event key and by idempotency key.

    Kept in two generations, so that forgetting the older one costs nothing: each entry
    takes about 210 bytes.

    Args:
        limit: How many keys are kept; at least half as many of the latest.
    """

    def __init__(self, limit: int = RETRIES_REMEMBERED) -> None:
        self._generation = limit // 2
        self._young: dict[str, bytes] = {}
        self._old: dict[str, bytes] = {}

    def find(self, key: str) -> Before | None:
        """Return what is known of a key that `of_event` or `of_retry` made."""
        found = self._young.get(key) or self._old.get(key)
        return None if found is None else Before(found[:32], int.from_bytes(found[32:]))

    def remember(self, keys: Iterable[str], digest: bytes, offset: int) -> None:
        """Note a request under its keys; offset 0 when it may be asked again."""
        if len(self._young) >= self._generation:
            self._old, self._young = self._young, {}
        packed = digest + offset.to_bytes(8)
        for key in keys:
            self._young[key] = packed

    @staticmethod
    def of_event(decision: str, event_key: str) -> str:
        """Make the key for a request's event."""
        return f"{decision}\0{event_key}"

    @staticmethod
    def of_retry(decision: str, idempotency_key: str) -> str:
        """Make the key for a request's idempotency key; no event's key is equal to it."""
        return f"{decision}\1{idempotency_key}"


@dataclass
class TenantState:
    """What one tenant's requests can see.

    Attributes:
        readers: A reader of features per decision.
        keys: Per stream, which version of each event counts; a second one is a duplicate.
    """

    online: OnlineFeatures
    readers: Mapping[str, FeatureReader]
    keys: Mapping[str, Versions]
    answered: Answered


def empty_state(application: Application, served: Mapping[str, ServedDecision]) -> TenantState:
    """Make the state of a tenant that has no events yet."""
    views: list[WindowFeatures] = [view for one in served.values() for view in one.decision.views]
    online = OnlineFeatures(views)
    return TenantState(
        online,
        {name: online.reader(one.decision.features) for name, one in served.items()},
        {name: Versions() for name in application.streams},
        Answered(),
    )


class Recovery:
    """Reads a partition once, from its first commit to its last, and gives back the state."""

    def __init__(self, application: Application, served: Mapping[str, ServedDecision]) -> None:
        self._application, self._served = application, served
        self._histories = Histories(application.streams.values())
        self._answered: dict[str, Answered] = {}
        self._contracts: dict[str, bytes] = {}
        self.index = RecordIndex()

    def add(self, commit: Commit) -> None:
        """Take the next commit.

        Raises:
            IncompatibleContract: Stored events do not fit a contract declared now.
        """
        offset = commit.offset
        for entry in commit.entries:
            if entry.kind == "record":
                record = decode_record(entry.body)
                self.index.add(record.id, offset)
                self._remember(record, offset)
            elif entry.kind == "contract" and entry.topic in self._application.streams:
                check_evolution(entry.body, self._application.streams[entry.topic])
                self._contracts[entry.topic] = entry.body
            offset += entry.count
        self._histories.add(commit)

    def _remember(self, record: DecisionRecord, offset: int) -> None:
        answered = self._answered.get(record.tenant)
        if answered is None:
            answered = self._answered[record.tenant] = Answered()
        keys = [Answered.of_event(record.decision, record.event_key)]
        if record.idempotency_key is not None:
            keys.append(Answered.of_retry(record.decision, record.idempotency_key))
        again = record.outcome is Outcome.FAILED
        answered.remember(keys, record.request_digest, 0 if again else offset)

    def changed_contracts(self) -> Sequence[Entry]:
        """Return an entry for each contract that is not stored as it is declared now."""
        return [
            Entry("contract", "", name, contract.description)
            for name, contract in self._application.streams.items()
            if self._contracts.get(name) != contract.description
        ]

    def tenants(self) -> dict[str, TenantState]:
        """Return every tenant's state as it was after the last commit."""
        tenants: dict[str, TenantState] = {}
        for name in self._histories.tenants() | self._answered.keys():
            state = tenants[name] = empty_state(self._application, self._served)
            state.answered = self._answered.get(name, state.answered)
            state.keys = self._histories.versions_of(name)
            for stream, history in self._histories.of(name).items():
                state.online.load(self._application.streams[stream], history)
        return tenants


def read_back(
    journal: Journal,
    application: Application,
    served: Mapping[str, ServedDecision],
    *,
    disk: Disk,
    each: Callable[[], None] = lambda: None,
) -> Recovery:
    """Read a partition from its first commit on, and write what contracts have changed.

    Args:
        each: Called before each commit; what it raises ends the reading.
    """
    recovery = Recovery(application, served)
    for commit in scan(journal.directory, disk=disk):
        each()
        recovery.add(commit)
    if changed := recovery.changed_contracts():
        journal.append(changed)
    return recovery
