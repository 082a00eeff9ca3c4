"""The observer: records per second with everything, and the search. `make bench B=observer`.

A record has 27 features, a tenth of the answers go to review, and a label follows each
record. The finds are over all records of the run, the warm best of five, in milliseconds.
"""

import json
import os
import sys
import tempfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from time import perf_counter, process_time
from types import SimpleNamespace
from typing import cast

import numpy as np

import kingpost as kp
from kingpost.contracts import batch_of, contract_of
from kingpost.core import SystemClock, SystemDisk, TimeOrderedIds
from kingpost.decisions import Application, DataDirectory, Decision
from kingpost.journal import Entry, Journal
from kingpost.monitoring import (
    CostBook,
    CostPlan,
    Incident,
    Owner,
    SqliteCosts,
    SqliteMonitors,
    Watch,
    build_profile,
)
from kingpost.records import (
    RECORD_FORMAT,
    DecisionRecord,
    Outcome,
    RecordQuery,
    SqliteRecords,
    Stages,
    encode_record,
)
from kingpost.serving import OBSERVED_MIGRATIONS, Observer
from kingpost.storage import migrate, open_database
from kingpost.tasks import TASK_MIGRATIONS, SqliteTasks

FEATURES = 27
PER_SUBMIT = 1_000
START_US = 1_600_000_000_000_000
STEP_US = 50_000


class Ask(kp.Event):
    """What is asked."""

    id: kp.Key[str]
    at: kp.EventTime


class Told(kp.Event):
    """What became of it."""

    ask: kp.Key[str]
    at: kp.EventTime
    bad: bool


DECISION = SimpleNamespace(
    name="bench",
    alarm=None,
    features=range(FEATURES),
    gate=kp.gate(min_confidence=0.75, otherwise=kp.review("desk")),
    model=SimpleNamespace(label=SimpleNamespace(stream=kp.stream(Told), field="bad")),
)
PLAN = CostPlan.of(
    [kp.prices(currency="EUR", compute_s="0.000014", storage_gb_month="0.025")],
    [kp.cost_budget("1000", team="bench")],
    {"bench": Owner("bench")},
)
APPLICATION = Application(Path(), Path("bench.py"), {}, {"bench": cast("Decision", DECISION)}, {})
BUNDLE, MODEL = b"b" * 32, b"m" * 32


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as temporary:
        where = DataDirectory(Path(temporary))
        write(where, count)
        print(json.dumps({"records": count, **observe(where, count), **finds(where)}))


def write(where: DataDirectory, count: int) -> None:
    """Write a journal as a server would have: each record, then its label a while later."""
    rng = np.random.default_rng(1)
    ids = TimeOrderedIds(SystemClock())
    with Journal.open(where.data, disk=SystemDisk(), clock=SystemClock()) as journal:
        for first in range(0, count, PER_SUBMIT):
            rows = rng.gamma(2, 30, (PER_SUBMIT, FEATURES)).astype(np.float32).astype(np.float64)
            scores = rng.beta(1, 12, PER_SUBMIT).tolist()
            keys = [f"{key:016x}" for key in rng.integers(0, 1 << 62, PER_SUBMIT)]
            commits: list[list[Entry]] = []
            for row, (key, score) in enumerate(zip(keys, scores, strict=True)):
                record = a_record(ids.next(), key, score, rows[row].tobytes(), first + row)
                commits.append(
                    [
                        Entry("event", "acme", "ask", b"{}"),
                        Entry("record", "acme", "bench", encode_record(record)),
                    ]
                )
            told = [
                Told(ask=key, at=kp.Instant(START_US + first * STEP_US), bad=score > 0.3)
                for key, score in zip(keys, scores, strict=True)
            ]
            batch = batch_of(contract_of(Told), told)
            commits.append([Entry("events", "acme", "told", batch.encode(), len(told))])
            journal.submit(commits, lambda _: None)


