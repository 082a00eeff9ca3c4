from pathlib import Path
from typing import Annotated, Literal

import duckdb
import pytest

from kingpost.contracts import (
    Dimension,
    Event,
    EventTime,
    Instant,
    Key,
    Vector,
    contract_of,
    events_of,
)
from kingpost.integrations import (
    Chunk,
    Reading,
    SchemaMismatch,
    UnreadableSource,
    read_parquet,
    read_query,
)
from tests.payments import PAYMENT, Payment

MINUTE_1 = Instant.parse("2018-08-01T00:01:00Z")
RIGHT = "1 AS id, '2018-08-01 00:01:00Z'::TIMESTAMPTZ AS \"at\", 1.5 AS amount, 'x' AS shop"
PAYMENT_1 = Payment(id=1, at=MINUTE_1, amount=1.5, shop="x")
ZONED = Reading(zone="Europe/Rome")


def write_parquet(path: Path, select: str) -> None:
    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'UTC'")
        database.execute(f"COPY (SELECT {select}) TO '{path}' (FORMAT parquet)")


def read(
    tmp_path: Path, select: str, reading: Reading | None = None
) -> tuple[list[Event], list[Chunk]]:
    path = tmp_path / "a.parquet"
    write_parquet(path, select)
    chunks = list(read_parquet(path, PAYMENT, reading or Reading()))
    return [event for chunk in chunks for event in events_of(PAYMENT, chunk.batch)], chunks


def test_rows_of_a_parquet_file_become_events(tmp_path: Path) -> None:
    events, chunks = read(tmp_path, f"{RIGHT}, NULL::DOUBLE AS ratio")

    assert events == [PAYMENT_1]
    assert (chunks[-1].rows, chunks[-1].share) == (1, 1.0)


def test_columns_may_have_other_names(tmp_path: Path) -> None:
    mapping = {"id": 'The "id"', "at": "When"}
    select = (
        '1::UTINYINT AS "The ""id""", \'2018-08-01 00:01:00Z\'::TIMESTAMPTZ AS When, '
        "1.5::FLOAT AS amount, 'x' AS shop"
    )

    events, _ = read(tmp_path, select, Reading(mapping))

    assert events == [PAYMENT_1]


@pytest.mark.parametrize(
    "time",
    [
        "TIMESTAMP '2018-08-01 02:01:00'",
        "'2018-08-01 02:01:00'::TIMESTAMP_S",
        "'2018-08-01 02:01:00'::TIMESTAMP_MS",
        "'2018-08-01 02:01:00.000000999'::TIMESTAMP_NS",
        "'2018-08-01 00:01:00Z'::TIMESTAMPTZ",
        "'2018-08-01T02:01:00'",
        "'2018-08-01T00:01:00Z'",
    ],
)
def test_local_times_are_read_in_the_zone_and_others_as_they_are(tmp_path: Path, time: str) -> None:
    select = RIGHT.replace("'2018-08-01 00:01:00Z'::TIMESTAMPTZ", time)

    events, _ = read(tmp_path, select, ZONED)

    assert events == [PAYMENT_1]


def test_a_date_is_its_first_moment_in_the_zone(tmp_path: Path) -> None:
    select = RIGHT.replace("'2018-08-01 00:01:00Z'::TIMESTAMPTZ", "DATE '2018-08-01'")

    events, _ = read(tmp_path, select, ZONED)

    assert events == [Payment(id=1, at=Instant.parse("2018-07-31T22:00:00Z"), amount=1.5, shop="x")]


def test_a_time_without_a_zone_is_one_error_for_the_file(tmp_path: Path) -> None:
    select = RIGHT.replace("'2018-08-01 00:01:00Z'::TIMESTAMPTZ", "TIMESTAMP '2018-08-01'")

    with pytest.raises(SchemaMismatch) as caught:
        read(tmp_path, select)

    assert "field 'at': expected TIMESTAMP WITH TIME ZONE" in str(caught.value)
    assert "found TIMESTAMP in column 'at'; say which zone it is in" in str(caught.value)


