"""How the cost of a windowed backfill grows: 1 to 50 million events.

Count and mean over 1, 7 and 30 days by account, 350 events each, for every event, through
`feature_matrix`, each size in a process of its own on all cores; once. The peak of memory
holds the events and the values, which are given out of the total.
"""

import argparse
import json
import os
import subprocess
import sys
from typing import Annotated

import numpy as np

import kingpost as kp
from benchmarks._figures import measured, say
from kingpost.contracts import ColumnBatch
from kingpost.features import FeatureSet, History, Requests, feature_matrix

__all__ = ["run_growth"]

SIZES = (1, 5, 10, 20, 50)
PER_ACCOUNT, DAYS, DAY_US = 350, 180, 86_400_000_000


class Payment(kp.Event):
    id: kp.Key[int]
    at: kp.EventTime
    account: int
    amount: Annotated[float, kp.Resolution("0.01")]


def run_growth() -> bool:
    """Print `backfill_ns_per_event` for each size."""
    for millions in SIZES:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks._growth", "--millions", str(millions)],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        print(done.stdout, end="", flush=True)
        say(f"{millions} M events: {done.stdout.strip()}")
    return True


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--millions", type=int, required=True)
    millions = parser.parse_args().millions
    rows = millions * 1_000_000
    random = np.random.default_rng(3)
    positions = np.arange(rows)
    batch = ColumnBatch(
        rows,
        {
            "id": positions,
            "at": np.sort(random.integers(0, DAYS * DAY_US, rows)),
            "account": random.integers(0, rows // PER_ACCOUNT, rows),
            "amount": np.rint(random.gamma(2.0, 3000.0, rows)) / 100,
        },
        {},
    )
    payments = kp.stream(Payment)
    spend = (
        payments.by("account")
        .over("1d", "7d", "30d")
        .features(n=kp.count(), mean=kp.mean("amount"))
    )
    features = FeatureSet(payments.contract, [spend], spend.place)
    history = {payments.contract.name: History(batch, positions)}
    given_mb = rows * 8 * (len(batch.columns) + len(features)) // 2**20
    threads = os.cpu_count() or 1
    _, run = measured(
        lambda: feature_matrix(features, Requests(batch, positions), history, threads=threads)
    )
    figures = {
        "name": "backfill_ns_per_event",
        "value": round(run.seconds * 1e9 / rows, 1),
        "unit": "ns",
        "events": rows,
        "cpu_ns": round(run.cpu_seconds * 1e9 / rows, 1),
        "peak_mb": run.peak_mb,
        "events_and_values_mb": given_mb,
    }
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
