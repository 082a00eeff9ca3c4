"""Bodies of events: one JSON object, a JSON array of them, or one per line.

The rule: each row is judged by itself, as a request would be; wrong ones do not stop the
others, and every one is reported by its line with its reason. Rows of an array are
counted from 1 like lines.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from kingpost.contracts import Contract, ContractViolation, Event
from kingpost.serving.errors import TooManyEvents

__all__ = ["JSON_TYPE", "NDJSON_TYPES", "Rejected", "Row", "judge_rows", "rows_of"]

JSON_TYPE = b"application/json"
NDJSON_TYPES = (b"application/x-ndjson", b"application/jsonl")
_decode_array = msgspec.json.Decoder(list[msgspec.Raw]).decode


class Row(NamedTuple):
    """One row as it came."""

    line: int
    body: bytes


class Rejected(NamedTuple):
    """A row that broke its contract."""

    row: Row
    violation: ContractViolation


def rows_of(body: bytes, contract: Contract[Event], *, is_lines: bool, limit: int) -> list[Row]:
    """Split a body into rows.

    Args:
        is_lines: Each line is a row; else the body is one JSON object or an array.
        limit: The most rows taken.

    Raises:
        TooManyEvents: There are more.
        ContractViolation: The body is neither an object nor an array.
    """
    rows = list(_lines(body, limit)) if is_lines else _items(body, contract)
    if len(rows) > limit:
        raise TooManyEvents(limit)
    return rows


def _lines(body: bytes, limit: int) -> Iterator[Row]:
    if body.count(b"\n") > 2 * limit:
        raise TooManyEvents(limit)
    for line, text in enumerate(body.split(b"\n"), 1):
        if stripped := text.strip():
            yield Row(line, stripped)


def _items(body: bytes, contract: Contract[Event]) -> list[Row]:
    if body.lstrip()[:1] != b"[":
        return [Row(1, body)]
    try:
        return [Row(line, bytes(raw)) for line, raw in enumerate(_decode_array(body), 1)]
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ContractViolation(
            contract.name, "", "a JSON object or an array of them", "other text"
        ) from error


def judge_rows(
    contract: Contract[Event], rows: Sequence[Row]
) -> tuple[list[tuple[Event, bytes]], list[Rejected]]:
    """Check rows against their contract."""
    sound: list[tuple[Event, bytes]] = []
    rejected: list[Rejected] = []
    for row in rows:
        try:
            sound.append((contract.decode(row.body), row.body))
        except ContractViolation as violation:
            rejected.append(Rejected(row, violation))
    return sound, rejected
