"""Decisions of the fraud demo, decided again after a deployment: `replay_equal`.

A small card business is simulated and served over HTTP as the demo serves it. Half of the live
payments are decided; then the application's file is written over with other feature code
(what counts as night, which mean an amount is put beside, one window more), trained, approved
and served, and the other half is decided. Three customers are erased. Now every decision on record, more than
ten thousand of random payments, is decided again by the code and the model that it names. The
value is the share that has equal bits in every feature, confidence, answer, outcome and
reason, or is refused for a reason that is true: its customer was erased, and no other's is.
Some are drawn and replayed by their ids alone, one of the erased among them. Two controls: how many records of before would
have another value of `night` by the code of now, and what is said when the old code's archive
has lost a bit.
"""

import json
import random
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import httpx
import msgspec

from benchmarks._figures import figure_at, say
from kingpost.access import MIGRATIONS, SqliteKeys, create_key
from kingpost.calls import LoadClient
from kingpost.contracts import contract_of, join_batches
from kingpost.core import KingpostError, SystemClock, SystemDisk, id_text
from kingpost.decisions import (
    DataDirectory,
    load_application,
    read_bundle,
    replay_record,
    train_decision,
    verify_records,
)
from kingpost.decisions.comparison import entry_at
from kingpost.integrations import Intake, ingest_chunks
from kingpost.journal import scan
from kingpost.models import OutOfTimeSplit
from kingpost.records import DecisionRecord, decode_record
from kingpost.storage import migrate, open_database
from solutions.fraud import app as declared
from solutions.fraud.data import TransactionFiles
from solutions.fraud.replay import replay
from solutions.fraud.simulator import Simulation, simulate, write_parquet
from solutions.fraud.training import PLAN
from solutions.ground.server import Server

__all__ = ["run_replay"]

APP = Path(__file__).parents[1] / "solutions" / "fraud" / "app.py"
TENANT, CONNECTIONS = "bench", 16
BUSINESS = Simulation(days=140, customers=450, terminals=900)
LIVE_DAYS, FEWEST = 14, 10_000
ERASED, BY_ID = 3, 5
WEEK = timedelta(days=7)
HOUR_US, DAY_HOURS = 3_600_000_000, 24
CHANGED = (
    (".hour <= 6", ".hour <= 4"),
    (
        "amount / customer_mean_30d if customer_mean_30d",
        "amount / customer_mean_7d if customer_mean_7d",
    ),
    ("amount: float, customer_mean_30d: float", "amount: float, customer_mean_7d: float"),
    ('by_customer.over("7d", "14d")', 'by_customer.over("2d", "7d", "14d")'),
)
"""What a deployment changes in the feature code."""


