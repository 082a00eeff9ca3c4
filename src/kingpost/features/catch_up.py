"""Bringing an online store up to date from a partition's journal.

The rule: the store says how far it has come, and gets what the journal holds after that,
in its order; what it gets twice it passes over. So it does not matter how a process ended,
or whether the store was emptied: then everything comes from the first commit on.

The partition is read from its start, as when a server starts: what a retraction or a
correction takes out may lie anywhere before it.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kingpost.contracts import Contract, Event, events_of
from kingpost.core import Disk
from kingpost.features.consent import Consent
from kingpost.features.consent_gate import ConsentGate
from kingpost.features.erasures import Erasure
from kingpost.features.errors import StoreAhead
from kingpost.features.history import NEVER, Histories, History
from kingpost.features.online import OnlineFeatures
from kingpost.features.store import Change, Changes, FeatureStore, Forgetting
from kingpost.journal import last_commit, scan

__all__ = ["catch_up", "catch_up_all"]

_AT_ONCE = 1000
_KINDS = frozenset(["event", "events", "correction", "retraction"])


def catch_up(
    store: FeatureStore,
    directory: Path,
    contracts: Mapping[str, Contract[Event]],
    *,
    tenant: str,
    disk: Disk,
) -> int:
    """Apply what a partition's journal holds and the store does not; return how many changes.

    The writer of a partition calls it at its start, and after `StoreBehind`. Beside a live
    writer it is harmless: who comes second is passed over.

    Args:
        directory: The partition.
        contracts: The streams that the store's features window over, and those that say who
            consents to what they need, by name.

    Raises:
        UnlistedPartition: The store does not know the partition.
        StoreAhead: The store holds more than the journal.
        StoreUnreachable, StoreFull, StoreUnfit: As `FeatureStore.apply`.
        JournalCorrupt: The journal cannot be read.
    """
    return catch_up_all({tenant: store}, directory, contracts, disk=disk)


def catch_up_all(
    stores: Mapping[str, FeatureStore],
    directory: Path,
    contracts: Mapping[str, Contract[Event]],
    *,
    disk: Disk,
    stop: int | None = None,
) -> int:
    """Do the same for the stores of several tenants, reading the journal once.

    Args:
        stores: By tenant.
        stop: Commits from this offset on are left out, as what is not durable yet.

    Raises:
        KingpostError: See `catch_up`.
    """
    partition = directory.name
    done = {tenant: store.resume(partition) for tenant, store in stores.items()}
    if stop is None:
        last = last_commit(directory, disk=disk)
        stop = 0 if last is None else last.next_offset
    through = stop - 1
    for found in done.values():
        if found > through:
            raise StoreAhead(partition, found, through)
    first = min(done.values(), default=through) + 1
    is_new = any(
        entry.tenant in stores
        and (entry.kind == "erasure" or (entry.kind in _KINDS and entry.topic in contracts))
        for commit in scan(directory, disk=disk, start=first, stop=stop)
        for entry in commit.entries
    )
    histories = Histories(contracts.values())
    if is_new:
        for commit in scan(directory, disk=disk, stop=stop):
            histories.add(commit)
    return sum(
        _bring_up(
            store,
            partition,
            _Held(histories.of(tenant), histories.erasures(tenant)),
            contracts,
            done[tenant],
            through,
        )
        for tenant, store in stores.items()
    )


def _bring_up(
    store: FeatureStore,
    partition: str,
    held: "_Held",
    contracts: Mapping[str, Contract[Event]],
    done: int,
    through: int,
) -> int:
    changes = _with_consents(store.consents, held, contracts, done)
    changes += [
        Forgetting(one.offset, one.entity, one.key) for one in held.erasures if one.offset > done
    ]
    changes.sort(key=lambda change: change.offset)  # those of one offset stay as they are
    waiting: list[Change | Forgetting] = []
    for offset, of_one in groupby(changes, key=lambda change: change.offset):
        if len(waiting) >= _AT_ONCE:
            store.apply(Changes(partition, waiting, offset - 1))
            waiting = []
        waiting += of_one
    if through > done:
        store.apply(Changes(partition, waiting, through))
    return len(changes)


class _Held(NamedTuple):
    """What a partition's journal holds of one tenant."""

    histories: Mapping[str, History]
    erasures: Sequence[Erasure]


def _with_consents(
    consents: Sequence[Consent],
    held: _Held,
    contracts: Mapping[str, Contract[Event]],
    done: int,
) -> list[Change | Forgetting]:
    """Return what is to be done after an offset; of consents, all is read from the start."""
    of_consents = {one.stream for one in consents}
    changes = [
        change
        for name, history in held.histories.items()
        for change in _changes(
            contracts[name], history.counted(), -1 if name in of_consents else done
        )
    ]
    changes.sort(key=lambda change: (change.offset, change.came_at is None))
    if not consents:
        return list(changes)
    gate, found = ConsentGate(OnlineFeatures([], consents=consents)), list[Change | Forgetting]()
    for offset, of_one in groupby(changes, key=lambda change: change.offset):
        told = gate.pass_on(*of_one)
        found += told if offset > done else ()
    return found


def _changes(contract: Contract[Event], history: History, done: int) -> Iterator[Change]:
    """Yield what came in and what went out after an offset."""
    come = np.flatnonzero(history.positions > done)
    events = events_of(contract, history.events.take(come))
    rows = zip(come.tolist(), history.positions[come].tolist(), events, strict=True)
    for row, at, event in rows:
        yield Change(contract.name, event, at, erased=_erased(history, row))
    if history.ends is not None:
        gone = np.flatnonzero((history.ends > done) & (history.ends != NEVER))
        events = events_of(contract, history.events.take(gone))
        ends, came = history.ends[gone].tolist(), history.positions[gone].tolist()
        for row, end, at, event in zip(gone.tolist(), ends, came, events, strict=True):
            yield Change(contract.name, event, end, came_at=at, erased=_erased(history, row))


def _erased(history: History, row: int) -> frozenset[str]:
    return frozenset(field for field, rows in history.erased.items() if rows[row])
