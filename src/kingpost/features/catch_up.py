"""Bringing an online store up to date from a partition's journal.

The rule: the store says how far it has come, and gets what the journal holds after that,
in its order; what it gets twice it passes over. So it does not matter how a process ended,
or whether the store was emptied: then everything comes from the first commit on.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from kingpost.contracts import Contract, Event, decode_batch, events_of
from kingpost.core import Disk
from kingpost.features.store import Change, Changes, FeatureStore
from kingpost.journal import Commit, scan

__all__ = ["catch_up"]

_AT_ONCE = 1000


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
        contracts: The streams that the store's features window over, by name.

    Raises:
        UnlistedPartition: The store does not know the partition.
        StoreUnreachable, StoreFull, StoreUnfit: As `FeatureStore.apply`.
        JournalCorrupt: The journal cannot be read.
    """
    partition = directory.name
    done = store.resume(partition)
    count, through = 0, done
    waiting: list[Change] = []
    for commit in scan(directory, disk=disk, start=done + 1):
        for change in _changes(commit, contracts, tenant):
            if change.offset > done:
                waiting.append(change)
        through = max(through, commit.offset + sum(entry.count for entry in commit.entries) - 1)
        if len(waiting) >= _AT_ONCE:
            store.apply(Changes(partition, waiting, through))
            count += len(waiting)
            waiting = []
    if through > done:
        store.apply(Changes(partition, waiting, through))
    return count + len(waiting)


def _changes(
    commit: Commit, contracts: Mapping[str, Contract[Event]], tenant: str
) -> Iterator[Change]:
    offset = commit.offset
    for entry in commit.entries:
        contract = contracts.get(entry.topic)
        if contract is not None and entry.tenant == tenant:
            if entry.kind == "event":
                yield Change(entry.topic, contract.decode_stored(entry.body), offset)
            elif entry.kind == "events":
                events = events_of(contract, decode_batch(entry.body, contract))
                for at, event in enumerate(events, offset):
                    yield Change(entry.topic, event, at)
        offset += entry.count
