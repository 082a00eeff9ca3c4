"""Finding a record by its id without an index of every id.

Ids grow with their offsets in the journal, so it is enough to remember one id in every
hundred: a search reads the commits from there on.
"""

from bisect import bisect_right
from typing import NamedTuple

from kingpost.journal import Lookup, NoSuchOffset
from kingpost.records.record import DecisionRecord, decode_record

__all__ = ["RecordIndex", "StoredRecord"]

_EVERY = 100


class StoredRecord(NamedTuple):
    """A record and where it lies."""

    offset: int
    record: DecisionRecord


class RecordIndex:
    """Some ids and the offsets of their records, both ascending."""

    def __init__(self) -> None:
        self._ids: list[bytes] = []
        self._offsets: list[int] = []
        self._skipped = _EVERY
        self.last: bytes | None = None
        self.count = 0

    def add(self, identifier: bytes, offset: int) -> None:
        """Note a record; each id and each offset is greater than the one before."""
        self.last = identifier
        self.count += 1
        self._skipped += 1
        if self._skipped >= _EVERY:
            self._skipped = 0
            self._ids.append(identifier)
            self._offsets.append(offset)

    def find(self, lookup: Lookup, identifier: bytes) -> StoredRecord | None:
        """Read the record of an id; None when there is none."""
        at = bisect_right(self._ids, identifier) - 1
        if at < 0:
            return None
        offset = self._offsets[at]
        while True:
            try:
                commit = lookup.read(offset)
            except NoSuchOffset:
                return None
            at = commit.offset
            for entry in commit.entries:
                if entry.kind == "record" and at >= offset:
                    record = decode_record(entry.body)
                    if record.id == identifier:
                        return StoredRecord(at, record)
                    if record.id > identifier:
                        return None
                at += entry.count
            offset = at
