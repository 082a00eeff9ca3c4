"""Writing an export: records as JSON lines and Parquet, a report, a manifest of digests.

The rule: an export changes nothing of what it reads, and the control log says that it was made;
the manifest is written last, so a directory without one is not whole.
"""

import hashlib
import logging
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import duckdb
import msgspec

from kingpost.contracts import Instant, Vault
from kingpost.core import Clock, Disk, KingpostError, id_text
from kingpost.decisions.bundle import read_bundle
from kingpost.decisions.comparison import entry_at
from kingpost.decisions.data_directory import DataDirectory
from kingpost.decisions.errors import ExportExists
from kingpost.decisions.export.report import Tally, report
from kingpost.decisions.export.rows import COLUMNS, ErasureRow, RecordRow, ReviewRow, Rows
from kingpost.decisions.record_selection import RecordSelection
from kingpost.decisions.subject_digests import SubjectDigests
from kingpost.decisions.subjects import open_vault
from kingpost.decisions.whole_files import WholeFiles
from kingpost.features import decode_erasure
from kingpost.journal import Commit, scan
from kingpost.records import decode_record, decode_review
from kingpost.registry import Approval, ControlLog, ExportRun

__all__ = ["EXPORT_FORMAT", "Exported", "Proves", "export_records"]

Proves = Callable[[bytes], bytes]
"""Makes the proof of a record, by its id: what stands in the proof's file."""

EXPORT_FORMAT = 1
_PROOFS = "proofs"
_log = logging.getLogger(__name__)


class Exported(msgspec.Struct, frozen=True):
    """What was exported.

    Attributes:
        stop: The journal was read up to this offset.
    """

    out: str
    records: int
    reviews: int
    erasures: int
    stop: int


class _File(msgspec.Struct, frozen=True):
    name: str
    sha256: str
    size_bytes: int


class _Manifest(msgspec.Struct, frozen=True):
    """What an export is: fields are only added.

    Attributes:
        proofs: The names of the files that prove the records; none where none were made.
    """

    format: int
    made_at: str
    partition: str
    stop: int
    selection: dict[str, str | int | None]
    personal: str
    records: int
    files: list[_File]
    proofs: list[str]


def export_records(
    where: DataDirectory,
    selection: RecordSelection,
    out: Path,
    *,
    disk: Disk,
    clock: Clock,
    by: str,
    is_clear: bool = False,
    prove: Proves | None = None,
    on_progress: Callable[[int], None] = lambda records: None,
) -> Exported:
    """Write the records of a data directory that are selected, with what belongs to them.

    Args:
        out: Made for it; nothing may be in it.
        by: Who exports.
        is_clear: Open personal content. An erasure does not reach such an export.
        prove: Proves each record; none is proved without.
        on_progress: Told how many records there are so far.

    Raises:
        ExportExists: There is something in `out`.
        JournalCorrupt, JournalNewer, NewerRecord: The journal cannot be read.
        ContentDamaged, MasterKeyUnusable: Personal content cannot be opened.
        JournalInUse, JournalFull, JournalFailed: The control log cannot take that it was made.
    """
    disk.make_directory(out)
    if disk.list(out):
        raise ExportExists(out)
    control = where.control_log(disk=disk, clock=clock)
    with _opened(where, is_clear=is_clear) as vault:
        found = _Found(Rows(where.partition, _feature_names(control), vault), selection)
        files = WholeFiles(out, disk=disk)
        files.place("records.jsonl", lambda path: found.write(where, path, disk, on_progress))
    files.place("records.parquet", lambda path: _write_parquet(out / "records.jsonl", path))
    files.place_bytes("reviews.jsonl", _lines(found.reviews))
    files.place_bytes("erasures.jsonl", _lines(found.erasures))
    proofs = [] if prove is None else _write_proofs(out, found.ids, prove, disk)
    facts = selection.facts()
    approvals = _approvals(control, found.tally)
    text = report(found.tally, facts, found.reviews, found.erasures, approvals, is_clear=is_clear)
    files.place_bytes("report.md", text.encode())
    manifest = _Manifest(
        EXPORT_FORMAT,
        Instant(clock.now_us()).isoformat(),
        where.partition,
        found.stop,
        facts,
        "clear" if is_clear else "encrypted",
        found.tally.records,
        [_file(out, name) for name in sorted([*_own(files.names()), *proofs])],
        proofs,
    )
    whole = msgspec.json.format(msgspec.json.encode(manifest))
    asked = {**facts, "subject": _whom(where, selection, disk)}
    run = ExportRun(
        format=1,
        partition=where.partition,
        stop=found.stop,
        selection=asked,
        personal="clear" if is_clear else "encrypted",
        records=found.tally.records,
        reviews=len(found.reviews),
        erasures=len(found.erasures),
        proofs=len(proofs),
        manifest=hashlib.sha256(whole).hexdigest(),
        by=by,
        at_us=clock.now_us(),
    )
    control.note_export(run)
    files.place_bytes("manifest.json", whole)
    return Exported(
        str(out), found.tally.records, len(found.reviews), len(found.erasures), found.stop
    )


