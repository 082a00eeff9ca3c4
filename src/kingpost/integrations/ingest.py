"""Taking a whole source into the journal: events, corrections, keys to retract.

Chunk by chunk, each durable before the next one is read. A run that was cut short is
completed by running it again: what is held is a duplicate. Wrong rows of events go into
quarantine and can be tried again; those of corrections and retractions are counted only,
since they mean nothing without their order: they are mended at their source.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from kingpost.contracts import Contract, ContractViolation, Event, EventKey, batch_of
from kingpost.integrations.errors import TooManyBadRows, UnreadableSource
from kingpost.integrations.files import read_csv, read_json_lines
from kingpost.integrations.intake import Intake, keys_of
from kingpost.integrations.quarantine import RefusedRow, event_of
from kingpost.integrations.reading import Chunk, Reading
from kingpost.integrations.tables import read_parquet

__all__ = [
    "CorrectionReport",
    "IngestReport",
    "Progress",
    "ReplayReport",
    "RetractionReport",
    "correct_file",
    "ingest_chunks",
    "ingest_file",
    "read_file",
    "replay_quarantine",
    "retract_file",
]

BAD_ROWS_TOLERATED = 1_000
"""A source with more bad rows than this is refused once they are most of its rows."""

_ROWS_REPLAYED_AT_ONCE = 8_192
_READERS = {
    ".csv": read_csv,
    ".jsonl": read_json_lines,
    ".ndjson": read_json_lines,
    ".json": read_json_lines,
    ".parquet": read_parquet,
}


@dataclass(frozen=True)
class IngestReport:
    """What became of a source, so far or in the end.

    Attributes:
        rows: Rows seen: accepted + duplicates + quarantined.
        duplicates: Rows that were held before: as events, or in quarantine.
        quarantined: Rows that broke the contract and were put in quarantine.
    """

    rows: int
    accepted: int
    duplicates: int
    quarantined: int
    seconds: float

    @property
    def rows_per_s(self) -> float:
        """Rows seen a second."""
        return self.rows / self.seconds if self.seconds else 0.0


@dataclass(frozen=True)
class CorrectionReport:
    """What became of a source of corrections.

    Attributes:
        rows: Rows seen: corrected + unchanged + unknown + retracted + refused.
        unchanged: Rows that say what the last correction said.
        unknown: Rows whose key no event has.
        retracted: Rows whose event was retracted.
        refused: Rows that broke the contract.
        problem: What is wrong with the first row that was not taken; empty when all were.
    """

    rows: int = 0
    corrected: int = 0
    unchanged: int = 0
    unknown: int = 0
    retracted: int = 0
    refused: int = 0
    problem: str = ""


@dataclass(frozen=True)
class RetractionReport:
    """What became of a source of keys to retract.

    Attributes:
        rows: Rows seen: retracted + held + unchanged + refused.
        held: Keys no event has yet; when one comes it will not count.
        unchanged: Keys that were retracted before.
        refused: Rows that hold no key.
        problem: What is wrong with the first of them; empty when there is none.
    """

    rows: int = 0
    retracted: int = 0
    held: int = 0
    unchanged: int = 0
    refused: int = 0
    problem: str = ""


Progress = Callable[[IngestReport, float], None]
"""Told after each chunk: the report so far, and the share of the source read, 0 to 1."""


@dataclass(frozen=True)
class ReplayReport:
    """What became of the rows in quarantine.

    Attributes:
        rows: Rows that were tried.
        duplicates: Rows that now keep the contract and whose event is already held.
        refused: Rows that still break it and stay.
    """

    rows: int
    accepted: int
    duplicates: int
    refused: int


def read_file(path: Path, contract: Contract[Event], reading: Reading) -> Iterator[Chunk]:
    """Read a file by its name: .csv, .jsonl, .ndjson, .json (each also .gz) or .parquet.

    Raises:
        UnreadableSource: It has another name, or cannot be read.
        SchemaMismatch: It does not fit the contract.
        UnknownZone: The reading names no time zone.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes[-1:] == [".gz"] and suffixes[-2:-1] != [".parquet"]:
        suffixes.pop()
    reader = _READERS.get(suffixes[-1] if suffixes else "")
    if reader is None:
        known = ", ".join(_READERS)
        raise UnreadableSource(str(path), "has a name that tells no format", f"use {known}")
    return reader(path, contract, reading)


def ingest_file(
    intake: Intake,
    contract: Contract[Event],
    path: Path,
    *,
    tenant: str,
    reading: Reading | None = None,
    on_progress: Progress | None = None,
) -> IngestReport:
    """Take a file into the journal; all that the report counts is durable.

    Raises:
        UnreadableSource, SchemaMismatch, UnknownZone: As `read_file`.
        TooManyBadRows: Most rows break the contract.
        UnknownStream: The intake was not opened for this contract.
        JournalFull, JournalFailed: The disk refused; open the intake again.
    """
    chunks = read_file(path, contract, reading or Reading())
    return ingest_chunks(
        intake, contract, chunks, tenant=tenant, source=str(path), on_progress=on_progress
    )


