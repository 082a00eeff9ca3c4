"""How many whole fraud decisions a second, beside a plain FastAPI endpoint that only scores.

Ours: one server process, `kingpost run`, pinned to one core: API key, contract, 27
features read from the event just appended, LightGBM of 200 trees, gate, and a record that
is durable before the answer leaves. The peer (`peers/serving/naive_app.py`), on the same
core: FastAPI, pydantic, joblib, a one-row pandas frame, a LightGBM of as many trees and
leaves; it is sent finished features and records nothing. The same closed-loop client, 32
connections, drives both from the other core, in turn.

"""

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import numpy as np

from benchmarks._figures import PEERS, figure, peer_python
from kingpost.access import MIGRATIONS, SqliteKeys, create_key
from kingpost.calls import LoadClient, LoadReport
from kingpost.contracts import contract_of
from kingpost.core import SystemClock, SystemDisk
from kingpost.decisions import (
    DataDirectory,
    load_application,
    read_histories,
    train_decision,
    training_set,
)
from kingpost.integrations import Intake, ingest_chunks
from kingpost.models import LightGbmParameters, OutOfTimeSplit
from kingpost.storage import migrate, open_database
from solutions.fraud import app as declared
from solutions.fraud.data import TransactionFiles
from solutions.fraud.simulator import Simulation, simulate, write_parquet
from solutions.fraud.training import PLAN

__all__ = ["run_decision"]

ROOT = Path(__file__).parents[1]
APP = ROOT / "solutions" / "fraud" / "app.py"
CONNECTIONS = 32
SERVER_CORE, CLIENT_CORE = 0, 1
PEER_ROWS = 200_000
MOST_A_SECOND = 40_000


def pinned(core: int, command: list[str]) -> list[str]:
    """Run a command on one core, where the system can."""
    if not hasattr(os, "sched_setaffinity"):
        return command
    start = "import os,sys; os.sched_setaffinity(0,{int(sys.argv[1])}); os.execv(sys.argv[2],sys.argv[2:])"
    return [sys.executable, "-c", start, str(core), *command]


def prepare(directory: Path, data: Path | None, peer: Path) -> tuple[str, Path]:
    """Ingest, train and approve; train the peer on the same rows. Return key and model."""
    if data is None:
        data = directory / "transactions.parquet"
        write_parquet(simulate(Simulation(days=90)), data)
    files = TransactionFiles.find(data)
    where, disk, clock = DataDirectory(directory / "data"), SystemDisk(), SystemClock()
    streams = [contract_of(declared.Transaction), contract_of(declared.Verdict)]
    with Intake.open(where.data, streams, disk=disk, clock=clock) as intake:
        for contract, chunks in zip(streams, (files.transactions(), files.verdicts()), strict=True):
            ingest_chunks(intake, contract, chunks, tenant="bench", source=str(data))
    application = load_application(APP)
    fraud = application.decisions["fraud"]
    end = datetime.combine(files.last_day, datetime.min.time(), UTC)
    split = OutOfTimeSplit(end - timedelta(days=14), end - timedelta(days=7), end)
    trained = train_decision(
        application, fraud, where, replace(PLAN, split=split), tenant="bench", by="bench",
        disk=disk, clock=clock,
    )  # fmt: skip
    control = where.control_log(disk=disk, clock=clock)
    control.approve(
        "fraud", trained.bundle.digest, by="bench", reason="benchmark", override="it is small"
    )
    connection = open_database(where.root / "access.sqlite")
    migrate(connection, "access", MIGRATIONS)
    key = create_key(SqliteKeys(connection), clock, tenant="bench", scopes=["decide"])
    connection.close()

    histories, _ = read_histories(where.data, fraud.streams, disk=disk)
    rows = training_set(fraud, histories.of("bench"))
    sample = slice(max(0, len(rows) - PEER_ROWS), None)
    table, model = directory / "table.npz", directory / "model.joblib"
    names = np.array(fraud.features.names)
    np.savez(table, x=rows.x[sample].astype(np.float64), y=rows.y[sample], names=names)
    parameters = LightGbmParameters()
    subprocess.run(
        [peer, str(PEERS / "serving" / "train_table.py"), str(table), str(model),
         str(parameters.rounds), str(parameters.num_leaves)],
        check=True,
    )  # fmt: skip
    return key.secret, model


