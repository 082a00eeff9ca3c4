"""Is this measurement a sign that something is about to break? The declaration.

Two questions are asked of every measurement, both of its own series alone. Is it a record,
beyond all that was measured in four weeks? And is the level of the last hours far from the
level of the week? Both are windows of the feature engine, so what is computed for a year of
past measurements is, bit for bit, what the stream was answered.

A record has a false-alarm rate that no distribution can change: of n measurements that come
in any order alike, the last one is the highest or the lowest with a chance of 2/n at most.
So records in four weeks are at most 2/28 a day, whatever is measured and however often.
"""

from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray

import kingpost as kp

__all__ = [
    "BOUNDS",
    "QUIET",
    "Bounds",
    "Finding",
    "Measurement",
    "anomaly",
    "findings",
    "measurements",
    "scores",
]


class Measurement(kp.Event):
    """A sensor or a counter was read."""

    id: kp.Key[str]
    at: kp.EventTime
    series: str
    value: Annotated[float, kp.Resolution("0.000001")]


class Finding(kp.Event):
    """What maintenance found when it looked."""

    measurement: kp.Key[str]
    at: kp.EventTime
    known_at: kp.KnownTime
    anomalous: bool


class Bounds(NamedTuple):
    """From where on a measurement is anomalous.

    Attributes:
        record: How far beyond the four weeks, in their whole range.
        level: How far the hours lie from the week, in its standard deviations.
    """

    record: float
    level: float


BOUNDS = Bounds(record=0.003, level=2.5)
"""Chosen on the CloudWatch and ad exchange series of NAB, see README.md."""

QUIET = "24h"
"""A series that has alarmed is silent for so long: one alarm, not one per measurement."""

measurements = kp.stream(Measurement)
findings = kp.stream(Finding)

by_series = measurements.by("series")
before = by_series.over("28d", delay="1us").features(low=kp.min("value"), high=kp.max("value"))
week = by_series.over("7d", delay="1us").features(mean=kp.mean("value"), spread=kp.std("value"))
hours = by_series.over("4h").features(mean=kp.mean("value"))
known = by_series.over("27d", delay="1d").features(known=kp.count())


@kp.feature
def record(
    value: float, series_low_28d: float, series_high_28d: float, series_known_27d: float
) -> float:
    """How far the value is beyond all of four weeks, in their range; 0 within, or on day one."""
    beyond = max(value - series_high_28d, series_low_28d - value)
    if beyond <= 0 or not series_known_27d:
        return 0.0
    span = series_high_28d - series_low_28d
    return beyond / span if span else 1.0


@kp.feature
def level(
    series_mean_4h: float,
    series_mean_7d: float,
    series_spread_7d: float,
    series_known_27d: float,
) -> float:
    """How far the last four hours are from the week, in its standard deviations; 0 on day one."""
    if not series_spread_7d or not series_known_27d:
        return 0.0
    return abs(series_mean_4h - series_mean_7d) / series_spread_7d


def scores(rows: NDArray[np.float32], bounds: Bounds = BOUNDS) -> NDArray[np.float64]:
    """Say how anomalous measurements are: 0.5 at a bound, towards 1 far beyond it.

    Args:
        rows: The decision's features, shape (rows, features); the last two are asked.
    """
    distances = rows[:, -2:].astype(np.float64) / np.array(bounds)
    furthest = distances.max(axis=1)
    return furthest / (1 + furthest)


anomaly = kp.decision(
    "anomaly",
    request=Measurement,
    features=[kp.field("value"), before, week, hours, known, record, level],
    model=kp.model("anomaly", predict=scores, label=findings.label("anomalous")),
    budget=kp.budget(total="1s", features="20ms", model="20ms"),
    alarm=kp.alarm(
        "series", every=QUIET, runbook="solutions/anomaly/README.md#when-an-alarm-comes"
    ),
)
