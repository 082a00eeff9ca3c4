"""The demonstration itself, on a small business: every stage, every promise, every figure."""

import json
import subprocess
import sys
from pathlib import Path

from solutions.fraud.simulator import Simulation, simulate, write_parquet

ROOT = Path(__file__).parents[2]
FIGURES = [
    "rows",
    "ingest_rows_per_s",
    "backfill_s",
    "auc_roc",
    "average_precision",
    "card_precision_100",
    "decisions",
    "retried",
    "decisions_per_s",
    "p50_ms",
    "p99_ms",
    "parity_reads",
    "parity_mismatches",
    "records_verified",
    "incidents",
    "incidents_before_fault",
    "alert_s",
    "observer_behind_s",
    "reviews",
    "reviews_answered",
    "overrides",
    "average_precision_before",
    "average_precision_drifted",
    "average_precision_after",
    "requests_during_release",
    "peak_mb",
    "wall_s",
]


def test_the_demonstration_ends_with_its_figures_and_nothing_differs(tmp_path: Path) -> None:
    data = tmp_path / "transactions.parquet"
    write_parquet(simulate(Simulation(days=150, customers=700, terminals=1400)), data)

    done = subprocess.run(
        [sys.executable, "-m", "solutions.fraud.demo", "--once", "--data", str(data),
         "--dir", str(tmp_path / "demo")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    assert list(figures) == FIGURES
    assert figures["decisions"] > 5000
    assert figures["records_verified"] == figures["decisions"] + figures["retried"]
    assert figures["parity_reads"] >= 27 * figures["decisions"]
    assert figures["parity_mismatches"] == 0
    assert figures["auc_roc"] > 0.7
    assert figures["incidents"] >= 1
    assert figures["incidents_before_fault"] == 0
    assert figures["average_precision_drifted"] < figures["average_precision_before"] / 2
    assert figures["average_precision_after"] > figures["average_precision_before"] / 2
    assert figures["requests_during_release"] > 300
    assert figures["reviews"] >= figures["reviews_answered"] >= figures["overrides"]


def test_the_demonstration_removes_no_directory_that_it_did_not_make(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")

    done = subprocess.run(
        [sys.executable, "-m", "solutions.fraud.demo", "--once", "--dir", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert "was not made by the demonstration" in done.stderr
    assert (tmp_path / "thesis.txt").exists()
