"""Windowed features in process: updates, and reads of 12 features.

The twelve features of `_backfill` through the public way: `OnlineFeatures.apply` for each
event, `FeatureReader.read` for each request, from events that are checked already; journal
and HTTP are not in it. All but the last transactions are loaded at once; a fifth of the
events is up to three days late.

`online_read_p99_us`: for each of the last transactions, its event and its verdict applied and
the twelve features read. `event_updates_per_s`: the same events applied without reads, by
the CPU time of the one thread, the median of the rounds.
"""

import statistics
import time
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import duckdb
import numpy as np

from benchmarks._backfill import DAY_US, DELAY, Transaction, Verdict, declared
from benchmarks._figures import figure_at, say
from kingpost.contracts import ColumnBatch, contract_of, events_of
from kingpost.features import FeatureSet, History, OnlineFeatures

__all__ = ["run_online"]

LIVED, ROUNDS = 50_000, 5
LATE_SHARE, LATE_DAYS = 0.2, 3
P99_BAR_US, UPDATES_BAR = 30.0, 500_000.0


class _Step(NamedTuple):
    """What happens at one transaction: two events, then a read as of now."""

    asked: Transaction
    told: Verdict
    request: Transaction


def run_online(path: Path) -> bool:
    """Print both figures."""
    histories, steps = _stream(path)
    times = sorted(_read_times(histories, steps))
    p50, p99 = (times[len(times) * share // 100] / 1000 for share in (50, 99))
    say(
        f"update and read of 12 features: p50 {p50:.1f}, p99 {p99:.1f}, max {times[-1] / 1000:.0f} µs"
    )
    figure_at("online_read_p99_us", p99, "us", P99_BAR_US, more_is_better=False)
    rates = [_updates_per_s(histories, steps) for _ in range(ROUNDS)]
    say("updates/s: " + ", ".join(f"{rate:,.0f}" for rate in rates))
    rate = statistics.median(rates)
    figure_at("event_updates_per_s", rate, "1/s", UPDATES_BAR, more_is_better=True)
    return True


def _stream(path: Path) -> tuple[dict[str, History], Sequence[_Step]]:
    """Split the transactions into those that were before and those that are lived."""
    columns = duckdb.execute(
        "SELECT TRANSACTION_ID AS id, epoch_us(TX_DATETIME::TIMESTAMP) AS at, CUSTOMER_ID AS "
        "customer, TERMINAL_ID AS terminal, TX_AMOUNT AS amount, TX_FRAUD = 1 AS fraud "
        "FROM read_parquet(?)",
        [str(path)],
    ).fetchnumpy()
    random = np.random.default_rng(1)
    rows = len(columns["id"])
    late = random.random(rows) < LATE_SHARE
    at = columns["at"] - late * random.integers(0, LATE_DAYS * DAY_US, rows)
    asked = {name: columns[name] for name in ("id", "customer", "terminal", "amount")}
    told = {name: columns[name] for name in ("terminal", "fraud")}
    known = {"transaction": columns["id"], "known_at": at + DELAY * DAY_US}
    batches = {
        "transaction": ColumnBatch(rows, {"at": at, **asked}, {}),
        "verdict": ColumnBatch(rows, {"at": at, **told, **known}, {}),
    }
    positions = np.arange(rows)
    lived = min(LIVED, rows // 2)
    before, after = positions[:-lived], positions[-lived:]
    histories = {name: History(batch.take(before), before) for name, batch in batches.items()}
    now = ColumnBatch(rows, {"at": columns["at"], **asked}, {}).take(after)
    steps = [
        _Step(*one)
        for one in zip(
            events_of(contract_of(Transaction), batches["transaction"].take(after)),
            events_of(contract_of(Verdict), batches["verdict"].take(after)),
            events_of(contract_of(Transaction), now),
            strict=True,
        )
    ]
    return histories, steps


def _loaded(histories: dict[str, History]) -> tuple[OnlineFeatures, FeatureSet]:
    features = declared()
    online = OnlineFeatures(slot.view for slot in features.windows)
    online.load(histories)
    return online, features


def _read_times(histories: dict[str, History], steps: Sequence[_Step]) -> list[int]:
    """Live the steps; return the nanoseconds of each."""
    online, features = _loaded(histories)
    reader = online.reader(features)
    values, clock = array("d", bytes(8 * len(features))), time.perf_counter_ns
    times: list[int] = []
    for position, (asked, told, request) in enumerate(steps, len(histories["transaction"])):
        start = clock()
        online.apply("transaction", asked, position)
        online.apply("verdict", told, position)
        reader.read(request, position, values, 0)
        times.append(clock() - start)
    return times


def _updates_per_s(histories: dict[str, History], steps: Sequence[_Step]) -> float:
    online, _ = _loaded(histories)
    events = [
        (stream, event)
        for asked, told, _ in steps
        for stream, event in (("transaction", asked), ("verdict", told))
    ]
    apply = online.apply
    start = time.thread_time()
    for position, (stream, event) in enumerate(events, len(histories["transaction"])):
        apply(stream, event, position)
    return len(events) / (time.thread_time() - start)
