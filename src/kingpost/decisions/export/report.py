"""The report of an export: what is in it, in Markdown."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from kingpost.contracts import Instant
from kingpost.decisions.export.rows import ErasureRow, RecordRow, ReviewRow
from kingpost.registry import Approval

__all__ = ["Tally", "report"]


@dataclass
class Tally:
    """What is counted while rows are written."""

    records: int = 0
    first: str = ""
    last: str = ""
    outcomes: dict[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])
    bundles: dict[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])

    def add(self, row: RecordRow) -> None:
        """Count a record."""
        self.records += 1
        self.first = min(self.first or row.at, row.at)
        self.last = max(self.last, row.at)
        for counts, name in (
            (self.outcomes, (row.decision, row.outcome)),
            (self.bundles, (row.decision, row.bundle)),
        ):
            counts[name] = counts.get(name, 0) + 1


def report(
    tally: Tally,
    selection: Mapping[str, object],
    reviews: Sequence[ReviewRow],
    erasures: Sequence[ErasureRow],
    approvals: Sequence[Approval],
    *,
    is_clear: bool,
) -> str:
    """Write the report.

    Args:
        approvals: Those of the bundles that made the records.
        is_clear: Whether personal content was opened.
    """
    asked = [f"{name} {value}" for name, value in selection.items() if value is not None]
    personal = "is in it in the clear" if is_clear else "is left out, as `[encrypted]`"
    lines = [
        "# Decision records",
        "",
        f"{tally.records:,} records, decided from {tally.first or '-'} to {tally.last or '-'}.",
        f"Selected: {_cell(', '.join(asked)) or 'all'}. Personal content {personal}.",
        "",
        "## Outcomes",
        "",
        *_table(
            ("decision", "outcome", "records"),
            ((*name, f"{number:,}") for name, number in sorted(tally.outcomes.items())),
        ),
        "## What decided, and who approved it",
        "",
        *_table(
            ("decision", "bundle", "records", "approved by", "at", "reason"),
            _approved(tally, approvals),
        ),
        "## Reviews by people",
        "",
        *_table(
            ("record", "verdict", "by", "at", "reason"),
            ((one.record, one.verdict, one.by, one.at, one.reason) for one in reviews),
        ),
        "## Erasures",
        "",
        *_table(
            ("entity", "key", "at", "by", "reason"),
            ((one.entity, one.key, one.at, one.by, one.reason) for one in erasures),
        ),
        "## Files",
        "",
        "`records.jsonl` and `records.parquet` hold the same records, a row each; `reviews.jsonl`",
        "and `erasures.jsonl` what the tables above show. `manifest.json` has the SHA-256 digest of",
        "each file and the positions of the journal that were read.",
        "",
    ]
    return "\n".join(lines)


def _approved(tally: Tally, approvals: Sequence[Approval]) -> Iterable[tuple[str, ...]]:
    for (decision, bundle), number in sorted(tally.bundles.items()):
        found = [one for one in approvals if (one.decision, one.bundle) == (decision, bundle)]
        for one in found:
            at = Instant(one.at_us).isoformat()
            yield decision, bundle[:16], f"{number:,}", one.by, at, one.reason
        if not found:
            yield decision, bundle[:16], f"{number:,}", "nobody, here", "", ""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    written = ["| " + " | ".join(map(_cell, row)) + " |" for row in rows]
    if not written:
        return ["None.", ""]
    return ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head), *written, ""]


def _cell(text: str) -> str:
    """Write what came from outside so that it stays in its cell and is no markup."""
    plain = "".join(one if one.isprintable() else " " for one in text)
    for mark in "\\`*_[]<>|#":
        plain = plain.replace(mark, f"\\{mark}")
    return plain
