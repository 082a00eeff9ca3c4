"""How the detector is judged: every series with bounds that were chosen on the others.

The rule: nothing of a series is used to judge it. For each series the bounds that score best
on all other series are taken, among those whose false alarms there are no more than the
stated rate; then its own alarms are counted. What is said of all series together is the sum
of what was said of each.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import product
from math import inf
from operator import add

import numpy as np
from numpy.typing import NDArray

from kingpost.core import duration_us
from kingpost.features import History, Requests, feature_matrix
from kingpost.models import model_input
from solutions.anomaly.app import BOUNDS, QUIET, Bounds, anomaly, scores
from solutions.anomaly.data import MeasurementFiles, Series
from solutions.anomaly.nab import Score

__all__ = [
    "FALSE_ALARMS",
    "GRID",
    "Judged",
    "Verdict",
    "alarms_of",
    "best_without",
    "false_alarms_a_day",
    "judge",
    "total",
]

FALSE_ALARMS = 0.1
"""The stated rate: false alarms of a series in a day, one in ten days."""

GRID = tuple(
    Bounds(*chosen)
    for chosen in product((0.001, 0.003, 0.01, 0.03, 0.1), (2.0, 2.5, 3.0, 3.5, 4.0, 5.0, inf))
)

_QUIET_US = duration_us(QUIET)

Rows = NDArray[np.float32]


@dataclass(frozen=True)
class Judged:
    """What one series came to.

    Attributes:
        bounds: Those that it was judged with.
        alarms: Its rows that alarmed.
        delays_h: Hours from the start of each window that was found to its first alarm.
    """

    series: Series
    bounds: Bounds
    alarms: NDArray[np.int64]
    score: Score
    delays_h: Sequence[float]


@dataclass(frozen=True)
class Verdict:
    """What several series came to.

    Attributes:
        by_series: Each with bounds from the others; empty where there is only one.
        declared: Each with the bounds that `app.py` declares.
    """

    by_series: Sequence[Judged]
    declared: Sequence[Judged]
    measurements: int


def judge(files: MeasurementFiles, most_false_alarms: float = FALSE_ALARMS) -> Verdict:
    """Compute the features of all measurements, and judge series by series.

    Args:
        most_false_alarms: Of a series in a day, on the series that bounds are chosen on.

    Raises:
        BadFiles: See `MeasurementFiles`.
    """
    events = files.measurements()
    every = files.series(events)
    at = np.arange(events.rows, dtype=np.int64)
    histories: Mapping[str, History] = {anomaly.request.name: History(events, at)}
    rows = model_input(feature_matrix(anomaly.features, Requests(events, at), histories))
    declared = [_judged(one, rows, BOUNDS) for one in every]
    tried = [[_judged(one, rows, bounds) for one in every] for bounds in GRID]
    crossed = [
        tried[best_without(tried, leaving, most_false_alarms)][leaving]
        for leaving in range(len(every))
        if len(every) > 1
    ]
    return Verdict(crossed, declared, events.rows)


def alarms_of(
    event_time_us: NDArray[np.int64], is_anomalous: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Return the rows of a series that alarm: the first anomalous one, then none while it is quiet.

    This is what the decision's alarm does with the stream, see `kingpost.alarm`.
    """
    alarms: list[int] = []
    for row in np.flatnonzero(is_anomalous).tolist():
        if not alarms or event_time_us[row] >= event_time_us[alarms[-1]] + _QUIET_US:
            alarms.append(row)
    return np.array(alarms, np.int64)


def total(judged: Sequence[Judged]) -> Score:
    """Add up the scores of series."""
    return reduce(add, (one.score for one in judged), Score())


def false_alarms_a_day(judged: Sequence[Judged]) -> float:
    """Return the false alarms of a series in a day, over several series."""
    days = sum(one.series.days for one in judged)
    return total(judged).false_alarms / days if days else 0.0


def best_without(tried: Sequence[Sequence[Judged]], leaving: int, most: float) -> int:
    """Choose the best bounds without looking at one series.

    Args:
        tried: By bounds, what every series came to with them.
        leaving: The series that is not looked at.
        most: False alarms of a series in a day, at the most. Where no bounds keep to it,
            those with the fewest are taken.

    Returns:
        Their place; of equally good ones those with fewer false alarms, then the first.
    """

    def worth(place: int) -> tuple[bool, float, float]:
        others = [one for at, one in enumerate(tried[place]) if at != leaving]
        rate, score = false_alarms_a_day(others), total(others)
        gained = score.raw - score.silent
        return (True, gained, -rate) if rate <= most else (False, -rate, gained)

    return max(range(len(tried)), key=worth)


def _judged(series: Series, rows: Rows, bounds: Bounds) -> Judged:
    alarms = alarms_of(series.event_time_us, scores(rows[series.rows], bounds) >= 0.5)
    return Judged(series, bounds, alarms, series.labelled.score(alarms), _delays(series, alarms))


def _delays(series: Series, alarms: NDArray[np.int64]) -> Sequence[float]:
    counted = alarms[alarms >= series.labelled.probation]
    window = series.labelled.window[counted]
    found: list[int] = np.unique(window[window >= 0]).tolist()
    first = {number: int(counted[window == number][0]) for number in found}
    return [
        (int(series.event_time_us[row]) - series.windows_us[number][0]) / 3_600e6
        for number, row in first.items()
    ]
