"""From raw events to a governed live answer, with nothing left out: `make demo`.

Five months of card transactions are simulated (or read), ingested, turned into features,
learned from, judged, registered, approved and served; then ten days are replayed as live
traffic, with verdicts coming in between. In the last two of them a fault is put in, which the
monitors have to find; doubtful payments go to the fraud desk's inbox, and a script answers
some of them. The alert begins a run that trains the model anew: two months pass until there
are verdicts enough, and then the new model is learned, judged, approved and released by
itself, on five days of live traffic. At the end every record is proved: each answer that a
client received has its record, and each record comes out the same when it is decided again
from the journal. The console is left open.

    python -m solutions.fraud.demo [--data PATH] [--once]
"""

import argparse
import json
import shutil
import signal
import socket
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from pathlib import Path

import kingpost as kp
from kingpost.calls import LoadClient
from kingpost.contracts import contract_of, join_batches
from kingpost.core import SystemClock, SystemDisk, id_text
from kingpost.decisions import (
    Application,
    DataDirectory,
    Trained,
    Verification,
    load_application,
    read_histories,
    train_decision,
    verify_records,
)
from kingpost.features import Requests, feature_matrix
from kingpost.integrations import Chunk, Intake, ingest_chunks
from kingpost.journal import scan
from kingpost.models import OutOfTimeSplit
from kingpost.records import decode_record
from solutions.fraud.app import Transaction, Verdict
from solutions.fraud.data import TransactionFiles
from solutions.fraud.drift import amounts_in_cents, drift_start
from solutions.fraud.memory import MemoryWatch
from solutions.fraud.recovery import (
    Recovered,
    decisions_of,
    quality,
    release_by_traffic,
    run_of,
)
from solutions.fraud.replay import Call, Decided, Replayed, calls_of, joined, send
from solutions.fraud.reviews import Desk, DeskWork, Incident
from solutions.fraud.simulator import Simulation, simulate, write_parquet
from solutions.fraud.training import PLAN
from solutions.ground.keys import make_key
from solutions.ground.progress import Stages
from solutions.ground.server import Server

__all__ = ["main"]

APP = Path(__file__).with_name("retrained.py")
TENANT = "demo"
SCOPES = ("decide", "ingest", "records", "review", "metrics")
SIMULATED_DAYS = 160
BEFORE_DAYS, DRIFTED_DAYS, AFTER_DAYS = 8, 2, 5
"""Days of live traffic: until the fault, with it, and at the end, when there are verdicts."""
FEWEST_WEEKS = 20
RECOVERED_WITHIN = 0.05
RECOVERED_FRAUDS = 300
"""In a small business a few days hold too few frauds to tell so closely."""
WEEK = timedelta(days=7)
REVIEWS_ANSWERED = 150
ALERT_WITHIN_S = 120
SMALL_PAYMENTS_A_SECOND = 0.08
ALERT_WITHIN_PAYMENTS = 30
"""In a small business two minutes hold too few payments to tell."""
CONNECTIONS = 32
THREADS = 2


class DemoFailed(kp.KingpostError):
    """Something that the demonstration promises did not hold."""

    code = "demo_failed"

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        return f"the demonstration found a fault: {self.problem}"


@dataclass(frozen=True)
class Ingested:
    """What became of the history.

    Attributes:
        rows: Events taken, of both streams.
    """

    rows: int
    rows_per_s: float


@contextmanager
def _stage(name: str) -> Generator[list[str], None, None]:
    """Print a line when a stage is over; what is put into the list goes on it."""
    started = time.monotonic()
    facts: list[str] = []
    yield facts
    told = ", ".join(facts)
    print(f"{name:<10} {time.monotonic() - started:6.1f} s   {told}", file=sys.stderr, flush=True)


def _files(directory: Path, data: Path | None) -> TransactionFiles:
    with _stage("read" if data else "simulate") as facts:
        if data is None:
            data = directory / "transactions.parquet"
            write_parquet(simulate(Simulation(days=SIMULATED_DAYS)), data)
        files = TransactionFiles.find(data)
        if files.last_day - files.first_day < FEWEST_WEEKS * WEEK:
            raise DemoFailed(
                f"{files.path} holds {files.first_day} to {files.last_day}, less than "
                f"{FEWEST_WEEKS} weeks"
            )
        facts += [f"{files.rows:,} transactions", f"{files.first_day} to {files.last_day}"]
    return files


