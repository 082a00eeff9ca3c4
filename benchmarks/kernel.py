"""The compiled window kernel against its twin, one thread each. `make bench B=kernel`.

Online: the twelve features of `benchmarks/_backfill.py`; all but the last transactions are
loaded at once, each of the last is inserted into both states (customers, terminals) and
read back from both; a fifth of the events is up to three days late. Then the same with all
transactions on one key. Times are of the calls, with what Python adds to them.

Offline: the same features by `backfill`, of 200,000 transactions, of all with FULL=1.

One hot key, offline: distinct, top, quantile and decay over 30 of 90 days, at each of its
200,000 events; CPU seconds, in order and with 2 % of the events late by up to an hour. The
peer looks at every event of its window for each read, as the state that is read online does;
what all reads would take so is told from a sample of them.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from array import array
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np

from benchmarks._backfill import (
    DAY_US,
    DELAY,
    Integers,
    Transactions,
    one_file,
    outputs,
    read_transactions,
)
from benchmarks._figures import figure
from kingpost.features import _kernel, _twin

LIVED, BACKFILLED = 50_000, 200_000
LATE_SHARE, LATE_DAYS = 0.2, 3
HOT_EVENTS, HOT_DAYS, HOT_SAMPLE, HOUR_US = 200_000, 90, 200, 3_600_000_000
MONTH_US = 30 * DAY_US

Output = tuple[str, int, int, int, float, int, int]
SCANNING: dict[str, Output] = {
    "distinct": ("distinct", 0, MONTH_US, 0, 0.0, 10_000, 0),
    "top": ("top", 0, MONTH_US, 0, 0.0, 3, 0),
    "median": ("quantile", 0, MONTH_US, 0, 0.0, 500_000, 0),
    "decayed_sum": ("decayed_sum", 0, MONTH_US, 0, 0.0, 7 * DAY_US, 0),
}


def delayed(rows: Transactions) -> Transactions:
    """Turn a share of the events into late ones: their time lies before their place."""
    random = np.random.default_rng(1)
    late = random.random(len(rows.times)) < LATE_SHARE
    times = rows.times - late * random.integers(0, LATE_DAYS * DAY_US, len(late))
    return rows._replace(times=times)


def live(
    kernel: ModuleType, rows: Transactions, now: Sequence[int]
) -> dict[str, tuple[float, float]]:
    """Return median and 99th percentile of an update (two inserts) and a read, microseconds."""
    customers, terminals = kernel.State([100], outputs(0)), kernel.State([1], outputs(DELAY))
    end = len(rows.times) - len(now)
    sequence = np.arange(len(rows.times))
    for state, codes, values in (
        (customers, rows.customers, rows.cents),
        (terminals, rows.terminals, rows.frauds),
    ):
        state.load(codes[:end], rows.times[:end], sequence[:end], [values[:end]])
    last = [
        column[end:].tolist()
        for column in (rows.customers, rows.terminals, rows.times, rows.cents, rows.frauds)
    ]
    out, clock = array("d", bytes(8 * 12)), time.perf_counter_ns
    updates: list[int] = []
    reads: list[int] = []
    for s, (customer, terminal, t, cents, fraud) in enumerate(zip(*last, strict=True), end):
        q = now[s - end]
        start = clock()
        customers.insert(customer, t, s, (cents,))
        terminals.insert(terminal, t, s, (fraud,))
        middle = clock()
        customers.read(customer, q, s, out, 0)
        terminals.read(terminal, q, s, out, 6)
        reads.append(clock() - middle)
        updates.append(middle - start)
    return {"update": quantiles_us(updates), "read": quantiles_us(reads)}


def first_of(rows: Transactions, count: int) -> Transactions:
    return Transactions(
        rows.ids[:count],
        rows.times[:count],
        rows.customers[:count],
        rows.terminals[:count],
        rows.cents[:count],
        rows.frauds[:count],
    )


def quantiles_us(nanoseconds: list[int]) -> tuple[float, float]:
    ordered = sorted(nanoseconds)
    return ordered[len(ordered) // 2] / 1000, ordered[len(ordered) * 99 // 100] / 1000


def backfill_s(kernel: ModuleType, rows: Transactions) -> float:
    sequence = np.arange(len(rows.times))
    out = np.empty((len(sequence), 12))
    start = time.perf_counter()
    for first, delay, codes, values, scale in (
        (0, 0, rows.customers, rows.cents, 100),
        (6, DELAY, rows.terminals, rows.frauds, 1),
    ):
        events = (codes, rows.times, sequence, None, None, [values])
        reads = (codes, rows.times, sequence, None)
        kernel.backfill([scale], outputs(delay), *events, *reads, out, 12, first, 1)
    return time.perf_counter() - start


class HotKey(NamedTuple):
    """The events of one key in order of arrival; it is read at each of them."""

    times: Integers
    values: Integers

    @classmethod
    def drawn(cls, late_share: float) -> "HotKey":
        random = np.random.default_rng(2)
        times = np.sort(random.integers(0, HOT_DAYS * DAY_US, HOT_EVENTS))
        late = random.random(HOT_EVENTS) < late_share
        values = random.zipf(1.3, HOT_EVENTS) % 5000
        return cls(times - late * random.integers(0, HOUR_US, HOT_EVENTS), values)

    def backfill_s(self, output: Output) -> float:
        codes, sequence = np.zeros(HOT_EVENTS, np.int32), np.arange(HOT_EVENTS)
        out = np.empty((HOT_EVENTS, 1))
        events = (codes, self.times, sequence, sequence, None, [self.values])
        reads = (codes, self.times, sequence, sequence)
        start = time.process_time()
        _kernel.backfill([1], [output], *events, *reads, out, 1, 0, 1)
        return time.process_time() - start

    def one_by_one_s(self, output: Output) -> float:
        """Return what all reads would take as single ones, by a sample of them."""
        state, out = _kernel.State([1], [output]), array("d", [0.0])
        codes, sequence = np.zeros(HOT_EVENTS, np.int32), np.arange(HOT_EVENTS)
        state.load(codes, self.times, sequence, [self.values])
        sample = np.random.default_rng(3).choice(HOT_EVENTS, HOT_SAMPLE, replace=False)
        asked = zip(self.times[sample].tolist(), sample.tolist(), strict=True)
        start = time.process_time()
        for q, tie in asked:
            state.read(0, q, tie, out, 0)
        return (time.process_time() - start) * HOT_EVENTS / HOT_SAMPLE


def hot_key() -> None:
    """Print what each result that looks at every event costs on a hot key."""
    for what, share in (("", 0.0), ("_2_percent_late", 0.02)):
        key = HotKey.drawn(share)
        for name, output in SCANNING.items():
            ours, each = key.backfill_s(output), key.one_by_one_s(output)
            title = f"window_backfill_hot_key_{name}{what}"
            figure(title, ours, "s of CPU", "one by one", each, more_is_better=False)


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.kernel", description=__doc__)
    parser.add_argument("--data", type=Path, default=os.environ.get("DATA") or None)
    parser.add_argument("--full", action="store_true", help="backfill all transactions")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kingpost-bench-") as scratch:
        path = one_file(Path(chosen.data) if chosen.data else None, Path(scratch))
        rows = read_transactions(path, 1)
    now = rows.times[-min(LIVED, len(rows.times) // 2) :].tolist()
    late = delayed(rows)
    ours, twins = live(_kernel, late, now), live(_twin, late, now)
    hot = late._replace(customers=late.customers * 0, terminals=late.terminals * 0)
    hottest = live(_kernel, hot, now)
    for what in ("update", "read"):
        for place, quantile in enumerate(("p50", "p99")):
            value, twin = ours[what][place], twins[what][place]
            figure(f"window_{what}_{quantile}", value, "us", "twin", twin, more_is_better=False)
            name = f"window_{what}_one_hot_key_{quantile}"
            print(json.dumps({"name": name, "value": hottest[what][place], "unit": "us"}))
    some = rows if chosen.full else first_of(rows, BACKFILLED)
    backfill_s(_kernel, some)  # memory handed out once
    value, twin = backfill_s(_kernel, some), backfill_s(_twin, some)
    figure("window_backfill", value, "s", "twin", twin, more_is_better=False)
    hot_key()
    return 0


if __name__ == "__main__":
    sys.exit(main())
