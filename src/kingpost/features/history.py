"""The events of a stream with the positions they were journalled at."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kingpost.contracts import (
    ColumnBatch,
    Contract,
    Event,
    batch_of,
    decode_batch,
    join_batches,
)
from kingpost.journal import Commit

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
    """

    events: ColumnBatch
    positions: NDArray[np.int64]
    ends: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return self.events.rows

    def live(self) -> "History":
        """Return the events that count now."""
        return self if self.ends is None else self._only(self.ends == NEVER)

    def counted(self) -> "History":
        """Return the events that counted at some position."""
        return self if self.ends is None else self._only(self.ends > self.positions)

    def before(self, position: int) -> "History":
        """Return the events that counted just before a position."""
        past = self.positions < position
        if self.ends is not None:
            past &= self.ends >= position
        rows = np.flatnonzero(past)
        return History(self.events.take(rows), self.positions[rows])

    def _only(self, mask: NDArray[np.bool_]) -> "History":
        ends = None if self.ends is None else self.ends[mask]
        if ends is not None and (ends == NEVER).all():
            ends = None
        return History(self.events.take(mask), self.positions[mask], ends)


class Histories:
    """Gathers the events of some streams from a scan of the journal, tenant by tenant."""

    def __init__(self, contracts: Iterable[Contract[Event]]) -> None:
        self._contracts = {contract.name: contract for contract in contracts}
        self._gathering: dict[tuple[str, str], _Gathering] = {}

    def add(self, commit: Commit) -> None:
        """Take the events of one commit."""
        offset = commit.offset
        for entry in commit.entries:
            if entry.kind in ("event", "events") and entry.topic in self._contracts:
                found = self._gathering.get((entry.tenant, entry.topic))
                if found is None:
                    found = _Gathering(self._contracts[entry.topic])
                    self._gathering[entry.tenant, entry.topic] = found
                if entry.kind == "event":
                    found.add_one(entry.body, offset)
                else:
                    found.add_batch(entry.body, offset)
            offset += entry.count

    def tenants(self) -> frozenset[str]:
        """The tenants that have events."""
        return frozenset(tenant for tenant, _ in self._gathering)

    def of(self, tenant: str) -> Mapping[str, History]:
        """Return a tenant's history per stream; empty where it has no events."""
        return {
            name: (self._gathering.get((tenant, name)) or _Gathering(contract)).finish()
            for name, contract in self._contracts.items()
        }


class _Gathering:
    def __init__(self, contract: Contract[Event]) -> None:
        self._contract = contract
        self._batches: list[ColumnBatch] = []
        self._positions: list[NDArray[np.int64]] = []
        self._singles: list[Event] = []
        self._single_positions: list[int] = []

    def add_one(self, body: bytes, offset: int) -> None:
        self._singles.append(self._contract.decode_stored(body))
        self._single_positions.append(offset)

    def add_batch(self, body: bytes, offset: int) -> None:
        self._flush()
        batch = decode_batch(body, self._contract)
        self._batches.append(batch)
        self._positions.append(np.arange(offset, offset + batch.rows, dtype=np.int64))

    def _flush(self) -> None:
        if self._singles:
            self._batches.append(batch_of(self._contract, self._singles))
            self._positions.append(np.array(self._single_positions, np.int64))
            self._singles, self._single_positions = [], []

    def finish(self) -> History:
        self._flush()
        if not self._batches:
            return History(batch_of(self._contract, []), np.empty(0, np.int64))
        return History(join_batches(self._contract, self._batches), np.concatenate(self._positions))