class _Found:
    """What is found on the way through the journal."""

    def __init__(self, rows: Rows, selection: RecordSelection) -> None:
        self._rows, self._selection = rows, selection
        self.ids: dict[bytes, None] = {}
        self.tally = Tally()
        self.reviews: list[ReviewRow] = []
        self.erasures: list[ErasureRow] = []
        self.stop = 0

    def write(
        self, where: DataDirectory, path: Path, disk: Disk, on_progress: Callable[[int], None]
    ) -> None:
        """Write a line per record, and note the rest."""
        encode = msgspec.json.Encoder().encode
        with path.open("wb") as file:
            for commit in scan(where.data, disk=disk):
                for row in self._take(commit):
                    file.write(encode(row) + b"\n")
                    self.tally.add(row)
                self.stop = commit.next_offset
                on_progress(self.tally.records)

    def _take(self, commit: Commit) -> Generator[RecordRow, None, None]:
        offset, wanted = commit.offset, self._selection
        for entry in commit.entries:
            if entry.kind == "record":
                record = decode_record(entry.body)
                asked = entry_at(commit, record.event_offset)
                if wanted.takes(record, asked):
                    self.ids[record.id] = None
                    yield self._rows.record(record, offset, asked)
            elif entry.kind == "review":
                review = decode_review(entry.body)
                if review.record in self.ids:
                    self.reviews.append(self._rows.review(review))
            elif entry.kind == "erasure" and wanted.tenant in (None, entry.tenant):
                erasure = decode_erasure(entry, offset)
                if wanted.subject in (None, (erasure.entity, erasure.key)):
                    self.erasures.append(self._rows.erasure(entry.tenant, erasure))
            offset += entry.count


@contextmanager
def _opened(where: DataDirectory, *, is_clear: bool) -> Generator[Vault | None, None, None]:
    if not (is_clear and where.has_subject_keys):
        yield None
        return
    vault = open_vault(where)
    try:
        yield vault
    finally:
        vault.close()


def _feature_names(control: ControlLog) -> Callable[[str, bytes], tuple[str, ...] | None]:
    @cache
    def names_of(decision: str, bundle: bytes) -> tuple[str, ...] | None:
        try:
            return read_bundle(control.bundle(decision, bundle.hex())).feature_names
        except KingpostError:  # the record is exported all the same, its features by number
            _log.warning("bundle_unreadable", extra={"bundle": bundle.hex()})
            return None

    return names_of


def _approvals(control: ControlLog, tally: Tally) -> list[Approval]:
    decisions = sorted({decision for decision, _ in tally.bundles})
    return [one for decision in decisions for one in control.approvals(decision)]


def _lines(rows: Sequence[msgspec.Struct]) -> bytes:
    return b"".join(msgspec.json.encode(row) + b"\n" for row in rows)


def _write_parquet(lines: Path, path: Path) -> None:
    columns = ", ".join(f"\"{name}\": '{kind}'" for name, kind in COLUMNS.items())
    with duckdb.connect(config={"threads": 1}) as database:
        read = f"read_json($path, format = 'newline_delimited', columns = {{{columns}}})"
        rows = database.sql(f"SELECT * FROM {read}", params={"path": str(lines)})
        rows.write_parquet(str(path), compression="zstd")


def _whom(where: DataDirectory, selection: RecordSelection, disk: Disk) -> str | None:
    """Name the subject that was asked for by a digest; the control log forgets nothing."""
    if selection.subject is None:
        return None
    entity, key = selection.subject
    return f"{entity} {SubjectDigests(where, disk=disk).of(selection.tenant or '', entity, key)}"


def _own(names: Sequence[str]) -> list[str]:
    return [name for name in names if name != _PROOFS]


def _write_proofs(out: Path, ids: Iterable[bytes], prove: Proves, disk: Disk) -> list[str]:
    """Write a file for each record that `kingpost verify` takes; return their names."""
    disk.make_directory(out / _PROOFS)
    files = WholeFiles(out / _PROOFS, disk=disk)
    for identifier in ids:
        files.place_bytes(f"{id_text(identifier)}.json", prove(identifier))
    return [f"{_PROOFS}/{name}" for name in sorted(files.names())]


def _file(out: Path, name: str) -> _File:
    path = out / name
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return _File(name, digest, path.stat().st_size)
