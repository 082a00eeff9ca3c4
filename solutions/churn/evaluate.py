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
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import mean

import kingpost as kp
from kingpost.decisions import training_set
from solutions.churn.agreement import compare
from solutions.churn.app import churn, trainer
from solutions.churn.data import CustomerFiles
from solutions.churn.installation import install
from solutions.churn.offer import Offer, Reached, add_offer, chosen_offer
from solutions.churn.protocol import Judged, cross_validate
from solutions.ground.progress import Stages

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Evaluate and print; return 0, or 1 after an error that was told."""
    chosen = _parser().parse_args(arguments)
    started = time.monotonic()
    try:
        files = CustomerFiles.find(chosen.data)
        data = training_set(churn, files.histories())
        offer = chosen_offer(chosen)
        judged = cross_validate(
            data,
            trainer,
            budget=chosen.budget,
            offer=offer,
            seed=chosen.seed,
            progress=Stages(),
        )
        report = _quality(judged, chosen.budget, offer)
        if not chosen.no_server:
            with tempfile.TemporaryDirectory(prefix="kingpost-churn-") as directory:
                made = install(files, Path(directory), progress=Stages())
                agreement = compare(made, progress=Stages())
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
    add_offer(parser)
    parser.add_argument("--seed", type=int, default=7, help="of the folds (7)")
    parser.add_argument(
        "--no-server", action="store_true", help="leave out the comparison of batch and server"
    )
    return parser


def _quality(judged: Judged, budget: float, offer: Offer) -> dict[str, object]:
    auc, spread = judged.auc
    known = judged.calibration
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
        "campaign": {"budget": budget, **_means([fold.budget for fold in judged.folds])},
        "offer": {
            **asdict(offer),
            "break_even": offer.break_even,
            **_means([fold.offer for fold in judged.folds]),
            "gain_of_everybody": mean(fold.everybody.gain for fold in judged.folds),
        },
    }


def _means(reached: Sequence[Reached]) -> dict[str, float]:
    return {name: mean(one._asdict()[name] for one in reached) for name in Reached._fields}


if __name__ == "__main__":
    raise SystemExit(main())
