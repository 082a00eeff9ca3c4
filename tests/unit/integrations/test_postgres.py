"""Events from PostgreSQL get the verdicts they get from files."""

import sys
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, LiteralString, cast
from urllib.parse import parse_qs, urlsplit

import msgspec
import psycopg
import pytest
from psycopg import sql

from kingpost.contracts import (
    Event,
    EventTime,
    Key,
    Range,
    Resolution,
    contract_of,
    join_batches,
)
from kingpost.core import ExtraMissing
from kingpost.integrations import (
    Chunk,
    Reading,
    SchemaMismatch,
    UnreadableSource,
    read_json_lines,
    read_postgres,
)
from tests.postgres import URL, own_schema

UTC = Reading(zone="UTC")

pytestmark = pytest.mark.needs_service("postgresql")


class Sale(Event):
    id: Key[int]
    at: EventTime
    shop: str
    amount: Annotated[float, Range(ge=0), Resolution("0.01")]
    is_card: bool = False
    note: str | None = None
    ratio: float | None = None


SALE = contract_of(Sale)
COLUMNS = (
    "id bigint, at timestamptz, shop varchar(20), amount numeric(12, 2), is_card boolean, "
    "note text, ratio double precision"
)
ROWS = """
    (1, '2024-03-01 12:00:00.123456+02', 'north', 12.50, true, 'x', 0.5),
    (2, '2024-03-01 10:00:01+00', 'north', -3, false, NULL, NULL),
    (3, NULL, 'north', 1, NULL, NULL, NULL),
    (4, '1969-12-31 23:59:59.999999+00', '', 0.29, NULL, '', NULL),
    (5, '2024-03-01 10:00:01+00', NULL, 1, true, NULL, 'NaN'),
    (6, '2024-03-01 10:00:01+00', 'süd', 99999.99, false, NULL, 1e9)
"""


@pytest.fixture
def table() -> Generator[str]:
    """Make a table of sales in a schema of the test's own."""
    with own_schema() as (connection, url):
        name = f"{parse_qs(urlsplit(url).query)['options'][0].rpartition('=')[2]}.sales"
        run(connection, f"CREATE TABLE {name} ({COLUMNS})")
        run(connection, f"INSERT INTO {name} VALUES {ROWS}")
        yield name


def run(connection: psycopg.Connection, text: str) -> None:
    connection.execute(sql.SQL(cast("LiteralString", text)))


def verdicts(chunks: Sequence[Chunk]) -> tuple[list[object], list[tuple[int, str]]]:
    batch = join_batches(SALE, [chunk.batch for chunk in chunks])
    columns = [batch.values(field.name) for field in SALE.fields]
    refused = [(row.row, str(row.violation)) for chunk in chunks for row in chunk.refused]
    return [list(row) for row in zip(*columns, strict=True)], refused


@pytest.mark.parametrize("rows_per_chunk", [1, 2, 4, 6, 100])
def test_verdicts_and_events_are_those_of_the_same_rows_in_a_file(
    table: str, rows_per_chunk: int, tmp_path: Path
) -> None:
    lines: list[Mapping[str, object]] = [
        {"id": 1, "at": "2024-03-01T10:00:00.123456Z", "shop": "north", "amount": 12.5}
        | {"is_card": True, "note": "x", "ratio": 0.5},
        {"id": 2, "at": "2024-03-01T10:00:01Z", "shop": "north", "amount": -3, "note": None},
        {"id": 3, "shop": "north", "amount": 1},
        {"id": 4, "at": "1969-12-31T23:59:59.999999Z", "shop": "", "amount": 0.29, "note": ""},
        {"id": 5, "at": "2024-03-01T10:00:01Z", "amount": 1, "is_card": True},
        {"id": 6, "at": "2024-03-01T10:00:01Z", "shop": "süd", "amount": 99999.99}
        | {"is_card": False, "ratio": 1e9},
    ]
    file = tmp_path / "sales.jsonl"
    file.write_bytes(b"\n".join(map(msgspec.json.encode, lines)))

    chunks = list(
        read_postgres(
            URL, f"SELECT * FROM {table} ORDER BY id", SALE, UTC, rows_per_chunk=rows_per_chunk
        )
    )

    events, refused = verdicts(chunks)
    expected, also_refused = verdicts(list(read_json_lines(file, SALE, UTC)))
    assert events == expected
    assert [row for row, _ in refused] == [row for row, _ in also_refused] == [2, 3, 5]
    assert refused[0] == also_refused[0]
    assert (chunks[-1].rows, chunks[-1].share) == (6, 1.0)


def test_local_times_are_read_in_the_zone_that_is_named(table: str) -> None:
    select = f"SELECT id, at AT TIME ZONE 'Europe/Rome' AS at, shop, amount FROM {table}"

    with pytest.raises(SchemaMismatch, match="which zone"):
        list(read_postgres(URL, select, SALE, Reading()))
    local, _ = verdicts(list(read_postgres(URL, select, SALE, Reading(zone="Europe/Rome"))))

    aware = f"SELECT id, at, shop, amount FROM {table}"
    assert local == verdicts(list(read_postgres(URL, aware, SALE, Reading())))[0]


def test_parameters_and_a_mapping_are_taken(table: str) -> None:
    select = f"SELECT id AS number, at, shop, amount FROM {table} WHERE id < %s;"

    chunks = list(read_postgres(URL, select, SALE, Reading({"id": "number"}), parameters=[2]))

    assert [row[0] for row in verdicts(chunks)[0] if isinstance(row, list)] == [1]


def test_an_empty_result_is_one_empty_chunk(table: str) -> None:
    [chunk] = read_postgres(URL, f"SELECT * FROM {table} WHERE false", SALE, Reading())

    assert (chunk.batch.rows, chunk.refused, chunk.rows, chunk.share) == (0, [], 0, 1.0)


@pytest.mark.parametrize(
    ("columns", "field"),
    [
        ("id, at, shop", "amount"),
        ("id, at, shop, amount, 1 AS more", "id"),
        ("id, at, shop, shop AS amount", "amount"),
        ("amount AS id, at, shop, amount", "id"),
        ("id, shop AS at, shop, amount", "at"),
        ("id, at, 1 AS shop, amount", "shop"),
    ],
)
def test_columns_that_do_not_fit_are_one_error(table: str, columns: str, field: str) -> None:
    with pytest.raises(SchemaMismatch) as raised:
        list(read_postgres(URL, f"SELECT {columns} FROM {table}", SALE, Reading()))

    assert raised.value.field in (field, "more")


@pytest.mark.parametrize(
    "select", ["SELECT nonsense", "DELETE FROM pg_class", "SELECT 1 AS id; SELECT 2"]
)
def test_a_query_that_cannot_be_read_is_an_error_and_changes_nothing(select: str) -> None:
    with pytest.raises(UnreadableSource, match="cannot be read"):
        list(read_postgres(URL, select, SALE, Reading()))


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://kate:hunter2@127.0.0.1:1/x",
        "postgresql://kate:hunter2@127.0.0.1:5432/no_such_database",
        "password hunter2",
        "postgresql://kate:hunter2@127.0.0.1:port/x",
    ],
)
def test_no_error_tells_the_password(url: str) -> None:
    with pytest.raises(UnreadableSource) as raised:
        list(read_postgres(url, "SELECT 1", SALE, Reading()))

    assert "hunter2" not in f"{raised.value} {raised.value!r} {raised.value.__cause__}"


def test_without_the_library_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)

    with pytest.raises(ExtraMissing, match=r"kingpost\[postgres\]"):
        list(read_postgres(URL, "SELECT 1", SALE, Reading()))
