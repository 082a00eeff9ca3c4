"""`kingpost seal` and `kingpost sql`, and sealing beside a server."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from kingpost.cli.main import command_line
from kingpost.core import SystemDisk
from kingpost.decisions import BadQuery, DataDirectory, SealedFiles
from kingpost.registry import UnknownBundle
from tests.sealed_journal import SealedJournal


def run(directory: Path, *arguments: str) -> str:
    done = CliRunner().invoke(
        command_line, ["--data-dir", str(directory), *arguments], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    return done.stdout


def test_inferences_and_reviews_are_sealed_and_asked(tmp_path: Path) -> None:
    house = SealedJournal(tmp_path)
    for _ in range(400):
        house.ask()
    house.review()
    house.close()

    sealed = json.loads(run(tmp_path, "seal", "--json"))

    assert sealed["segments"] > 0 and 0 < sealed["inferences"] < 400
    assert json.loads(run(tmp_path, "seal", "--json"))["segments"] == 0
    query = (
        "SELECT sum(row_count) AS n, max(asked_at) AS last, uuid() IS NULL AS no FROM inferences"
    )
    assert json.loads(run(tmp_path, "sql", query, "--json")) == {
        "rows": [{"n": 2800, "last": "2026-09-21T14:13:20Z", "no": False}],
        "is_cut": False,
    }
    shown = run(tmp_path, "sql", "SELECT reviewed_by, record FROM reviews").splitlines()
    assert shown[0].split() == ["reviewed_by", "record"]
    assert shown[1].split() == ["Ann", "00000000-0000-0000-0000-000000000001"]


def test_an_answer_goes_into_a_file(tmp_path: Path) -> None:
    SealedJournal(tmp_path / "data").close()
    out = tmp_path / "out.csv"

    run(tmp_path / "data", "sql", "SELECT 1 AS one, 'x' AS two", "--out", str(out))

    assert out.read_text() == "one,two\n1,x\n"


def test_rows_beyond_the_limit_are_said_to_be_there(tmp_path: Path) -> None:
    query = "SELECT range FROM range(5)"

    assert len(run(tmp_path, "sql", query, "--limit", "2").splitlines()) == 3
    assert json.loads(run(tmp_path, "sql", query, "--limit", "2", "--json"))["is_cut"]


def test_a_record_of_an_unknown_bundle_is_not_sealed_without_its_names(tmp_path: Path) -> None:
    house = SealedJournal(tmp_path)
    house.decide(300)
    house.close()

    with pytest.raises(UnknownBundle):
        run(tmp_path, "seal")


def test_a_bad_query_is_an_error_that_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadQuery, match="one SELECT over records, inferences and reviews"):
        run(tmp_path, "sql", "DROP VIEW records")


def test_sealing_beside_a_server_logs_why_it_waits(tmp_path: Path) -> None:
    command = (sys.executable, "-m", "kingpost.cli", "--data-dir", str(tmp_path), "seal")
    lock = SealedFiles(DataDirectory(tmp_path), disk=SystemDisk()).manifests.claimed("seal.lock")
    with (
        lock,
        subprocess.Popen(
            (*command, "--follow-parent"),
            stdin=subprocess.PIPE,  # it ends at once when this is closed
            stderr=subprocess.PIPE,
            env=os.environ | {"KINGPOST_LOG_FORMAT": "json"},
        ) as child,
    ):
        assert child.stderr is not None
        (said,) = map(json.loads, child.stderr)
        assert child.wait() == 1

    assert (said["event"], said["code"]) == ("sealing_waits", "seal_in_use")
