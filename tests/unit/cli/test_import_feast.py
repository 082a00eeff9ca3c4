import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from kingpost.cli.main import command_line
from tests.feast_repositories import CREDIT, FRAUD, OLD_FORMS, write_repository

SOUND = {
    "r.py": OLD_FORMS["repo.py"].partition("age = ")[0],
    "feature_store.yaml": "project: p\nonline_store: redis\n",
}


def run(directory: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Result:
    monkeypatch.chdir(directory)
    return CliRunner().invoke(command_line, ["features", "import-feast", *arguments])


def test_a_repository_that_can_be_expressed_ends_with_0(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_repository(tmp_path / "repo", SOUND)

    done = run(tmp_path, monkeypatch, "repo")

    assert done.exit_code == 0, done.output
    assert "class Stats(kp.Event):" in (tmp_path / "features.py").read_text(encoding="utf-8")
    (whole,) = [line.split() for line in done.output.splitlines() if line.startswith("all ")]
    assert whole == ["all", "8", "8", "0", "0"]
    assert "The stores of Feast (redis) are not read" in done.output
    assert "1 files read, features.py written" in done.output


def test_what_is_not_expressed_is_told_with_its_line_and_ends_with_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_repository(tmp_path / "repo", CREDIT)

    done = run(tmp_path, monkeypatch, "repo", "--out", "made.py")

    assert done.exit_code == 1
    assert (tmp_path / "made.py").exists()
    assert "features.py:43  feature credit_history:opened" in done.output
    assert "no field holds UnixTimestamp; store it as numbers" in done.output


def test_the_whole_report_is_one_json_object(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_repository(tmp_path / "repo", FRAUD)

    done = run(tmp_path, monkeypatch, "repo", "--resolution", "amount=0.01", "--json")

    told = json.loads(done.stdout)
    assert done.exit_code == 1
    assert told["project"] == "fraud"
    assert told["read"] == len(told["items"])
    assert told["expressed"] + told["to_check"] + told["not_expressed"] == told["read"]
    assert {
        "kind": "stream feature view",
        "name": "`f'count_{window}d'`",
        "file": "views.py",
        "line": 48,
        "state": "not_expressed",
        "became": "",
        "reasons": [
            {
                "what": "is made in a function, a loop or a branch, or nothing refers to it",
                "mend": "write it out at the top of a module, or declare it by hand",
            }
        ],
    } in told["items"]


def test_a_file_that_is_there_is_not_written_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_repository(tmp_path / "repo", SOUND)
    (tmp_path / "features.py").write_text("mine = 1\n", encoding="utf-8")

    done = run(tmp_path, monkeypatch, "repo")

    assert done.exit_code == 2
    assert "is there already" in done.output
    assert (tmp_path / "features.py").read_text(encoding="utf-8") == "mine = 1\n"


@pytest.mark.parametrize("given", ["amount", "amount=0.02", "amount=cents", "other=0.01"])
def test_a_resolution_that_cannot_be_taken_is_a_wrong_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    write_repository(tmp_path / "repo", FRAUD)

    done = run(tmp_path, monkeypatch, "repo", "--resolution", given)

    assert done.exit_code == 2
    assert "--resolution" in done.output
    assert not (tmp_path / "features.py").exists()


def test_a_folder_that_is_no_repository_is_an_error_with_its_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = run(tmp_path, monkeypatch, ".")

    assert getattr(done.exception, "code", None) == "not_a_feast_repository"
