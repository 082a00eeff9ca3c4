"""A small application, so that the HTTP reference has something to describe."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

import kingpost as kp
from kingpost.contracts import contract_of
from kingpost.decisions import Application, ServedDecision
from kingpost.models import train_lightgbm

__all__ = ["APPLICATION", "SERVED"]


class Order(kp.Event):
    """A customer orders."""

    id: kp.Key[str]
    at: kp.EventTime
    customer: str
    amount: Annotated[float, kp.Range(ge=0), kp.Resolution("0.01")]


class Outcome(kp.Event):
    """What became of an order, known later."""

    order: kp.Key[str]
    at: kp.EventTime
    known_at: kp.KnownTime
    fraud: bool


orders, outcomes = kp.stream(Order), kp.stream(Outcome)

risk = kp.decision(
    "risk",
    request=Order,
    features=[kp.field("amount")],
    model=kp.model("risk", trainer=train_lightgbm, label=outcomes.label("fraud")),
    gate=kp.gate(min_confidence=0.75, otherwise=kp.review("risk-desk")),
)


class _NoScore:
    """A model that nobody asks."""

    def score(self, rows: NDArray[np.float32]) -> Sequence[float]:
        return [0.0] * len(rows)


APPLICATION = Application(
    root=Path(),
    path=Path("app.py"),
    streams={one.name: one for one in (contract_of(Order), contract_of(Outcome))},
    decisions={"risk": risk},
    sources={},
)
SERVED = {"risk": ServedDecision(risk, bytes(32), bytes(32), _NoScore(), 0.5)}
