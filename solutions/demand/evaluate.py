"""How good are the forecasts? One command, on any files of the columns of `files.py`.

    python -m solutions.demand.evaluate --data m4/ --json

Of M4 series the last horizon is the test: nothing of it is learned from, chosen on or
calibrated on. The bikes are judged by a backtest over the last half year. With `--json` the
last line on standard output is one JSON object; progress and errors go to standard error.
"""

import argparse
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import kingpost as kp
from solutions.demand.backtest import Backtest, Policy
from solutions.demand.files import read_collections
from solutions.demand.kinds import BIKES
from solutions.demand.protocol import (
    BACKTEST_ORIGINS,
    Judged,
    judge_backtests,
    judge_last_horizon,
)
from solutions.ground.progress import Stages

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Evaluate and print; return 0, or 1 after an error that was told."""
    parser = _parser()
    chosen = parser.parse_args(arguments)
    if chosen.earlier < 0:
        parser.error("--earlier must be at least 0")
    started = time.monotonic()
    report: dict[str, object] = {}
    try:
        for whole in read_collections(chosen.data, chosen.test):
            name = whole.kind.name
            collection = whole.but_last(chosen.earlier * whole.kind.horizon)
            if collection.kind is BIKES:
                done = judge_backtests(collection, chosen.days, progress=Stages())
                report[name] = _report_of_backtests(done)
            else:
                report[name] = _report_of(judge_last_horizon(collection, Stages()))
    except kp.KingpostError as error:
        print(f"error [{error.code}]: {error}", file=sys.stderr)
        return 1
    report["wall_s"] = round(time.monotonic() - started, 2)
    print(json.dumps(report, allow_nan=False, indent=None if chosen.json else 2))
    return 0


def _report_of(judged: Judged) -> dict[str, object]:
    forecaster = judged.trained.forecaster
    return {
        **judged.ours._asdict(),
        "naive2": judged.naive2._asdict(),
        "seasonal_naive": judged.seasonal_naive._asdict(),
        "interval_coverage": judged.coverage,
        "below": judged.below,
        "above": judged.above,
        "series": judged.series,
        "rows_learned_from": forecaster.rows,
        "parameters": asdict(forecaster.parameters),
        "trials": [
            {"num_leaves": one.parameters.num_leaves, "owa_of_earlier_origins": one.owa}
            for one in judged.trained.trials
        ],
    }


def _report_of_backtests(done: Mapping[Policy, Backtest]) -> dict[str, object]:
    [first, *_] = done.values()
    found: dict[str, object] = {"days": first.origins, "mae_week_before": first.naive_mae}
    for policy, one in done.items():
        found[policy.replace(" ", "_")] = {
            "mae": one.mae,
            "interval_coverage": one.coverage,
            "models": len(one.trained_on),
            "trained_on_days": one.trained_on,
        }
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
        "--days",
        type=int,
        help=f"of the backtest ({BACKTEST_ORIGINS}, or a third of what there is)",
    )
    parser.add_argument(
        "--earlier",
        type=int,
        default=0,
        metavar="HORIZONS",
        help="leave out so many horizons at the end, for choices not to be made on the test",
    )
    parser.add_argument("--json", action="store_true", help="print on one line")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
