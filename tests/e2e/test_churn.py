"""Churn from a file to an evaluation, and to a campaign whose batch says what the server says."""

import csv
import io
import json
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import duckdb
import msgspec
import pytest

from kingpost.client import Client
from solutions.churn import campaign, installation
from solutions.churn.app import KEY_ACCOUNT
from solutions.churn.data import ASKED, CustomerFiles
from solutions.churn.evaluate import main
from solutions.churn.installation import APP, Installation
from solutions.churn.simulator import simulate, write_csv
from solutions.ground.server import Server

CUSTOMERS = 1_200
STRANGER = "nobody"


class Usual(msgspec.Struct):
    left: bool
    score: float


class Agreement(msgspec.Struct):
    share: float
    rows: int
    equal: int


class Calibration(msgspec.Struct):
    brier: float
    brier_of_base_rate: float
    ece: float


class Campaign(msgspec.Struct):
    contacted: float
    caught: float
    lift: float
    gain: float


class OfferMade(Campaign):
    break_even: float
    gain_of_everybody: float


class Report(msgspec.Struct):
    auc_roc: float
    auc_roc_std: float
    auc_roc_folds: list[float]
    calibration: Calibration
    campaign: Campaign
    offer: OfferMade
    agreement: Agreement
    rows: int
    left: int


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("customers") / "customers.csv"
    write_csv(simulate(CUSTOMERS), path)
    return path


@pytest.fixture(scope="module")
def report(file: Path) -> Report:
    """Evaluate once, on a file of simulated customers."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(["--data", str(file), "--json"])
    assert code == 0, err.getvalue()
    return msgspec.json.decode(out.getvalue(), type=Report)


@pytest.fixture(scope="module")
def installed(file: Path, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    files = CustomerFiles.find(file)
    return installation.install(files, tmp_path_factory.mktemp("installed"))


def test_a_batch_of_all_customers_says_to_the_bit_what_the_server_says(report: Report) -> None:
    assert report.agreement == Agreement(share=1.0, rows=CUSTOMERS, equal=CUSTOMERS)


def test_one_command_evaluates_any_file_of_these_columns(report: Report) -> None:
    assert report.rows == CUSTOMERS
    assert 0 < report.left < report.rows
    assert 0.75 < report.auc_roc < 0.9
    assert len(report.auc_roc_folds) == 5
    assert 0 < report.auc_roc_std < 0.1
    assert report.calibration.brier < report.calibration.brier_of_base_rate
    assert report.calibration.ece < 0.08
    assert report.campaign.lift > 1.5
    assert report.campaign.contacted == pytest.approx(0.2, abs=0.06)
    assert report.offer.gain > max(report.offer.gain_of_everybody, report.campaign.gain)


def test_a_campaign_comes_from_a_batch_and_leaves_key_accounts_and_strangers_out(
    installed: Installation, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked, scored, out = tmp_path / "asked.csv", tmp_path / "scored", tmp_path / "contact.csv"
    asked.write_text(f"id,at,customer\nx1,{ASKED.isoformat()},{STRANGER}\n")
    _kingpost(installed, "score", str(APP), "churn", str(installed.campaign), str(asked),
              "--zone", "UTC", "--out", str(scored))  # fmt: skip

    assert campaign.main([str(scored), "--contacts", "100", "--out", str(out)]) == 0

    told = json.loads(capsys.readouterr().out)
    key_accounts = _customers(file, f"MonthlyCharges > {KEY_ACCOUNT}")
    contacted = [row["customer"] for row in csv.DictReader(out.read_text().splitlines())]
    assert (told["customers"], told["contacted"]) == (CUSTOMERS + 1, 100)
    assert told["desk"] == len(key_accounts) > 0
    assert len(contacted) == len(set(contacted)) == 100
    assert not set(contacted) & {*key_accounts, STRANGER}
    left = _customers(file, "Churn = 'Yes'")
    assert len(set(contacted) & left) / 100 > 2 * len(left) / CUSTOMERS


def test_a_call_centre_asks_with_an_identifier_alone(installed: Installation, file: Path) -> None:
    key_account = min(_customers(file, f"MonthlyCharges > {KEY_ACCOUNT}"))
    other = min(_customers(file, f"MonthlyCharges < {KEY_ACCOUNT}"))

    with Server(APP, installed.directory, 0) as server, Client(server.url, installed.key) as client:
        by_name = {
            customer: client.decide(
                "churn", {"id": f"call-{customer}", "at": ASKED.isoformat(), "customer": customer}
            )
            for customer in (other, key_account, STRANGER)
        }

    usual = msgspec.convert(by_name[other].answer, Usual)
    assert usual.left is (usual.score >= 0.5)
    assert [one.outcome for one in by_name.values()] == ["decided", "review", "refused"]
    assert by_name[STRANGER].answer is None
    assert "customer_accounts_180d" in by_name[STRANGER].reason


def test_an_installation_tells_what_to_do_with_it_and_spoils_no_other(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--data", str(file), "--data-dir", str(tmp_path / "new")]

    assert installation.main(arguments) == 0
    assert "score" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        installation.main(arguments)

    assert "is not empty" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "said"), [("none.csv", "does not exist"), ("empty.csv", "is missing")]
)
def test_a_file_without_customers_is_told(
    name: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty.csv").write_text("customerID,tenure\n")

    assert main(["--data", str(tmp_path / name), "--json"]) == 1

    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.out == ""


def _kingpost(installed: Installation, *arguments: str) -> None:
    command = (sys.executable, "-m", "kingpost.cli", "--data-dir", str(installed.directory))
    subprocess.run([*command, *arguments], check=True, capture_output=True)


def _customers(file: Path, where: str) -> set[str]:
    with duckdb.connect() as database:
        rows = database.execute(f"SELECT customerID FROM '{file}' WHERE {where}").fetchall()
    return {str(customer) for (customer,) in rows}
