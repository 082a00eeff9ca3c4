"""Twelve windowed features of card transactions by pandas, Polars and DuckDB.

Per transaction: how many and of which mean amount the customer's were over 1, 7 and 30
days, itself included, and how many the terminal's were and which share fraud, over the
same windows ending 7 days before. From a Parquet file to a table of float64 in memory;
every way may use all cores, and keeps whichever order of rows suits it.

    python windows.py --way polars --data transactions.parquet --out values.npy

Prints the seconds; writes the features (rows in the order of TRANSACTION_ID) for comparison.
"""

import argparse
import json
import resource
import time
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl

DAYS, DELAY = (1, 7, 30), 7
COLUMNS = [
    "TRANSACTION_ID",
    "TX_DATETIME",
    "CUSTOMER_ID",
    "TERMINAL_ID",
    "TX_AMOUNT",
    "TX_FRAUD",
]
FEATURES = [f"customer_{what}_{days}d" for days in DAYS for what in ("count", "mean")]
FEATURES += [f"terminal_{what}_{days}d" for days in DAYS for what in ("count", "rate")]


def by_pandas(path: str) -> pd.DataFrame:
    """The way of the Fraud Detection Handbook, chapter 3: rolling windows, group by group."""

    def spending(group: pd.DataFrame) -> pd.DataFrame:
        group = group.sort_values("TX_DATETIME", kind="stable")
        amounts = group.set_index("TX_DATETIME")["TX_AMOUNT"]
        for days in DAYS:
            total = amounts.rolling(f"{days}D").sum()
            count = amounts.rolling(f"{days}D").count()
            group[f"customer_count_{days}d"] = list(count)
            group[f"customer_mean_{days}d"] = list(total / count)
        return group

    def risk(group: pd.DataFrame) -> pd.DataFrame:
        group = group.sort_values("TX_DATETIME", kind="stable")
        frauds = group.set_index("TX_DATETIME")["TX_FRAUD"]
        fraud_delay = frauds.rolling(f"{DELAY}D").sum()
        count_delay = frauds.rolling(f"{DELAY}D").count()
        for days in DAYS:
            fraud = frauds.rolling(f"{DELAY + days}D").sum() - fraud_delay
            count = frauds.rolling(f"{DELAY + days}D").count() - count_delay
            group[f"terminal_count_{days}d"] = list(count)
            group[f"terminal_rate_{days}d"] = list(fraud / count)
        return group

    frame = pd.read_parquet(path, columns=COLUMNS)
    frame = frame.groupby("CUSTOMER_ID")[frame.columns].apply(spending)
    frame = frame.reset_index(drop=True).sort_values("TX_DATETIME")
    frame = frame.groupby("TERMINAL_ID")[frame.columns].apply(risk)
    frame = frame.reset_index(drop=True).sort_values("TX_DATETIME")
    return frame.fillna(0.0)


def by_polars(path: str) -> pl.DataFrame:
    """rolling_*_by over the key, lazily; a delayed window is the difference of two."""
    one, amount, fraud = pl.col("one"), pl.col("TX_AMOUNT"), pl.col("TX_FRAUD")
    rolling, features = [], [pl.col("TRANSACTION_ID")]
    for days in DAYS:
        count, mean = f"customer_count_{days}d", f"customer_mean_{days}d"
        counts = one.rolling_sum_by("TX_DATETIME", f"{days}d").over("CUSTOMER_ID")
        means = amount.rolling_mean_by("TX_DATETIME", f"{days}d").over("CUSTOMER_ID")
        rolling += [counts.alias(count), means.alias(mean)]
        features += [pl.col(count), pl.col(mean)]
    for days in (0, *DAYS):
        counts = one.rolling_sum_by("TX_DATETIME", f"{DELAY + days}d").over("TERMINAL_ID")
        frauds = fraud.rolling_sum_by("TX_DATETIME", f"{DELAY + days}d").over("TERMINAL_ID")
        rolling += [counts.alias(f"count_{days}"), frauds.alias(f"fraud_{days}")]
    for days in DAYS:
        counts = pl.col(f"count_{days}") - pl.col("count_0")
        frauds = pl.col(f"fraud_{days}") - pl.col("fraud_0")
        rate = pl.when(counts > 0).then(frauds / counts).otherwise(0.0)
        features += [
            counts.alias(f"terminal_count_{days}d"),
            rate.alias(f"terminal_rate_{days}d"),
        ]
    return (
        pl.scan_parquet(path)
        .select(COLUMNS)
        .with_columns(fraud.cast(pl.Float64), one=pl.lit(1.0))
        .select("TRANSACTION_ID", *rolling)
        .select(features)
        .collect()
    )


