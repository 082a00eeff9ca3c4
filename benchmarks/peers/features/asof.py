"""The as-of join of 1 M rows on 5 M feature rows by Polars and DuckDB.

    python asof.py --way polars --data FOLDER --out values.npy

From two Parquet files to a table in memory: for every row of entities.parquet the latest row
of features.parquet with its entity_id at or before its event_timestamp. Prints the seconds;
writes f0 … f4, rows in the order of `row`, for comparison.
"""

import argparse
import json
import resource
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa

FEATURES = [f"f{number}" for number in range(5)]


def polars_eager(data: Path) -> pl.DataFrame:
    features = pl.read_parquet(data / "features.parquet").drop("created").sort("event_timestamp")
    entities = pl.read_parquet(data / "entities.parquet").sort("event_timestamp")
    return entities.join_asof(
        features,
        on="event_timestamp",
        by="entity_id",
        strategy="backward",
        check_sortedness=False,
    )


def polars_streaming(data: Path) -> pl.DataFrame:
    features = pl.scan_parquet(data / "features.parquet").drop("created").sort("event_timestamp")
    entities = pl.scan_parquet(data / "entities.parquet").sort("event_timestamp")
    joined = entities.join_asof(
        features,
        on="event_timestamp",
        by="entity_id",
        strategy="backward",
        check_sortedness=False,
    )
    return joined.collect(engine="streaming")


def by_duckdb(data: Path) -> pa.Table:
    return duckdb.sql(
        "SELECT e.*, f.* EXCLUDE (entity_id, event_timestamp, created) "
        "FROM read_parquet(?) e ASOF LEFT JOIN read_parquet(?) f "
        "ON e.entity_id = f.entity_id AND e.event_timestamp >= f.event_timestamp",
        params=[str(data / "entities.parquet"), str(data / "features.parquet")],
    ).to_arrow_table()


WAYS: dict[str, Callable[[Path], pl.DataFrame | pa.Table]] = {
    "polars": polars_eager,
    "polars_streaming": polars_streaming,
    "duckdb": by_duckdb,
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--way", choices=WAYS, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args()
    start, busy = time.perf_counter(), time.process_time()
    joined = WAYS[chosen.way](chosen.data)
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - busy
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    frame = joined if isinstance(joined, pl.DataFrame) else pl.DataFrame(joined)
    values = frame.sort("row").select(pl.col(FEATURES).fill_null(np.nan)).to_numpy()
    np.save(chosen.out, values)
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_mb": peak_mb}))


if __name__ == "__main__":
    main()
