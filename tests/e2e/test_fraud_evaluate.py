"""The evaluation of card fraud: one command, one JSON line, and errors that help."""

import io
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from solutions.fraud.evaluate import main
from solutions.fraud.simulator import Simulation, simulate, write_parquet

PERIODS = ["--train-until", "2018-06-10", "--test-from", "2018-06-17", "--test-to", "2018-06-23"]


class Calibration(msgspec.Struct):
    brier: float
    brier_of_base_rate: float
    ece: float


class Threshold(msgspec.Struct):
    threshold: float
    cost: float
    without_model: float


class Quality(msgspec.Struct):
    train_rows: int
    train_frauds: int
    auc_roc: float
    average_precision: float
    card_precision_100: float


class OneWeek(msgspec.Struct):
    train_from: str
    train_to: str
    handbook_features: Quality
    all_features: Quality
    published: dict[str, dict[str, float]]


class Protocol(msgspec.Struct):
    train_from: str
    train_to: str
    labels_known_before: str
    test_from: str
    test_to: str
    chosen_on: list[str]


class Report(Quality):
    frauds_in_test: int
    test_rows: int
    parameters: dict[str, float]
    calibration: Calibration
    threshold: Threshold
    protocol: Protocol
    one_week: OneWeek
    card: str | None
    wall_s: float
    peak_mb: float


class Evaluated(NamedTuple):
    code: int
    report: Report
    card: str
    told: str


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("simulated")
    table = simulate(Simulation(days=84, customers=250, terminals=400))
    write_parquet(table, folder / "transactions.parquet")
    return folder


@pytest.fixture(scope="module")
def evaluated(folder: Path) -> Evaluated:
    """Run the command once."""
    card = folder / "card.md"
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(["--data", str(folder), "--json", "--card", str(card), *PERIODS])
    report = msgspec.json.decode(out.getvalue().splitlines()[-1], type=Report)
    return Evaluated(code, report, card.read_text(), err.getvalue())


def test_one_command_evaluates_any_file_of_these_columns(evaluated: Evaluated) -> None:
    report = evaluated.report

    assert evaluated.code == 0
    assert 0.7 < report.auc_roc <= 1
    assert 0.4 < report.average_precision <= 1
    assert 0 < report.card_precision_100 < 1
    assert 0 < report.frauds_in_test < report.test_rows < report.train_rows
    assert report.calibration.brier < report.calibration.brier_of_base_rate
    assert report.threshold.cost < report.threshold.without_model
    assert report.one_week.handbook_features.train_rows < report.train_rows
    assert report.one_week.published["XGBoost"]["average_precision"] == 0.639
    assert report.wall_s > 0
    assert report.peak_mb > 0


def test_the_card_says_how_parameters_were_chosen_and_what_was_published(
    evaluated: Evaluated,
) -> None:
    assert evaluated.report.card
    assert evaluated.card.startswith("# Model card: fraud\n")
    assert "(chosen)" in evaluated.card
    assert "published: random forest | 0.867" in evaluated.card


def test_progress_goes_to_standard_error(evaluated: Evaluated) -> None:
    assert "search 24/24" in evaluated.told


def test_nothing_is_chosen_on_or_learned_from_after_the_labels_were_known(
    evaluated: Evaluated,
) -> None:
    report = evaluated.report

    assert report.protocol == Protocol(
        train_from="2018-04-01",
        train_to="2018-06-02",
        labels_known_before="2018-06-10",
        test_from="2018-06-17",
        test_to="2018-06-23",
        chosen_on=[
            "rows before 2018-04-22 judged on 2018-05-06 to 2018-05-12",
            "rows before 2018-04-29 judged on 2018-05-13 to 2018-05-19",
            "rows before 2018-05-06 judged on 2018-05-20 to 2018-05-26",
            "rows before 2018-05-13 judged on 2018-05-27 to 2018-06-02",
        ],
    )
    assert (report.one_week.train_from, report.one_week.train_to) == ("2018-06-03", "2018-06-09")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--train-until", "2018-05-20", "--test-from", "2018-05-27", "--test-to", "2018-06-02"],
         "6 weeks before 2018-05-13"),
        (["--train-until", "2018-06-10", "--test-from", "2018-06-17", "--test-to", "2018-06-30"],
         "ends on 2018-06-23, before the test does on 2018-06-30"),
        (["--train-until", "2018-06-10", "--test-from", "2018-06-01", "--test-to", "2018-06-07"],
         "the test follows the training"),
    ],
    ids=["too few weeks", "a test that is not in the files", "a test before the training"],
)  # fmt: skip
def test_periods_that_cannot_be_are_refused(
    arguments: list[str], said: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--data", str(folder), "--json", *arguments]) == 1

    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.out == ""


def test_a_file_that_is_not_there_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--data", str(tmp_path / "none.parquet"), "--json"]) == 1

    assert "none.parquet: does not exist; check the path" in capsys.readouterr().err


def test_a_test_without_fraud_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = simulate(Simulation(days=84, customers=100, terminals=200))
    late = table["TX_DATETIME"].astype("datetime64[D]").astype(str) >= "2018-06-17"
    table["TX_FRAUD"][late] = 0
    write_parquet(table, tmp_path / "transactions.parquet")

    assert main(["--data", str(tmp_path), "--json", *PERIODS]) == 1

    assert "0 of " in capsys.readouterr().err
