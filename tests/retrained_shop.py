"""The small shop with a decision that is trained anew, its history, and what became of a run."""

import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest

from kingpost.core import SystemClock, SystemDisk
from kingpost.decisions import DataDirectory
from kingpost.registry import ControlLog, RetrainingRun
from tests.cli_app import SOURCE, PreparedShop, kingpost

__all__ = ["SOURCE_ANEW", "control_of", "retrained_shop", "run_of", "stage_of", "start", "worker"]

SOURCE_ANEW = f"""{SOURCE}

risk_anew = kp.retraining(
    risk,
    on=["drift"],
    min_labels=500,
    judged_on="2d",
    shadow=20,
    canary=(50, 100),
    stage_time="0s",
    stage_requests=20,
    margins={{"errors": 0.01, "business": 0.05}},
)
"""


@pytest.fixture(scope="module")
def retrained_shop(
    prepared_shop: PreparedShop, tmp_path_factory: pytest.TempPathFactory
) -> PreparedShop:
    """Train and approve the shop once more, with the declaration that trains it anew."""
    directory = tmp_path_factory.mktemp("retrained")
    secret = prepared_shop.copied(directory)
    (directory / "shop_app.py").write_text(SOURCE_ANEW)
    # the champion saw one day of ten, so that there is something to be gained
    kingpost(
        directory, "train", "shop_app.py", "--train-until", "2018-08-03T00:00:00Z",
        "--test-to", "2018-08-05T00:00:00Z", "--json",
    )  # fmt: skip
    kingpost(directory, "approve", "shop_app.py", "--reason", "a test", "--by", "ann", "--json")
    return PreparedShop(directory, secret)


def control_of(directory: Path) -> ControlLog:
    """Open the control log."""
    return DataDirectory(directory / "data").control_log(disk=SystemDisk(), clock=SystemClock())


def start(directory: Path) -> str:
    """Begin a run; return its name."""
    begun = kingpost(
        directory, "retraining", "start", "shop_app.py", "--reason", "a test", "--by", "ann", "--json"
    )  # fmt: skip
    return cast("str", begun["run"])


def run_of(directory: Path, run: str) -> RetrainingRun:
    """Read a run."""
    return next(one for one in control_of(directory).retrainings("risk") if one.id == run)


def stage_of(directory: Path, run: str, stage: str) -> dict[str, Any]:
    """Return what `kingpost retraining show` says of a stage."""
    shown = kingpost(directory, "retraining", "show", "shop_app.py", run, "--json")
    stages = cast("list[dict[str, Any]]", shown["stages"])
    return next(one for one in stages if one["stage"] == stage)


def worker(directory: Path) -> subprocess.Popen[bytes]:
    """Start `kingpost work` over the shop."""
    with (directory / "worker.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "kingpost.cli", "--data-dir", str(directory / "data"),
             "work", "shop_app.py"],
            cwd=directory,
            stdout=log,
            stderr=log,
        )  # fmt: skip
