"""The events of a stream with the positions they were journalled and ended at."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kingpost.contracts import (
    ColumnBatch,
    Contract,
    Event,
    EventKey,
    Texts,
    batch_of,
    decode_batch,
    join_batches,
)
from kingpost.features.erasures import Erasure, decode_erasure, erased_rows
from kingpost.features.versions import WITHHELD, Arrival, Versions
from kingpost.journal import Commit, Entry

__all__ = ["NEVER", "Histories", "History"]

NEVER: Final = 2**63 - 1
"""The end of an event that was neither retracted nor corrected."""


@dataclass(frozen=True)
class History:
    """Events of one stream of one tenant, in the order of their positions.

    Attributes:
        positions: Offset of each event in its partition, int64, shape (rows,), ascending.
        ends: Offset at which each event was retracted or corrected, int64, shape (rows,);
            NEVER for those that still count, its own position for one that never did. None
            when nothing has ended.
        erased: By field, which events are of an entity in it that was erased since, bool,
            shape (rows,): features grouped by that field never see them.
    """

    events: ColumnBatch
    positions: NDArray[np.int64]
    ends: NDArray[np.int64] | None = None
    erased: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict[str, NDArray[np.bool_]])

    def __len__(self) -> int:
        return self.events.rows

    def live(self) -> "History":
        """Return the events that count now."""
        return self if self.ends is None else self.only(self.ends == NEVER)

    def counted(self) -> "History":
        """Return the events that counted at some position."""
        return self if self.ends is None else self.only(self.ends > self.positions)

    def until(self, position: int) -> "History":
        """Return the history up to a position, exclusive; what ends later has not ended."""
        found = self.only(self.positions < position)
        if found.ends is None:
            return found
        return replace(found, ends=np.where(found.ends >= position, NEVER, found.ends))

    def kept_for(self, keys: Iterable[str]) -> "History":
        """Return the events that features grouped by some fields may see."""
        masks = [self.erased[key] for key in keys if key in self.erased]
        return self.only(~np.any(masks, axis=0)) if masks else self

    def only(self, mask: NDArray[np.bool_]) -> "History":
        """Return some of the events.

        Args:
            mask: Which ones, bool, shape (rows,).
        """
        ends = None if self.ends is None else self.ends[mask]
        if ends is not None and (ends == NEVER).all():
            ends = None
        erased = {key: rows[mask] for key, rows in self.erased.items()}
        return History(self.events.take(mask), self.positions[mask], ends, erased)


class Histories:
    """Gathers the events of some streams from a scan of the journal, tenant by tenant."""

    def __init__(self, contracts: Iterable[Contract[Event]]) -> None:
        self._contracts = {contract.name: contract for contract in contracts}
        self._gathering: dict[tuple[str, str], _Gathering] = {}
        self._erasures: dict[str, list[Erasure]] = {}

    def add(self, commit: Commit) -> None:
        """Take the events, corrections, retractions and erasures of one commit."""
        offset = commit.offset
        for entry in commit.entries:
            if entry.kind in _KINDS and entry.topic in self._contracts:
                found = self._gathering.get((entry.tenant, entry.topic))
                if found is None:
                    found = _Gathering(self._contracts[entry.topic])
                    self._gathering[entry.tenant, entry.topic] = found
                found.add(entry, offset)
            offset += entry.count
        self.add_erasures(commit)

    def add_erasures(self, commit: Commit) -> None:
        """Take only the erasures of a commit: they count also for events before its end."""
        offset = commit.offset
        for entry in commit.entries:
            if entry.kind == "erasure":
                erasure = decode_erasure(entry, offset)
                self._erasures.setdefault(entry.tenant, []).append(erasure)
            offset += entry.count

    def erasures(self, tenant: str) -> Sequence[Erasure]:
        """Return the entities of a tenant that were erased, in their order."""
        return self._erasures.get(tenant, ())

    def tenants(self) -> frozenset[str]:
        """The tenants that have events."""
        return frozenset(tenant for tenant, _ in self._gathering)

    def of(self, tenant: str) -> Mapping[str, History]:
        """Return a tenant's history per stream; empty where it has no events."""
        found: dict[str, History] = {}
        erasures = self.erasures(tenant)
        for name, contract in self._contracts.items():
            gathering = self._gathering.get((tenant, name)) or _Gathering(contract)
            history = gathering.finish().history
            erased = erased_rows(contract, history.events, history.positions, erasures)
            found[name] = replace(history, erased=erased)
        return found

    def withheld(self, tenant: str, stream: str) -> frozenset[EventKey]:
        """Return the keys that were retracted before an event of them came."""
        gathering = self._gathering.get((tenant, stream))
        if gathering is None:
            return frozenset()
        changed = gathering.finish().changed
        return frozenset(key for key, at in changed.items() if at == WITHHELD)

    def versions_of(self, tenant: str) -> Mapping[str, Versions]:
        """Return which version of each event counts, per stream."""
        found: dict[str, Versions] = {}
        for name, contract in self._contracts.items():
            versions = found[name] = Versions()
            gathering = self._gathering.get((tenant, name))
            if gathering is not None:
                history, changed = gathering.finish()
                keys = _keys(contract, history.events)
                versions.load(keys, history.positions.tolist(), changed)
        return found


