"""One verdict and one event whatever the door; every event once, whatever the batches."""

import csv
import io
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Literal

import duckdb
from hypothesis import given, settings
from hypothesis import strategies as st

from kingpost.contracts import (
    Event,
    EventTime,
    Instant,
    Key,
    Length,
    Range,
    Resolution,
    batch_of,
    contract_of,
    events_of,
)
from kingpost.integrations import Reading, read_file
from tests.payments import PAYMENT, Payment, held, open_intake
from tests.simulated_disk import SimulatedDisk


class Visit(Event):
    """A field of every kind, with and without bounds, defaults and missing values."""

    id: Key[int]
    at: EventTime
    amount: Annotated[float, Range(ge=0, lt=1000), Resolution("0.01")]
    count: Annotated[int, Range(gt=-3, le=300)] = 1
    ratio: float | None = None
    card: Literal["debit", "credit"] | None = None
    shop: Annotated[str, Length(at_least=1, at_most=4)] = "-"
    note: str | None = None
    online: bool = False
    paid: bool | None = True


VISIT = contract_of(Visit)
COLUMNS = {
    "id": "BIGINT",
    "at": "TIMESTAMPTZ",
    "amount": "DOUBLE",
    "count": "BIGINT",
    "ratio": "DOUBLE",
    "card": "VARCHAR",
    "shop": "VARCHAR",
    "note": "VARCHAR",
    "online": "BOOLEAN",
    "paid": "BOOLEAN",
}
Row = Mapping[str, object]
Verdict = Event | str

INTEGERS = st.integers(-(2**63), 2**63 - 1) | st.sampled_from([-3, -2, 0, 300, 301, 2**53 + 1])
FLOATS = st.floats() | st.floats(0, 1000) | st.sampled_from([-0.0, 0.1, 1000.0, 999.995, 1e-7])
# a line end inside a text shifts the numbers of the lines after it: a unit test has those
LETTERS = st.characters(exclude_characters="\r\n", exclude_categories=["Cs"])
TEXTS = st.text(LETTERS, min_size=1, max_size=5) | st.sampled_from(
    ["debit", "null", "true", '"', "a,b"]
)
TIMES = st.datetimes(timezones=st.just(UTC))
VALUES: Mapping[str, st.SearchStrategy[object]] = {
    "id": INTEGERS,
    "at": TIMES,
    "amount": FLOATS,
    "count": INTEGERS,
    "ratio": FLOATS,
    "card": TEXTS,
    "shop": TEXTS,
    "note": TEXTS,
    "online": st.booleans(),
    "paid": st.booleans(),
}


@st.composite
def rows(draw: st.DrawFn) -> Row:
    """Draw a row of typed values, None where it has none: right, or with a few mistakes."""
    row: dict[str, object] = {
        "id": draw(st.integers(0, 99)),
        "at": draw(TIMES),
        "amount": draw(st.floats(0, 999)),
        "count": draw(st.integers(-2, 300)),
        "ratio": None,
        "card": draw(st.sampled_from(["debit", None])),
        "shop": None,
        "note": draw(st.none() | TEXTS),
        "online": draw(st.booleans()),
        "paid": draw(st.booleans()),
    }
    for name in draw(st.lists(st.sampled_from([*VALUES]), max_size=3)):
        row[name] = draw(st.none() | VALUES[name])
    return row


def as_json(row: Row) -> str:
    # a value that is missing is null where the field may be None, and left out elsewhere
    members = {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in row.items()
        if value is not None or VISIT.by_name[name].optional
    }
    return json.dumps(members)


def as_text(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    return "" if value is None else str(value)


def write_json_lines(path: Path, found: list[Row]) -> None:
    path.write_text("".join(f"{as_json(row)}\n" for row in found), encoding="utf-8")


def write_csv(path: Path, found: list[Row]) -> None:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(VALUES)
    writer.writerows([as_text(row[name]) for name in VALUES] for row in found)
    path.write_bytes(text.getvalue().encode())


def write_parquet(path: Path, found: list[Row]) -> None:
    columns = ", ".join(f'"{name}" {kind}' for name, kind in COLUMNS.items())
    with duckdb.connect() as database:
        database.execute(f"CREATE TABLE rows ({columns})")
        marks = ", ".join([f"({', '.join('?' * len(COLUMNS))})"] * len(found))
        values = [row[name] for row in found for name in COLUMNS]
        database.execute(f"INSERT INTO rows VALUES {marks}", values)
        database.execute(f"COPY rows TO '{path}' (FORMAT parquet)")


WRITERS = {".jsonl": write_json_lines, ".csv": write_csv, ".parquet": write_parquet}
FIRST_ROW = {".jsonl": 1, ".csv": 2, ".parquet": 1}


def verdicts_of(path: Path) -> list[Verdict]:
    """Return an event or the field at fault per row of a file."""
    [chunk] = read_file(path, VISIT, Reading())
    first = FIRST_ROW[path.suffix]
    refused = {row.row: row.violation.field for row in chunk.refused}
    sound = events_of(VISIT, chunk.batch)
    numbers = range(first, first + chunk.rows)
    return [refused[number] if number in refused else next(sound) for number in numbers]


@settings(max_examples=30)
@given(found=st.lists(rows(), min_size=1, max_size=30))
def test_a_row_gets_the_same_verdict_and_the_same_event_through_every_door(
    found: list[Row],
) -> None:
    verdicts: dict[str, list[Verdict]] = {}
    with TemporaryDirectory() as directory:
        for suffix, write in WRITERS.items():
            path = Path(directory, f"rows{suffix}")
            write(path, found)
            verdicts[suffix] = verdicts_of(path)

    assert len(verdicts[".jsonl"]) == len(found)
    for by_json, by_csv, by_parquet in zip(*verdicts.values(), strict=True):
        if isinstance(by_json, str):
            assert isinstance(by_csv, str)
            assert isinstance(by_parquet, str)
        else:
            assert by_csv == by_json
            assert by_parquet == by_json


@given(
    batches=st.lists(st.lists(st.integers(0, 12), max_size=8), max_size=6),
    reopened=st.sets(st.integers(0, 5)),
)
def test_of_equal_keys_the_first_is_held_however_they_are_batched(
    batches: list[list[int]], reopened: set[int]
) -> None:
    disk = SimulatedDisk()
    expected: dict[int, Event] = {}
    intake = open_intake(disk)
    for number, keys in enumerate(batches):
        if number in reopened:
            intake.close()
            intake = open_intake(disk)
        events = [
            Payment(id=key, at=Instant(row), amount=float(number)) for row, key in enumerate(keys)
        ]
        before = len(expected)
        for event in events:
            expected.setdefault(event.id, event)

        accepted = intake.accept_batch("acme", PAYMENT, batch_of(PAYMENT, events))

        assert accepted.rows == len(expected) - before
        assert accepted.rows + accepted.duplicates == len(keys)
    intake.close()

    written = held(disk)
    assert [event for _, event in written] == list(expected.values())
    assert [position for position, _ in written] == list(range(1, len(expected) + 1))
