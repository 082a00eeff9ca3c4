"""Is a job lost or done twice: 10,000 jobs, their workers killed at random with `kill -9`.

All are submitted at once, while three workers work; one of them is killed every half second
or so, and started again, until every job has ended. What is on record is then counted in the
journal itself.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from itertools import islice

import numpy as np

from benchmarks._figures import figure_at, say
from benchmarks._serving_house import SharedModel, kingpost_server, serving
from benchmarks._serving_rest import our_bodies
from kingpost.access import SqliteKeys, create_key
from kingpost.calls import LoadClient
from kingpost.core import SystemClock, SystemDisk
from kingpost.decisions import DataDirectory
from kingpost.jobs import Job, JobQuery, JobState, SqliteJobs
from kingpost.journal import scan
from kingpost.records import decode_record
from kingpost.storage import open_database

__all__ = ["run_jobs"]

JOBS, WORKERS, CONNECTIONS = 10_000, 3, 16
LEASE = "2s"
KILL_EVERY_S = (0.2, 0.8)
WITHIN_S = 900
WAIT_BAR_MS = 120_000
TENANT = "bench"


def run_jobs(model: SharedModel) -> bool:
    """Print `jobs_lost`, `jobs_decided_twice` and `job_wait_p99_ms`; say whether none was."""
    where = DataDirectory(model.data)
    secret = _key(where)
    chance = random.Random(5)
    with serving(kingpost_server(model, "--no-jobs"), model) as server:
        url = f"http://127.0.0.1:{server.port}"
        begun_s = time.monotonic()
        workers = [_worker(model, url, secret) for _ in range(WORKERS)]
        kills = 0
        try:
            taken = _submit(model, server.port, secret)
            store = SqliteJobs(where.jobs)
            while sum(one.number for one in store.backlog() if one.state is not JobState.DEAD):
                if time.monotonic() > begun_s + WITHIN_S:
                    say(f"jobs: not every job has ended within {WITHIN_S} s")
                    break
                time.sleep(chance.uniform(*KILL_EVERY_S))
                at = chance.randrange(WORKERS)
                _end(workers[at], signal.SIGKILL)
                workers[at] = _worker(model, url, secret)
                kills += 1
            took_s = time.monotonic() - begun_s
        finally:
            for worker in workers:
                _end(worker, signal.SIGTERM)
        jobs = _all(store)
        store.close()
    return _figures(jobs, taken, _decided(where), kills, took_s)


def _figures(
    jobs: Sequence[Job], taken: int, decided: Counter[str], kills: int, took_s: float
) -> bool:
    states = Counter(job.state.value for job in jobs)
    ended = [job for job in jobs if job.state.is_end]
    lost = taken - len({job.id for job in ended})
    lost += sum(job.state is JobState.DONE and not decided[job.decision_key] for job in jobs)
    twice = sum(decided[job.decision_key] > 1 for job in jobs)
    leases = sum(job.lost for job in jobs)
    wait_ms = float(np.percentile([job.started_us - job.created_us for job in ended], 99)) / 1000
    say(
        f"jobs: {dict(states)} of {taken:,} taken, {kills} workers killed, {leases} leases lost, "
        f"{taken / took_s:,.0f}/s"
    )
    figure_at("jobs_lost", lost, "jobs", 0, more_is_better=False)
    figure_at("jobs_decided_twice", twice, "jobs", 0, more_is_better=False)
    figure_at("job_wait_p99_ms", wait_ms, "ms", WAIT_BAR_MS, more_is_better=False)
    return not lost + twice and taken == JOBS


def _key(where: DataDirectory) -> str:
    connection = open_database(where.access)
    made = create_key(
        SqliteKeys(connection), SystemClock(), tenant=TENANT, scopes=["decide", "jobs"]
    )
    connection.close()
    return made.secret


def _worker(model: SharedModel, url: str, secret: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "kingpost.cli", "--data-dir", str(model.data), "job-worker",
         "--url", url, "--lease", LEASE, "--at-once", "4"],
        env=os.environ | {"KINGPOST_API_KEY": secret},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip


def _end(worker: "subprocess.Popen[bytes]", how: signal.Signals) -> None:
    with worker:
        worker.send_signal(how)


def _submit(model: SharedModel, port: int, secret: str) -> int:
    client = LoadClient("127.0.0.1", port, {"authorization": f"Bearer {secret}"}, CONNECTIONS)
    path = "/v1/decisions/classify/jobs"
    report = client.run([client.post(path, body) for body in islice(our_bodies(model.rows), JOBS)])
    return sum(answer.status == 202 for answer in report.answers)


def _all(store: SqliteJobs) -> Sequence[Job]:
    found: list[Job] = []
    before: int | None = None
    while page := store.find(TENANT, JobQuery(before=before, limit=1000)):
        found += page
        before = page[-1].place
    return found


def _decided(where: DataDirectory) -> Counter[str]:
    return Counter(
        record.idempotency_key
        for commit in scan(where.data, disk=SystemDisk())
        for entry in commit.entries
        if entry.kind == "record"
        for record in [decode_record(entry.body)]
        if record.idempotency_key is not None
    )
