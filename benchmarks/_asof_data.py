"""Synthetic tables for the as-of join, as Parquet files.

features.parquet   5 M rows: entity_id (100,000 of them), event_timestamp, created, f0 … f4
entities.parquet   1 M rows: entity_id, event_timestamp, row
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

__all__ = ["FEATURES", "write_tables"]

FEATURE_ROWS, ENTITY_ROWS, ENTITIES = 5_000_000, 1_000_000, 100_000
FEATURES = tuple(f"f{number}" for number in range(5))
START_US, DAY_US = 1_700_000_000_000_000, 86_400_000_000


def write_tables(directory: Path) -> None:
    """Write both tables; the same on every machine."""
    random = np.random.default_rng(11)

    def stamps(rows: int, days: int) -> pa.Array:
        moments = START_US + random.integers(0, days * DAY_US, rows)
        return pa.array(moments, pa.timestamp("us", tz="UTC"))

    columns = {"entity_id": random.integers(0, ENTITIES, FEATURE_ROWS)}
    columns["event_timestamp"] = columns["created"] = stamps(FEATURE_ROWS, 90)
    columns |= {name: random.normal(size=FEATURE_ROWS) for name in FEATURES}
    pq.write_table(pa.table(columns), directory / "features.parquet")
    entities = {
        "entity_id": random.integers(0, ENTITIES, ENTITY_ROWS),
        "event_timestamp": stamps(ENTITY_ROWS, 95),
        "row": np.arange(ENTITY_ROWS),
    }
    pq.write_table(pa.table(entities), directory / "entities.parquet")
