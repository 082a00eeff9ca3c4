"""Events read back from the journal by their position, one at a time.

What a retraction takes out of memory must be known in full, and memory holds only what the
windows need. An event that came alone is one small read; one of a batch means reading and
decoding the batch, so the latest batches are kept decoded.
"""

from typing import NamedTuple

import numpy as np

from kingpost.contracts import ColumnBatch, Contract, Event, decode_batch, events_of
from kingpost.core import KingpostError
from kingpost.decisions.errors import EventUnreadable
from kingpost.journal import Entry, Lookup

__all__ = ["PastEvents"]

BATCHES_KEPT = 4
_ALONE = ("event", "correction")


class _Batch(NamedTuple):
    first: int
    stream: str
    events: ColumnBatch


class PastEvents:
    """Reads events of a partition back; for one thread.

    Args:
        lookup: Reads the commits.
    """

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._batches: list[_Batch] = []

    def read(self, contract: Contract[Event], position: int) -> Event:
        """Read the event of a stream at a position that is durable.

        Raises:
            EventUnreadable: The journal is damaged there, or holds no event of the stream.
        """
        for batch in self._batches:
            if 0 <= position - batch.first < batch.events.rows and batch.stream == contract.name:
                return _row(contract, batch, position)
        try:
            first, entry = self._entry_at(position)
            if entry.topic == contract.name and entry.kind in _ALONE:
                return contract.decode_stored(entry.body)
            if entry.topic == contract.name and entry.kind == "events":
                batch = _Batch(first, contract.name, decode_batch(entry.body, contract))
                self._batches = [*self._batches[1 - BATCHES_KEPT :], batch]
                return _row(contract, batch, position)
        except KingpostError as error:
            raise EventUnreadable(contract.name, position, error.code) from error
        raise EventUnreadable(contract.name, position, f"an entry of kind {entry.kind!r} is there")

    def _entry_at(self, position: int) -> tuple[int, Entry]:
        """Find the entry that holds a position, and its first one."""
        commit = self._lookup.read(position)
        first = commit.offset
        for entry in commit.entries:
            if position < first + entry.count:
                return first, entry
            first += entry.count
        raise AssertionError("a commit that was found by an offset holds it")


def _row(contract: Contract[Event], batch: _Batch, position: int) -> Event:
    row = np.array([position - batch.first])
    return next(events_of(contract, batch.events.take(row)))
