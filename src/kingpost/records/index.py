"""Finding a record by its id.

Ids only grow along the journal, so they lie in memory as they come, 24 bytes a record with
its offset, and a search is a bisection. The record itself is read from the journal.
"""

from array import array
from bisect import bisect_left
from typing import NamedTuple

from kingpost.records.record import DecisionRecord

__all__ = ["RecordIndex", "StoredRecord"]

_WIDTH = 16


class StoredRecord(NamedTuple):
    """A record and where it lies."""

    offset: int
    record: DecisionRecord


class RecordIndex:
    """Every record's id and offset, both ascending."""

    def __init__(self) -> None:
        self._ids = bytearray()
        self._offsets = array("q")

    @staticmethod
    def of(ids: memoryview, offsets: memoryview) -> "RecordIndex":
        """Make an index of what `columns` gave."""
        index = RecordIndex()
        index._ids += ids
        index._offsets.frombytes(offsets)
        return index

    def columns(self) -> tuple[memoryview, memoryview]:
        """Return ids and offsets as bytes: 16 and 8 a record, offsets little-endian."""
        return memoryview(bytes(self._ids)), memoryview(self._offsets.tobytes())

    def __len__(self) -> int:
        return len(self._offsets)

    def __getitem__(self, at: int) -> bytes:
        return bytes(self._ids[at * _WIDTH : (at + 1) * _WIDTH])

    @property
    def last(self) -> bytes | None:
        """The greatest id; None when there is none."""
        return self[len(self) - 1] if self._offsets else None

    def add(self, identifier: bytes, offset: int) -> None:
        """Note a record; each id and each offset is greater than the one before."""
        self._ids += identifier
        self._offsets.append(offset)

    def offset_of(self, identifier: bytes) -> int | None:
        """Return where the record of an id lies; None when there is none."""
        at = bisect_left(self, identifier)
        return self._offsets[at] if at < len(self) and self[at] == identifier else None
