"""Whole records, and the requests that asked for them, read from the journal by place.

The engine's own reader belongs to its thread; this one is for the threads of the pages,
which take turns.
"""

from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from types import MappingProxyType

from kingpost.contracts import Contract, Event
from kingpost.core import Disk
from kingpost.journal import Entry, Lookup, NoSuchOffset
from kingpost.records import DecisionRecord, RecordLine, decode_record

__all__ = ["KeptRecords"]


class KeptRecords:
    """The data partition of a journal, read beside its writer; for any thread.

    Args:
        directory: The partition.
        streams: The contracts by which personal content is opened.
    """

    def __init__(
        self,
        directory: Path,
        *,
        disk: Disk,
        streams: Mapping[str, Contract[Event]] = MappingProxyType({}),
    ) -> None:
        self._streams = streams
        self._lookup = Lookup(directory, disk=disk)
        self._turn = Lock()

    def record(self, line: RecordLine) -> DecisionRecord | None:
        """Read the record of a line that the search found; None when it is not there.

        Raises:
            JournalCorrupt, JournalNewer: Its bytes cannot be read.
            NewerRecord: A later version of Kingpost wrote it.
        """
        entry = self._entry(line.offset)
        if entry is None or entry.kind != "record" or entry.tenant != line.tenant:
            return None
        record = decode_record(entry.body)
        return record if record.id == line.id else None

    def request(self, record: DecisionRecord) -> bytes | None:
        """Read the body that asked for a record; None when it is not there.

        Raises:
            JournalCorrupt, JournalNewer: Its bytes cannot be read.
            KingpostError: Personal content in it was altered.
        """
        entry = self._entry(record.event_offset)
        if entry is None or entry.tenant != record.tenant:
            return None
        contract = self._streams.get(entry.topic)
        return entry.body if contract is None else contract.open_body(entry.body)

    def close(self) -> None:
        """Release the files."""
        with self._turn:
            self._lookup.close()

    def _entry(self, offset: int) -> Entry | None:
        with self._turn:
            try:
                return self._lookup.read(offset).entry_at(offset)
            except NoSuchOffset:
                return None