@pytest.mark.parametrize(
    ("field", "expression", "found"),
    [
        ("id", "'1'", "VARCHAR"),
        ("id", "1.0::DOUBLE", "DOUBLE"),
        ("id", "1.5::DECIMAL(3,1)", "DECIMAL(3,1)"),
        ("amount", "'1.5'", "VARCHAR"),
        ("amount", "true", "BOOLEAN"),
        ("shop", "7", "INTEGER"),
        ("shop", "'x'::BLOB", "BLOB"),
        ("shop", "['x']", "VARCHAR[]"),
        ("at", "1533081660", "INTEGER"),
        ("at", "TIME '00:01:00'", "TIME"),
    ],
)
def test_a_type_that_cannot_be_the_fields_is_one_error_for_the_file(
    tmp_path: Path, field: str, expression: str, found: str
) -> None:
    others = [part for part in RIGHT.split(", ") if not part.strip('"').endswith(field)]
    select = ", ".join([*others, f'{expression} AS "{field}"'])

    with pytest.raises(SchemaMismatch) as caught:
        read(tmp_path, select)

    assert caught.value.field == field
    assert caught.value.found == f"{found} in column '{field}'"
    assert "cast it in a query, or mend the source" in str(caught.value)


def test_wide_whole_numbers_decimals_enums_and_uuids_fit(tmp_path: Path) -> None:
    class Visit(Event):
        id: Key[str]
        at: EventTime
        count: int
        price: float
        kind: Literal["a", "b"]
        total: int

    visit = contract_of(Visit)
    uuid = "0e44ee36-6eee-46ef-baca-5134b3ff7e42"
    select = (
        f"SELECT '{uuid}'::UUID AS id, TIMESTAMPTZ '2018-08-01 00:01:00Z' AS \"at\", "
        "5::DECIMAL(18,0) AS count, 1.25::DECIMAL(9,2) AS price, 'b'::ENUM('a','b') AS kind, "
        "sum(3) AS total"
    )

    [chunk] = read_query(select, visit, Reading())

    assert list(events_of(visit, chunk.batch)) == [
        Visit(id=uuid, at=MINUTE_1, count=5, price=1.25, kind="b", total=3)
    ]


def test_a_missing_column_is_one_error_and_an_extra_one_too(tmp_path: Path) -> None:
    with pytest.raises(SchemaMismatch, match="field 'amount': expected a column 'amount'"):
        read(tmp_path, RIGHT.replace("amount", "sum"))
    with pytest.raises(SchemaMismatch, match="found also 'colour', 'tone'"):
        read(tmp_path, f"{RIGHT}, 1 AS tone, 2 AS colour")


def test_rows_that_break_the_contract_are_numbered_from_one(tmp_path: Path) -> None:
    select = (
        "CASE WHEN n = 2 THEN NULL ELSE n END AS id, "
        "CASE WHEN n = 3 THEN 'infinity'::TIMESTAMPTZ ELSE TIMESTAMPTZ '2018-08-01 00:01:00Z' END "
        "AS \"at\", CASE WHEN n = 4 THEN 'nan'::DOUBLE ELSE 1.5 END AS amount, 'x' AS shop "
        "FROM range(1, 6) AS numbers(n)"
    )

    events, [chunk] = read(tmp_path, select)

    assert [getattr(event, "id") for event in events] == [1, 5]  # noqa: B009 the type is open
    assert [(row.row, row.violation.field, row.form) for row in chunk.refused] == [
        (2, "id", "values"),
        (3, "at", "shown"),
        (4, "amount", "shown"),
    ]


def test_a_long_file_comes_in_chunks_in_the_order_of_its_rows(tmp_path: Path) -> None:
    select = (
        "(n * 7919) % 70001 AS id, TIMESTAMPTZ '2018-08-01 00:01:00Z' AS \"at\", 1.0 AS amount, "
        "'x' AS shop FROM range(70000) AS numbers(n)"
    )

    events, chunks = read(tmp_path, select)

    assert [chunk.rows for chunk in chunks] == [65_536, 70_000]
    assert [getattr(event, "id") for event in events] == [  # noqa: B009
        n * 7919 % 70_001 for n in range(70_000)
    ]


def test_a_file_without_rows_is_read_to_its_end(tmp_path: Path) -> None:
    events, [chunk] = read(tmp_path, f"{RIGHT} WHERE false")

    assert (events, chunk.rows, chunk.share) == ([], 0, 1.0)


@pytest.mark.parametrize(
    ("keep", "message"),
    [(0, "is empty"), (10, "too small to be a Parquet file"), (200, "No magic bytes")],
)
def test_a_truncated_file_is_one_clear_error(tmp_path: Path, keep: int, message: str) -> None:
    path = tmp_path / "a.parquet"
    write_parquet(path, f"{RIGHT} FROM range(100)")
    path.write_bytes(path.read_bytes()[:keep])

    with pytest.raises(UnreadableSource, match=message) as caught:
        list(read_parquet(path, PAYMENT, Reading()))

    assert "LINE 1" not in str(caught.value)