def _ingest(where: DataDirectory, files: TransactionFiles, live: date) -> Ingested:
    """Take all that was known when the live weeks began."""
    streams = [contract_of(Transaction), contract_of(Verdict)]
    rows, seconds = 0, 0.0
    with (
        _stage("ingest") as facts,
        Intake.open(where.data, streams, disk=SystemDisk(), clock=SystemClock()) as intake,
    ):
        for contract, chunks in zip(
            streams, (files.transactions(end=live), files.verdicts(end=live)), strict=True
        ):
            report = ingest_chunks(intake, contract, chunks, tenant=TENANT, source=str(files.path))
            rows, seconds = rows + report.accepted, seconds + report.seconds
        facts += [f"{rows:,} events", f"{rows / seconds:,.0f} a second, durable"]
    return Ingested(rows, rows / seconds)


def _backfill(where: DataDirectory, application: Application) -> float:
    """Compute the features of every past request, as `kingpost backfill` does."""
    fraud = application.decisions["fraud"]
    with _stage("backfill") as facts:
        held, _ = read_histories(where.data, fraud.streams, disk=SystemDisk())
        histories = held.of(TENANT)
        asked = histories[fraud.request.name]
        started = time.monotonic()
        requests = Requests(asked.events, asked.positions)
        values = feature_matrix(fraud.features, requests, histories, threads=THREADS)
        seconds = time.monotonic() - started
        facts.append(
            f"{values.shape[1]} features of {values.shape[0]:,} requests in {seconds:.1f} s"
        )
    return seconds


def _train(where: DataDirectory, application: Application, live: date) -> Trained:
    """Learn from what was known when the live weeks began, and judge on the last such week."""
    labelled = datetime.combine(live, time_of_day(), UTC) - WEEK
    split = OutOfTimeSplit(
        train_until=labelled - 2 * WEEK,
        test_from=labelled - WEEK,
        test_to=labelled,
    )
    with _stage("train") as facts:
        trained = train_decision(
            application,
            application.decisions["fraud"],
            where,
            replace(PLAN, split=split, threads=THREADS),
            tenant=TENANT,
            by="demo",
            disk=SystemDisk(),
            clock=SystemClock(),
            progress=Stages(),
        )
        metrics = trained.version.metrics
        facts += [
            f"AUC ROC {metrics['auc_roc']:.3f}",
            f"average precision {metrics['average_precision']:.3f}",
            f"card precision@100 {metrics['entity_precision_100']:.3f}",
        ]
        if trained.evaluation is not None:
            facts.append(f"evaluation gates {trained.evaluation.verdict}")
    return trained


def _approve(where: DataDirectory, trained: Trained) -> None:
    digest = trained.bundle.digest
    with _stage("approve") as facts:
        control = where.control_log(disk=SystemDisk(), clock=SystemClock())
        reason = "better than no model on the week before; demonstration"
        evaluation = trained.evaluation
        override = ""
        if evaluation is not None and not evaluation.may_run:
            # on a short history some gates have too few rows to decide
            override = "a demonstration, which nobody's money depends on"
            facts += evaluation.not_passed
        control.approve("fraud", digest, by="fraud-desk", reason=reason, override=override)
        facts.append(f"bundle {digest[:12]} may run")


def _client(server: Server, secret: str) -> LoadClient:
    return LoadClient(server.host, server.port, {"authorization": f"Bearer {secret}"}, CONNECTIONS)


def _calls(files: TransactionFiles, start: date, end: date) -> list[Call]:
    """Make the live traffic of some days: payments, and what becomes known meanwhile."""
    transactions = [chunk.batch for chunk in _drifted(files, start, end)]
    verdicts = [chunk.batch for chunk in files.verdicts(start=start, end=end)]
    return calls_of(
        join_batches(contract_of(Transaction), transactions),
        join_batches(contract_of(Verdict), verdicts),
    )


def _drifted(files: TransactionFiles, start: date, end: date) -> Iterator[Chunk]:
    since = drift_start(files.last_day)
    for chunk in files.transactions(start=start, end=end):
        yield chunk._replace(batch=amounts_in_cents(chunk.batch, since))


def _replay(client: LoadClient, calls: list[Call]) -> Replayed:
    with _stage("replay") as facts:
        replayed = send(client, calls)
        facts += [
            f"{len(replayed.decided):,} decisions and {replayed.verdicts:,} verdicts",
            f"{replayed.decisions_per_s:,.0f} decisions a second",
            f"p50 {replayed.p50_ms:.1f} ms, p99 {replayed.p99_ms:.1f} ms",
        ]
    return replayed


