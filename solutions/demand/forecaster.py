"""One model for all series of a kind: learned from past origins, asked at new ones.

Features come from the feature engine as of each origin. Amounts are divided by the series'
level there, and what is learned is how far the target lies from a base, in that unit, by
absolute error: so one model serves series of any size, and answers beyond what it has seen.
The rule: nothing after `known_until` of a series is learned from.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from kingpost.core import ExtraMissing
from kingpost.features import History, Requests, feature_matrix
from kingpost.models import model_input
from solutions.demand.data import Collection, Origins
from solutions.demand.kinds import Kind

__all__ = [
    "Forecaster",
    "Parameters",
    "Reader",
    "Rows",
    "fit",
    "past_origins",
    "read_rows",
    "reader",
]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Parameters:
    """What is told to LightGBM."""

    num_leaves: int = 31
    rounds: int = 250
    learning_rate: float = 0.05
    min_data_in_leaf: int = 100
    feature_fraction: float = 0.6
    bagging_fraction: float = 0.6
    threads: int = 1
    seed: int = 7

    def settings(self) -> dict[str, object]:
        """Return what LightGBM takes."""
        return {
            "objective": "l1",
            "num_leaves": self.num_leaves,
            "learning_rate": self.learning_rate,
            "min_data_in_leaf": self.min_data_in_leaf,
            "feature_fraction": self.feature_fraction,
            "bagging_fraction": self.bagging_fraction,
            "bagging_freq": 1,
            "num_threads": self.threads,
            "seed": self.seed,
            "deterministic": True,
            "force_row_wise": True,
            "verbosity": -1,
        }


@dataclass(frozen=True, eq=False)
class Rows:
    """What the model takes of forecasts to be made.

    Attributes:
        x: float32, shape (rows, features), amounts in units of the level.
        level: The series' level as of the origin, above zero.
        base: What the model's answer, times the level, is added to.
    """

    asked: Origins
    x: NDArray[np.float32]
    level: Floats
    base: Floats

    def __len__(self) -> int:
        return len(self.asked)

    def at(self, places: NDArray[np.int64]) -> "Rows":
        """Return some of the rows."""
        return Rows(self.asked.at(places), self.x[places], self.level[places], self.base[places])


Reader = Callable[[Origins], Rows]
"""Gives the rows of forecasts to be made."""


class _Trees(Protocol):
    def predict(self, data: NDArray[np.float32], *, num_threads: int) -> Floats: ...


@dataclass(frozen=True, eq=False)
class Forecaster:
    """A trained model.

    Attributes:
        rows: How many rows it learned from.
    """

    kind: Kind
    parameters: Parameters
    rows: int
    trees: _Trees

    def forecast(self, rows: Rows) -> Floats:
        """Return the amounts that are to be expected, never below zero."""
        away = self.trees.predict(rows.x, num_threads=self.parameters.threads)
        return np.maximum(rows.base + rows.level * away, 0.0)


def reader(collection: Collection) -> Reader:
    """Give the rows of forecasts of these series, as of their origins."""
    return partial(read_rows, collection, history=collection.history())


def read_rows(collection: Collection, asked: Origins, history: Mapping[str, History]) -> Rows:
    """Compute the features of forecasts to be made.

    Args:
        history: Of the collection; values after an origin do not count for it.
    """
    kind = collection.kind
    events = collection.orders(asked)
    requests = Requests(events, np.arange(len(asked), dtype=np.int64))
    values = feature_matrix(kind.set, requests, history)
    names = kind.set.names
    level = values[:, names.index(kind.level)]
    level = np.where(level > 0, level, 1.0)
    base = np.full(len(asked), np.nan)
    for name in kind.bases:
        base = np.where(np.isnan(base), values[:, names.index(name)], base)
    base = np.where(np.isnan(base), level, base)
    amounts = kind.amounts
    values[:, amounts] /= level[:, np.newaxis]
    return Rows(asked, model_input(values), level, base)


def past_origins(
    collection: Collection, known_until: Sequence[int], *, before: int, every: int, most: int
) -> Origins:
    """Return past origins whose last target is known.

    Args:
        known_until: The last step that is known of each series.
        before: Steps that are known at each of them, at the least.
        every: Steps between two of them.
        most: How many of each series, the latest ones.
    """
    kind = collection.kind
    places: list[int] = []
    origins: list[int] = []
    for place, (series, until) in enumerate(zip(collection.series, known_until, strict=True)):
        first = series.first + before - 1
        found = list(range(until - kind.horizon, first - 1, -every))[:most]
        places += [place] * len(found)
        origins += found
    return Origins.of(places, origins, kind.horizon)


def fit(collection: Collection, rows: Rows, parameters: Parameters) -> Forecaster:
    """Learn from rows whose targets are known.

    Raises:
        ExtraMissing: LightGBM is not installed.
    """
    actual = collection.actual(rows.asked)
    y = (actual - rows.base) / rows.level
    there = np.flatnonzero(~np.isnan(y))
    library = _library()
    data = library.Dataset(rows.x[there], y[there], params={"verbosity": -1})
    trees = library.train(parameters.settings(), data, parameters.rounds)
    return Forecaster(collection.kind, parameters, len(there), trees)


class _Library(Protocol):
    Dataset: Callable[..., object]
    train: Callable[..., _Trees]


def _library() -> _Library:
    try:
        import lightgbm
    except ImportError as error:
        raise ExtraMissing("lightgbm", "train") from error
    return cast("_Library", lightgbm)
