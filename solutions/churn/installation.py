"""An installation of its own: customers taken in, a model trained and approved, a key made.

    python -m solutions.churn.installation --data customers.csv --data-dir churn

What remains is a data directory for `kingpost run` and `kingpost score`, and in it
`campaign.parquet`: a question about each customer, for a batch.
"""

import argparse
import json
import sys
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import duckdb
import numpy as np

import kingpost as kp
from kingpost.contracts import ColumnBatch, contract_of
from kingpost.core import SystemClock, SystemDisk
from kingpost.decisions import (
    DataDirectory,
    TrainingPlan,
    load_application,
    train_decision,
)
from kingpost.integrations import Intake, ingest_chunks
from kingpost.models import OutOfTimeSplit, Progress, quiet
from solutions.churn.app import Question
from solutions.churn.data import ASKED, DAYS, START, CustomerFiles
from solutions.ground.keys import make_key
from solutions.ground.progress import Stages

__all__ = ["APP", "Installation", "install", "main"]

APP = Path(__file__).with_name("app.py")
TENANT = "default"
WHO = "demo"

_UNTIL = START + timedelta(days=DAYS * 0.8)
PLAN = TrainingPlan(
    split=OutOfTimeSplit(_UNTIL, _UNTIL, START + timedelta(days=DAYS + 1)),
    purpose=(
        "Gives the probability that a customer leaves within a month, for an offer to stay. "
        "Key accounts are left to the retention desk; unknown customers are refused."
    ),
    limits=(
        "Learned from one picture of all customers, not from months of them.",
        "Says who leaves, not whom an offer keeps: that takes an experiment.",
    ),
)
"""Judge on the last fifth of the days."""


@dataclass(frozen=True)
class Installation:
    """A data directory that answers.

    Attributes:
        campaign: A Parquet file with a question about each customer.
        key: The secret of an API key with the scope `decide`.
    """

    directory: Path
    campaign: Path
    questions: ColumnBatch
    key: str


def install(files: CustomerFiles, directory: Path, *, progress: Progress = quiet) -> Installation:
    """Fill a data directory, as an operator would do it.

    Args:
        directory: One that holds nothing yet.

    Raises:
        BadFiles: A customer has no name.
        OneClassOnly, HistoryTooShort: There are too few customers to learn from.
        ExtraMissing: LightGBM is not installed.
    """
    where, clock, disk = DataDirectory(directory), SystemClock(), SystemDisk()
    application = load_application(APP)
    questions = files.files.events(Question, files.campaign())
    progress("install", 0, 3)
    _ingest(where, files)
    progress("install", 1, 3)
    trained = train_decision(
        application,
        application.decisions["churn"],
        where,
        PLAN,
        tenant=TENANT,
        by=WHO,
        disk=disk,
        clock=clock,
    )
    progress("install", 2, 3)
    control = where.control_log(disk=disk, clock=clock)
    control.approve("churn", trained.bundle.digest, by=WHO, reason="the README says how good it is")
    campaign = directory / "campaign.parquet"
    _write(questions, campaign)
    progress("install", 3, 3)
    key = make_key(where, tenant=TENANT, scopes=("decide",), name="churn")
    return Installation(directory, campaign, questions, key)


def _ingest(where: DataDirectory, files: CustomerFiles) -> None:
    streams = files.streams()
    contracts = [contract_of(event) for event in streams]
    with Intake.open(where.data, contracts, disk=SystemDisk(), clock=SystemClock()) as intake:
        for contract, chunks in zip(contracts, streams.values(), strict=True):
            ingest_chunks(intake, contract, chunks, tenant=TENANT, source=str(files.files.path))


def _write(questions: ColumnBatch, path: Path) -> None:
    columns = {name: np.array(questions.values(name), object) for name in ("id", "customer")}
    columns["at"] = questions.numbers("at").astype("datetime64[us]")
    with duckdb.connect() as database:
        database.register("questions", columns)
        database.execute("COPY questions TO ? (FORMAT parquet)", [str(path)])


def main(arguments: list[str] | None = None) -> int:
    """Install, and say what can be done with it; return 1 after an error that was told."""
    parser = argparse.ArgumentParser(prog="solutions.churn.installation", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a file or folder of customers")
    parser.add_argument("--data-dir", type=Path, required=True, help="an empty directory")
    chosen = parser.parse_args(arguments)
    if chosen.data_dir.exists() and any(chosen.data_dir.iterdir()):
        parser.error(f"--data-dir {chosen.data_dir} is not empty: give another, or none yet")
    chosen.data_dir.mkdir(parents=True, exist_ok=True)
    try:
        made = install(CustomerFiles.find(chosen.data), chosen.data_dir, progress=Stages())
    except kp.KingpostError as error:
        print(f"error [{error.code}]: {error}", file=sys.stderr)
        return 1
    print(_things_to_try(made))
    return 0


def _things_to_try(made: Installation) -> str:
    command = f"{Path(sys.executable).with_name('kingpost')} --data-dir {made.directory}"
    asked = {name: made.questions.values(name)[0] for name in ("id", "customer")}
    body = json.dumps({**asked, "at": ASKED.isoformat()})
    scored = made.directory / "scored"
    return f"""
Three things to try:

1. Serve it, and ask about one customer.
   {command} run {APP}
   curl -s localhost:8080/v1/decisions/churn -H 'Authorization: Bearer {made.key}' \\
     -H 'Content-Type: application/json' -d '{body}'

2. Ask about all of them in a batch.
   {command} score {APP} churn {made.campaign} --zone UTC --out {scored}

3. Choose the 500 who are worth the offer and likeliest to leave.
   {sys.executable} -m solutions.churn.campaign {scored} --contacts 500 --out contact.csv
"""


if __name__ == "__main__":
    raise SystemExit(main())
