"""How fast the console's pages are when a million decisions lie behind them.

Card fraud is simulated and a model trained and approved; the engine then decides a million
payments, so that every record is a real one; the observer reads them all; the server is
started, and every page is asked for again and again through one signed-in session. What
counts is the server's own time for a page, as its Server-Timing header says; the slowest
page is told by name. The bar is a hundred milliseconds.

    make bench B=console [FULL=1]
"""

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from benchmarks._figures import figure
from kingpost.access import MIGRATIONS, SqliteKeys, create_key
from kingpost.contracts import contract_of, events_of
from kingpost.core import KingpostError, SystemClock, SystemDisk
from kingpost.decisions import (
    Application,
    Ask,
    DataDirectory,
    Engine,
    ServedDecision,
    approved_bundle,
    load_application,
    train_decision,
)
from kingpost.integrations import Intake, ingest_chunks
from kingpost.models import OnnxScorer, OutOfTimeSplit
from kingpost.storage import migrate, open_database
from solutions.fraud import app as declared
from solutions.fraud.data import TransactionFiles
from solutions.fraud.simulator import Simulation, simulate, write_parquet
from solutions.fraud.training import PLAN
from solutions.ground.server import Server

APP = Path("solutions/fraud/app.py").resolve()
TENANT = "bench"
RECORDS = 1_000_000
TRAIN_DAYS = 84
CUSTOMERS = 8_000
"""Enough of them for a million payments after the days of training."""
BATCH = 64
ROUNDS = 20
LIMIT_MS = 100.0
WARM_UP = 2
_TIMING = re.compile(r"dur=([0-9.]+)")


def say(text: str) -> None:
    """Tell how far it is."""
    print(text, file=sys.stderr, flush=True)


def prepare(where: DataDirectory, files: TransactionFiles) -> Application:
    """Take in the first days, train on them and approve."""
    live = files.first_day + timedelta(days=TRAIN_DAYS)
    streams = [contract_of(declared.Transaction), contract_of(declared.Verdict)]
    with Intake.open(where.data, streams, disk=SystemDisk(), clock=SystemClock()) as intake:
        for contract, chunks in zip(
            streams, (files.transactions(end=live), files.verdicts(end=live)), strict=True
        ):
            ingest_chunks(intake, contract, chunks, tenant=TENANT, source="simulated")
    application = load_application(APP)
    midnight = datetime(live.year, live.month, live.day, tzinfo=UTC)
    split = OutOfTimeSplit(
        train_until=midnight - timedelta(days=14),
        test_from=midnight - timedelta(days=14),
        test_to=midnight - timedelta(days=7),
    )
    trained = train_decision(
        application,
        application.decisions["fraud"],
        where,
        replace(PLAN, split=split, threads=2),
        tenant=TENANT,
        by="bench",
        disk=SystemDisk(),
        clock=SystemClock(),
    )
    control = where.control_log(disk=SystemDisk(), clock=SystemClock())
    control.approve(
        "fraud", trained.bundle.digest, by="bench", reason="benchmark", override="it is small"
    )
    return application


class Durable:
    """Waits until the journal has written a batch."""

    def __init__(self) -> None:
        self._landed = threading.Event()
        self._failure: KingpostError | None = None

    def __call__(self, error: KingpostError | None) -> None:
        """Hear from the journal."""
        self._failure = error
        self._landed.set()

    def wait(self) -> None:
        """Return when the batch is durable, or raise why it is not."""
        self._landed.wait()
        if self._failure is not None:
            raise self._failure


def decide(where: DataDirectory, application: Application, files: TransactionFiles) -> int:
    """Decide a million payments, as the server would; return how many."""
    disk, clock = SystemDisk(), SystemClock()
    store = where.artefacts(disk=disk)
    bundle = approved_bundle(where.control_log(disk=disk, clock=clock), "fraud")
    served = ServedDecision(
        application.decisions["fraud"],
        bytes.fromhex(bundle.digest),
        bytes.fromhex(bundle.model),
        OnnxScorer(store.get(bundle.model)),
        bundle.threshold,
    )
    engine = Engine.open(where.data, application, {"fraud": served}, disk=disk, clock=clock)
    done = 0
    try:
        for asks in _asks(files, clock):
            durable = Durable()
            engine.decide(asks, durable)
            durable.wait()
            done += len(asks)
            if done % 100_032 < BATCH:
                say(f"  {done:,} decided")
            if done >= RECORDS:
                return done
    finally:
        engine.close()
    return done


def _asks(files: TransactionFiles, clock: SystemClock) -> Iterator[list[Ask]]:
    contract = contract_of(declared.Transaction)
    start = files.first_day + timedelta(days=TRAIN_DAYS)
    waiting: list[Ask] = []
    for chunk in files.transactions(start=start):
        for event in events_of(contract, chunk.batch):
            body = (
                f'{{"id":{event.id},"at":"{event.at.isoformat()}","customer":{event.customer},'
                f'"terminal":{event.terminal},"amount":{event.amount!r}}}'
            ).encode()
            trace = f"{event.id:032x}"
            now_ns = clock.monotonic_ns()
            waiting.append(Ask("fraud", TENANT, "bench", event, body, trace, None, None, now_ns))
            if len(waiting) == BATCH:
                yield waiting
                waiting = []


