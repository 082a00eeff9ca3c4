"""Sources give the same events and the same verdicts, wherever their rows lie."""

import sqlite3
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import cast

import duckdb
import pytest

from kingpost.contracts import Instant, events_of
from kingpost.integrations import (
    DatabaseSource,
    FileSource,
    PostgresSource,
    QuerySource,
    SchemaMismatch,
    Source,
    UnreadableSource,
)
from kingpost.integrations.pipelines.databases import Connection
from tests.payments import PAYMENT, Payment
from tests.postgres import own_schema

MINUTE_1 = Instant.parse("2018-08-01T00:01:00Z")
MINUTE_2 = Instant.parse("2018-08-01T00:02:00Z")
EVENTS = [
    Payment(id=1, at=MINUTE_1, amount=1.5, shop="x", ratio=0.5),
    Payment(id=3, at=MINUTE_2, amount=3.0),
]
ROWS = [
    (1, "2018-08-01T00:01:00+00:00", 1.5, "x", 0.5),
    (2, "2018-08-01T00:01:00+00:00", -1.0, "x", None),  # breaks the contract
    (3, "2018-08-01T00:02:00+00:00", 3.0, None, None),
]
TABLE = "CREATE TABLE payments (id INTEGER, at TEXT, amount REAL, shop TEXT, ratio REAL)"


def read(source: Source, beside: Path, since_us: int = 0) -> tuple[list[Payment], list[int]]:
    chunks = list(source.read(PAYMENT, since_us, beside))
    events = [event for chunk in chunks for event in events_of(PAYMENT, chunk.batch)]
    return events, [row.row for chunk in chunks for row in chunk.refused]


def sqlite_at(path: Path) -> Callable[[], Connection]:
    with sqlite3.connect(path) as database:
        database.execute(TABLE)
        database.executemany("INSERT INTO payments VALUES (?, ?, ?, ?, ?)", ROWS)
    database.close()
    return lambda: cast("Connection", sqlite3.connect(path))


def test_files_of_a_pattern_are_read_in_the_order_of_their_names(tmp_path: Path) -> None:
    header = "id,at,amount,shop,ratio\n"
    (tmp_path / "b.csv").write_text(f"{header}3,2018-08-01T00:02:00Z,3.0,,\n")
    (tmp_path / "a.csv").write_text(
        f"{header}1,2018-08-01T00:01:00Z,1.5,x,0.5\n2,2018-08-01T00:01:00Z,-1,x,\n"
    )

    events, refused = read(FileSource("*.csv"), tmp_path)
    chunks = list(FileSource("*.csv").read(PAYMENT, 0, tmp_path))

    assert (events, refused) == (EVENTS, [3])
    assert [(chunk.rows, chunk.share) for chunk in chunks] == [(2, 0.5), (3, 1.0)]


def test_a_pattern_without_a_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UnreadableSource, match="matches no file"):
        read(FileSource("*.parquet"), tmp_path)


