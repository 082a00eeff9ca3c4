"""Drift of two Parquet files in Polars, written by hand for `benchmarks/drift.py`.

The same statistics as ours on the same kinds of bins: 512 quantiles of the reference for
the Kolmogorov-Smirnov and Wasserstein distances, ten bins of them for the others, a bin for
each of a category's values. Of the ways to count a column by edges, sorting it and looking
up the edges is Polars' fastest; all columns of a file are one query, so that both cores work.
"""

import argparse
import json
import resource
import time
from pathlib import Path

import numpy as np
import polars as pl
from polars import selectors as cs

QUANTILES, BINS, SAMPLED = 512, 10, 131_072
SMOOTHING = 0.5


def edges_of(path: Path, numbers: list[str], rows: int) -> dict[str, pl.Series]:
    step = max(1, rows // SAMPLED)
    sample = (
        pl.scan_parquet(path).select(pl.col(numbers).cast(pl.Float32).gather_every(step)).collect()
    )
    sorted_ = sample.select(pl.all().sort(nulls_last=True))
    edges = {}
    for name in numbers:
        there = sorted_[name].drop_nulls()
        places = np.arange(QUANTILES) * len(there) // QUANTILES
        edges[name] = there.gather(places).unique().sort()
    return edges


def counted(path: Path, edges: dict[str, pl.Series], texts: list[str]) -> pl.DataFrame:
    """Count a file by edges and by values, and what is missing."""
    numbers = [
        pl.col(name)
        .cast(pl.Float32)
        .drop_nulls()
        .sort()
        .search_sorted(pl.lit(series), side="left")
        .implode()
        for name, series in edges.items()
    ]
    columns = [*edges, *texts]
    return (
        pl.scan_parquet(path)
        .select(
            *(one.alias(name) for one, name in zip(numbers, edges, strict=True)),
            *(pl.col(name).value_counts().implode() for name in texts),
            *(pl.col(name).null_count().alias(f"{name} missing") for name in columns),
            *(pl.col(name).cast(pl.Float32).min().alias(f"{name} low") for name in edges),
            *(pl.col(name).cast(pl.Float32).max().alias(f"{name} high") for name in edges),
            pl.len().alias("rows"),
        )
        .collect()
    )


def measures(reference: np.ndarray, live: np.ndarray) -> dict[str, float]:
    rows, live_rows = reference.sum(), live.sum()
    p = (reference + SMOOTHING) / (rows + SMOOTHING * len(reference))
    q = (live + SMOOTHING) / (live_rows + SMOOTHING * len(live))
    middle = (p + q) / 2
    both = reference + live
    used = both > 0
    apart = (reference[used] / rows - live[used] / live_rows) ** 2 / both[used]
    return {
        "psi": float(np.sum((q - p) * np.log(q / p))),
        "kl": float(np.sum(q * np.log(q / p))),
        "js": float(np.sum(p * np.log(p / middle)) + np.sum(q * np.log(q / middle))) / 2,
        "chi_square": float(np.sum(apart)) * rows * live_rows,
    }


def drift(reference_path: Path, live_path: Path) -> dict[str, dict[str, float]]:
    schema = pl.scan_parquet(reference_path).select(cs.numeric()).collect_schema()
    numbers = schema.names()
    texts = [n for n in pl.scan_parquet(reference_path).collect_schema().names() if n not in schema]
    rows = pl.scan_parquet(reference_path).select(pl.len()).collect().item()
    edges = edges_of(reference_path, numbers, rows)
    sides = [counted(path, edges, texts) for path in (reference_path, live_path)]
    found = {}
    for name in numbers:
        cells = []
        for side in sides:
            there = side["rows"][0] - side[f"{name} missing"][0]
            reached = side[name][0].to_numpy().astype(np.int64)
            cells.append(np.diff(np.concatenate([[0], reached, [there]])))
        starts = np.unique(np.arange(BINS) * len(cells[0]) // BINS)
        bins = [np.add.reduceat(one, starts) for one in cells]
        p, q = (one / one.sum() for one in cells)
        apart = np.abs(np.cumsum(p - q))
        ends = edges[name].to_numpy().astype(np.float64)
        low = min(side[f"{name} low"][0] for side in sides)
        positions = np.concatenate([[min(low, ends[0])], ends])
        found[name] = measures(*bins) | {
            "ks": float(apart.max()),
            "wasserstein": float(np.sum(apart[:-1] * np.diff(positions))),
            "missing": sides[1][f"{name} missing"][0] / sides[1]["rows"][0],
        }
    for name in texts:
        pair = [
            {one[name]: one["count"] for one in side[name][0] if one[name] is not None}
            for side in sides
        ]
        values = sorted(set(pair[0]) | set(pair[1]))
        bins = [np.array([one.get(v, 0) for v in values], np.int64) for one in pair]
        found[name] = measures(*bins) | {
            "missing": sides[1][f"{name} missing"][0] / sides[1]["rows"][0]
        }
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args()
    start, busy = time.perf_counter(), time.process_time()
    found = drift(chosen.data / "reference.parquet", chosen.data / "live.parquet")
    run = {
        "seconds": time.perf_counter() - start,
        "cpu_seconds": time.process_time() - busy,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    chosen.out.write_text(json.dumps(found))
    print(json.dumps(run))


if __name__ == "__main__":
    main()
