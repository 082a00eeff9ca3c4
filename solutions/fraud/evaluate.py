"""How good is the model? One command, on any files of the handbook's columns.

    python -m solutions.fraud.evaluate --data transactions.parquet --json

The protocol is `protocol.py`'s. With `--json` the last line on standard output is one JSON
object; progress and errors go to standard error.
"""

import argparse
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date, timedelta
from pathlib import Path

import kingpost as kp
from kingpost.decisions import Learned
from kingpost.models import card_page
from solutions.fraud.data import TransactionFiles
from solutions.fraud.memory import MemoryWatch
from solutions.fraud.protocol import PUBLISHED, OneWeek, Periods, Quality, judge
from solutions.fraud.training import PLAN
from solutions.ground.progress import Stages

__all__ = ["main"]

CARD = Path(".kingpost/fraud-card.md")


def main(arguments: list[str] | None = None) -> int:
    """Evaluate and print; return 0, or 1 after an error that was told."""
    chosen = _parser().parse_args(arguments)
    periods = Periods(chosen.train_until, chosen.test_from, chosen.test_to)
    started = time.monotonic()
    try:
        with MemoryWatch() as memory:
            files = TransactionFiles.find(chosen.data)
            periods.check(files)
            learned, one_week = judge(files.histories(), periods, Stages())
    except kp.KingpostError as error:
        print(f"error [{error.code}]: {error}", file=sys.stderr)
        return 1
    chosen.card.parent.mkdir(parents=True, exist_ok=True)
    is_page = chosen.card.suffix == ".html"
    card = card_page("fraud", learned.card_html) if is_page else learned.card
    chosen.card.write_text(card, encoding="utf-8")
    report = {
        **_quality(learned),
        "protocol": _protocol(periods, learned, files),
        **_one_week(one_week),
        "card": str(chosen.card),
        "wall_s": time.monotonic() - started,
        "peak_mb": memory.peak_mb,
    }
    if chosen.json:
        print(json.dumps(report, default=str, allow_nan=False))
    else:
        print(learned.card)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="solutions.fraud.evaluate",
        description="Train on past weeks, judge on a later one. Days are UTC.",
    )
    usual = Periods()
    parser.add_argument(
        "--data", type=Path, required=True, help="a Parquet or CSV file, or a folder of such"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object, not the card")
    parser.add_argument(
        "--card",
        type=Path,
        default=CARD,
        help=f"write the model card to this file: a page when it ends in .html, else Markdown ({CARD})",
    )
    for name, day, told in (
        ("--train-until", usual.train_until, "learn from labels known before this day"),
        ("--test-from", usual.test_from, "first day of the test"),
        ("--test-to", usual.test_to, "last day of the test"),
    ):
        parser.add_argument(
            name, type=date.fromisoformat, default=day, metavar="DAY", help=f"{told} ({day})"
        )
    return parser


def _quality(learned: Learned) -> Mapping[str, object]:
    found, model = learned.evaluation, learned.model
    quality = asdict(Quality.of(model.rows, model.positives, found))
    known, costs = found.calibration, found.at_threshold
    return {
        "auc_roc": quality.pop("auc_roc"),
        "average_precision": quality.pop("average_precision"),
        "card_precision_100": quality.pop("card_precision_100"),
        "frauds_in_test": found.positives,
        "test_rows": found.rows,
        **quality,
        "features": len(model.feature_names),
        "parameters": dict(model.parameters),
        "calibration": {
            "brier": known.brier,
            "brier_of_base_rate": known.brier_of_base_rate,
            "ece": known.expected_error,
        },
        "threshold": costs and {"by": str(PLAN.costs), **costs._asdict()},
        "onnx_difference": model.export_difference,
    }


def _protocol(periods: Periods, learned: Learned, files: TransactionFiles) -> Mapping[str, object]:
    choice = learned.model.choice
    return {
        "train_from": files.first_day,
        "train_to": periods.learned_before - timedelta(days=1),
        "labels_known_before": periods.train_until,
        "test_from": periods.test_from,
        "test_to": periods.test_to,
        "chosen_on": choice.folds if choice else (),
        "chosen_by": choice.protocol if choice else "",
        "known_cards": "dropped from the test as the handbook does",
    }


def _one_week(one_week: OneWeek) -> Mapping[str, object]:
    published = {
        name: dict(zip(("auc_roc", "average_precision", "card_precision_100"), values, strict=True))
        for name, values in PUBLISHED.items()
    }
    return {"one_week": asdict(one_week) | {"published": published}}


if __name__ == "__main__":
    raise SystemExit(main())
