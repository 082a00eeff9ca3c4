"""From a scored batch to a list: who is worth the offer, the likeliest to leave first."""

import csv
import json
from pathlib import Path

import duckdb
import pytest

from solutions.churn.campaign import main

ROWS = [
    ("ann", 0.6, "decided"),
    ("bob", 0.1, "decided"),
    ("cid", 0.9, "review"),  # a key account
    ("dan", 0.8, "decided"),
    ("eva", 0.6, "decided"),
    ("fay", 0.3, "refused"),  # of whom nothing is known
]


@pytest.fixture
def scored(tmp_path: Path) -> Path:
    """Write a batch in two parts, with a file of refused rows beside them."""
    directory = tmp_path / "scored"
    directory.mkdir()
    with duckdb.connect() as database:
        for part, rows in enumerate((ROWS[:4], ROWS[4:])):
            values = ", ".join(
                f"('{name}', {score}::DOUBLE, '{outcome}')" for name, score, outcome in rows
            )
            database.execute(
                f"COPY (FROM (VALUES {values}) AS t(customer, score, outcome)) TO ?",
                [str(directory / f"part-{part:05}.parquet")],
            )
        database.execute("COPY (SELECT 3 AS row) TO ?", [str(directory / "refused-00000.parquet")])
    (directory / "summary.json").write_text("{}")
    return directory


def test_the_offer_goes_to_whom_it_pays_for_and_to_no_key_account(
    scored: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "contact.csv"

    assert main([str(scored), "--out", str(out)]) == 0

    assert out.read_text().splitlines() == [
        "customer,score,gain",
        "dan,0.8,76.00",
        "ann,0.6,52.00",
        "eva,0.6,52.00",
    ]
    assert json.loads(capsys.readouterr().out) == {
        "customers": 6,
        "worth_it": 3,
        "desk": 1,
        "contacted": 3,
        "from_score": 0.6,
        "leaving": pytest.approx(2.0),
        "gain": pytest.approx(180.0),
    }


@pytest.mark.parametrize(("contacts", "names"), [(2, ["dan", "ann"]), (0, []), (9, None)])
def test_a_budget_takes_the_likeliest_to_leave(
    contacts: int,
    names: list[str] | None,
    scored: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "contact.csv"

    assert main([str(scored), "--out", str(out), "--contacts", str(contacts)]) == 0

    written = [row["customer"] for row in csv.DictReader(out.read_text().splitlines())]
    assert written == (["dan", "ann", "eva"] if names is None else names)
    assert json.loads(capsys.readouterr().out)["contacted"] == len(written)


def test_a_batch_that_has_not_ended_gives_no_campaign(
    scored: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (scored / "summary.json").unlink()

    assert main([str(scored), "--out", str(tmp_path / "contact.csv")]) == 1

    assert "holds no batch that has ended" in capsys.readouterr().err
    assert not (tmp_path / "contact.csv").exists()


def test_an_offer_that_never_pays_is_told(
    scored: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "contact.csv"

    assert main([str(scored), "--out", str(out), "--offer-cost", "500"]) == 1

    assert "error [offer_never_pays]" in capsys.readouterr().err
