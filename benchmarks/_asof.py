"""As-of join of 1 M rows on 5 M feature rows: ours, Feast, Polars, DuckDB.

From two Parquet files to a table in memory, wall seconds; each way in its own process with
its imports done, ways by turns, medians; for Polars that of its faster way. Feast goes its
faster way, the DuckDB offline store, once unless FULL=1. All values are compared.
"""

import argparse
import json
import statistics
import sys
from pathlib import Path

import numpy as np

from benchmarks._asof_data import FEATURES, write_tables
from benchmarks._figures import PEERS, Run, figure, measured, peer_python, run_way, say
from kingpost.features import TableColumns, join_as_of

__all__ = ["run_asof"]

ROUNDS = 3


def run_asof(directory: Path, *, full: bool) -> bool:
    """Print `asof_join` against each peer; say whether all values agree."""
    write_tables(directory)
    for path in directory.glob("*.parquet"):
        path.read_bytes()  # into the page cache, for all alike
    tables = [peer_python("features"), PEERS / "features" / "asof.py", "--way"]
    ways: dict[str, list[str | Path]] = {
        "kingpost": [sys.executable, "-m", "benchmarks._asof"],
        "polars": [*tables, "polars"],
        "polars_streaming": [*tables, "polars_streaming"],
        "duckdb": [*tables, "duckdb"],
        "feast": [peer_python("feast"), PEERS / "feast" / "asof.py"],
    }
    outs = {way: directory / f"{way}.npy" for way in ways}
    runs: dict[str, list[Run]] = {way: [] for way in ways}
    for number in range(ROUNDS):
        for way, command in ways.items():
            if way != "feast" or number == 0 or full:
                run = run_way(command, directory, outs[way])
                runs[way].append(run)
                say(
                    f"asof round {number + 1} {way}: {run.seconds:.3f} s, "
                    f"{run.cpu_seconds:.2f} s of CPU, peak {run.peak_mb:,} MB"
                )
    medians = {way: statistics.median(run.seconds for run in runs[way]) for way in ways}
    medians["polars"] = min(medians["polars"], medians.pop("polars_streaming"))
    for peer in ("feast", "polars", "duckdb"):
        figure("asof_join", medians["kingpost"], "s", peer, medians[peer], more_is_better=False)
    ours = np.load(outs["kingpost"])
    fine = True
    for way, out in outs.items():
        different = int(
            (~((ours == np.load(out)) | (np.isnan(ours) & np.isnan(np.load(out))))).sum()
        )
        if different:
            say(f"asof {way}: {different} of {ours.size} values differ")
            fine = False
    return fine


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args()
    requests = TableColumns(["entity_id"], "event_timestamp")
    table = TableColumns(["entity_id"], "event_timestamp")
    joined, run = measured(
        lambda: join_as_of(
            chosen.data / "entities.parquet",
            requests,
            chosen.data / "features.parquet",
            table,
            FEATURES,
        )
    )
    order = np.argsort(joined["row"])
    np.save(chosen.out, np.column_stack([joined[name] for name in FEATURES])[order])
    print(json.dumps(run._asdict()), flush=True)


if __name__ == "__main__":
    main()