def observe(where: DataDirectory) -> float:
    """Let the observer read all of it; return how many records it read a second."""
    command = [sys.executable, "-m", "kingpost.cli", "--data-dir", str(where.root)]
    started = time.perf_counter()
    subprocess.run([*command, "watch", str(APP), "--once", "--json"], check=True, stdout=2)
    return RECORDS / (time.perf_counter() - started)


def make_key(where: DataDirectory) -> str:
    """Make a key that may see everything."""
    connection = open_database(where.root / "access.sqlite")
    try:
        migrate(connection, "access", MIGRATIONS)
        scopes = ("records", "review", "metrics")
        store = SqliteKeys(connection)
        return create_key(store, SystemClock(), tenant=TENANT, scopes=scopes).secret
    finally:
        connection.close()


def sign_in(client: httpx.Client, secret: str) -> None:
    """Sign in as a browser does."""
    form = client.get("/login")
    found = re.search(r'name="csrf" value="([^"]+)"', form.text)
    if found is None:
        raise SystemExit("the page to sign in has no token")
    data = {"csrf": found[1], "key": secret, "next": "/"}
    origin = {"origin": str(client.base_url).rstrip("/")}
    answer = client.post("/login", data=data, headers=origin)
    if answer.status_code != 303:
        raise SystemExit(f"signing in was answered with {answer.status_code}: {answer.text[:300]}")


def pages_of(client: httpx.Client) -> list[str]:
    """List every page there is, with one of each kind that has an id."""

    def first(page: str, pattern: str) -> list[str]:
        return re.findall(pattern, client.get(page).text)[:1]

    records = first("/records", r'href="(/records/[0-9a-f-]{36})"')
    day = "2018-08-10T00:00"
    return [
        "/",
        "/decisions/fraud",
        "/decisions/fraud?span=7d",
        "/decisions/fraud?span=28d",
        "/decisions/fraud/features/amount",
        "/records",
        "/records?outcome=review",
        "/records?mistaken=on",
        f"/records?since={day}&until={day.replace('10T', '11T')}",
        "/records?text=no-such-thing",
        *records,
        *(f"{record}/explanation" for record in records),
        "/inbox",
        "/inbox?tab=closed",
        *first("/inbox", r'href="(/inbox/[0-9a-f-]{36})"'),
        "/incidents",
        *first("/incidents", r'href="(/incidents/[0-9a-f-]{36})"'),
        "/models",
        "/models/fraud/1",
        "/approvals",
    ]


def measure(client: httpx.Client, rounds: int) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Ask for every page, round by round.

    Returns:
        The server's milliseconds by page, and those of the first time it was asked for.
    """
    times: dict[str, list[float]] = {}
    first: dict[str, float] = {}
    for page in pages_of(client):
        for turn in range(WARM_UP + rounds):
            answer = client.get(page)
            if answer.status_code != 200:
                raise SystemExit(f"{page} was answered with {answer.status_code}")
            took = _TIMING.search(answer.headers["server-timing"])
            assert took is not None
            if turn == 0:
                first[page] = float(took[1])
            if turn >= WARM_UP:
                times.setdefault(page, []).append(float(took[1]))
    return times, first


def percentile(times: list[float], percent: int) -> float:
    """Return a percentile, nearest rank."""
    ordered = sorted(times)
    return ordered[max(-(-len(ordered) * percent // 100), 1) - 1]


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="make bench B=console", description=__doc__)
    parser.add_argument("--full", action="store_true", help="five times as many rounds")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        data = directory / "transactions.parquet"
        write_parquet(simulate(Simulation(customers=CUSTOMERS)), data)
        files, where = TransactionFiles.find(data), DataDirectory(directory / "data")
        say("train and approve")
        application = prepare(where, files)
        say("decide a million payments")
        records = decide(where, application, files)
        say("observe them")
        observed_per_s = observe(where)
        say(f"  {observed_per_s:,.0f} records a second; ask for the pages")
        with Server(APP, where.root, 0) as server, httpx.Client(base_url=server.url) as client:
            sign_in(client, make_key(where))
            times, first = measure(client, 5 * ROUNDS if options.full else ROUNDS)
    for page, taken in sorted(times.items(), key=lambda one: -percentile(one[1], 95)):
        say(f"  {percentile(taken, 95):7.1f} ms p95 {statistics.median(taken):7.1f} ms p50  {page}")
    coldest = max(first, key=first.__getitem__)
    say(f"  {first[coldest]:7.1f} ms the first time, at the most: {coldest}")
    slowest = max(percentile(taken, 95) for taken in times.values())
    together = [each for taken in times.values() for each in taken]
    say(f"  the slowest page's p95 is {slowest:.1f} ms")
    p95 = percentile(together, 95)
    figure("page_p95_ms", p95, "ms", "bar of 100 ms", LIMIT_MS, more_is_better=False)
    name = "slowest_page_p95_ms"
    figure(name, slowest, "ms", "bar of 100 ms", LIMIT_MS, more_is_better=False)
    name = "first_page_ms"
    figure(name, first[coldest], "ms", "bar of 100 ms", LIMIT_MS, more_is_better=False)
    figure("records", records, "records", "bar of 1,000,000", RECORDS, more_is_better=True)
    bar = "bar of 25,000/s"
    figure("observed_per_s", observed_per_s, "records/s", bar, 25_000, more_is_better=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
