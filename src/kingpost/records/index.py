"""Finding a record by its id.

Ids only grow along the journal, so they lie as they come, 24 bytes a record with its offset,
and a search is a bisection: the older ones in a file of columns where there is one, the others
in memory. The record itself is read from the journal.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable
from typing import NamedTuple

from kingpost.records.record import DecisionRecord

__all__ = ["RecordIndex", "StoredRecord"]

_WIDTH = 16


class StoredRecord(NamedTuple):
    """A record and where it lies."""

    offset: int
    record: DecisionRecord


class RecordIndex:
    """Every record's id and offset, both ascending: columns where they lie, and what came since."""

    def __init__(self) -> None:
        self._old_ids = memoryview(b"")
        self._old_offsets = memoryview(b"").cast("q")
        self._ids = bytearray()
        self._offsets = array("q")

    @staticmethod
    def of(ids: memoryview, offsets: memoryview) -> "RecordIndex":
        """Make an index of what `columns` gave."""
        index = RecordIndex()
        index.rebase(ids, offsets)
        return index

    def rebase(self, ids: memoryview, offsets: memoryview) -> None:
        """Read the oldest records, at least as many as up to now, where they lie in `columns`."""
        had = len(self._old_offsets)
        self._old_ids, self._old_offsets = ids.cast("B"), offsets.cast("B").cast("q")
        more = len(self._old_offsets) - had
        del self._ids[: more * _WIDTH]
        del self._offsets[:more]

    def columns(self) -> tuple[memoryview, memoryview]:
        """Return ids and offsets as bytes: 16 and 8 a record, offsets little-endian."""
        ids = b"".join([self._old_ids, self._ids])
        offsets = b"".join([self._old_offsets.cast("B"), self._offsets.tobytes()])
        return memoryview(ids), memoryview(offsets)

    def __len__(self) -> int:
        return len(self._old_offsets) + len(self._offsets)

    def __getitem__(self, at: int) -> bytes:
        had = len(self._old_offsets)
        ids, at = (self._old_ids, at) if at < had else (self._ids, at - had)
        return bytes(ids[at * _WIDTH : (at + 1) * _WIDTH])

    @property
    def last(self) -> bytes | None:
        """The greatest id; None when there is none."""
        return self[len(self) - 1] if len(self) else None

    def add(self, identifier: bytes, offset: int) -> None:
        """Note a record; each id and each offset is greater than the one before."""
        self.extend([identifier], [offset])

    def extend(self, identifiers: Iterable[bytes], offsets: Iterable[int]) -> None:
        """Note some records, as many of these as of those."""
        self._ids += b"".join(identifiers)
        self._offsets.extend(offsets)

    def offset_of(self, identifier: bytes) -> int | None:
        """Return where the record of an id lies; None when there is none."""
        at = bisect_left(self, identifier)
        if at == len(self) or self[at] != identifier:
            return None
        had = len(self._old_offsets)
        return self._old_offsets[at] if at < had else self._offsets[at - had]
