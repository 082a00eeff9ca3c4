"""Backfill of windowed features against pandas, Polars and DuckDB.

Twelve features of every card transaction: how many and of which mean amount the customer's
were over 1, 7 and 30 days, itself included, and how many the terminal's were and which
share fraud, over the same windows ending 7 days before.

From a Parquet file to a table of float64 in memory, wall seconds. Each way runs in its own
process with its imports done, ways by turns, and may use all cores; ours is the public
way, declared features through `feature_matrix`; the median of the
rounds counts, for Polars that of its faster way. pandas goes the way of the Fraud Detection
Handbook, group by group, and once unless FULL=1. Then the values are compared: ours with
the plain definition on integers, exactly; the others' with ours, to rounding.

Without DATA (a Parquet file of the handbook's columns, or a folder of them) the
transactions are simulated.
"""

import argparse
import json
import os
import statistics
import sys
from pathlib import Path
from typing import Annotated, NamedTuple

import duckdb
import numpy as np
from numpy.typing import NDArray

import kingpost as kp
from benchmarks._figures import PEERS, Run, figure, measured, peer_python, run_way, say
from kingpost.contracts import ColumnBatch
from kingpost.features import KERNEL, FeatureSet, History, Requests, feature_matrix
from kingpost.features.kernel import backfill
from kingpost.features.keys import factorise

COLUMNS = "TRANSACTION_ID, TX_DATETIME, CUSTOMER_ID, TERMINAL_ID, TX_AMOUNT, TX_FRAUD"
DAYS, DELAY, DAY_US = (1, 7, 30), 7, 86_400_000_000
ROUNDS = 3
TOLERANCE = 1e-6
SAMPLE = 200

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class Transactions(NamedTuple):
    """What the features need, in the order of the file."""

    ids: Integers
    times: Integers
    customers: NDArray[np.int32]
    terminals: NDArray[np.int32]
    cents: Integers
    frauds: Integers


def read_transactions(path: Path, threads: int) -> Transactions:
    with duckdb.connect(config={"threads": threads}) as connection:
        columns = connection.execute(
            "SELECT TRANSACTION_ID, TX_DATETIME::TIMESTAMP AS at, CUSTOMER_ID, TERMINAL_ID, "
            "TX_AMOUNT, TX_FRAUD FROM read_parquet(?)",
            [str(path)],
        ).fetchnumpy()
    return Transactions(
        columns["TRANSACTION_ID"],
        columns["at"].view(np.int64),
        factorise(columns["CUSTOMER_ID"])[0],
        factorise(columns["TERMINAL_ID"])[0],
        np.rint(columns["TX_AMOUNT"] * 100.0).astype(np.int64),
        columns["TX_FRAUD"].astype(np.int64),
    )


def outputs(delay: int) -> list[tuple[str, int, int, int, float, int, int]]:
    """Return count and mean per window, as the kernel takes them."""
    return [
        (op, column, (days + delay) * DAY_US, delay * DAY_US, 0.0, 0, 0)
        for days in DAYS
        for op, column in (("count", -1), ("mean", 0))
    ]


def counting_ties(rows: Transactions) -> Floats:
    """Compute the features so that equal times all count, as Polars and DuckDB have it."""
    out = np.empty((len(rows.times), 4 * len(DAYS)))
    sequence = np.arange(len(rows.times))
    everything = np.full(len(sequence), np.iinfo(np.int64).max)
    for start, delay, codes, values, scale in (
        (0, 0, rows.customers, rows.cents, 100),
        (2 * len(DAYS), DELAY, rows.terminals, rows.frauds, 1),
    ):
        events = (codes, rows.times, sequence, None, None, [values])
        reads = (codes, rows.times, everything, None)
        backfill([scale], outputs(delay), *events, *reads, out, out.shape[1], start, 1)
    return out


class Transaction(kp.Event):
    id: kp.Key[int]
    at: kp.EventTime
    customer: int
    terminal: int
    amount: Annotated[float, kp.Resolution("0.01")]


class Verdict(kp.Event):
    transaction: kp.Key[int]
    at: kp.EventTime
    known_at: kp.KnownTime
    terminal: int
    fraud: bool


def declared() -> FeatureSet:
    """Declare the twelve features as a user does."""
    windows = tuple(f"{days}d" for days in DAYS)
    transactions, verdicts = kp.stream(Transaction), kp.stream(Verdict)
    spend = (
        transactions.by("customer").over(*windows).features(n=kp.count(), mean=kp.mean("amount"))
    )
    risk = (
        verdicts.by("terminal")
        .over(*windows, delay=f"{DELAY}d")
        .features(n=kp.count(), rate=kp.mean("fraud"))
    )
    return FeatureSet(transactions.contract, [spend, risk], spend.place)


def declared_features(path: Path, features: FeatureSet, threads: int) -> tuple[Integers, Floats]:
    """Read the file and backfill the declared features: what is timed. Return ids, values."""
    with duckdb.connect(config={"threads": threads}) as connection:
        columns = connection.execute(
            "SELECT TRANSACTION_ID AS id, TX_DATETIME::TIMESTAMP AS at, CUSTOMER_ID AS customer, "
            "TERMINAL_ID AS terminal, TX_AMOUNT AS amount, TX_FRAUD = 1 AS fraud "
            "FROM read_parquet(?)",
            [str(path)],
        ).fetchnumpy()
    at = columns["at"].view(np.int64)
    rows, positions = len(at), np.arange(len(at))
    shared = {"at": at, "terminal": columns["terminal"]}
    asked = ColumnBatch(
        rows, shared | {name: columns[name] for name in ("id", "customer", "amount")}, {}
    )
    told = ColumnBatch(
        rows,
        shared
        | {
            "transaction": columns["id"],
            "fraud": columns["fraud"],
            "known_at": at + DELAY * DAY_US,
        },
        {},
    )
    histories = {"transaction": History(asked, positions), "verdict": History(told, positions)}
    requests = Requests(asked, positions)
    return columns["id"], feature_matrix(features, requests, histories, threads=threads)