def our_bodies(start: int, seed: int) -> Iterator[bytes]:
    """Make payments that the journal has not seen, one after the other in time."""
    rng = np.random.default_rng(seed)
    at = datetime(2018, 9, 1, tzinfo=UTC)
    for number in range(start, start + 10_000_000):
        moment = (at + timedelta(milliseconds=100 * (number - start))).isoformat()
        yield (
            f'{{"id":{10**9 + number},"at":"{moment}","customer":{rng.integers(5000)},'
            f'"terminal":{rng.integers(10000)},"amount":{round(float(rng.gamma(2, 25)), 2)}}}'
        ).encode()


def peer_bodies(directory: Path) -> list[bytes]:
    """Make requests with finished features, of rows that differ."""
    table = np.load(directory / "table.npz")
    names = [str(name) for name in table["names"]]
    rows = table["x"][-4096:].tolist()
    return [json.dumps(dict(zip(names, row, strict=True))).encode() for row in rows]


def for_seconds(calls: Iterator[bytes], seconds: float) -> Iterator[bytes]:
    """Pass calls on until the time is over."""
    end = time.monotonic() + seconds
    for call in calls:
        if time.monotonic() > end:
            return
        yield call


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(600):
        if process.poll() is not None:
            raise SystemExit(f"a server ended with code {process.returncode}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise SystemExit("a server never listened")


def measured(
    command: list[str],
    port: int,
    calls: Iterator[bytes],
    client: LoadClient,
    seconds: float,
    environment: dict[str, str],
) -> LoadReport:
    """Start a server on its core, warm it, load it, and stop it."""
    one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    process = subprocess.Popen(
        pinned(SERVER_CORE, command),
        env=os.environ | one_thread | environment,
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_for(port, process)
        client.run(for_seconds(calls, 1.5))
        report = client.run(for_seconds(calls, seconds))
    finally:
        process.terminate()
        process.wait(60)
    wrong = {status: n for status, n in report.statuses().items() if status != 200}
    if wrong:
        raise SystemExit(f"not every request was answered with 200: {wrong}")
    return report


def run_decision(data: Path | None, *, rounds: int, seconds: float) -> None:
    """Print `decision_throughput`, `decision_p50` and `decision_p99`."""
    peer = peer_python("serving")
    with tempfile.TemporaryDirectory(prefix="kingpost-bench-") as name:
        directory = Path(name)
        print("preparing: events, features, models", file=sys.stderr, flush=True)
        secret, model = prepare(directory, data, peer)
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {CLIENT_CORE})
        finished = peer_bodies(directory)
        ours: list[LoadReport] = []
        theirs: list[LoadReport] = []
        for turn in range(rounds):
            port = free_port()
            client = LoadClient(
                "127.0.0.1", port, {"authorization": f"Bearer {secret}"}, CONNECTIONS
            )
            # written before the clock runs: the client's core has enough to do
            fresh = list(islice(our_bodies(turn * 10_000_000, turn), int(MOST_A_SECOND * seconds)))
            calls = [client.post("/v1/decisions/fraud", body) for body in fresh]
            ours.append(
                measured(
                    [sys.executable, "-m", "kingpost.cli", "--data-dir", str(directory / "data"),
                     "run", str(APP), "--port", str(port)],
                    port,
                    iter(calls),
                    client,
                    seconds,
                    {},
                )
            )  # fmt: skip
            port = free_port()
            client = LoadClient("127.0.0.1", port, {}, CONNECTIONS)
            requests = [client.post("/predict", body) for body in finished]
            theirs.append(
                measured(
                    [str(peer), "-m", "uvicorn", "naive_app:app", "--port", str(port),
                     "--app-dir", str(PEERS / "serving"), "--no-access-log", "--log-level",
                     "error", "--loop", "uvloop", "--http", "httptools"],
                    port,
                    (requests[n % len(requests)] for n in range(10**9)),
                    client,
                    seconds,
                    {"MODELS": str(model.parent)},
                )
            )  # fmt: skip
            print(
                f"round {turn + 1}: kingpost {ours[-1].per_second():,.0f}/s, p99 "
                f"{ours[-1].latency_ms(99):.2f} ms; fastapi {theirs[-1].per_second():,.0f}/s, "
                f"p99 {theirs[-1].latency_ms(99):.2f} ms",
                file=sys.stderr,
                flush=True,
            )

    def median(reports: list[LoadReport], percent: float | None = None) -> float:
        return statistics.median(
            one.per_second() if percent is None else one.latency_ms(percent) for one in reports
        )

    figure(
        "decision_throughput", median(ours), "decisions/s", "fastapi", median(theirs),
        more_is_better=True,
    )  # fmt: skip
    for percent in (50, 99):
        figure(
            f"decision_p{percent}", median(ours, percent), "ms", "fastapi",
            median(theirs, percent), more_is_better=False,
        )  # fmt: skip
