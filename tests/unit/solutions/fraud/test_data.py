"""Files become the two streams, or it is said what is wrong with them."""

import pickle
from datetime import date
from pathlib import Path

import duckdb
import numpy as np
import pytest

from solutions.fraud.data import TransactionFiles
from solutions.fraud.simulator import Simulation, Table, simulate, write_parquet
from solutions.ground.tables import BadFiles

DAY_US = 86_400_000_000


@pytest.fixture(scope="module")
def table() -> Table:
    return simulate(Simulation(days=4, customers=30, terminals=20))


@pytest.fixture
def file(table: Table, tmp_path: Path) -> Path:
    path = tmp_path / "transactions.parquet"
    write_parquet(table, path)
    return path


def as_csv(path: Path, query: str) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({query}) TO ? (HEADER)", [str(path)])


def test_both_streams_hold_every_transaction(table: Table, file: Path) -> None:
    histories = TransactionFiles.find(file).histories()

    transactions, verdicts = histories["transaction"].events, histories["verdict"].events
    for name, column in (
        ("id", "TRANSACTION_ID"),
        ("customer", "CUSTOMER_ID"),
        ("terminal", "TERMINAL_ID"),
        ("amount", "TX_AMOUNT"),
    ):
        assert np.array_equal(transactions.numbers(name), table[column])
    at = table["TX_DATETIME"].astype("datetime64[us]").astype(np.int64)
    assert np.array_equal(transactions.numbers("at"), at)
    assert np.array_equal(verdicts.numbers("transaction"), table["TRANSACTION_ID"])
    assert np.array_equal(verdicts.numbers("terminal"), table["TERMINAL_ID"])
    assert np.array_equal(verdicts.numbers("known_at"), at + 7 * DAY_US)
    is_fraud = table["TX_FRAUD"] == 1
    assert np.array_equal(verdicts.numbers("fraud"), is_fraud)
    assert np.array_equal(verdicts.numbers("loss"), np.where(is_fraud, table["TX_AMOUNT"], 0))
    assert histories["verdict"].positions.tolist() == list(range(verdicts.rows))


def test_the_days_and_rows_are_known_before_reading(table: Table, file: Path) -> None:
    files = TransactionFiles.find(file)

    assert files.rows == len(table["TX_AMOUNT"])
    assert (files.first_day, files.last_day) == (date(2018, 4, 1), date(2018, 4, 4))


def test_days_are_selected_by_what_each_stream_goes_by(file: Path) -> None:
    files = TransactionFiles.find(file)
    second, third = date(2018, 4, 2), date(2018, 4, 3)

    happened = [chunk.batch for chunk in files.transactions(start=second, end=third)]
    known = [chunk.batch for chunk in files.verdicts(start=date(2018, 4, 9), end=date(2018, 4, 10))]

    days = happened[0].numbers("at").astype("datetime64[us]").astype("datetime64[D]")
    assert np.unique(days).tolist() == [second]
    assert np.array_equal(known[0].numbers("transaction"), happened[0].numbers("id"))


def test_a_folder_may_hold_parquet_and_csv(file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "two's"
    folder.mkdir()
    source = f"FROM '{file}' WHERE TX_DATETIME"
    as_csv(folder / "first.csv", f"{source} < '2018-04-03'")
    with duckdb.connect() as connection:
        connection.execute(
            f"COPY ({source} >= '2018-04-03') TO ?", [str(folder / "second.parquet")]
        )
    (folder / "notes.txt").write_text("not data")

    whole, parts = TransactionFiles.find(file), TransactionFiles.find(folder)

    assert parts.rows == whole.rows
    for name, history in parts.histories().items():
        expected = whole.histories()[name].events
        for column in expected.columns:
            assert np.array_equal(history.events.numbers(column), expected.numbers(column))


def test_keys_written_as_text_are_read_as_numbers(file: Path, tmp_path: Path) -> None:
    texts = tmp_path / "texts.parquet"
    with duckdb.connect() as connection:
        connection.execute(
            "COPY (SELECT * REPLACE (CUSTOMER_ID::VARCHAR AS CUSTOMER_ID) "
            f"FROM '{file}') TO '{texts}'"
        )

    found = TransactionFiles.find(texts).histories()["transaction"].events.numbers("customer")

    assert found.dtype == np.int64


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT * EXCLUDE (TX_FRAUD) FROM t", "column TX_FRAUD is missing; it has TRANSACTION_ID"),
        ("FROM t LIMIT 0", "holds no transactions"),
        ("SELECT * REPLACE ('soon' AS TX_DATETIME) FROM t", "cannot be read: .*soon"),
    ],
)
def test_files_that_hold_no_transactions_are_refused(
    query: str, said: str, file: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.csv"
    as_csv(other, query.replace("FROM t", f"FROM '{file}'"))

    with pytest.raises(BadFiles, match=said) as refused:
        TransactionFiles.find(other)

    assert str(pickle.loads(pickle.dumps(refused.value))) == str(refused.value)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nowhere.parquet", "does not exist; check the path"),
        ("notes.txt", "is neither .parquet nor .csv"),
        ("empty", "holds no .parquet or .csv file"),
    ],
)
def test_a_path_without_a_table_is_refused(name: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("not data")

    with pytest.raises(BadFiles, match=said):
        TransactionFiles.find(tmp_path / name)


def test_a_row_that_breaks_its_contract_is_told(file: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.csv"
    as_csv(broken, f"SELECT * REPLACE (TX_AMOUNT - 100000 AS TX_AMOUNT) FROM '{file}'")

    with pytest.raises(BadFiles, match=r"row 1 .* breaks its contract.*amount"):
        TransactionFiles.find(broken).histories()


def test_the_same_transaction_twice_is_told(file: Path, tmp_path: Path) -> None:
    as_csv(tmp_path / "again.csv", f"FROM '{file}' LIMIT 3")

    with pytest.raises(BadFiles, match="3 transactions are there twice"):
        TransactionFiles.find(tmp_path).histories()