def by_polars_group(path: str) -> pl.DataFrame:
    """The rolling group-by, one pass per window over rows sorted by key and time."""
    frame = pl.read_parquet(path, columns=COLUMNS)
    features = [frame["TRANSACTION_ID"]]
    for key, value, delay, names in (
        ("CUSTOMER_ID", "TX_AMOUNT", 0, FEATURES[:6]),
        ("TERMINAL_ID", "TX_FRAUD", DELAY, FEATURES[6:]),
    ):
        order = frame.select(pl.arg_sort_by(key, "TX_DATETIME")).to_series()
        ordered = frame.select(key, "TX_DATETIME", pl.col(value).cast(pl.Float64))[order]
        found = []
        for days, count, mean in zip(DAYS, names[::2], names[1::2], strict=True):
            window = ordered.rolling(
                "TX_DATETIME", period=f"{days}d", offset=f"-{days + delay}d", group_by=key
            ).agg(
                pl.len().cast(pl.Float64).alias(count),
                pl.col(value).mean().fill_null(0.0).alias(mean),
            )
            found += [window[count], window[mean]]
        back = np.empty(len(order), np.uint32)
        back[order.to_numpy()] = np.arange(len(order), dtype=np.uint32)
        features += pl.DataFrame(found)[back].get_columns()
    return pl.DataFrame(features)


def by_duckdb(path: str) -> dict[str, np.ndarray]:
    """Window functions over ranges of whole microseconds, which beat intervals."""
    day = 86_400_000_000
    columns, windows = [], []
    for days in DAYS:
        columns += [
            f"count(*) over c{days} :: double as customer_count_{days}d",
            f"avg(TX_AMOUNT) over c{days} as customer_mean_{days}d",
            f"count(*) over t{days} :: double as terminal_count_{days}d",
            f"coalesce(avg(TX_FRAUD) over t{days}, 0.0) as terminal_rate_{days}d",
        ]
        own = f"{days * day - 1} preceding and current row"
        delayed = f"{(days + DELAY) * day - 1} preceding and {DELAY * day} preceding"
        windows += [
            f"c{days} as (partition by CUSTOMER_ID order by t range between {own})",
            f"t{days} as (partition by TERMINAL_ID order by t range between {delayed})",
        ]
    connection = duckdb.connect(config={"preserve_insertion_order": False})
    return connection.execute(
        f"""select TRANSACTION_ID, {", ".join(columns)}
        from (select *, epoch_us(TX_DATETIME) as t from read_parquet(?))
        window {", ".join(windows)}""",
        [path],
    ).fetchnumpy()


WAYS = {
    "pandas": by_pandas,
    "polars": by_polars,
    "polars_group": by_polars_group,
    "duckdb": by_duckdb,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--way", choices=WAYS, required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args()
    start, busy = time.perf_counter(), time.process_time()
    table = WAYS[chosen.way](chosen.data)
    figures = {
        "seconds": time.perf_counter() - start,
        "cpu_seconds": time.process_time() - busy,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    order = np.argsort(np.asarray(table["TRANSACTION_ID"]))
    values = np.column_stack([np.asarray(table[name], np.float64)[order] for name in FEATURES])
    np.save(chosen.out, values)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
