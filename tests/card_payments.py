"""Card payments whose keys need not live where their journal does, and their features."""

import uuid
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

import kingpost as kp
from kingpost.contracts import Contract, Event, batch_of
from kingpost.core import Clock, SystemClock
from kingpost.features import (
    FeatureSet,
    History,
    Partitions,
    ReadVectors,
    RedisFeatures,
    RedisSettings,
    WindowFeatures,
    as_recorded,
    join_histories,
)
from kingpost.features.redis_link import RedisLink
from kingpost.journal import Position

__all__ = [
    "CONTRACTS",
    "FEATURES",
    "HOUR",
    "PARTITIONS",
    "REDIS",
    "START",
    "VIEWS",
    "CardPayment",
    "payment",
    "recomputed",
    "redis_features",
]

HOUR = 3_600_000_000
START = 1_533_081_600_000_000
CLOCK = SystemClock()
REDIS = "redis://127.0.0.1:6379"
PARTITIONS = Partitions(("north", "south", "west"))


class CardPayment(kp.Event):
    id: kp.Key[int]
    at: kp.EventTime
    customer: str
    shop: int
    amount: Annotated[float, kp.Resolution("0.01")]


payments = kp.stream(CardPayment)
_spend = (
    payments.by("customer")
    .over("2h", "30h")
    .features(
        n=kp.count(),
        total=kp.sum("amount"),
        mean=kp.mean("amount", default=-1.0),
        low=kp.min("amount"),
        high=kp.max("amount"),
        last=kp.last("amount"),
    )
)
_takings = (
    payments.by("shop")
    .over("1h", "20h", delay="3h")
    .features(n=kp.count(), mean=kp.mean("amount"), last=kp.last("amount"))
)
VIEWS = (_spend, _takings)


@kp.feature
def over_usual(amount: float, customer_mean_30h: float) -> float:
    return amount / customer_mean_30h


FEATURES = FeatureSet(
    payments.contract, [kp.field("amount"), _spend, _takings, over_usual], _spend.place
)
CONTRACTS: dict[str, Contract[Event]] = {"card_payment": payments.contract}


def payment(
    number: int, *, at: int = START, customer: str = "ann", shop: int = 1, amount: float = 1.0
) -> CardPayment:
    """Make a payment."""
    return CardPayment(id=number, at=kp.Instant(at), customer=customer, shop=shop, amount=amount)


def recomputed(
    logs: Mapping[str, Sequence[CardPayment]],
    asked: Sequence[CardPayment],
    positions: Sequence[Position | None],
) -> NDArray[np.float64]:
    """Compute offline what reads at recorded positions gave.

    Args:
        logs: The payments of each partition; their index is their offset.
    """
    contract = payments.contract
    histories = {
        name: History(batch_of(contract, log), np.arange(len(log))) for name, log in logs.items()
    }
    return as_recorded(
        FEATURES,
        batch_of(contract, asked),
        ReadVectors.of(PARTITIONS, positions),
        {"card_payment": join_histories(contract, PARTITIONS, histories)},
    )


@contextmanager
def redis_features(
    settings: RedisSettings | None = None,
    *,
    url: str = REDIS,
    clock: Clock = CLOCK,
    views: Iterable[WindowFeatures] = VIEWS,
) -> Generator[RedisFeatures]:
    """Open a store under a prefix of its own, and leave nothing behind."""
    chosen = settings or RedisSettings(prefix=f"kingpost-test-{uuid.uuid4().hex}")
    store = RedisFeatures.open(url, views, PARTITIONS, tenant="acme", clock=clock, settings=chosen)
    try:
        yield store
    finally:
        store.close()
        link = RedisLink(url, timeout_s=5.0)
        link.drop(f"{chosen.prefix}:")
        link.close()
