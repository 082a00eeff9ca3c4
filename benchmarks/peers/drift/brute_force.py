"""Every measure by its definition in NumPy and SciPy, for `benchmarks/drift.py`.

Takes the cells that ours chose, and looks every value up by itself.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

SMOOTHING = 0.5


def shares(counts: np.ndarray) -> np.ndarray:
    return (counts + SMOOTHING) / (counts.sum() + SMOOTHING * len(counts))


def divergences(reference: np.ndarray, live: np.ndarray) -> dict[str, float]:
    p, q = shares(reference), shares(live)
    middle = (p + q) / 2
    return {
        "kullback_leibler": float(stats.entropy(q, p)),
        "psi": float(stats.entropy(q, p) + stats.entropy(p, q)),
        "jensen_shannon": float(stats.entropy(p, middle) + stats.entropy(q, middle)) / 2,
    }


def chi_square(reference: np.ndarray, live: np.ndarray) -> float:
    """Pool as ours does, then ask SciPy."""
    smaller = min(reference.sum(), live.sum()) / (reference.sum() + live.sum())
    pooled, gathered = [], np.zeros(2, np.int64)
    for pair in zip(reference, live, strict=True):
        if gathered.sum() * smaller >= 5:
            pooled.append(gathered)
            gathered = np.zeros(2, np.int64)
        gathered = gathered + np.array(pair)
    if pooled and gathered.sum() * smaller < 5:
        pooled[-1] = pooled[-1] + gathered
    else:
        pooled.append(gathered)
    table = np.array(pooled).T
    return float(stats.chi2_contingency(table, correction=False)[0])


def beside(counts: np.ndarray, *, both_ends: bool) -> np.ndarray:
    """Count what the reference never had to the bin beside it."""
    rows = counts.tolist()
    rows = [*rows[:-2], rows[-2] + rows[-1]]
    if both_ends and len(rows) > 1:
        rows = [rows[0] + rows[1], *rows[2:]]
    return np.array(rows, np.int64)


def of_numbers(column: dict, sides: list[pd.Series]) -> dict[str, float]:
    edges, bins = np.array(column["edges"], np.float32), np.array(column["bins"], np.float32)
    values = [one.dropna().to_numpy(np.float32) for one in sides]
    cells = [np.bincount(np.digitize(one, edges), minlength=len(edges) + 1) for one in values]
    binned = [np.bincount(np.digitize(one, bins), minlength=len(bins) + 1) for one in values]
    p, q = (one / one.sum() for one in cells)
    reached = np.cumsum(p) - np.cumsum(q)
    inside = edges.searchsorted(bins[0])
    at = np.concatenate([edges[: inside + 1], edges[inside:]]).astype(np.float64)
    return divergences(*binned) | {
        "chi_square": chi_square(*(beside(one, both_ends=True) for one in binned)),
        "kolmogorov_smirnov": float(np.abs(reached).max()),
        "wasserstein": float(stats.wasserstein_distance(at, at, p, q)),
    }


def of_texts(column: dict, sides: list[pd.Series]) -> dict[str, float]:
    own, known = column["values"][: column["own_bins"]], set(column["values"])
    binned = []
    for side in sides:
        rows = side.dropna().astype(str).value_counts()
        rare = sum(n for value, n in rows.items() if value in known and value not in own)
        new = sum(n for value, n in rows.items() if value not in known)
        binned.append(np.array([*(rows.get(value, 0) for value in own), rare, new], np.int64))
    folded = [beside(one, both_ends=False) for one in binned]
    return divergences(*binned) | {"chi_square": chi_square(*folded)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--reference", type=Path, required=True, help="what ours counted by")
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args()
    columns = json.loads(chosen.reference.read_text())["columns"]
    paths = [chosen.data / "reference.parquet", chosen.data / "live.parquet"]
    found = {}
    for column in columns:
        sides = [
            pd.read_parquet(path, columns=[column["source"]])[column["source"]] for path in paths
        ]
        by = of_numbers if column["type"] == "number" else of_texts
        found[column["name"]] = by(column, sides) | {"missing": float(sides[1].isna().mean())}
    chosen.out.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
