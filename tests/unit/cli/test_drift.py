"""`kingpost drift`."""

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from kingpost.cli.main import command_line
from kingpost.monitoring import BadTable

pa: Any = import_module("pyarrow")  # it has no types
pq: Any = import_module("pyarrow.parquet")  # it has no types
ROWS = 4_000


def run(*arguments: str | Path, code: int = 0) -> str:
    done = CliRunner().invoke(command_line, ["drift", *map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == code, done.output
    return done.output


def write(path: Path, seed: int, shift: float = 0.0) -> Path:
    rng = np.random.default_rng(seed)
    at = pa.array(np.arange(ROWS) * 60_000_000, pa.timestamp("us"))
    made = {"amount": rng.normal(shift, 1, ROWS), "age": rng.normal(size=ROWS), "at": at}
    pq.write_table(pa.table(made), path)
    return path


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    return write(tmp_path / "train.parquet", 1), write(tmp_path / "live.parquet", 2, 0.3)


def test_drift_of_two_files_is_told(files: tuple[Path, Path]) -> None:
    shown = run(*files).splitlines()

    assert shown[0] == "all: 4,000 rows, 1 of 2 columns drifted"
    assert shown[1].startswith("  amount  chi-square, kolmogorov-smirnov  PSI 0.")


def test_a_saved_reference_stands_for_its_file(files: tuple[Path, Path], tmp_path: Path) -> None:
    known = tmp_path / "known.json"

    assert run(files[0], "--save", known) == "4,000 rows of 2 columns counted\n"
    assert run(known, files[1], "--json") == run(*files, "--json")


def test_windows_share_the_rate(files: tuple[Path, Path]) -> None:
    by_rows = json.loads(run(*files, "--rows", "1000", "--json"))
    by_time = json.loads(run(*files, "--every", "1d", "--time", "at", "--json"))

    assert [one["start"] for one in by_rows["windows"]] == [
        "row 0", "row 1,000", "row 2,000", "row 3,000",
    ]  # fmt: skip
    assert by_rows["drifted_windows"] == 4
    assert by_rows["windows"][0]["windows"] == 4
    assert [one["start"] for one in by_time["windows"]] == [
        "1970-01-01T00:00:00Z", "1970-01-02T00:00:00Z", "1970-01-03T00:00:00Z",
    ]  # fmt: skip


def test_only_some_columns_may_be_watched(files: tuple[Path, Path]) -> None:
    told = json.loads(run(*files, "--column", "age", "--json"))

    assert [one["column"] for one in told["windows"][0]["columns"]] == ["age"]
    assert told["windows"][0]["drifted"] == []


def test_a_call_that_means_nothing_is_refused(files: tuple[Path, Path]) -> None:
    assert "--every and --time belong together" in run(*files, "--every", "1d", code=2)
    assert "give LIVE" in run(files[0], code=2)
    with pytest.raises(BadTable, match="does not exist"):
        run(files[0], files[0].with_name("no.parquet"))