def run_ours(path: Path, out: Path) -> Run:
    """Backfill in this process; write the values of both readings of ties for comparison."""
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    features = declared()
    (ids, values), run = measured(lambda: declared_features(path, features, threads or 1))
    order = np.argsort(ids)
    np.save(out, values[order])
    np.save(with_ties(out), counting_ties(read_transactions(path, 1))[order])
    return run


def with_ties(out: Path) -> Path:
    """Name the file in which equal times all count, as Polars and DuckDB have it."""
    return out.with_suffix(".ties.npy")


def by_definition(rows: Transactions, row: int) -> list[float]:
    """Compute one transaction's features from all others, in integers up to one division."""
    expected: list[float] = []
    before = np.arange(len(rows.times)) <= row
    for codes, values, scale, delay in (
        (rows.customers, rows.cents, 100, 0),
        (rows.terminals, rows.frauds, 1, DELAY),
    ):
        same = codes == codes[row]
        age = rows.times[row] - rows.times
        for days in DAYS:
            inside = same & (age >= delay * DAY_US) & (age < (days + delay) * DAY_US)
            inside &= before | (age != 0)
            n, total = int(inside.sum()), int(values[inside].sum())
            expected += [float(n), total / (n * scale) if n else 0.0]
    return expected


def wrong_by_definition(path: Path, ours: Floats) -> int:
    """Count the values of a sample of transactions that are not those of the definition."""
    rows = read_transactions(path, 1)
    place = np.argsort(np.argsort(rows.ids))
    sample = np.random.default_rng(1).choice(len(place), min(SAMPLE, len(place)), replace=False)
    return sum(
        int((ours[place[row]] != np.array(by_definition(rows, int(row)))).sum()) for row in sample
    )


def equal(peer: str, different: int, compared: int) -> bool:
    """Print which share of the values is equal to the peer's; say whether all are."""
    share = 1 - different / compared
    figure("backfill_values_equal", share, f"of {compared}", peer, 1.0, more_is_better=True)
    return different == 0


def compare(path: Path, outs: dict[str, Path]) -> bool:
    """Print how the values agree, one line for each; say whether all do."""
    ours, ours_with_ties = np.load(outs["kingpost"]), np.load(with_ties(outs["kingpost"]))
    compared = min(SAMPLE, len(ours)) * ours.shape[1]
    fine = equal("definition", wrong_by_definition(path, ours), compared)
    for way, out in outs.items():
        if way != "kingpost":
            distance = np.abs(np.load(out) - (ours if way == "pandas" else ours_with_ties))
            different = int((~(distance <= TOLERANCE)).sum())
            say(f"{way}: the largest difference of a value is {np.nanmax(distance):.1g}")
            fine &= equal(way, different, distance.size)
    return fine


def one_file(data: Path | None, directory: Path) -> Path:
    """Return one Parquet file with the transactions."""
    path = directory / "transactions.parquet"
    if data is None:
        from solutions.fraud.simulator import Simulation, simulate, write_parquet

        say("no DATA: simulating five months of card transactions")
        write_parquet(simulate(Simulation()), path)
        return path
    files = sorted(data.glob("*.parquet")) if data.is_dir() else [data]
    if not files:
        sys.exit(f"no Parquet file in {data}: check DATA")
    if len(files) == 1:
        return files[0]
    with duckdb.connect() as connection:
        source = f"SELECT {COLUMNS} FROM read_parquet(?) ORDER BY TX_DATETIME, TRANSACTION_ID"
        connection.execute(
            f"COPY ({source}) TO '{path}' (FORMAT parquet, COMPRESSION zstd)",
            [[str(file) for file in files]],
        )
    return path


def run_backfill(data: Path | None, directory: Path, *, full: bool) -> bool:
    """Print `backfill_windows` against each peer; say whether all values agree."""
    theirs = [peer_python("features"), PEERS / "features" / "windows.py", "--way"]
    ways: dict[str, list[str | Path]] = {
        "kingpost": [sys.executable, "-m", "benchmarks._backfill"],
        "polars": [*theirs, "polars"],
        "polars_group": [*theirs, "polars_group"],
        "duckdb": [*theirs, "duckdb"],
        "pandas": [*theirs, "pandas"],
    }
    path = one_file(data, directory)
    path.read_bytes()  # into the page cache, for all alike
    say(f"{path.name}, kernel: {KERNEL}")
    outs = {way: directory / f"{way}.npy" for way in ways}
    runs: dict[str, list[Run]] = {way: [] for way in ways}
    for number in range(ROUNDS):
        for way, command in ways.items():
            if way != "pandas" or number < (2 if full else 1):
                run = run_way(command, path, outs[way])
                runs[way].append(run)
                say(
                    f"backfill round {number + 1} {way}: {run.seconds:.3f} s, "
                    f"{run.cpu_seconds:.2f} s of CPU, peak {run.peak_mb:,} MB"
                )
    medians = {way: statistics.median(run.seconds for run in runs[way]) for way in ways}
    medians["polars"] = min(medians["polars"], medians.pop("polars_group"))
    for peer in ("pandas", "polars", "duckdb"):
        figure(
            "backfill_windows",
            medians["kingpost"],
            "s",
            peer,
            medians[peer],
            more_is_better=False,
        )
    return compare(path, outs)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args()
    print(json.dumps(run_ours(chosen.data, chosen.out)._asdict()), flush=True)


if __name__ == "__main__":
    main()