def _frauds(files: TransactionFiles, since: date) -> frozenset[str]:
    """Return the keys of all payments since a day that turned out to be fraud."""
    return frozenset(
        str(key)
        for chunk in files.verdicts(start=since)
        for key, is_fraud in zip(
            chunk.batch.values("transaction"), chunk.batch.values("fraud"), strict=True
        )
        if is_fraud
    )


@dataclass(frozen=True)
class Watched:
    """What the monitors found.

    Attributes:
        before: Incidents opened before the fault: false alarms.
        alert_s: From the fault to the alarm, in stream time.
        behind_s: How long the observer had still to read when the last answer was there.
        drift: The id of the fault's incident.
        is_small: Whether there are too few payments to tell anything in two minutes.
    """

    incidents: list[Incident]
    before: int
    alert_s: float
    behind_s: float
    drift: str
    is_small: bool


def _watch(desk: Desk, replayed: Replayed, fault: datetime) -> Watched:
    """Wait until every record was observed, and look at the incidents.

    Raises:
        DemoFailed: The fault was not found in time, or there were false alarms.
    """
    with _stage("watch") as facts:
        behind_s = desk.wait_for(replayed.decided[-1].record)
        incidents = desk.incidents()
        opened = {one.id: datetime.fromisoformat(one.opened) for one in incidents}
        before = [one.title for one in incidents if opened[one.id] < fault]
        found = [one for one in incidents if one.kind == "drift" and one.columns[0] == "amount"]
        if before or not found:
            problem = f"false alarms {before}" if before else "the fault was not found"
            raise DemoFailed(f"{problem}; incidents: {[one.title for one in incidents]}")
        alert_s = (opened[found[-1].id] - fault).total_seconds()
        payments_a_second = len(replayed.decided) / ((BEFORE_DAYS + DRIFTED_DAYS) * 86_400)
        is_small = payments_a_second < SMALL_PAYMENTS_A_SECOND
        few_s = ALERT_WITHIN_PAYMENTS / payments_a_second if is_small else 0
        if alert_s > max(ALERT_WITHIN_S, few_s):
            raise DemoFailed(f"the fault was found {alert_s:.0f} s after it began")
        facts += [
            f"{len(incidents)} incidents, none before the fault",
            f"{found[-1].title}, {alert_s:.0f} s of stream time after it began",
        ]
    return Watched(incidents, len(before), alert_s, behind_s, found[-1].id, is_small)


def _review(desk: Desk, frauds: frozenset[str], fault: datetime) -> DeskWork:
    """Answer some of what the fraud desk was sent, and leave the rest."""
    with _stage("review") as facts:
        until = fault.isoformat().replace("+00:00", "Z")
        work = desk.work(frauds, until, answers=REVIEWS_ANSWERED)
        facts += [
            f"{work.sent:,} decisions sent to the fraud desk",
            f"{work.approved} approved and {work.overridden} overridden by script",
        ]
    return work


def _ingest_weeks(
    where: DataDirectory, files: TransactionFiles, start: date, end: datetime
) -> None:
    """Let the time pass until there are verdicts enough, as `kingpost ingest` does."""
    streams = [contract_of(Transaction), contract_of(Verdict)]
    chunks = (_drifted(files, start, end), files.verdicts(start=start, end=end))
    with (
        _stage("wait") as facts,
        Intake.open(where.data, streams, disk=SystemDisk(), clock=SystemClock()) as intake,
    ):
        rows = 0
        for contract, found in zip(streams, chunks, strict=True):
            report = ingest_chunks(intake, contract, found, tenant=TENANT, source=str(files.path))
            rows += report.accepted
        days = (end.date() - start).days
        facts.append(f"{days} days of stream time, {rows:,} payments and verdicts")


def _retrain(where: DataDirectory, client: LoadClient, calls: list[Call]) -> Recovered:
    """Go on with the run that the alert began, with live traffic as it needs it."""
    with _stage("retrain") as facts:
        recovered = release_by_traffic(where, client, calls, _per_day(calls))
        for event in recovered.run.events:
            if event.step == "done":
                print(f"  {event.stage:<9} {event.reason}", file=sys.stderr, flush=True)
        facts += [
            f"released by itself after {len(recovered.meanwhile.decided):,} requests",
            f"{len(recovered.run.events)} events of one run in the control log",
        ]
    return recovered


def _per_day(calls: list[Call]) -> float:
    return len(calls) / AFTER_DAYS


@dataclass(frozen=True)
class Quality:
    """The average precision of what was decided live.

    Attributes:
        before, during, after: By the first model until the fault, by the same with the fault,
            and by the new one.
    """

    before: float
    during: float
    after: float

    @property
    def lost(self) -> float:
        """The part of it that did not come back; negative where more came."""
        return 1 - self.after / self.before


