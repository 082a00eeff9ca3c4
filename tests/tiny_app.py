"""A small application with a plain Python model, for tests of what serves decisions."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray

import kingpost as kp
from kingpost.contracts import contract_of
from kingpost.core import Clock, Disk, SystemClock, SystemDisk
from kingpost.decisions import (
    Application,
    Cache,
    Engine,
    Exposure,
    Scorer,
    ServedDecision,
    Windows,
)
from kingpost.features import MemoryRoom
from kingpost.journal import Journal

__all__ = [
    "APPLICATION",
    "BUNDLE",
    "MODEL",
    "ByAmount",
    "Chargeback",
    "FakeClock",
    "Payment",
    "open_engine",
    "payment",
    "served",
]


class Payment(kp.Event):
    """A payment by card."""

    id: kp.Key[str]
    at: kp.EventTime
    card: str
    shop: str
    amount: Annotated[float, kp.Range(ge=0), kp.Resolution("0.01")]
    channel: Literal["web", "shop"] = "shop"


class Chargeback(kp.Event):
    """What became of a payment, known later."""

    payment: kp.Key[str]
    at: kp.EventTime
    known_at: kp.KnownTime
    shop: str
    fraud: bool


payments = kp.stream(Payment)
chargebacks = kp.stream(Chargeback)
spend = payments.by("card").over("1d", "7d").features(count=kp.count(), mean=kp.mean("amount"))
risk = chargebacks.by("shop").over("7d", delay="1d").features(rate=kp.mean("fraud"))


@kp.feature
def share(amount: float, card_mean_7d: float) -> float:
    """Compare a payment with the card's own; fails on purpose for the amount 13."""
    if amount == 13:
        raise RuntimeError("an unlucky amount")
    return amount / card_mean_7d


def train(_: object) -> object:
    """Never called: the tests bring a model of their own."""
    raise NotImplementedError


fraud = kp.decision(
    "fraud",
    request=Payment,
    features=[kp.field("amount"), spend, risk, share],
    model=kp.model("fraud", trainer=train, label=chargebacks.label("fraud")),  # pyright: ignore[reportArgumentType]
    gate=kp.gate(min_confidence=0.75, otherwise=kp.review("fraud-desk")),
)

APPLICATION = Application(
    root=Path(),
    path=Path("tiny_app.py"),
    streams={one.name: one for one in (contract_of(Payment), contract_of(Chargeback))},
    decisions={"fraud": fraud},
    sources={},
)
BUNDLE, MODEL = b"b" * 32, b"m" * 32


class ByAmount:
    """A model that scores by the amount, breaks on 666 and has no answer to 404."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def score(self, rows: NDArray[np.float32]) -> Sequence[float]:
        self.batches.append(len(rows))
        amounts = rows[:, 0]
        if (amounts == 666).any():
            raise ArithmeticError("the model broke")
        return [float("nan") if amount == 404 else min(1.0, amount / 1000) for amount in amounts]


class FakeClock:
    """A clock that stands still until it is told to go on."""

    def __init__(self) -> None:
        self.us = 1_533_124_800_000_000
        self.ns = 0

    def now_us(self) -> int:
        return self.us

    def monotonic_ns(self) -> int:
        return self.ns

    def advance(self, seconds: float) -> None:
        self.us += round(seconds * 1e6)
        self.ns += round(seconds * 1e9)


def served(
    scorer: Scorer | None = None,
    *,
    budget: str | None = None,
    bundle: bytes = BUNDLE,
    exposure: Exposure | None = None,
    cache: Cache | None = None,
) -> dict[str, ServedDecision]:
    """Join the decision to a model."""
    decision = fraud if budget is None else replace(fraud, budget=kp.budget(total=budget))
    decision = decision if exposure is None else replace(decision, exposure=exposure)
    decision = replace(decision, model=replace(decision.model, cache=cache))
    return {"fraud": ServedDecision(decision, bundle, MODEL, scorer or ByAmount(), 0.5)}


def open_engine(
    directory: Path,
    scorer: Scorer | None = None,
    *,
    disk: Disk | None = None,
    clock: Clock | None = None,
    budget: str | None = None,
    bundle: bytes = BUNDLE,
    snapshots: Path | None = None,
    room: MemoryRoom | None = None,
    windows: Windows | None = None,
    exposure: Exposure | None = None,
    cache: Cache | None = None,
    open_journal: Callable[..., Journal] = Journal.open,
) -> Engine:
    """Open the application's engine on a partition."""
    return Engine.open(
        directory,
        APPLICATION,
        served(scorer, budget=budget, bundle=bundle, exposure=exposure, cache=cache),
        disk=disk or SystemDisk(),
        clock=clock or SystemClock(),
        snapshots=snapshots,
        room=room,
        windows=windows,
        open_journal=open_journal,
    )


def payment(identifier: str, amount: float = 20.0, *, card: str = "c1", minute: int = 0) -> bytes:
    """Write the body of a request."""
    return (
        f'{{"id":"{identifier}","at":"2018-08-01T12:{minute:02d}:00Z","card":"{card}",'
        f'"shop":"s1","amount":{amount}}}'
    ).encode()
