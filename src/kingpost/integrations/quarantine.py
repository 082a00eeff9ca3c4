"""Rows that broke their contract, kept with the reason until they can be taken.

A row is kept as it came, in one journal entry of kind "quarantine"; an entry of kind
"replayed" names the offsets of those that were taken later. The same bad row is kept
once, whatever file it comes in, as the same good row is one event.

The raw values are kept because a row cannot be mended without them: a quarantine holds
what the source held, personal data too. The reason never repeats a value.
"""

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Literal, NamedTuple, cast

import msgspec

from kingpost.contracts import (
    FIRST_US,
    LAST_US,
    BadRow,
    Contract,
    ContractViolation,
    Event,
    Instant,
)
from kingpost.core import Disk
from kingpost.integrations.errors import UnreadableQuarantine
from kingpost.journal import Commit, Entry, Scan

__all__ = [
    "Form",
    "QuarantinedRow",
    "RefusedRow",
    "digest_of",
    "event_of",
    "quarantine_entry",
    "quarantined",
    "refused_cells",
    "refused_line",
    "refused_row",
    "replayed_entry",
    "stored_digest",
    "without_content",
]

RAW_CHARACTERS = 16_384
"""The most that is kept of one row; a longer one is cut, and cannot be replayed."""

_FORMAT = 1
_GREATEST_INTEGER = 2**63
Form = Literal["text", "values", "json", "shown"]
"""How a raw row is read again: named texts, named values, a JSON text; or only shown."""


class RefusedRow(NamedTuple):
    """A row that broke its contract, as a reader found it.

    Attributes:
        row: Its number in the source, as a person counts.
        raw: What it held, as text; JSON unless the source itself was none.
        zone: What its times without an offset were taken to mean.
    """

    row: int
    form: Form
    raw: str
    zone: str | None
    violation: ContractViolation


class QuarantinedRow(NamedTuple):
    """A row in quarantine.

    Attributes:
        offset: Its position in the partition, which identifies it.
        at_us: When it was put there, microseconds UTC.
        is_whole: Whether all of it was kept; only then can it be replayed.
    """

    offset: int
    at_us: int
    tenant: str
    stream: str
    source: str
    row: int
    form: Form
    raw: str
    zone: str | None
    field: str
    expected: str
    found: str
    is_whole: bool

    @property
    def violation(self) -> ContractViolation:
        """Why it is here."""
        return ContractViolation(self.stream, self.field, self.expected, self.found)


class _Stored(msgspec.Struct, kw_only=True):
    format: int
    source: str
    row: int
    form: Form
    raw: str
    zone: str | None
    code: str
    field: str
    expected: str
    found: str
    whole: bool
    digest: str
    lasting: bool = False


class _Replayed(msgspec.Struct, kw_only=True):
    format: int
    offsets: list[int]


def refused_row(bad: BadRow, *, text: bool = False, zone: str | None = None) -> RefusedRow:
    """Keep a row of named values; `text` says that all of them are text, as in CSV."""
    form: Form = "text" if text else "values"
    if not all(map(_is_storable, bad.values.values())):
        form = "shown"
    raw = msgspec.json.encode({_shown(name): _storable(v) for name, v in bad.values.items()})
    return RefusedRow(bad.row, form, raw.decode(), zone, bad.violation)


def refused_line(
    row: int, line: bytes, violation: ContractViolation, *, zone: str | None = None
) -> RefusedRow:
    """Keep a JSON text, or what should have been one."""
    try:
        return RefusedRow(row, "json", line.decode(), zone, violation)
    except UnicodeDecodeError:
        shown = line.decode("utf-8", "backslashreplace")
        return RefusedRow(row, "shown", shown, zone, violation)


def refused_cells(row: int, cells: Iterable[str], violation: ContractViolation) -> RefusedRow:
    """Keep the cells of a row that cannot be told apart by name."""
    raw = msgspec.json.encode([_shown(cell) for cell in cells])
    return RefusedRow(row, "shown", raw.decode(), None, violation)


def _is_storable(value: object) -> bool:
    """Say whether JSON can hold a value so that a contract reads it as it was."""
    match value:
        case None | bool():
            return True
        case str():
            return _shown(value) == value
        case int():
            return -_GREATEST_INTEGER <= value < _GREATEST_INTEGER
        case float():
            return math.isfinite(value)
        case Instant():
            return FIRST_US <= value.us <= LAST_US
        case list():
            return all(map(_is_storable_number, cast("list[object]", value)))
        case _:
            return False


def _is_storable_number(value: object) -> bool:
    """Say whether JSON can hold what stands in a vector, or in the place of a number of one."""
    return value is None or (isinstance(value, int | float) and _is_storable(value))


def _storable(value: object) -> object:
    if not _is_storable(value):
        return _shown(str(value.us) if isinstance(value, Instant) else str(value))
    return value.isoformat() if isinstance(value, Instant) else value


