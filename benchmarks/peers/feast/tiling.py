"""Windowed features by Feast's released tiling functions, which its Spark and Ray engines call.

    python tiling.py --data events.npz --out values.npy

Per account, one row for every tile that ends: count, sum, mean, min, max and std of the
amounts over each window ending there. Accounts ascending, tiles in their order.
"""

import argparse
import os
from datetime import timedelta
from pathlib import Path

os.environ.setdefault("FEAST_USAGE", "False")

import numpy as np
import pandas as pd
from feast.aggregation import Aggregation
from feast.aggregation.tiling import apply_sawtooth_window_tiling, convert_cumulative_to_windowed

FUNCTIONS = ("count", "sum", "mean", "min", "max", "std")


def windowed(events: pd.DataFrame, window: timedelta, hop: timedelta) -> pd.DataFrame:
    aggregations = [
        Aggregation(column="amount", function=function, time_window=window, slide_interval=hop)
        for function in FUNCTIONS
    ]
    tiles = apply_sawtooth_window_tiling(
        events.copy(), aggregations, ["account"], "at", window, hop
    )
    found = convert_cumulative_to_windowed(tiles, ["account"], "at", window, aggregations)
    found = found.sort_values(["account", "at"])
    return found[[one.resolved_name(window) for one in aggregations]]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args()
    data = np.load(chosen.data)
    events = pd.DataFrame(
        {
            "account": data["accounts"],
            "at": pd.to_datetime(data["times"], unit="us"),
            "amount": data["amounts"],
        }
    )
    hop = timedelta(hours=int(data["hop_hours"]))
    parts = [windowed(events, timedelta(days=int(days)), hop) for days in data["window_days"]]
    np.save(chosen.out, np.hstack([part.to_numpy(float) for part in parts]))


if __name__ == "__main__":
    main()