def ingest_chunks(
    intake: Intake,
    contract: Contract[Event],
    chunks: Iterable[Chunk],
    *,
    tenant: str,
    source: str,
    on_progress: Progress | None = None,
) -> IngestReport:
    """Take what a reader yields into the journal, as `ingest_file` does.

    Args:
        source: What the quarantine calls it.
    """
    clock = intake.clock
    started_ns = clock.monotonic_ns()
    accepted = duplicates = quarantined = 0
    report = IngestReport(0, 0, 0, 0, 0.0)
    for chunk in _tolerable(chunks, source):
        taken = intake.accept_batch(tenant, contract, chunk.batch)
        kept = intake.quarantine(tenant, contract.name, source, chunk.refused)
        accepted += taken.rows
        quarantined += kept
        duplicates += taken.duplicates + len(chunk.refused) - kept
        seconds = (clock.monotonic_ns() - started_ns) / 1e9
        report = IngestReport(chunk.rows, accepted, duplicates, quarantined, seconds)
        if on_progress is not None:
            on_progress(report, chunk.share)
    return report


def correct_file(
    intake: Intake,
    contract: Contract[Event],
    path: Path,
    *,
    tenant: str,
    reading: Reading | None = None,
    on_progress: Callable[[int, float], None] | None = None,
) -> CorrectionReport:
    """Put the events of a file in the place of those that are held under their keys.

    All that the report counts as corrected is durable; nothing is kept of other rows.

    Args:
        on_progress: Told after each chunk: rows seen, and the share of the source read.

    Raises:
        UnreadableSource, SchemaMismatch, UnknownZone, TooManyBadRows, UnknownStream,
        JournalFull, JournalFailed: As `ingest_file`.
    """
    report = CorrectionReport()
    chunks = _tolerable(read_file(path, contract, reading or Reading()), str(path))
    for chunk in chunks:
        done = intake.correct_batch(tenant, contract, chunk.batch)
        report = CorrectionReport(
            chunk.rows,
            report.corrected + done.rows,
            report.unchanged + done.unchanged,
            report.unknown + done.unknown,
            report.retracted + done.retracted,
            report.refused + len(chunk.refused),
            report.problem or _problem(contract, chunk, done.first_unknown),
        )
        if on_progress is not None:
            on_progress(chunk.rows, chunk.share)
    return report


def retract_file(
    intake: Intake,
    contract: Contract[Event],
    path: Path,
    *,
    tenant: str,
    reading: Reading | None = None,
    on_progress: Callable[[int, float], None] | None = None,
) -> RetractionReport:
    """Take back the events whose keys a file lists, in one column or member.

    All that the report counts as retracted or held is durable.

    Args:
        on_progress: Told after each chunk: rows seen, and the share of the source read.

    Raises:
        UnreadableSource, SchemaMismatch, TooManyBadRows, UnknownStream, JournalFull,
        JournalFailed: As `ingest_file`.
    """
    report, listed = RetractionReport(), contract.key_only
    chunks = _tolerable(read_file(path, listed, reading or Reading()), str(path))
    for chunk in chunks:
        done = intake.retract(tenant, contract, keys_of(chunk.batch, contract))
        report = RetractionReport(
            chunk.rows,
            report.retracted + done.rows,
            report.held + done.held,
            report.unchanged + done.unchanged,
            report.refused + len(chunk.refused),
            report.problem or _problem(contract, chunk, None),
        )
        if on_progress is not None:
            on_progress(chunk.rows, chunk.share)
    return report


def _tolerable(chunks: Iterable[Chunk], source: str) -> Iterator[Chunk]:
    """Pass chunks on, until most rows of the source are bad ones."""
    bad, reasons = 0, Counter[str]()
    for chunk in chunks:
        bad += len(chunk.refused)
        reasons.update(_reason(row) for row in chunk.refused)
        if bad > BAD_ROWS_TOLERATED and 2 * bad > chunk.rows:
            raise TooManyBadRows(source, bad, chunk.rows, reasons.most_common(1)[0][0])
        yield chunk


def _problem(contract: Contract[Event], chunk: Chunk, unknown: EventKey | None) -> str:
    if chunk.refused:
        return f"row {chunk.refused[0].row}: {_reason(chunk.refused[0])}"
    if unknown is not None:
        return f"no {contract.name} with {contract.key.name} {unknown!r} was taken yet"
    return ""


def _reason(row: RefusedRow) -> str:
    why = row.violation
    return f"{why.field or 'the row'}: expected {why.expected}, found {why.found}"


def replay_quarantine(
    intake: Intake,
    contract: Contract[Event],
    *,
    tenant: str,
    zone: str | None = None,
    on_progress: Callable[[ReplayReport, float], None] | None = None,
) -> ReplayReport:
    """Try quarantined rows against the contract as it is now; take those that keep it.

    Args:
        zone: What times without an offset mean; None keeps what was said at first.

    Raises:
        UnknownZone: There is no such time zone.
        UnknownStream: The intake was not opened for this contract.
        JournalFull, JournalFailed: The disk refused; open the intake again.
    """
    pending = intake.quarantined(tenant, contract.name)
    report = ReplayReport(0, 0, 0, 0)
    for start in range(0, len(pending), _ROWS_REPLAYED_AT_ONCE):
        rows = pending[start : start + _ROWS_REPLAYED_AT_ONCE]
        events: list[Event] = []
        done: list[int] = []
        for row in rows:
            try:
                events.append(event_of(row, contract, zone=zone))
            except ContractViolation:
                continue
            done.append(row.offset)
        taken = intake.accept_batch(tenant, contract, batch_of(contract, events))
        intake.mark_replayed(tenant, contract.name, done)
        report = ReplayReport(
            report.rows + len(rows),
            report.accepted + taken.rows,
            report.duplicates + taken.duplicates,
            report.refused + len(rows) - len(done),
        )
        if on_progress is not None:
            on_progress(report, report.rows / len(pending))
    return report
