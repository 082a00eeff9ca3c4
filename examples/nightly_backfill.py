"""Compute the features of every past request each night; readers only ever see whole nights.

    kingpost ingest examples/nightly_backfill.py order orders.csv
    kingpost work examples/nightly_backfill.py

A night that is interrupted goes on with the part that was not finished, and one that no
worker was there for is made up for. Any night by hand:

    kingpost workflows start examples/nightly_backfill.py nightly --input '{"due": "2026-11-27T02:00:00Z"}'
"""

import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated

import kingpost as kp
from kingpost.models import LightGbmTrainer


class Order(kp.Event):
    id: kp.Key[str]
    at: kp.EventTime
    customer: str
    amount: Annotated[float, kp.Range(ge=0), kp.Resolution("0.01")]


class Return(kp.Event):
    order: kp.Key[str]
    at: kp.EventTime
    known_at: kp.KnownTime
    sent_back: bool


orders, returns = kp.stream(Order), kp.stream(Return)
spent = orders.by("customer").over("1d", "7d").features(count=kp.count(), mean=kp.mean("amount"))

returned = kp.decision(
    "returned",
    request=Order,
    features=[kp.field("amount"), spent],
    model=kp.model("returned", trainer=LightGbmTrainer(), label=returns.label("sent_back")),
)

FEATURES = Path("features")


@kp.step(retries=kp.retries(3, "1m"))
def backfill(night: str) -> int:
    """Write the features in parts; what a killed run has finished is not computed again."""
    command = ["backfill", __file__, "--out", str(FEATURES / night), "--workers", "2"]
    subprocess.run([sys.executable, "-m", "kingpost.cli", *command], check=True)
    return len(list((FEATURES / night).glob("*.parquet")))


@kp.step
def publish(night: str) -> str:
    """Point `features/latest` at a night, in one step that may be done twice."""
    fresh = FEATURES / f".{night}"
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(night, target_is_directory=True)
    os.replace(fresh, FEATURES / "latest")
    return night


@kp.workflow(queue=kp.queue("backfills", at_once=1), timeout="6h")
def nightly(due: datetime) -> str:
    night = due.date().isoformat()
    backfill(night)
    return publish(night)


at_two = kp.schedule("nightly", "0 2 * * *", nightly, zone="Europe/Berlin", catch_up=True)
