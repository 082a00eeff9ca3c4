"""Is a batch what the server answers? Every customer, asked both ways, compared to the bit.

The batch is scored first; then the server is asked about each customer of the same file.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass

import duckdb
import msgspec

from kingpost.calls import LoadClient
from kingpost.core import SystemClock, SystemDisk
from kingpost.decisions import BatchJob, DataDirectory, load_application, score_batch
from kingpost.integrations import Reading
from kingpost.models import Progress, quiet
from solutions.churn.data import ASKED
from solutions.churn.installation import APP, TENANT, WHO, Installation
from solutions.ground.asking import ask_all
from solutions.ground.server import Server

__all__ = ["Agreement", "Told", "compare"]

CONNECTIONS = 8
ROWS_PER_PART = 250_000


class Told(msgspec.Struct, frozen=True):
    """What is compared of an answer."""

    answer: dict[str, bool | float] | None
    confidence: float
    outcome: str
    reason: str = ""


@dataclass(frozen=True)
class Agreement:
    """How far batch and server agree.

    Attributes:
        rows: Customers asked about both ways.
        equal: Those with the same answer, score, confidence, outcome and reason, bit by bit.
        batch_rows_per_s: Reading and writing included.
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


def compare(made: Installation, *, progress: Progress = quiet) -> Agreement:
    """Ask about every customer of the campaign in both ways.

    Raises:
        NotAnswered: A question was refused, failed or was not answered.
        ServerFailed: It did not start, or did not end as it should.
    """
    started = time.monotonic()
    batch = _score(made)
    batch_s = time.monotonic() - started
    progress("agreement", 1, 2)
    keys = [str(key) for key in made.questions.values("id")]
    with Server(APP, made.directory, 0) as server:
        headers = {"authorization": f"Bearer {made.key}"}
        client = LoadClient(server.host, server.port, headers, connections=CONNECTIONS)
        report, _ = ask_all(
            client, [client.post("/v1/decisions/churn", body) for body in _bodies(made, keys)]
        )
    online = {
        keys[answer.call]: msgspec.json.decode(answer.body, type=Told) for answer in report.answers
    }
    progress("agreement", 2, 2)
    return Agreement(
        rows=len(keys),
        equal=sum(batch.get(key) == online[key] for key in keys),
        batch_rows_per_s=len(batch) / batch_s,
        online_per_s=report.per_second(),
        online_p99_ms=report.latency_ms(99),
    )


def _score(made: Installation) -> Mapping[str, Told]:
    """Score the campaign as a batch, as `kingpost score` does; return what was told by key."""
    application = load_application(APP)
    job = BatchJob(
        application=application,
        decision=application.decisions["churn"],
        inputs=[str(made.campaign)],
        reading=Reading(zone="UTC"),
        tenant=TENANT,
        by=WHO,
        rows_per_part=ROWS_PER_PART,
    )
    out = made.directory / "scored"
    score_batch(job, DataDirectory(made.directory), out, disk=SystemDisk(), clock=SystemClock())
    with duckdb.connect() as database:
        rows = database.execute(
            f"SELECT id, answer, confidence, outcome, reason FROM '{out}/part-*.parquet'"
        ).fetchall()
    return {key: Told(json.loads(answer), *rest) for key, answer, *rest in rows}


def _bodies(made: Installation, keys: list[str]) -> list[bytes]:
    at = ASKED.isoformat()
    return [
        json.dumps({"id": key, "at": at, "customer": customer}).encode()
        for key, customer in zip(keys, made.questions.values("customer"), strict=True)
    ]
