"""Files of customers become three streams, or it is said what is wrong with them."""

from pathlib import Path

import duckdb
import numpy as np
import pytest

import kingpost as kp
from kingpost.contracts import microseconds
from kingpost.decisions import training_set
from solutions.churn.app import Question, churn
from solutions.churn.data import ASKED, CustomerFiles
from solutions.churn.simulator import Table, main, simulate, write_csv
from solutions.ground.tables import BadFiles

DAY_US = 86_400_000_000
EXTRAS = (
    *("OnlineSecurity", "OnlineBackup", "DeviceProtection"),
    *("TechSupport", "StreamingTV", "StreamingMovies"),
)


@pytest.fixture(scope="module")
def table() -> Table:
    return simulate(400)


@pytest.fixture(scope="module")
def file(table: Table, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("customers") / "customers.csv"
    write_csv(table, path)
    return path


def test_every_customer_has_an_account_a_question_and_an_outcome(table: Table, file: Path) -> None:
    histories = CustomerFiles.find(file).histories()

    accounts, questions = histories["account"].events, histories["question"].events
    outcomes = histories["departure"].events
    leaving = dict(zip(table["customerID"].tolist(), table["Churn"] == "Yes", strict=True))
    assert sorted(accounts.values("customer")) == sorted(leaving)  # pyright: ignore[reportArgumentType]
    assert sorted(questions.values("customer")) == sorted(leaving)  # pyright: ignore[reportArgumentType]
    for question, left in zip(outcomes.values("question"), outcomes.values("left"), strict=True):
        assert left == leaving[str(question)[1:]]
    late = outcomes.numbers("known_at").astype(np.int64) - outcomes.numbers("at").astype(np.int64)
    assert set(late.tolist()) == {DAY_US}
    assert questions.numbers("at").min() > accounts.numbers("at").max()


def test_the_features_are_the_customers_columns(table: Table, file: Path) -> None:
    histories = CustomerFiles.find(file).histories()
    data = training_set(churn, histories)

    x = dict(zip(data.feature_names, data.x.T, strict=True))
    row_of = {name: row for row, name in enumerate(table["customerID"].tolist())}
    rows = [row_of[str(name)] for name in histories["question"].events.values("customer")]
    months = table["tenure"][rows].astype(np.float64)
    monthly = table["MonthlyCharges"][rows].astype(np.float64)
    assert np.array_equal(x["customer_tenure"], months.astype(np.float32))
    assert np.array_equal(x["customer_monthly"], monthly.astype(np.float32))
    contracts = ["Month-to-month", "One year", "Two year"]
    places = [contracts.index(one) for one in table["Contract"][rows].tolist()]
    assert x["customer_contract"].tolist() == places
    booked = np.array([table[name][rows] == "Yes" for name in EXTRAS], np.int64).sum(axis=0)
    assert np.array_equal(x["extras"], booked)
    assert set(x["customer_accounts_180d"].tolist()) == {1.0}
    assert np.isnan(x["customer_total"]).tolist() == (months == 0).tolist()


def test_a_folder_of_both_formats_is_read(table: Table, tmp_path: Path) -> None:
    half = {name: column[:100] for name, column in table.items()}
    write_csv({name: column[100:200] for name, column in table.items()}, tmp_path / "b.csv")
    with duckdb.connect() as database:
        database.register("half", half)
        database.execute("COPY half TO ? (FORMAT parquet)", [str(tmp_path / "a.parquet")])

    assert CustomerFiles.find(tmp_path).rows == 200


def test_files_that_cannot_be_are_told(table: Table, tmp_path: Path) -> None:
    with pytest.raises(BadFiles, match=r"holds no \.parquet or \.csv file"):
        CustomerFiles.find(tmp_path)
    without = {name: column for name, column in table.items() if name != "Contract"}
    write_csv(without, tmp_path / "one.csv")
    with pytest.raises(BadFiles, match="column Contract is missing"):
        CustomerFiles.find(tmp_path / "one.csv")
    (tmp_path / "one.csv").unlink()
    write_csv(table, tmp_path / "one.csv")
    write_csv(table, tmp_path / "two.csv")
    with pytest.raises(BadFiles, match="800 rows of 400 customers"):
        CustomerFiles.find(tmp_path)


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("Contract", "For life", "breaks its contract.*contract"),
        ("Churn", "perhaps", "breaks its contract.*left"),
        ("tenure", "long", "Could not convert string 'long'"),
    ],
)
def test_a_customer_who_cannot_be_is_told(
    column: str, value: str, said: str, table: Table, tmp_path: Path
) -> None:
    odd = table | {column: np.where(table["tenure"] == "1", value, table[column])}
    write_csv(odd, tmp_path / "odd.csv")

    with pytest.raises(kp.KingpostError, match=said):
        CustomerFiles.find(tmp_path / "odd.csv").histories()


def test_a_campaign_asks_about_every_customer_when_all_is_known(table: Table, file: Path) -> None:
    files = CustomerFiles.find(file)
    events = files.files.events(Question, files.campaign())

    assert events.values("customer") == sorted(table["customerID"].tolist())
    assert set(events.numbers("at").astype(np.int64).tolist()) == {microseconds(ASKED)}
    known = files.histories()["departure"].events.numbers("known_at").astype(np.int64)
    assert known.max() <= microseconds(ASKED)


def test_one_seed_gives_one_table(
    table: Table, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    again, other = simulate(400), simulate(400, seed=8)

    assert all(np.array_equal(table[name], again[name]) for name in table)
    assert not np.array_equal(table["MonthlyCharges"], other["MonthlyCharges"])
    assert 0.2 < np.mean(table["Churn"] == "Yes") < 0.45
    assert main(["--out", str(tmp_path / "c.csv"), "--customers", "50"]) == 0
    assert "50 customers" in capsys.readouterr().err
    assert CustomerFiles.find(tmp_path / "c.csv").rows == 50
