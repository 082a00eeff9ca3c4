"""How forecasts are judged: one horizon of every series, or a backtest of the last days.

The rule: nothing of what a forecast is judged on was learned from, chosen on or calibrated
on, and the last horizon of a series is forecast once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kingpost.models import Progress, quiet
from solutions.demand.backtest import Backtest, Policy, backtest, reader_of_days
from solutions.demand.data import Collection, Origins
from solutions.demand.forecaster import reader
from solutions.demand.measures import Accuracy, accuracy, naive2
from solutions.demand.training import Trained, train

__all__ = ["BACKTEST_ORIGINS", "Judged", "judge_backtests", "judge_last_horizon"]

BACKTEST_ORIGINS = 182
POLICIES: tuple[Policy, ...] = ("never", "on drift", "every four weeks")


@dataclass(frozen=True)
class Judged:
    """What came of forecasting the last horizon.

    Attributes:
        naive2: Of the competition's benchmark, whose OWA is 1.
        seasonal_naive: Of the value one season before.
        below: The share of values below their interval.
        above: The share above it.
    """

    series: int
    ours: Accuracy
    naive2: Accuracy
    seasonal_naive: Accuracy
    below: float
    above: float
    trained: Trained

    @property
    def coverage(self) -> float:
        """The share of values inside their interval."""
        return 1 - self.below - self.above


def judge_last_horizon(collection: Collection, progress: Progress = quiet) -> Judged:
    """Forecast the last horizon of each series from what lay before.

    Raises:
        ExtraMissing: LightGBM is not installed.
    """
    kind, read = collection.kind, reader(collection)
    ends = [one.last - kind.horizon for one in collection.series]
    trained = train(collection, ends, read, progress=progress)
    asked = Origins.of(range(len(ends)), ends, kind.horizon)
    said = trained.forecast(read(asked))
    actual = collection.actual(asked)
    past = [one.until(end) for one, end in zip(collection.series, ends, strict=True)]
    true, expected = (list(all_of.reshape(-1, kind.horizon)) for all_of in (actual, said.expected))
    simple = [naive2(one, kind.season, kind.horizon) for one in past]
    seasonal = [np.resize(one[-kind.season :], kind.horizon) for one in past]
    ours, theirs, before = (
        accuracy(past, true, forecasts, kind.season) for forecasts in (expected, simple, seasonal)
    )
    below, above = (actual < said.low).mean(), (actual > said.high).mean()
    return Judged(len(ends), ours, theirs, before, float(below), float(above), trained)


def judge_backtests(
    collection: Collection,
    origins: int | None = None,
    *,
    policies: Sequence[Policy] = POLICIES,
    progress: Progress = quiet,
) -> Mapping[Policy, Backtest]:
    """Backtest one series by policies of training anew.

    Args:
        origins: How many of the last ones; half a year of days without, or a third of all.

    Raises:
        BadDemandFiles: Too little lies before the first origin.
        ExtraMissing: LightGBM is not installed.
    """
    known = len(collection.series[0].values) // collection.kind.horizon
    origins = min(BACKTEST_ORIGINS, known // 3) if origins is None else origins
    read = reader_of_days(collection)
    return {
        policy: backtest(collection, origins=origins, policy=policy, read=read, progress=progress)
        for policy in policies
    }
