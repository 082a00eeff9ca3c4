"""Feast's get_historical_features: 1 M entity rows on a table of 5 M feature rows.

    python asof.py --data FOLDER --out values.npy

The offline store is DuckDB, Feast's faster one for files. From two Parquet files to a frame in
memory; the repository is declared before. Prints the seconds; writes f0 … f4, rows in the
order of `row`, for comparison.
"""

import argparse
import json
import os
import resource
import tempfile
import time
from datetime import timedelta
from pathlib import Path

os.environ.setdefault("FEAST_USAGE", "False")

import numpy as np
import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig
from feast.types import Float64
from feast.value_type import ValueType

FEATURES = [f"f{number}" for number in range(5)]


def store(data: Path, home: Path) -> FeatureStore:
    repository = FeatureStore(
        config=RepoConfig(
            project="bench",
            provider="local",
            registry=str(home / "registry.db"),
            offline_store={"type": "duckdb"},
            online_store={"type": "sqlite", "path": str(home / "online.db")},
            entity_key_serialization_version=3,
        )
    )
    entity = Entity(name="entity_id", join_keys=["entity_id"], value_type=ValueType.INT64)
    view = FeatureView(
        name="view",
        entities=[entity],
        ttl=timedelta(days=3650),
        schema=[Field(name=name, dtype=Float64) for name in FEATURES],
        source=FileSource(
            path=str(data / "features.parquet"),
            timestamp_field="event_timestamp",
            created_timestamp_column="created",
        ),
    )
    repository.apply([entity, view])
    return repository


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        repository = store(chosen.data.absolute(), Path(home))
        start, busy = time.perf_counter(), time.process_time()
        entities = pd.read_parquet(chosen.data / "entities.parquet")
        joined = repository.get_historical_features(
            entity_df=entities, features=[f"view:{name}" for name in FEATURES]
        ).to_df()
        seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - busy
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    np.save(chosen.out, joined.sort_values("row")[FEATURES].to_numpy(float))
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_mb": peak_mb}))


if __name__ == "__main__":
    main()
