"""How good are the forecasts? One command, on any files of the columns of `data.py`.

    python -m solutions.demand.evaluate --data m4/ --json

Of M4 series the last horizon is the test: nothing of it is learned from, chosen on or
calibrated on. The bikes are judged by a backtest over the last half year. With `--json` the
last line on standard output is one JSON object; progress and errors go to standard error.
"""

import argparse
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np

import kingpost as kp
from kingpost.models import Progress
from solutions.demand.backtest import Policy, backtest
from solutions.demand.data import Collection, Origins, read_collections
from solutions.demand.kinds import BIKES
from solutions.demand.measures import accuracy, naive2
from solutions.demand.progress import Stages
from solutions.demand.training import train

__all__ = ["judge_bikes", "judge_last_horizon", "main"]

BACKTEST_DAYS = 182
POLICIES: tuple[Policy, ...] = ("never", "on drift", "weekly")


def main(arguments: list[str] | None = None) -> int:
    """Evaluate and print; return 0, or 1 after an error that was told."""
    chosen = _parser().parse_args(arguments)
    started = time.monotonic()
    report: dict[str, object] = {}
    try:
        for collection in read_collections(chosen.data, chosen.test):
            name = collection.kind.name
            if collection.kind is BIKES:
                report[name] = judge_bikes(collection, chosen.days, Stages())
            else:
                report[name] = judge_last_horizon(collection, Stages())
    except kp.KingpostError as error:
        print(f"error [{error.code}]: {error}", file=sys.stderr)
        return 1
    report["wall_s"] = time.monotonic() - started
    print(json.dumps(report, allow_nan=False, indent=None if chosen.json else 2))
    return 0


def judge_last_horizon(collection: Collection, progress: Progress) -> dict[str, object]:
    """Forecast the last horizon of each series from what lay before, once."""
    kind, history = collection.kind, collection.history()
    ends = [one.last - kind.horizon for one in collection.series]
    trained = train(collection, ends, history, progress=progress)
    asked = Origins.of(range(len(ends)), ends, kind.horizon)
    said = trained.forecast(collection, asked, history)
    actual = collection.actual(asked)
    past = [one.until(end) for one, end in zip(collection.series, ends, strict=True)]
    true, expected = (list(all_of.reshape(-1, kind.horizon)) for all_of in (actual, said.expected))
    seasonal = [np.resize(one[-kind.season :], kind.horizon) for one in past]
    simple = [naive2(one, kind.season, kind.horizon) for one in past]
    inside = (actual >= said.low) & (actual <= said.high)
    return {
        **accuracy(past, true, expected, kind.season)._asdict(),
        "naive2": accuracy(past, true, simple, kind.season)._asdict(),
        "seasonal_naive": accuracy(past, true, seasonal, kind.season)._asdict(),
        "interval_coverage": float(inside.mean()),
        "below": float((actual < said.low).mean()),
        "above": float((actual > said.high).mean()),
        "series": len(ends),
        "rows_learned_from": trained.forecaster.rows,
        "parameters": asdict(trained.forecaster.parameters),
        "trials": [
            {"num_leaves": one.parameters.num_leaves, "owa_of_earlier_origins": one.owa}
            for one in trained.trials
        ],
    }


def judge_bikes(collection: Collection, days: int, progress: Progress) -> dict[str, object]:
    """Backtest the last days by each policy of training anew."""
    history = collection.history()
    found: dict[str, object] = {}
    for policy in POLICIES:
        done = backtest(collection, history, origins=days, policy=policy, progress=progress)
        steps = np.array(done.trained_at) - done.trained_at[0]
        found[policy.replace(" ", "_")] = {
            "mae": done.mae,
            "interval_coverage": done.coverage,
            "models": len(done.trained_at),
            "trained_on_days": (steps // collection.kind.horizon).tolist(),
        }
        found |= {"mae_week_before": done.naive_mae, "days": days}
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="solutions.demand.evaluate",
        description="Forecast the last horizon of M4 series; backtest the bikes.",
    )
    parser.add_argument(
        "--data", type=Path, required=True, help="a Parquet or CSV file, or a folder of such"
    )
    parser.add_argument(
        "--test",
        type=Path,
        help="files with the values that follow: the test then is their last horizon",
    )
    parser.add_argument(
        "--days", type=int, default=BACKTEST_DAYS, help=f"of the backtest ({BACKTEST_DAYS})"
    )
    parser.add_argument("--json", action="store_true", help="print on one line")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
