"""What the journal says was erased, as far as it was read, and which sealed rows it concerns.

    sealed/erasures/data/erasures.json

The rule: a row is erased when an erasure that came after its request names whom the request
names. The file is derived from the journal, so that not all of it is read each time; it says of
each erasure the digest of whom, and how far the sealed files were gone through.
"""

from collections.abc import Iterable, Sequence
from contextlib import closing

import duckdb
import msgspec

from kingpost.core import Disk
from kingpost.decisions.data_directory import DataDirectory
from kingpost.decisions.sealed.kinds import SUBJECTS, Kind
from kingpost.decisions.sealed.manifest import Manifest, SealedFiles
from kingpost.decisions.sealed.subjects import subject_digest
from kingpost.decisions.sealed.tables import columns_of, quoted
from kingpost.features import decode_erasure
from kingpost.journal import Scan

__all__ = [
    "ERASED",
    "KnownErasures",
    "SealedErasure",
    "begin_erasing_anew",
    "note_erased",
    "read_erasures",
    "select_without_erased",
    "write_erasures",
]

_NAME = "erasures.json"
_MARK = b"erasure\0"
ERASED = "erased ids"
"""The table that `note_erased` makes, of the ids of records that are of somebody who was erased."""


class SealedErasure(msgspec.Struct, frozen=True, array_like=True):
    """Whom an erasure names, by its digest; requests before its offset are erased."""

    offset: int
    subject: int


class KnownErasures(msgspec.Struct, frozen=True, kw_only=True):
    """The erasures of a partition.

    Attributes:
        next_offset: How far the journal was read for them.
        applied_until: Erasures before this offset are done in the files of segments that end
            before `sealed_until`.
    """

    format: int = 1
    next_offset: int = 0
    applied_until: int = 0
    sealed_until: int = 0
    erasures: tuple[SealedErasure, ...] = ()

    def waiting(self, manifests: Iterable[Manifest]) -> Sequence[Manifest]:
        """Return the manifests in whose files an erasure is still to be done."""
        last = self.erasures[-1].offset if self.erasures else -1
        return [
            one
            for one in manifests
            # a review of an erased record may come later than the erasure
            if (last >= 0 and one.last_offset >= self.sealed_until)
            or (last >= self.applied_until and last > one.first_offset)
        ]

    def done(self, manifests: Sequence[Manifest]) -> "KnownErasures":
        """Say that all of them are done in the files of some manifests, in their order."""
        sealed_until = manifests[-1].last_offset + 1 if manifests else 0
        return msgspec.structs.replace(
            self, applied_until=self.next_offset, sealed_until=sealed_until
        )


def read_erasures(where: DataDirectory, *, disk: Disk) -> KnownErasures:
    """Read the erasures up to the present end of the journal.

    Raises:
        JournalCorrupt, JournalNewer, SegmentArchived: The journal cannot be read on.
    """
    known = _stored(where, disk)
    found = list(known.erasures)
    with closing(Scan(where.data, disk=disk, start=known.next_offset)) as scan:
        for frame in scan.frames():
            # most commits have none, and are not decoded for it
            if frame.buffer.find(_MARK, frame.entries_at, frame.end) < 0:
                continue
            offset = frame.offset
            for entry in frame.commit().entries:
                if entry.kind == "erasure":
                    one = decode_erasure(entry, offset)
                    digest = subject_digest(entry.tenant, one.entity, one.key)
                    found.append(SealedErasure(offset, digest))
                offset += entry.count
        next_offset = scan.offset
    return msgspec.structs.replace(known, next_offset=next_offset, erasures=tuple(found))


def begin_erasing_anew(where: DataDirectory, *, disk: Disk) -> None:
    """Have all files gone through again; for whoever has claimed the directory."""
    known = msgspec.structs.replace(_stored(where, disk), applied_until=0, sealed_until=0)
    write_erasures(where, known, disk=disk)


def write_erasures(where: DataDirectory, known: KnownErasures, *, disk: Disk) -> None:
    """Keep what was read, and how far it was done; for whoever has claimed the directory."""
    if known != _stored(where, disk):
        place = SealedFiles(where, disk=disk).of_kind("erasures")
        disk.make_directory(place.path)
        place.place_bytes(_NAME, msgspec.json.encode(known))


def note_erased(
    database: duckdb.DuckDBPyConnection,
    erasures: Sequence[SealedErasure],
    searched: Iterable[str],
    done: Iterable[str],
) -> int:
    """Make the table of the records that are of somebody who was erased.

    Args:
        searched: Where rows of records are in which that is not done, as SQL names them.
        done: Where they are in which it is.

    Returns:
        How many there are.
    """
    database.execute(f"CREATE OR REPLACE TABLE {quoted(ERASED)} (id UUID PRIMARY KEY)")
    database.execute("CREATE OR REPLACE TABLE erasures (subject BIGINT, until BIGINT)")
    pairs = [(one.subject, one.offset) for one in erasures]
    if pairs:
        database.executemany("INSERT INTO erasures VALUES (?, ?)", pairs)
    add = f"INSERT OR IGNORE INTO {quoted(ERASED)} SELECT DISTINCT id FROM"
    for source in done:
        database.execute(f"{add} {source} WHERE is_erased")
    for source in searched:
        database.execute(
            f"{add} (SELECT id, event_offset, unnest({SUBJECTS}) AS subject FROM {source} "
            f"WHERE {SUBJECTS} IS NOT NULL) JOIN erasures USING (subject) "
            "WHERE event_offset < until"
        )
    row = database.execute(f"SELECT count(*) FROM {quoted(ERASED)}").fetchone()
    return 0 if row is None else int(row[0])


def select_without_erased(kind: Kind, source: str) -> str:
    """Write a query of all rows of a kind, those of erased records without what they told."""
    if kind.record is None:
        return f"SELECT {columns_of(kind)} FROM {source}"
    columns = ", ".join(
        "is_erased OR gone IS NOT NULL AS is_erased"
        if name == "is_erased"
        else f"CASE WHEN gone IS NULL THEN {quoted(name)} END AS {quoted(name)}"
        if name in kind.erased
        else quoted(name)
        for name in kind.columns
    )
    return (
        f"SELECT {columns} FROM {source} LEFT JOIN (SELECT id AS gone FROM {quoted(ERASED)}) "
        f"ON {quoted(kind.record)} = gone"
    )


def _stored(where: DataDirectory, disk: Disk) -> KnownErasures:
    path = SealedFiles(where, disk=disk).of_kind("erasures").path / _NAME
    try:
        found = msgspec.json.decode(path.read_bytes(), type=KnownErasures)
    except (FileNotFoundError, msgspec.MsgspecError):
        return KnownErasures()  # made anew: all of it is in the journal
    return found if found.format == KnownErasures().format else KnownErasures()