def run_replay(scratch: Path) -> bool:
    """Print `replay_equal`."""
    where = DataDirectory(scratch / "data")
    table = scratch / "transactions.parquet"
    write_parquet(simulate(BUSINESS), table)
    files = TransactionFiles.find(table)
    live = files.last_day - timedelta(days=LIVE_DAYS - 1)
    _ingest(where, files, live)
    app = scratch / "app.py"
    shutil.copy(APP, app)
    half = live + timedelta(days=LIVE_DAYS // 2)
    secret = _key(where)
    _release(where, app, live)
    _decide(where, app, secret, files, live, half)
    text = app.read_text()
    for old, new in CHANGED:
        assert text.count(old) == 1, f"{old!r} is in the application once"
        text = text.replace(old, new)
    # a file of its own: this process has the first one imported, as no server has
    app = scratch / "deployed" / "app.py"
    app.parent.mkdir()
    app.write_text(text)
    (scratch / "app.py").unlink()
    _release(where, app, live)
    erased = _decide(where, app, secret, files, half, files.last_day + timedelta(days=1), ERASED)
    return _again(where, erased)


def _again(where: DataDirectory, erased: frozenset[int]) -> bool:
    """Decide everything again, and say what came of it."""
    recorded = list(_records(where))
    assert len(recorded) >= FEWEST, f"{len(recorded):,} decisions are too few"
    by_bundle = Counter(record.bundle for record, _ in recorded)
    assert len(by_bundle) == 2, "both bundles have decided"
    first = recorded[0][0].bundle
    hours = [
        record.event_time_us // HOUR_US % DAY_HOURS
        for record, _ in recorded
        if record.bundle == first
    ]
    say(
        f"{len(recorded):,} decisions, {by_bundle[first]:,} of them from before the deployment, "
        f"where {sum(hour in (5, 6) for hour in hours):,} would have another `night` today"
    )
    found = verify_records(where)
    gone = sum(customer in erased for _, customer in recorded)
    say(
        f"replayed {found.records:,}: {found.verified:,} equal in every bit ({found.failed:,} of "
        f"them had failed in service), {found.erased:,} refused as erased (there are {gone:,}), "
        f"{found.different:,} different; {found.reads_different:,} of {found.reads:,} values differ"
    )
    for one in found.differences[:3]:
        say(f"{one.record}: {one.part} was {one.recorded}, is {one.replayed}")
    true_refusals = found.erased if found.erased == gone else 0
    drawn = random.Random(7).sample(recorded, BY_ID)
    drawn.append(next(one for one in recorded if one[1] in erased))
    by_id = _by_id(where, drawn, erased)
    share = (found.verified + true_refusals) / len(recorded)
    figure_at("replay_equal", share, "share", 1.0, more_is_better=True)
    return share == 1.0 and by_id and _refuses_lost_bit(where, recorded[0][0])


def _by_id(
    where: DataDirectory, drawn: list[tuple[DecisionRecord, int]], erased: frozenset[int]
) -> bool:
    """Replay some records by their ids alone."""
    told: Counter[str] = Counter()
    fine = True
    for record, customer in drawn:
        report = replay_record(id_text(record.id), where)
        told["equal" if report.is_equal else "erased" if report.is_erased else "different"] += 1
        fine &= report.is_equal is not (customer in erased) and not report.differences
    say(f"by id alone, of {len(drawn)} drawn: {dict(told)}")
    return fine


def _refuses_lost_bit(where: DataDirectory, record: DecisionRecord) -> bool:
    """Change a bit of the old code's archive, and ask for a replay."""
    store = where.artefacts(disk=SystemDisk())
    control = where.control_log(disk=SystemDisk(), clock=SystemClock())
    bundle = read_bundle(control.bundle("fraud", record.bundle.hex()))
    path = next(store.root.rglob(bundle.source))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    try:
        replay_record(id_text(record.id), where)
    except KingpostError as error:
        say(f"with a bit of its code changed: refused [{error.code}]")
        return error.code == "artefact_corrupt"
    return False


class _Payment(msgspec.Struct):
    customer: int


def _records(where: DataDirectory) -> Iterator[tuple[DecisionRecord, int]]:
    """Return every decision record with the customer whom it is about."""
    for commit in scan(where.data, disk=SystemDisk()):
        for entry in commit.entries:
            if entry.kind == "record":
                record = decode_record(entry.body)
                asked = entry_at(commit, record.event_offset)
                assert asked is not None
                yield record, msgspec.json.decode(asked.body, type=_Payment).customer


def _ingest(where: DataDirectory, files: TransactionFiles, live: date) -> None:
    streams = [contract_of(declared.Transaction), contract_of(declared.Verdict)]
    with Intake.open(where.data, streams, disk=SystemDisk(), clock=SystemClock()) as intake:
        for contract, chunks in zip(
            streams, (files.transactions(end=live), files.verdicts(end=live)), strict=True
        ):
            ingest_chunks(intake, contract, chunks, tenant=TENANT, source="simulated")


def _key(where: DataDirectory) -> str:
    with closing(open_database(where.root / "access.sqlite")) as connection:
        migrate(connection, "access", MIGRATIONS)
        scopes = ("decide", "ingest", "erase")
        made = create_key(SqliteKeys(connection), SystemClock(), tenant=TENANT, scopes=scopes)
        return made.secret


def _release(where: DataDirectory, app: Path, live: date) -> None:
    """Train and approve what an application declares."""
    application = load_application(app)
    labelled = datetime.combine(live, time(), UTC) - WEEK
    split = OutOfTimeSplit(
        train_until=labelled - 2 * WEEK, test_from=labelled - WEEK, test_to=labelled
    )
    trained = train_decision(
        application,
        application.decisions["fraud"],
        where,
        replace(PLAN, split=split),
        tenant=TENANT,
        by="bench",
        disk=SystemDisk(),
        clock=SystemClock(),
    )
    control = where.control_log(disk=SystemDisk(), clock=SystemClock())
    control.approve(
        "fraud", trained.bundle.digest, by="bench", reason="benchmark", override="it is small"
    )
    say(f"bundle {trained.bundle.digest[:12]}: AUC {trained.version.metrics['auc_roc']:.3f}")


def _decide(
    where: DataDirectory,
    app: Path,
    secret: str,
    files: TransactionFiles,
    start: date,
    end: date,
    erase: int = 0,
) -> frozenset[int]:
    """Decide the payments of some days at a server; erase the first customers after."""
    batches = [chunk.batch for chunk in files.transactions(start=start, end=end)]
    transactions = join_batches(contract_of(declared.Transaction), batches)
    verdicts = join_batches(
        contract_of(declared.Verdict),
        [chunk.batch for chunk in files.verdicts(start=start, end=end)],
    )
    with Server(app, where.root, 0) as server:
        headers = {"authorization": f"Bearer {secret}"}
        client = LoadClient(server.host, server.port, headers, CONNECTIONS)
        decided = replay(client, transactions, verdicts)
        say(f"{len(decided.decided):,} decisions, {decided.decisions_per_s:,.0f} a second")
        customers = list(dict.fromkeys(transactions.values("customer")))[:erase]
        for customer in customers:
            body = json.dumps({"entity": "customer", "key": str(customer), "reason": "asked"})
            httpx.post(
                f"{server.url}/v1/erasures",
                content=body,
                headers=headers | {"content-type": "application/json"},
                timeout=60,
            ).raise_for_status()
    return frozenset(int(one) for one in customers)