def a_record(
    identifier: bytes, key: str, score: float, features: bytes, number: int
) -> DecisionRecord:
    is_reviewed = score > 0.2
    return DecisionRecord(
        format=RECORD_FORMAT,
        id=identifier,
        at_us=START_US + number * STEP_US + 700,
        decision="bench",
        bundle=BUNDLE,
        model=MODEL,
        principal="0" * 16,
        tenant="acme",
        trace_id=os.urandom(16).hex(),
        session=None,
        idempotency_key=None,
        request_digest=bytes(32),
        event_key=key,
        event_offset=2 * number,
        position=f"data:{2 * number}",
        features=features,
        unavailable=(),
        answer=b'{"bad":%b,"score":%b}'
        % (b"true" if score > 0.5 else b"false", repr(score).encode()),
        confidence=max(score, 1 - score),
        outcome=Outcome.REVIEW if is_reviewed else Outcome.DECIDED,
        reason="confidence below 0.75; review by desk" if is_reviewed else "",
        stages=Stages(90, 40, 300, 0),
        event_time_us=START_US + number * STEP_US,
    )


def observe(where: DataDirectory, count: int) -> dict[str, float]:
    """Observe all of it; return records a second, on one core."""
    rng = np.random.default_rng(2)
    rows = 20_000
    profile = build_profile(
        "bench",
        [f"f{at}" for at in range(FEATURES)],
        rng.gamma(2, 30, (rows, FEATURES)),
        START_US + np.arange(rows, dtype=np.int64) * 60_000_000,
        scores=rng.beta(1, 12, rows),
        labels=(rng.random(rows) < 0.05).astype(np.float64),
        threshold=0.5,
        min_confidence=0.75,
    )
    told: list[Incident] = []
    with (
        closing(open_database(where.observed)) as connection,
        closing(open_database(where.tasks)) as inbox,
    ):
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA cache_size = -65536")
        for owner, migrations in OBSERVED_MIGRATIONS.items():
            migrate(connection, owner, migrations)
        migrate(inbox, "tasks", TASK_MIGRATIONS)
        monitors = SqliteMonitors(connection)
        observer = Observer(
            where,
            APPLICATION,
            SqliteRecords(connection),
            lambda: Watch(monitors, lambda _decision, _bundle: profile),
            SqliteTasks(inbox),
            connection,
            disk=SystemDisk(),
            clock=SystemClock(),
            on_incident=told.append,
            new_costs=lambda: CostBook(SqliteCosts(connection), monitors, PLAN, "acme"),
        )
        start, core, slowest_s = perf_counter(), process_time(), 0.0
        while True:
            began = perf_counter()
            if not observer.step():
                break
            slowest_s = max(slowest_s, perf_counter() - began)
        seconds, core_s = perf_counter() - start, process_time() - core
        assert observer.observed.records == count
        observer.close()
    return {
        "records_s": round(count / seconds),
        "records_per_core_s": round(count / core_s),
        "labels": observer.observed.labels,
        "incidents": len(observer.observed.incidents),
        "slowest_step_ms": round(slowest_s * 1000),
        "observed_mb": round(where.observed.stat().st_size / 1e6),
    }


def finds(where: DataDirectory) -> dict[str, float]:
    """Time a page of each single filter."""
    with closing(open_database(where.observed)) as connection:
        records = SqliteRecords(connection)
        every = RecordQuery(tenant="acme", decision="bench")
        middle = records.find(replace(every, limit=500))[-1]
        queries = {
            "newest": every,
            "page": replace(every, before=middle.place),
            "outcome": replace(every, outcome=Outcome.REVIEW),
            "no_such_outcome": replace(every, outcome=Outcome.FAILED),
            "not_reviewed": replace(every, review="none"),
            "overridden": replace(every, review="overridden"),
            "mistaken": replace(every, mistaken=True),
            "event_key": replace(every, text=middle.event_key),
            "trace_id": replace(every, text=middle.trace_id),
            "range": replace(every, since_us=START_US, until_us=START_US + 3_600_000_000),
        }
        return {f"{name}_ms": round(timed(records, one), 2) for name, one in queries.items()}


def timed(records: SqliteRecords, query: RecordQuery) -> float:
    took: list[float] = []
    for _ in range(5):
        start = perf_counter()
        records.find(query)
        took.append(perf_counter() - start)
    return min(took) * 1000


if __name__ == "__main__":
    main()
