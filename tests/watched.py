"""A small stream of decisions to be watched: four features, a score, and faults to put in.

Payments come all day, fewer at night, with an amount, the customer's payments so far, a
weekend flag and a feature that is missing now and then; a high amount scores high.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from kingpost.monitoring import (
    HOUR_US,
    LabelledDecision,
    Limits,
    MonitorStore,
    Observations,
    Profile,
    Watch,
    build_profile,
)
from kingpost.records import Outcome

__all__ = [
    "BUNDLE",
    "DAY_US",
    "DECISION",
    "FEATURES",
    "START_US",
    "TENANT",
    "THRESHOLD",
    "Payments",
    "everything",
    "labels_of",
    "observations",
    "payments",
    "profile",
    "rows_of",
    "scores_of",
    "watch_over",
    "with_limits",
]

TENANT, DECISION = "acme", "fraud"
BUNDLE = bytes(range(32))
FEATURES = ("amount", "count", "weekend", "age")
DAY_US = 24 * HOUR_US
START_US = 1_767_571_200 * 10**6  # Monday 2026-01-05
THRESHOLD, MIN_CONFIDENCE = 0.5, 0.75


@dataclass(eq=False)
class Payments:
    """Rows in the order of time, by the column."""

    event_time_us: NDArray[np.int64]
    x: NDArray[np.float64]
    score: NDArray[np.float64]
    label: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.event_time_us)

    def since(self, time_us: int) -> NDArray[np.bool_]:
        return self.event_time_us >= time_us


def payments(start_us: int, days: float, *, a_minute: float = 7.0, seed: int = 1) -> Payments:
    rng = np.random.default_rng(seed)
    rows = int(days * 24 * 60 * a_minute)
    times = np.sort(start_us + (rng.random(rows) * days * DAY_US).astype(np.int64))
    awake = (times // HOUR_US) % 24 >= 7
    times = times[awake | (rng.random(rows) < 0.3)]
    rows = len(times)
    amount = np.round(rng.lognormal(3.0, 0.8, rows), 2)
    count = rng.poisson(3.0, rows).astype(np.float64)
    weekend = ((times // DAY_US + 3) % 7 >= 5).astype(np.float64)
    age = np.where(rng.random(rows) < 0.01, np.nan, rng.normal(40, 10, rows))
    score = scores_of(amount)
    label = (rng.random(rows) < score).astype(np.float64)
    return Payments(times, np.stack([amount, count, weekend, age], axis=1), score, label)


def scores_of(amount: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-(np.log(np.maximum(amount, 0.01)) - 5.0) * 2))


def profile(seed: int = 11, days: float = 35, a_minute: float = 7.0) -> Profile:
    rows = payments(START_US - int(days * DAY_US), days, a_minute=a_minute, seed=seed)
    return build_profile(
        DECISION,
        FEATURES,
        rows.x,
        rows.event_time_us,
        scores=rows.score,
        labels=rows.label,
        threshold=THRESHOLD,
        min_confidence=MIN_CONFIDENCE,
        inputs=["amount"],
    )


def observations(rows: Payments, *, first: int = 0, seed: int = 5) -> Observations:
    """Decide the payments: offsets and ids go up from `first`."""
    number = np.arange(first, first + len(rows))
    confidence = np.where(np.isnan(rows.score), 0.0, np.maximum(rows.score, 1 - rows.score))
    outcome = np.where(confidence >= MIN_CONFIDENCE, 0, 2)
    outcome[np.isnan(rows.score)] = 4
    positive = np.where(np.isnan(rows.score), -1, rows.score >= THRESHOLD)
    times = np.random.default_rng(seed).integers(50, 900, (len(rows), 4))
    return Observations(
        offset=number * 10,
        event_time_us=rows.event_time_us,
        at_us=rows.event_time_us + 2_000,
        outcome=outcome.astype(np.int8),
        features=rows.x,
        score=rows.score,
        confidence=confidence,
        positive=positive.astype(np.int8),
        stages=times,
        ids=[int(one).to_bytes(16) for one in number],
    )


def rows_of(all_rows: Observations, start: int, end: int) -> Observations:
    """Take some of the rows."""
    return Observations(
        **{field.name: getattr(all_rows, field.name)[start:end] for field in fields(Observations)}
    )


def watch_over(
    store: MonitorStore,
    known: Profile | None | Mapping[bytes, Profile | None],
    limits: Limits | None = None,
) -> Watch:
    def profile_of(decision: str, bundle: bytes) -> Profile | None:
        return known[bundle] if isinstance(known, Mapping) else known

    return Watch(store, profile_of, with_limits(limits or Limits()))


def with_limits(limits: Limits) -> Callable[[str], Limits]:
    return lambda decision: limits


def everything(store: MonitorStore) -> tuple[object, ...]:
    """Return all that a store has, in an order that does not depend on how it came there."""
    far = 1 << 62
    return (
        [one for one in _summaries(store, far)],
        store.incidents(TENANT, limit=1000),
        sorted(store.statuses(TENANT, DECISION), key=repr),
        store.live(TENANT, DECISION, -far),
        store.states(),
    )


def _summaries(store: MonitorStore, far: int) -> Iterator[tuple[object, ...]]:
    for resolution in ("minute", "hour"):
        for one in store.summaries(TENANT, DECISION, -far, far, resolution):
            yield (*one.place, one.widths, one.counts.tolist())


def labels_of(rows: Observations, label: NDArray[np.float64], lag: int) -> list[LabelledDecision]:
    """Say of each row what it was, so many offsets later."""
    return [
        LabelledDecision(
            offset=int(rows.offset[at]) + lag * 10 + 1,
            event_time_us=int(rows.event_time_us[at]),
            bundle=BUNDLE,
            positive=bool(rows.positive[at]),
            label=bool(label[at]),
            outcome=tuple(Outcome)[rows.outcome[at]],
        )
        for at in range(len(rows))
    ]