def test_a_query_over_files_is_told_since_when(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    select = (
        "SELECT 1 AS id, '2018-08-01 00:01:00Z'::TIMESTAMPTZ AS \"at\", 1.5 AS amount UNION ALL "
        "SELECT 3, '2018-08-01 00:02:00Z'::TIMESTAMPTZ, 3.0"
    )
    with duckdb.connect() as database:
        database.sql(f"COPY ({select}) TO '{file}' (FORMAT parquet)")
    source = QuerySource(
        f"SELECT * FROM '{file}' WHERE \"at\" >= ?", "payments", is_incremental=True
    )

    assert read(source, tmp_path, MINUTE_2.us)[0] == [EVENTS[1]]


def test_a_database_of_any_driver_gives_the_same_verdicts(tmp_path: Path) -> None:
    source = DatabaseSource(sqlite_at(tmp_path / "x"), "SELECT * FROM payments", "warehouse")

    assert read(source, tmp_path) == (EVENTS, [2])


def test_an_empty_table_gives_no_rows_and_still_has_its_columns_checked(tmp_path: Path) -> None:
    connect = sqlite_at(tmp_path / "x")

    empty = DatabaseSource(connect, "SELECT * FROM payments WHERE id > 9", "warehouse")
    assert read(empty, tmp_path) == ([], [])

    wrong = DatabaseSource(connect, "SELECT id FROM payments WHERE id > 9", "warehouse")
    with pytest.raises(SchemaMismatch, match="'at'"):
        read(wrong, tmp_path)


def test_a_query_that_fails_is_an_error_with_the_drivers_reason(tmp_path: Path) -> None:
    source = DatabaseSource(sqlite_at(tmp_path / "x"), "SELECT * FROM missing", "warehouse")

    with pytest.raises(UnreadableSource, match="warehouse: cannot be read: no such table"):
        read(source, tmp_path)


def test_a_connection_that_fails_does_not_repeat_its_password(tmp_path: Path) -> None:
    def connect() -> Connection:
        raise OSError("cannot connect to postgres://reader:hunter2@warehouse")

    with pytest.raises(UnreadableSource, match="no connection: OSError") as caught:
        read(DatabaseSource(connect, "SELECT 1", "warehouse"), tmp_path)

    assert "hunter2" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_rows_of_many_fetches_are_numbered_through(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "x") as database:
        database.execute(TABLE)
        at = "2018-08-01T00:01:00Z"
        rows = [
            (number, at, -1.0 if number == 40_000 else 1.0, "", None) for number in range(50_000)
        ]
        database.executemany("INSERT INTO payments VALUES (?, ?, ?, ?, ?)", rows)
    database.close()
    source = DatabaseSource(
        lambda: cast("Connection", sqlite3.connect(tmp_path / "x")),
        "SELECT * FROM payments ORDER BY id",
        "warehouse",
    )

    events, refused = read(source, tmp_path)

    assert (len(events), refused) == (49_999, [40_001])


@pytest.mark.needs_service("postgresql")
def test_postgresql_gives_the_same_events_through_a_cursor_on_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with own_schema() as (database, url):
        database.execute(
            "CREATE TABLE payments (id bigint, at timestamptz, amount numeric, shop text, ratio real)"
        )
        for row in ROWS:
            amount = Decimal(str(row[2]))
            database.execute(
                "INSERT INTO payments VALUES (%s, %s, %s, %s, %s)", [*row[:2], amount, *row[3:]]
            )
        monkeypatch.setenv("WAREHOUSE_URL", url)

        whole = PostgresSource("SELECT * FROM payments ORDER BY id", "WAREHOUSE_URL")
        since = PostgresSource(
            "SELECT * FROM payments WHERE at >= %s", "WAREHOUSE_URL", is_incremental=True
        )
        writes = PostgresSource("INSERT INTO payments (id) VALUES (9) RETURNING *", "WAREHOUSE_URL")

        assert read(whole, tmp_path) == (EVENTS, [2])
        assert read(since, tmp_path, MINUTE_2.us) == ([EVENTS[1]], [])
        with pytest.raises(UnreadableSource, match="cannot be read"):
            read(writes, tmp_path)
        assert database.execute("SELECT count(*) FROM payments").fetchone() == (3,)


def test_postgresql_without_its_url_says_which_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WAREHOUSE_URL", raising=False)

    with pytest.raises(UnreadableSource, match="WAREHOUSE_URL is not set"):
        read(PostgresSource("SELECT 1", "WAREHOUSE_URL"), tmp_path)


def test_a_postgresql_that_is_away_does_not_repeat_its_url(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAREHOUSE_URL", "postgresql://reader:hunter2@127.0.0.1:1/x")

    with pytest.raises(UnreadableSource, match="connection failed") as caught:
        read(PostgresSource("SELECT 1", "WAREHOUSE_URL"), tmp_path)

    assert "hunter2" not in str(caught.value)