def _compare(frauds: frozenset[str], parts: list[dict[str, Decided]]) -> Quality:
    """Measure what the fault cost, and what came back.

    Raises:
        DemoFailed: Too little came back.
    """
    with _stage("compare") as facts:
        found = Quality(*(quality(frauds, part) for part in parts))
        few = len(frauds.intersection(parts[-1])) < RECOVERED_FRAUDS
        if found.lost > (0.5 if few else RECOVERED_WITHIN) or found.during > found.before / 2:
            raise DemoFailed(f"the average precision did not come back: {found}")
        facts += [
            f"average precision {found.before:.3f} before the fault",
            f"{found.during:.3f} with it",
            f"{found.after:.3f} by the new model",
        ]
    return found


def _parted(
    calls: list[Call], replayed: Replayed, fault: datetime
) -> tuple[dict[str, Decided], dict[str, Decided]]:
    """Part what was decided at the moment of the fault."""
    before: dict[str, Decided] = {}
    during: dict[str, Decided] = {}
    until = f"{fault:%Y-%m-%dT%H:%M:%S}"
    decided = decisions_of(calls, replayed)
    for call in calls:
        if call.key:
            part = before if call.moment < until else during
            part[call.key] = decided[call.key]
    return before, during


def _check_one(desk: Desk, where: DataDirectory, watched: Watched, replayed: Replayed) -> None:
    """See that all of it was one incident, and one run.

    Raises:
        DemoFailed: The fault, or the new model, opened another incident of drift.
        NotRecovered: Another run began.
    """
    desk.wait_for(replayed.decided[-1].record)
    run_of(where, watched.drift)
    drifts = [one for one in desk.incidents() if one.kind == "drift"]
    # a small business has too few payments at night to go on with an alert until the morning
    if not watched.is_small and [one.id for one in drifts] != [watched.drift]:
        raise DemoFailed(f"not one incident of drift: {[one.title for one in drifts]}")


def _prove(where: DataDirectory, replayed: Replayed) -> Verification:
    """Find the record of every answer, then decide each of them again.

    Raises:
        DemoFailed: An answer has no record, or one that says something else.
    """
    with _stage("verify") as facts:
        recorded = {
            id_text(record.id): record.outcome.value
            for commit in scan(where.data, disk=SystemDisk())
            for entry in commit.entries
            if entry.kind == "record"
            for record in [decode_record(entry.body)]
        }
        for decided in replayed.decided:
            if recorded.get(decided.record) != decided.outcome:
                raise DemoFailed(f"answer {decided.record} has no record of its outcome")
        proved = verify_records(where)
        if proved.verified != len(replayed.decided) + replayed.retried:
            raise DemoFailed(f"{proved.verified:,} of {proved.records:,} records came out the same")
        facts += [
            f"{proved.verified:,} of {proved.records:,} records decided again with equal bits",
            f"{proved.reads_different} of {proved.reads:,} feature values differ",
        ]
    return proved


def _things_to_try(server: Server, secret: str, where: DataDirectory, record: str) -> str:
    body = (
        '{"id": 999000001, "at": "2018-09-01T03:12:00Z", '
        '"customer": 1, "terminal": 2, "amount": 950.0}'
    )
    command = f"{Path(sys.executable).with_name('kingpost')} --data-dir {where.root}"
    return f"""
The console is at {server.url} until Ctrl-C. Sign in with this key:

   {secret}

Five things to try:

1. Look at the incident: which feature drifted, since when, which decisions it touched. Then
   at the inbox: claim a doubtful payment, see why the model doubts, approve or override.
   {server.url}/incidents   {server.url}/inbox

2. Ask for a decision; the id in the answer is that of its record.
   curl -s {server.url}/v1/decisions/fraud -H 'Authorization: Bearer {secret}' \\
     -H 'Content-Type: application/json' -d '{body}'

3. Run one of the decisions again, from its id alone, and compare every bit.
   {command} replay {record}

4. See the run that the incident began, stage by stage.
   {command} retraining list {APP}

5. Look at the API, typed by the contracts, and at the record of a decision.
   {server.url}/docs
   curl -s {server.url}/v1/records/{record} -H 'Authorization: Bearer {secret}'
"""


