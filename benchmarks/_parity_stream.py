"""A stream that arrives badly, and the plain definition of what a read of it gives.

Arrivals, in their order: payments, of which a fifth comes up to three days late and a
twentieth 31 to 60 days late, beyond any watermark; a twentieth comes a second time; a
hundredth is retracted, some before they came.
"""

import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

import kingpost as kp
from kingpost.features import FeatureSet

__all__ = ["FEATURES", "WINDOW_DAYS", "Arrivals", "Payment", "arrivals", "by_definition"]

ACCOUNTS, DAYS, DAY_US = 2_000, 150, 86_400_000_000
START_US = 1_767_225_600_000_000  # 2026-01-01T00:00Z
LATE, VERY_LATE, TWICE, RETRACTED = 0.22, 0.055, 0.05, 0.01
BEFORE_ITS_EVENT = 0.05
WINDOW_DAYS = (1, 7, 30)
OPERATIONS = ("count", "sum", "mean", "min", "max", "std")

Integers = NDArray[np.int64]


class Payment(kp.Event):
    id: kp.Key[int]
    at: kp.EventTime
    account: int
    amount: Annotated[float, kp.Resolution("0.01")]


def _declared() -> FeatureSet:
    payments = kp.stream(Payment)
    spend = (
        payments.by("account")
        .over(*(f"{days}d" for days in WINDOW_DAYS))
        .features(
            count=kp.count(),
            sum=kp.sum("amount"),
            mean=kp.mean("amount"),
            min=kp.min("amount"),
            max=kp.max("amount"),
            std=kp.std("amount"),
        )
    )
    return FeatureSet(payments.contract, [spend], spend.place)


FEATURES = _declared()


@dataclass(frozen=True)
class Arrivals:
    """What arrives, in its order; all int64, shape (arrivals,).

    Attributes:
        retracts: 1 where the arrival is a retraction of `ids`, not a payment.
        cents: The amount, in hundredths.
    """

    ids: Integers
    times: Integers
    accounts: Integers
    cents: Integers
    retracts: Integers

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def late_share(self) -> float:
        """The share of payments that come after one of a later time."""
        times = self.times[self.retracts == 0]
        newest = np.maximum.accumulate(times)
        return float((times < newest).mean())


def arrivals(count: int) -> Arrivals:
    """Make a stream; the same on every machine."""
    random = np.random.default_rng(4)
    unique = int(count / (1 + TWICE + RETRACTED))
    at = START_US + np.sort(random.integers(0, DAYS * DAY_US, unique))
    which = random.random(unique)
    delay = np.where(which < LATE, random.integers(0, 3 * DAY_US, unique), 0)
    very = (which >= LATE) & (which < LATE + VERY_LATE)
    delay = np.where(very, random.integers(31 * DAY_US, 60 * DAY_US, unique), delay)
    arrived = at + delay
    twice = np.flatnonzero(random.random(unique) < TWICE)
    back = np.flatnonzero(random.random(unique) < RETRACTED)
    after = random.integers(1, 10 * DAY_US, len(back))
    early = random.random(len(back)) < BEFORE_ITS_EVENT
    rows = np.concatenate([np.arange(unique), twice, back])
    moments = np.concatenate(
        [
            arrived,
            arrived[twice] + random.integers(1, 10 * DAY_US, len(twice)),
            arrived[back] + np.where(early, -after, after),
        ]
    )
    retracts = np.repeat([0, 0, 1], [unique, len(twice), len(back)])
    order = np.argsort(moments, kind="stable")
    rows, retracts = rows[order], retracts[order]
    accounts = random.integers(0, ACCOUNTS, unique)
    cents = np.rint(random.lognormal(3.5, 1.2, unique) * 100).astype(np.int64)
    return Arrivals(rows, at[rows], accounts[rows], cents[rows], retracts)


@dataclass(frozen=True)
class Known:
    """The payments of one account, with the positions from and to which they counted."""

    times: Integers
    cents: Integers
    positions: Integers
    ends: Integers


def by_definition(known: Known, at: int, position: int) -> list[float]:
    """Compute all features of one read, in integers up to one division each."""
    counts = (known.positions <= position) & (position < known.ends)
    values: list[float] = []
    for days in WINDOW_DAYS:
        inside = counts & (known.times > at - days * DAY_US)
        inside &= (known.times < at) | ((known.times == at) & (known.positions <= position))
        values += aggregates(known.cents[inside])
    return values


def aggregates(cents: Integers) -> list[float]:
    """Compute count, sum, mean, min, max and sample deviation of amounts in hundredths."""
    n, total = len(cents), int(cents.sum())
    if not n:
        return [0.0, 0.0, *_NOTHING]
    deviation = _NOTHING[-1]
    if n > 1:
        numerator = n * int((cents * cents).sum()) - total * total
        deviation = math.sqrt(float(numerator) / (float(n * (n - 1)) * 10_000.0))
    return [
        float(n),
        total / 100,
        total / (n * 100),
        cents.min() / 100,
        cents.max() / 100,
        deviation,
    ]


_NOTHING = (0.0, 0.0, 0.0, 0.0)
"""What mean, min, max and std are declared to be where they have no value."""
