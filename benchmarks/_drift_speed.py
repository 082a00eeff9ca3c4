"""Drift of 1 M rows of 50 mixed columns, from two Parquet files to every measure.

40 columns of numbers (normal, log-normal, whole, whole of many values) and 10 of texts, every
other one with 3% missing; a fifth of each kind has moved. Each way runs in a process of its
own with its imports done, by turns, and may use all cores; wall seconds from the files to the
measures, and the greatest resident set of the process, files included.

Evidently gives one statistic, ours and Polars by hand give the index, Kullback-Leibler,
Jensen-Shannon, chi-square, Kolmogorov-Smirnov, Wasserstein and missing values. Then every
measure of ours is compared with its definition, as NumPy and SciPy have it, and ten parts of
the live file, merged in random orders, with one pass.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np

from benchmarks._figures import PEERS, Run, figure, measured, peer_python, run_way, say
from kingpost.monitoring import (
    DriftCounts,
    DriftReference,
    DriftReport,
    build_reference,
    compare,
    decode_reference,
    encode_reference,
    open_table,
)

ROWS, NUMBERS, TEXTS, LEVELS = 1_000_000, 40, 10, 20
ROUNDS = 3
SHARDS, ORDERS = 10, 5
TOLERANCE = 1e-12


def write_table(path: Path, seed: int, shift: float) -> None:
    """Write a table; the same on every machine."""
    import pyarrow as pa  # not in the process that is measured
    import pyarrow.parquet as pq

    rng = np.random.default_rng(seed)
    columns: dict[str, pa.Array] = {}
    for at in range(NUMBERS):
        values = rng.normal(shift * (at % 5 == 0), 1, ROWS)
        match at % 4:
            case 1:
                values = np.exp(values)
            case 2:
                values = np.round(values * 10)
            case 3:
                values = np.round(values * 1000)
            case _:
                pass
        mask = rng.random(ROWS) < 0.03 if at % 2 else None
        columns[f"n{at}"] = pa.array(values, mask=mask)
    names = [f"level_{at:02d}" for at in range(LEVELS)]
    for at in range(TEXTS):
        weights = np.ones(LEVELS)
        weights[0] += LEVELS * shift * (at % 5 == 0)
        codes = rng.choice(LEVELS, ROWS, p=weights / weights.sum()).astype(np.int8)
        mask = rng.random(ROWS) < 0.03 if at % 2 else None
        columns[f"c{at}"] = pa.DictionaryArray.from_arrays(pa.array(codes, mask=mask), names)
    pq.write_table(pa.table(columns), path, row_group_size=131_072)


def threads() -> int:
    return len(os.sched_getaffinity(0))


def ours(data: Path) -> tuple[DriftReference, DriftCounts, DriftReport]:
    """Measure drift as a user does: what is timed."""
    with open_table(data / "reference.parquet") as table:
        reference = build_reference(table, threads=threads())
    with open_table(data / "live.parquet") as table:
        live = reference.count(table, threads=threads())
    return reference, live, compare(reference, live)


def run_ours(data: Path, out: Path) -> Run:
    (reference, _, report), run = measured(lambda: ours(data))
    out.write_bytes(msgspec.json.encode(report))
    out.with_suffix(".reference").write_bytes(encode_reference(reference))
    return run


def compare_values(data: Path, out: Path, python: Path) -> bool:
    """Print how many measures are those of their definition; say whether all are."""
    forced = out.with_name("brute_force.json")
    known = out.with_suffix(".reference")
    script = PEERS / "drift" / "brute_force.py"
    command = [python, script, "--data", data, "--reference", known, "--out", forced]
    subprocess.run(list(map(str, command)), check=True)
    definition: dict[str, dict[str, float]] = json.loads(forced.read_text())
    report = msgspec.json.decode(out.read_bytes(), type=DriftReport)
    worst: dict[str, float] = {}
    compared = different = 0
    for one in report.columns:
        assert one.measures is not None
        told = msgspec.structs.asdict(one.measures) | {
            "wasserstein": one.wasserstein or 0.0,
            "missing": one.missing,
        }
        for name, expected in definition[one.column].items():
            # a distance in a unit, and a statistic as large as the table, to as many digits
            apart = abs(float(told[name] or 0.0) - expected) / max(1.0, abs(expected))
            compared += 1
            different += apart > TOLERANCE
            worst[name] = max(worst.get(name, 0.0), apart)
    say(", ".join(f"{name} {apart:.1g}" for name, apart in worst.items()))
    share = 1 - different / compared
    figure("drift_values_equal", share, f"of {compared}", "definition", 1.0, more_is_better=True)
    return different == 0


def compare_shards(data: Path, out: Path) -> bool:
    """Print whether parts merged in any order have the bits of one pass."""
    reference = decode_reference(out.with_suffix(".reference").read_bytes())
    with open_table(data / "live.parquet") as table:
        whole = reference.count(table, threads=threads())
        parts = [
            reference.count(part, threads=threads())
            for _, part in table.by_count(-(-ROWS // SHARDS))
        ]
    rng = np.random.default_rng(5)
    orders = [rng.permutation(SHARDS).tolist() for _ in range(ORDERS)]
    equal = sum(DriftCounts.merged([parts[at] for at in order]) == whole for order in orders)
    figure(
        "drift_shards_equal", equal, f"of {ORDERS} orders", "one pass", ORDERS, more_is_better=True
    )
    return equal == ORDERS


def run_speed(scratch: Path, *, full: bool) -> bool:
    """Print the figures of speed, memory and values; say whether the values are right."""
    data = scratch / "tables"
    data.mkdir()
    say("writing two tables")
    # apart from this process, whose peak those that it starts would be given as theirs
    write = [sys.executable, "-m", "benchmarks._drift_speed", "--write", "--data", str(data)]
    subprocess.run(write, check=True)
    python, folder = peer_python("drift"), PEERS / "drift"
    ways: dict[str, list[str | Path]] = {
        "kingpost": [sys.executable, "-m", "benchmarks._drift_speed"],
        "polars": [python, folder / "polars_drift.py"],
        "evidently": [python, folder / "evidently_drift.py"],
    }
    for path in data.iterdir():  # into the page cache, for all alike; not into this process
        with path.open("rb") as file:
            while file.read(1 << 20):
                pass
    runs: dict[str, list[Run]] = {way: [] for way in ways}
    for number in range(ROUNDS):
        for way, command in ways.items():
            if way != "evidently" or number < (2 if full else 1):
                run = run_way(command, data, scratch / f"{way}.json")
                runs[way].append(run)
                say(
                    f"speed round {number + 1} {way}: {run.seconds:.3f} s, "
                    f"{run.cpu_seconds:.2f} s of CPU, peak {run.peak_mb:,} MB"
                )
    seconds = {way: statistics.median(run.seconds for run in runs[way]) for way in ways}
    peaks = {way: statistics.median(run.peak_mb for run in runs[way]) for way in ways}
    for peer in ("evidently", "polars"):
        figure("drift_time", seconds["kingpost"], "s", peer, seconds[peer], more_is_better=False)
    for peer in ("evidently", "polars"):
        figure("drift_memory", peaks["kingpost"], "MB", peer, peaks[peer], more_is_better=False)
    out = scratch / "kingpost.json"
    fine = compare_values(data, out, python)
    return compare_shards(data, out) and fine


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--write", action="store_true", help="write the tables, measure nothing")
    chosen = parser.parse_args()
    if chosen.write:
        write_table(chosen.data / "reference.parquet", 1, 0.0)
        write_table(chosen.data / "live.parquet", 2, 0.2)
        return
    print(json.dumps(run_ours(chosen.data, chosen.out)._asdict()), flush=True)


if __name__ == "__main__":
    main()
