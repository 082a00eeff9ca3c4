"""Is a batch what the server answers? Every customer, asked both ways, compared to the bit.

An installation of its own is filled, trained, approved and served, as an operator would do
it. A campaign's file is scored as a batch; then the server is asked about each customer.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np

import kingpost as kp
from kingpost.access import MIGRATIONS, SqliteKeys, create_key
from kingpost.calls import LoadClient
from kingpost.contracts import contract_of
from kingpost.core import SystemClock, SystemDisk
from kingpost.decisions import (
    BatchJob,
    DataDirectory,
    TrainingPlan,
    load_application,
    score_batch,
    train_decision,
)
from kingpost.integrations import Intake, Reading, ingest_chunks
from kingpost.models import OutOfTimeSplit, Progress, quiet
from kingpost.storage import migrate, open_database
from solutions.churn import app as declared
from solutions.churn.data import DAYS, START, CustomerFiles
from solutions.churn.server import running

__all__ = ["Agreement", "NotAnswered", "compare"]

APP = Path(__file__).with_name("app.py")
TENANT = "demo"
CONNECTIONS = 8
_COLUMNS = ("answer", "score", "confidence", "outcome", "reason")


class NotAnswered(kp.KingpostError):
    """The server did not answer a question about a customer."""

    code = "customer_not_answered"

    def __init__(self, status: int, said: str) -> None:
        super().__init__(status, said)
        self.status, self.said = status, said

    def __str__(self) -> str:
        return f"the server answered {self.status}: {self.said}; see server.log"


@dataclass(frozen=True)
class Agreement:
    """How far batch and server agree.

    Attributes:
        rows: Customers asked about both ways.
        equal: Those with the same answer, score, confidence, outcome and reason, bit by bit.
        batch_rows_per_s: Of the whole command, reading and writing included.
    """

    rows: int
    equal: int
    batch_rows_per_s: float
    online_per_s: float
    online_p99_ms: float

    @property
    def share(self) -> float:
        """The share of customers on whom they agree."""
        return self.equal / self.rows


def compare(files: CustomerFiles, directory: Path, *, progress: Progress = quiet) -> Agreement:
    """Ask about every customer in both ways.

    Args:
        directory: An empty one, for the installation and the batch.

    Raises:
        NotAnswered: The server refused a question, or failed.
    """
    where, clock, disk = DataDirectory(directory), SystemClock(), SystemDisk()
    application = load_application(APP)
    _ingest(where, files)
    progress("agreement", 1, 4)
    decision = application.decisions["churn"]
    trained = train_decision(
        application, decision, where, _plan(), tenant=TENANT, by="demo", disk=disk, clock=clock
    )
    control = where.control_log(disk=disk, clock=clock)
    control.approve("churn", trained.bundle.digest, by="demo", reason="to be compared")
    progress("agreement", 2, 4)
    asked = _write_campaign(files, directory / "campaign.parquet")
    job = BatchJob(
        application=application,
        decision=decision,
        inputs=[str(directory / "campaign.parquet")],
        reading=Reading(zone="UTC"),
        tenant=TENANT,
        by="demo",
        rows_per_part=250_000,
    )
    started = clock.now_us()
    score_batch(job, where, directory / "scored", disk=disk, clock=clock)
    batch_s = (clock.now_us() - started) / 1e6
    progress("agreement", 3, 4)
    with running(APP, directory) as url:
        headers = {"authorization": f"Bearer {_key(where)}"}
        client = LoadClient(url.hostname or "", url.port or 0, headers, connections=CONNECTIONS)
        report = client.run([client.post("/v1/decisions/churn", body) for body in asked.values()])
    answers = {answer.call: answer for answer in report.answers}
    online: dict[str, tuple[object, ...]] = {}
    for call, key in enumerate(asked):
        answer = answers[call]
        if answer.status != 200:
            raise NotAnswered(answer.status, answer.body[:300].decode(errors="replace"))
        online[key] = _told(json.loads(answer.body))
    batch = _scored(directory / "scored")
    equal = sum(online[key] == batch.get(key) for key in online)
    progress("agreement", 4, 4)
    return Agreement(
        len(online), equal, len(batch) / batch_s, report.per_second(), report.latency_ms(99)
    )


def _ingest(where: DataDirectory, files: CustomerFiles) -> None:
    streams = [
        contract_of(event) for event in (declared.Account, declared.Question, declared.Departure)
    ]
    read = (files.accounts(), files.questions(), files.departures())
    with Intake.open(where.data, streams, disk=SystemDisk(), clock=SystemClock()) as intake:
        for contract, chunks in zip(streams, read, strict=True):
            ingest_chunks(intake, contract, chunks, tenant=TENANT, source=str(files.path))


def _plan() -> TrainingPlan:
    """Judge on the last fifth of the days."""
    start = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(START.astype(np.int64)))
    until = start + timedelta(days=DAYS * 0.8)
    return TrainingPlan(OutOfTimeSplit(until, until, start + timedelta(days=DAYS + 1)))


def _write_campaign(files: CustomerFiles, path: Path) -> dict[str, bytes]:
    """Write a question about each customer, for the day after the last; return their bodies."""
    at = START + np.timedelta64(DAYS + 1, "D")
    with duckdb.connect() as database:
        keys = database.execute(
            "SELECT 'c' || customerID, customerID FROM " + files.source + " ORDER BY 1"
        ).fetchall()
        database.execute(
            f"COPY (SELECT 'c' || customerID AS id, TIMESTAMP '{at}' AS \"at\", customerID AS "
            f"customer FROM {files.source} ORDER BY 1) TO ? (FORMAT parquet)",
            [str(path)],
        )
    moment = f"{np.datetime_as_string(at)}Z"
    return {
        str(key): json.dumps({"id": key, "at": moment, "customer": customer}).encode()
        for key, customer in keys
    }


def _scored(directory: Path) -> dict[str, tuple[object, ...]]:
    with duckdb.connect() as database:
        rows = database.execute(
            f"SELECT id, {', '.join(_COLUMNS)} FROM '{directory}/part-*.parquet'"
        ).fetchall()
    return {str(key): (json.loads(answer), score, *rest) for key, answer, score, *rest in rows}


def _told(body: dict[str, object]) -> tuple[object, ...]:
    answer = body["answer"]
    score = answer.get("score") if isinstance(answer, dict) else None
    return (answer, score, body["confidence"], body["outcome"], body.get("reason", ""))


def _key(where: DataDirectory) -> str:
    connection = open_database(where.root / "access.sqlite")
    try:
        migrate(connection, "access", MIGRATIONS)
        made = create_key(
            SqliteKeys(connection), SystemClock(), tenant=TENANT, scopes=("decide",), name="churn"
        )
        return made.secret
    finally:
        connection.close()
