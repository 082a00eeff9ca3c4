"""How good is the model, and does a batch say what the server says? One command.

    python -m solutions.churn.evaluate --data telco_churn.csv --json

The protocol is `protocol.py`'s. With `--json` the last line on standard output is one JSON
object; progress and errors go to standard error.
"""

import argparse
import json
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from statistics import mean

import kingpost as kp
from kingpost.decisions import training_set
from solutions.churn.agreement import compare
from solutions.churn.app import churn, trainer
from solutions.churn.data import CustomerFiles
from solutions.churn.progress import Stages
from solutions.churn.protocol import Judged, cross_validate

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Evaluate and print; return 0, or 1 after an error that was told."""
    chosen = _parser().parse_args(arguments)
    if not 0 < chosen.budget < 1:
        _parser().error("--budget must be a share between 0 and 1")
    started = time.monotonic()
    try:
        files = CustomerFiles.find(chosen.data)
        data = training_set(churn, files.histories())
        judged = cross_validate(
            data, trainer, budget=chosen.budget, seed=chosen.seed, progress=Stages()
        )
        report = _quality(judged, chosen.budget)
        if not chosen.no_server:
            with tempfile.TemporaryDirectory(prefix="kingpost-churn-") as directory:
                agreement = compare(files, Path(directory), progress=Stages())
            report["agreement"] = {"share": agreement.share, **asdict(agreement)}
    except kp.KingpostError as error:
        print(f"error [{error.code}]: {error}", file=sys.stderr)
        return 1
    report |= {"rows": len(data), "left": data.positives, "features": len(data.feature_names)}
    report["wall_s"] = time.monotonic() - started
    print(json.dumps(report, allow_nan=False, indent=None if chosen.json else 2))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="solutions.churn.evaluate",
        description="Judge by five folds; ask about every customer in a batch and over HTTP.",
    )
    parser.add_argument(
        "--data", type=Path, required=True, help="a CSV or Parquet file, or a folder of such"
    )
    parser.add_argument("--json", action="store_true", help="print on one line")
    parser.add_argument(
        "--budget", type=float, default=0.2, help="share of customers a campaign contacts (0.2)"
    )
    parser.add_argument("--seed", type=int, default=7, help="of the folds (7)")
    parser.add_argument(
        "--no-server", action="store_true", help="leave out the comparison of batch and server"
    )
    return parser


def _quality(judged: Judged, budget: float) -> dict[str, object]:
    auc, spread = judged.auc
    known = judged.calibration
    campaigns = [fold.campaign for fold in judged.folds]
    return {
        "auc_roc": auc,
        "auc_roc_std": spread,
        "auc_roc_folds": [fold.auc for fold in judged.folds],
        "average_precision": mean(fold.average_precision for fold in judged.folds),
        "calibration": {
            "brier": known.brier,
            "brier_of_base_rate": known.brier_of_base_rate,
            "ece": known.expected_error,
        },
        "campaign": {
            "budget": budget,
            "contacted": mean(one.contacted for one in campaigns),
            "caught": mean(one.caught for one in campaigns),
            "lift": mean(one.lift for one in campaigns),
            "caught_folds": [one.caught for one in campaigns],
        },
    }


if __name__ == "__main__":
    raise SystemExit(main())
