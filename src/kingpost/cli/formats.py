"""Which formats a data directory is written in, and how it is brought to the present ones.

Databases are moved forward, table by table; what the journal holds is never rewritten: every
version reads all formats before its own. What is derived is made anew by who needs it.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from kingpost.access import MIGRATIONS as KEY_MIGRATIONS
from kingpost.calls import CALL_MIGRATIONS
from kingpost.cli.stores import INBOX_MIGRATIONS
from kingpost.contracts import BATCH_FORMAT, batch_format
from kingpost.core import Disk
from kingpost.decisions import DataDirectory
from kingpost.integrations import PIPELINE_MIGRATIONS
from kingpost.jobs import JOB_MIGRATIONS
from kingpost.journal import scan
from kingpost.records import INFERENCE_FORMAT, RECORD_FORMAT, NewerRecord
from kingpost.serving import EXTRACTION_MIGRATIONS, OBSERVED_MIGRATIONS
from kingpost.storage import DatabaseNewer, migrate, open_database, stored_formats

__all__ = ["FoundFormat", "bring_forward", "formats_of"]

Owners = Mapping[str, Sequence[str]]


class FoundFormat(NamedTuple):
    """A format that was found.

    Attributes:
        what: Such as `access.sqlite: access`, or `journal/data: records`.
        how_many: Entries of it; 0 where that is not counted.
        is_moved: Whether an upgrade changes it; else it is read as it is.
    """

    what: str
    found: int
    present: int
    how_many: int
    is_moved: bool

    @property
    def is_old(self) -> bool:
        """Whether it has to be moved."""
        return self.is_moved and self.found < self.present


def formats_of(where: DataDirectory, *, disk: Disk) -> Iterator[FoundFormat]:
    """Look at every database and every entry of the journal.

    Raises:
        DatabaseNewer, NewerRecord, JournalNewer: A later version of Kingpost has been here.
        DatabaseUnreadable, JournalCorrupt: It cannot be read.
    """
    for path, owners in _databases(where):
        stored = stored_formats(path)
        for owner, migrations in owners.items():
            found = stored.get(owner, 0)
            if found > len(migrations):
                raise DatabaseNewer(owner, found, len(migrations))
            yield FoundFormat(f"{path.name}: {owner}", found, len(migrations), 0, is_moved=True)
    for directory in dict.fromkeys((where.data, where.control)):
        yield from _entries_of(directory, disk)


def bring_forward(where: DataDirectory) -> None:
    """Move every database to the present formats; each one as a whole or not at all.

    Raises:
        StorageFull, StorageBusy, StorageFailed: See `migrate`.
    """
    for path, owners in _databases(where):
        connection = open_database(path)
        try:
            for owner, migrations in owners.items():
                migrate(connection, owner, migrations)
        finally:
            connection.close()


def _databases(where: DataDirectory) -> Iterator[tuple[Path, Owners]]:
    """Return the databases that are there; those of the search are derived, and DBOS has its own."""
    known: Mapping[Path, Owners] = {
        where.access: {"access": KEY_MIGRATIONS},
        where.calls: {"calls": CALL_MIGRATIONS},
        where.exposure: {"exposure": EXTRACTION_MIGRATIONS},
        where.jobs: {"jobs": JOB_MIGRATIONS, "calls": CALL_MIGRATIONS},
        where.observed: OBSERVED_MIGRATIONS,
        where.pipelines: {"pipelines": PIPELINE_MIGRATIONS},
        where.tasks: INBOX_MIGRATIONS,
    }
    yield from ((path, owners) for path, owners in known.items() if path.exists())


class _Numbered(msgspec.Struct, array_like=True):
    format: int


_numbered = msgspec.msgpack.Decoder(_Numbered)
_PRESENT = {"records": RECORD_FORMAT, "inferences": INFERENCE_FORMAT, "batches": BATCH_FORMAT}
_KINDS = {"record": "records", "inference": "inferences"}


def _entries_of(directory: Path, disk: Disk) -> Iterator[FoundFormat]:
    counts: Counter[tuple[str, int]] = Counter()
    for commit in scan(directory, disk=disk):
        for entry in commit.entries:
            if entry.kind == "events":
                counts["batches", batch_format(entry.body)] += 1
            elif entry.kind in _KINDS:
                counts[_KINDS[entry.kind], _numbered.decode(entry.body).format] += 1
    for (what, found), how_many in sorted(counts.items()):
        if found > _PRESENT[what]:
            raise NewerRecord(f"{how_many} of the {what} in {directory} have format {found}")
        yield FoundFormat(
            f"journal/{directory.name}: {what}", found, _PRESENT[what], how_many, is_moved=False
        )