def _shown(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def without_content(row: RefusedRow) -> RefusedRow:
    """Return a row of a stream with personal content: that it came, and what was wrong."""
    return row._replace(form="shown", raw=f"row {row.row}: personal content is not kept")


def digest_of(row: RefusedRow) -> bytes:
    """Return what identifies a row's content, 16 bytes."""
    return hashlib.sha256(f"{row.form}\0{row.raw}".encode()).digest()[:16]


def quarantine_entry(
    tenant: str, stream: str, source: str, row: RefusedRow, *, is_lasting: bool = False
) -> Entry:
    """Return the journal entry that keeps a row.

    Args:
        is_lasting: Its number in the source stays the same, as in a topic: written again, it is
            the same row.
    """
    stored = _Stored(
        format=_FORMAT,
        source=source,
        row=row.row,
        form=row.form,
        raw=row.raw[:RAW_CHARACTERS],
        zone=row.zone,
        code=row.violation.code,
        field=row.violation.field,
        expected=row.violation.expected,
        found=row.violation.found,
        whole=len(row.raw) <= RAW_CHARACTERS,
        digest=digest_of(row).hex(),
        lasting=is_lasting,
    )
    return Entry("quarantine", tenant, stream, msgspec.json.encode(stored))


def replayed_entry(tenant: str, stream: str, offsets: Iterable[int]) -> Entry:
    """Return the journal entry that says which rows are in quarantine no more."""
    body = msgspec.json.encode(_Replayed(format=_FORMAT, offsets=list(offsets)))
    return Entry("replayed", tenant, stream, body)


def stored_digest(body: bytes, offset: int) -> bytes:
    """Return the digest of a row that was kept."""
    return bytes.fromhex(_stored(body, offset).digest)


def _stored(body: bytes, offset: int) -> _Stored:
    stored = msgspec.json.decode(body, type=_Stored)
    if stored.format > _FORMAT:
        raise UnreadableQuarantine(
            offset, f"format {stored.format}, this version reads up to {_FORMAT}"
        )
    return stored


def quarantined(
    directory: Path, *, disk: Disk, tenant: str | None = None, stream: str | None = None
) -> list[QuarantinedRow]:
    """List the rows in quarantine, in the order they came.

    Args:
        directory: The partition; it may be open for writing elsewhere.
        disk: Where from.
        tenant: Only this tenant's rows; None lists all.
        stream: Only rows of this stream; None lists all.

    Raises:
        UnreadableQuarantine: A later version of Kingpost wrote one of them.
    """

    def is_wanted(entry: Entry) -> bool:
        return tenant in (None, entry.tenant) and stream in (None, entry.topic)

    with closing(Scan(directory, disk=disk)) as scan:
        return _pending_rows(scan.commits(), is_wanted)


def _pending_rows(
    commits: Iterable[Commit], is_wanted: Callable[[Entry], bool]
) -> list[QuarantinedRow]:
    """Gather the rows that were kept and not replayed since."""
    pending: dict[int, QuarantinedRow] = {}
    lasting: set[tuple[str, ...]] = set()
    for commit, offset, entry in _entries(commits):
        if not is_wanted(entry):
            continue
        if entry.kind == "replayed":
            for done in msgspec.json.decode(entry.body, type=_Replayed).offsets:
                pending.pop(done, None)
        elif entry.kind == "quarantine":
            stored = _stored(entry.body, offset)
            if stored.lasting:
                same = (entry.tenant, entry.topic, stored.source, str(stored.row), stored.digest)
                if same in lasting:
                    continue
                lasting.add(same)
            pending[offset] = QuarantinedRow(
                offset,
                commit.time_us,
                entry.tenant,
                entry.topic,
                stored.source,
                stored.row,
                stored.form,
                stored.raw,
                stored.zone,
                stored.field,
                stored.expected,
                stored.found,
                stored.whole,
            )
    return list(pending.values())


def _entries(commits: Iterable[Commit]) -> Iterator[tuple[Commit, int, Entry]]:
    for commit in commits:
        offset = commit.offset
        for entry in commit.entries:
            yield commit, offset, entry
            offset += entry.count


def event_of(row: QuarantinedRow, contract: Contract[Event], *, zone: str | None = None) -> Event:
    """Read a quarantined row against the contract as it is now.

    Args:
        zone: What times without an offset mean; None keeps what was said at first.

    Raises:
        ContractViolation: It still breaks it, or cannot be read again.
    """
    zone = zone or row.zone
    if not row.is_whole or row.form == "shown":
        raise row.violation
    if row.form == "json":
        return contract.decode(row.raw.encode(), zone=zone)
    values = msgspec.json.decode(row.raw, type=dict[str, object])
    if row.form == "text":
        return contract.convert(values, text=True, zone=zone)
    return contract.convert(contract.without_missing(values), zone=zone)
