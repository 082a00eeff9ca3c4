"""Churn from a file to an evaluation, and a batch held against the server that answers."""

import io
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import msgspec
import pytest

from solutions.churn.evaluate import main
from solutions.churn.simulator import simulate, write_csv


class Agreement(msgspec.Struct):
    share: float
    rows: int
    equal: int


class Calibration(msgspec.Struct):
    brier: float
    brier_of_base_rate: float
    ece: float


class Campaign(msgspec.Struct):
    budget: float
    contacted: float
    caught: float
    lift: float


class Report(msgspec.Struct):
    auc_roc: float
    auc_roc_std: float
    auc_roc_folds: list[float]
    calibration: Calibration
    campaign: Campaign
    agreement: Agreement
    rows: int
    left: int
    wall_s: float


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Evaluate once, on a file of simulated customers."""
    file = tmp_path_factory.mktemp("customers") / "customers.csv"
    write_csv(simulate(1_200), file)
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(["--data", str(file), "--json"])
    assert code == 0, err.getvalue()
    return msgspec.json.decode(out.getvalue().splitlines()[-1], type=Report)


def test_a_batch_of_all_customers_says_to_the_bit_what_the_server_says(report: Report) -> None:
    assert report.agreement == Agreement(share=1.0, rows=1_200, equal=1_200)


def test_one_command_evaluates_any_file_of_these_columns(report: Report) -> None:
    assert report.rows == 1_200
    assert 0 < report.left < report.rows
    assert 0.75 < report.auc_roc < 0.9
    assert len(report.auc_roc_folds) == 5
    assert 0 < report.auc_roc_std < 0.1
    assert report.calibration.brier < report.calibration.brier_of_base_rate
    assert report.calibration.ece < 0.06
    assert report.campaign.budget == 0.2
    assert report.campaign.lift > 1.5


@pytest.mark.parametrize(
    ("name", "said"), [("none.csv", "is no .csv"), ("empty.csv", "is missing")]
)
def test_a_file_without_customers_is_told(
    name: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty.csv").write_text("customerID,tenure\n")

    assert main(["--data", str(tmp_path / name), "--json"]) == 1

    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.out == ""