def _run(data: Path | None, directory: Path, port: int, *, once: bool) -> dict[str, object]:
    started = time.monotonic()
    where = DataDirectory(directory)
    with MemoryWatch() as memory:
        files = _files(directory, data)
        fault = drift_start(files.last_day)
        live = fault.date() - timedelta(days=BEFORE_DAYS)
        away = fault.date() + timedelta(days=DRIFTED_DAYS)
        # at noon: at night a small business has too few payments to go on with an alert
        first_back = files.last_day - timedelta(days=AFTER_DAYS - 1)
        back = datetime.combine(first_back, time_of_day(12))
        ingested = _ingest(where, files, live)
        application = load_application(APP)
        backfill_s = _backfill(where, application)
        trained = _train(where, application, live)
        _approve(where, trained)
        secret = make_key(where, tenant=TENANT, scopes=SCOPES, name="demo")
        frauds = _frauds(files, live)
        first = _calls(files, live, away)
        with Server(APP, directory, port, tenant=TENANT) as server:
            replayed = _replay(_client(server, secret), first)
            with closing(Desk(server.url, secret)) as desk:
                watched = _watch(desk, replayed, fault)
                work = _review(desk, frauds, fault)
            run_of(where, watched.drift)
        _ingest_weeks(where, files, away, back)
        last = _calls(files, back, files.last_day + timedelta(days=1))
        with Server(APP, directory, port, tenant=TENANT) as server:
            client = _client(server, secret)
            recovered = _retrain(where, client, last)
            after = _replay(client, recovered.left)
            new = decisions_of(recovered.left, after)
            compared = _compare(frauds, [*_parted(first, replayed, fault), new])
            everything = joined([replayed, recovered.meanwhile, after])
            with closing(Desk(server.url, secret)) as desk:
                _check_one(desk, where, watched, everything)
            proved = _prove(where, everything)
            wall_s = time.monotonic() - started
            if not once:
                newest = everything.decided[-1].record
                print(_things_to_try(server, secret, where, newest), file=sys.stderr, flush=True)
                server.wait()
    metrics = trained.version.metrics
    return {
        "rows": files.rows,
        "ingest_rows_per_s": round(ingested.rows_per_s),
        "backfill_s": round(backfill_s, 3),
        "auc_roc": round(metrics["auc_roc"], 4),
        "average_precision": round(metrics["average_precision"], 4),
        "card_precision_100": round(metrics["entity_precision_100"], 4),
        "decisions": len(everything.decided),
        "retried": everything.retried,
        "decisions_per_s": round(replayed.decisions_per_s),
        "p50_ms": round(replayed.p50_ms, 3),
        "p99_ms": round(replayed.p99_ms, 3),
        "parity_reads": proved.reads,
        "parity_mismatches": proved.reads_different,
        "records_verified": proved.verified,
        "incidents": len(watched.incidents),
        "incidents_before_fault": watched.before,
        "alert_s": round(watched.alert_s, 3),
        "observer_behind_s": round(watched.behind_s, 1),
        "reviews": work.sent,
        "reviews_answered": work.approved + work.overridden,
        "overrides": work.overridden,
        "average_precision_before": round(compared.before, 4),
        "average_precision_drifted": round(compared.during, 4),
        "average_precision_after": round(compared.after, 4),
        "requests_during_release": len(recovered.meanwhile.decided),
        "peak_mb": round(memory.peak_mb),
        "wall_s": round(wall_s, 1),
    }


def _is_free(port: int) -> bool:
    """Look now, rather than fail after all the work."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def main(arguments: list[str] | None = None) -> int:
    """Run the demonstration."""
    parser = argparse.ArgumentParser(
        prog="make demo", description="Card fraud, from raw events to a governed live answer."
    )
    parser.add_argument("--data", type=Path, help="files of the handbook's columns")
    parser.add_argument("--once", action="store_true", help="stop at the end, and print figures")
    parser.add_argument("--port", type=int, default=8080, help="0 takes a free one")
    parser.add_argument(
        "--dir",
        type=Path,
        default=Path(".kingpost/fraud-demo"),
        help="made anew: everything in it is removed first",
    )
    options = parser.parse_args(arguments)
    if not options.once and not _is_free(options.port):
        parser.error(f"port {options.port} is taken; name another one: make demo ARGS='--port 0'")
    marker = options.dir / "made-by-demo"
    if options.dir.exists() and any(options.dir.iterdir()) and not marker.exists():
        parser.error(f"{options.dir} was not made by the demonstration; name another --dir")
    shutil.rmtree(options.dir, ignore_errors=True)
    options.dir.mkdir(parents=True)
    marker.touch()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the server ends too
    try:
        port = 0 if options.once else options.port
        figures = _run(options.data, options.dir, port, once=options.once)
    except kp.KingpostError as error:
        print(f"error [{error.code}]: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    print(json.dumps(figures))
    return 1 if figures["parity_mismatches"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