def test_a_path_with_signs_of_a_pattern_is_that_file(tmp_path: Path) -> None:
    path = tmp_path / "it's [1].parquet"
    write_parquet(Path(str(path).replace("'", "''")), RIGHT)

    [chunk] = read_parquet(path, PAYMENT, Reading())

    assert chunk.batch.rows == 1


def test_rows_of_a_query_become_events_in_its_order() -> None:
    select = """
        SELECT n AS id, to_timestamp(n) AS "at", n / ? AS amount FROM range(3) AS numbers(n)
        ORDER BY n DESC;
    """

    [chunk] = read_query(select, PAYMENT, Reading(), source="numbers", parameters=[2])

    assert list(events_of(PAYMENT, chunk.batch)) == [
        Payment(id=n, at=Instant(n * 1_000_000), amount=n / 2) for n in (2, 1, 0)
    ]


def test_a_query_sees_times_in_utc() -> None:
    select = "SELECT 1 AS id, '2018-08-01 00:01:00'::TIMESTAMPTZ AS \"at\", 1.5 AS amount"

    [chunk] = read_query(select, PAYMENT, Reading())

    assert chunk.batch.values("at") == [MINUTE_1.us]


def test_an_unknown_type_is_no_value() -> None:
    [chunk] = read_query(f"SELECT {RIGHT}, NULL AS ratio", PAYMENT, Reading())

    assert list(events_of(PAYMENT, chunk.batch)) == [PAYMENT_1]


def test_a_wrong_query_is_an_error_that_names_it() -> None:
    with pytest.raises(UnreadableSource, match="numbers: cannot be read: Parser Error"):
        list(read_query("SELEC 1", PAYMENT, Reading(), source="numbers"))
    with pytest.raises(UnreadableSource, match="numbers: cannot be read: Conversion Error"):
        list(
            read_query(
                RIGHT.join(["SELECT ", ""]).replace("1 AS id", "(2::HUGEINT ** 70)::HUGEINT AS id"),
                PAYMENT,
                Reading(),
                source="numbers",
            )
        )


class Item(Event):
    id: Key[int]
    at: EventTime
    embedding: Annotated[Vector | None, Dimension(2)] = None


ITEM = contract_of(Item)
ITEM_AT = "TIMESTAMPTZ '2018-08-01 12:00:00+00' AS at"


@pytest.mark.parametrize("kind", ["FLOAT[2]", "FLOAT[]", "DOUBLE[]", "DECIMAL(5, 2)[]"])
def test_lists_of_numbers_become_vectors(tmp_path: Path, kind: str) -> None:
    write_parquet(
        tmp_path / "items.parquet",
        f"id, {ITEM_AT}, CASE id WHEN 1 THEN [0.25, 3] END::{kind} AS embedding "
        "FROM range(1, 3) AS rows(id)",
    )

    [chunk] = read_parquet(tmp_path / "items.parquet", ITEM, Reading())

    assert not chunk.refused
    assert [one.embedding for one in events_of(ITEM, chunk.batch)] == [(0.25, 3.0), None]


def test_a_list_that_is_no_such_vector_is_a_bad_row_that_can_be_replayed(tmp_path: Path) -> None:
    write_parquet(
        tmp_path / "items.parquet",
        f"id, {ITEM_AT}, CASE id WHEN 1 THEN [0.25] ELSE [1.5, NULL] END AS embedding "
        "FROM range(1, 3) AS rows(id)",
    )

    [chunk] = read_parquet(tmp_path / "items.parquet", ITEM, Reading())

    assert [(one.row, one.violation.field, one.form) for one in chunk.refused] == [
        (1, "embedding", "values"),
        (2, "embedding[1]", "values"),
    ]


@pytest.mark.parametrize("kind", ["VARCHAR[]", "FLOAT[][]", "FLOAT"])
def test_a_column_that_holds_no_lists_of_numbers_is_one_error(tmp_path: Path, kind: str) -> None:
    write_parquet(tmp_path / "items.parquet", f"1 AS id, {ITEM_AT}, NULL::{kind} AS embedding")

    with pytest.raises(SchemaMismatch, match="a list or an array of numbers"):
        list(read_parquet(tmp_path / "items.parquet", ITEM, Reading()))