_KINDS = frozenset(["event", "events", "correction", "retraction"])


class _Change(NamedTuple):
    """A retraction, or the row of a correction."""

    position: int
    key: EventKey
    row: int | None


class _Finished(NamedTuple):
    history: History
    changed: Mapping[EventKey, int]
    """What `Versions.find` gives for the keys that were corrected or retracted."""


class _Gathering:
    def __init__(self, contract: Contract[Event]) -> None:
        self._contract = contract
        self._batches: list[ColumnBatch] = []
        self._positions: list[NDArray[np.int64]] = []
        self._singles: list[Event] = []
        self._single_positions: list[int] = []
        self._corrected: list[int] = []
        self._retracted: list[tuple[int, EventKey]] = []
        self._finished: _Finished | None = None

    def add(self, entry: Entry, offset: int) -> None:
        self._finished = None
        if entry.kind == "retraction":
            self._retracted.append((offset, self._contract.key_from(entry.body)))
        elif entry.kind == "events":
            self._flush()
            batch = decode_batch(entry.body, self._contract)
            self._batches.append(batch)
            self._positions.append(np.arange(offset, offset + batch.rows, dtype=np.int64))
        else:
            self._singles.append(self._contract.decode_stored(entry.body))
            self._single_positions.append(offset)
            if entry.kind == "correction":
                self._corrected.append(offset)

    def _flush(self) -> None:
        if self._singles:
            self._batches.append(batch_of(self._contract, self._singles))
            self._positions.append(np.array(self._single_positions, np.int64))
            self._singles, self._single_positions = [], []

    def finish(self) -> _Finished:
        if self._finished is None:
            self._flush()
            if not self._batches:
                events, positions = batch_of(self._contract, []), np.empty(0, np.int64)
            else:
                events = join_batches(self._contract, self._batches)
                positions = np.concatenate(self._positions)
                self._batches, self._positions = [events], [positions]
            self._finished = self._ended(events, positions)
        return self._finished

    def _ended(self, events: ColumnBatch, positions: NDArray[np.int64]) -> _Finished:
        """Find where each event ended, by going through the keys that were changed."""
        if not (self._corrected or self._retracted):
            return _Finished(History(events, positions), {})
        corrected = np.searchsorted(positions, self._corrected)
        changed = {key for _, key in self._retracted}
        changed.update(_keys(self._contract, events.take(corrected)))
        rows = _rows_of(self._contract, events, changed)
        arrived = zip(
            positions[rows].tolist(),
            _keys(self._contract, events.take(rows)),
            rows.tolist(),
            strict=True,
        )
        timeline = [_Change(*one) for one in arrived]
        timeline += [_Change(position, key, None) for position, key in self._retracted]
        timeline.sort(key=lambda one: one.position)
        versions, ends = _ends(timeline, frozenset(self._corrected), positions)
        return _Finished(History(events, positions, ends), versions.items())


def _ends(
    timeline: Sequence[_Change], corrected: frozenset[int], positions: NDArray[np.int64]
) -> tuple[Versions, NDArray[np.int64] | None]:
    """Go through arrivals, corrections and retractions in their order."""
    versions = Versions()
    ends = np.full(len(positions), NEVER, np.int64)
    for position, key, row in timeline:
        before = None
        if row is None:
            before = versions.retract(key)
        elif position in corrected:
            before = versions.correct(key, position)
            if before is not None and before < 0:
                ends[row] = position
        elif versions.arrive(key, position) is not Arrival.COUNTS:
            ends[row] = position
        if before is not None and before >= 0:
            ends[np.searchsorted(positions, before)] = position
    return versions, None if (ends == NEVER).all() else ends


def _keys(contract: Contract[Event], events: ColumnBatch) -> list[EventKey]:
    keys: list[EventKey] = events.values(contract.key.name)  # pyright: ignore[reportAssignmentType]  a key is never missing
    return keys


def _rows_of(
    contract: Contract[Event], events: ColumnBatch, keys: set[EventKey]
) -> NDArray[np.int64]:
    """Find the rows with one of some keys, in their order."""
    column = events.columns[contract.key.name]
    if isinstance(column, Texts):
        wanted = np.array([value in keys for value in column.values], np.bool_)
        return np.flatnonzero(wanted[column.codes]) if len(wanted) else np.empty(0, np.int64)
    return np.flatnonzero(np.isin(column, np.array(sorted(keys), np.int64)))  # pyright: ignore[reportArgumentType]  keys of one kind
