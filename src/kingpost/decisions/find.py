"""Finding a record by its id in the journal, without a server and without an index."""

from typing import NamedTuple

from kingpost.core import SystemDisk, parse_id
from kingpost.decisions.data_directory import DataDirectory
from kingpost.decisions.errors import RecordNotFound
from kingpost.journal import scan
from kingpost.records import DecisionRecord, decode_record

__all__ = ["FoundRecord", "find_record"]


class FoundRecord(NamedTuple):
    """A record, and the offset after the commit that holds it."""

    record: DecisionRecord
    stop: int


def find_record(identifier: str, where: DataDirectory, *, tenant: str | None = None) -> FoundRecord:
    """Look through the journal for a record.

    Args:
        identifier: The record's id, as it came with the answer.
        tenant: Whose record it must be; None lets an operator find any.

    Raises:
        RecordNotFound: There is no such record, or it is another tenant's.
        JournalCorrupt: Events or records were altered.
    """
    wanted = parse_id(identifier)
    if wanted is not None:
        for commit in scan(where.data, disk=SystemDisk()):
            for entry in commit.entries:
                if entry.kind == "record" and wanted in entry.body:
                    record = decode_record(entry.body)
                    if record.id == wanted and tenant in (None, record.tenant):
                        return FoundRecord(record, commit.next_offset)
    raise RecordNotFound(identifier, str(where.root))
