"""Periods to learn before and to judge on: out-of-time splits and folds.

The rule: what is judged always happened after what was learned, with a gap for labels that
become known late. Times are aware; a time without a zone is refused.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from kingpost.contracts import Instant, microseconds
from kingpost.core import duration_us
from kingpost.models.dataset import DAY_US, TrainingSet
from kingpost.models.errors import BadSplit, BadTrainingSet, HistoryTooShort

__all__ = ["Fold", "Folds", "OutOfTimeSplit", "RowsToJudge", "UnknownEntities", "every_row"]


class RowsToJudge(Protocol):
    """Which rows of a period count when a model is judged on it."""

    def __call__(self, data: TrainingSet, from_us: int, until_us: int) -> NDArray[np.int64]:
        """Return row numbers of `data`, ascending."""
        ...


def every_row(data: TrainingSet, from_us: int, until_us: int) -> NDArray[np.int64]:
    """Judge on all rows of the period."""
    return data.rows_between(from_us, until_us)


@dataclass(frozen=True)
class UnknownEntities:
    """Judge on entities that nobody knew to be positive when the day began.

    On each day of the period, counted from its start, leave out the entities that had a
    positive row `delay` before the day or earlier, back to `memory` before the period.

    Source: `get_train_test_set` of the Fraud Detection Handbook, chapter 3, where memory is
    the training week and the delay: cards known as compromised are not decided upon.
    """

    memory: str = "14d"
    delay: str = "7d"

    def __post_init__(self) -> None:
        duration_us(self.memory)
        duration_us(self.delay)

    def __call__(self, data: TrainingSet, from_us: int, until_us: int) -> NDArray[np.int64]:
        """Return row numbers of `data`, ascending.

        Raises:
            BadTrainingSet: It names no entities.
        """
        if data.entities is None:
            raise BadTrainingSet("it names no entities", "give the entity of each row")
        remembered = data.rows_between(from_us - duration_us(self.memory), until_us)
        positive = remembered[data.y[remembered] == 1]
        judged: list[NDArray[np.int64]] = []
        for day_us in range(from_us, until_us, DAY_US):
            rows = data.rows_between(day_us, min(day_us + DAY_US, until_us))
            known = positive[data.event_time_us[positive] < day_us - duration_us(self.delay)]
            judged.append(rows[~np.isin(data.entities[rows], data.entities[known])])
        return np.sort(np.concatenate(judged)) if judged else np.empty(0, np.int64)


class Fold(NamedTuple):
    """Learn from what happened before `train_until_us`, judge on the period after."""

    train_until_us: int
    from_us: int
    until_us: int

    def __str__(self) -> str:
        return (
            f"rows before {_day(self.train_until_us)} judged on {_day(self.from_us)} to "
            f"{_day(self.until_us - 1)}"
        )


@dataclass(frozen=True)
class Folds:
    """The last periods of a history, each judged by a model of what lay before.

    Attributes:
        count: How many periods; they end with the UTC day of the last row.
        length: How long each is.
        gap: What lies before a period and is not learned from: at the least the time until
            a label is known.

    Raises:
        BadDuration: A length is not one.
        BadSplit: There would be no fold, or nothing in one.
    """

    count: int = 4
    length: str = "7d"
    gap: str = "7d"

    def __post_init__(self) -> None:
        duration_us(self.gap)
        if self.count < 1 or not duration_us(self.length):
            raise BadSplit(f"there is nothing in {self}", "ask for one period or more")

    def of(self, data: TrainingSet) -> tuple[Fold, ...]:
        """Return the folds of a history, oldest first.

        Raises:
            HistoryTooShort: A fold would have nothing to learn from or to judge on.
        """
        return tuple(self._checked(data))

    def _checked(self, data: TrainingSet) -> Iterator[Fold]:
        length_us, end_us = duration_us(self.length), data.end_us()
        for back in range(self.count, 0, -1):
            from_us = end_us - back * length_us
            fold = Fold(from_us - duration_us(self.gap), from_us, from_us + length_us)
            for what, rows in (
                ("learn from", data.rows_between(None, fold.train_until_us)),
                ("be judged on", data.rows_between(fold.from_us, fold.until_us)),
            ):
                positives = int(np.count_nonzero(data.y[rows]))
                if not 0 < positives < len(rows):
                    raise HistoryTooShort(
                        str(self),
                        str(fold),
                        f"has {positives} positive of {len(rows)} rows to {what}",
                    )
            yield fold

    def __str__(self) -> str:
        return f"{self.count} folds of {self.length} with a gap of {self.gap}"


@dataclass(frozen=True)
class OutOfTimeSplit:
    """Learn from what happened before a moment, judge on a later period.

    Attributes:
        train_until: Rows from then on are not learned from.
        test_from: The period judged on begins.
        test_to: It ends before this moment.
        train_from: Rows before are not learned from; None takes all.

    Raises:
        NaiveTime: A moment has no zone.
        BadSplit: The periods are empty or the test does not come after the training.
    """

    train_until: datetime
    test_from: datetime
    test_to: datetime
    train_from: datetime | None = None

    def __post_init__(self) -> None:
        until, test_from, test_to = map(
            microseconds, (self.train_until, self.test_from, self.test_to)
        )
        if self.train_from is not None and microseconds(self.train_from) >= until:
            raise BadSplit("train_from is not before train_until", "let training begin earlier")
        if until > test_from:
            raise BadSplit("train_until is after test_from", "never judge on what was learned")
        if test_from >= test_to:
            raise BadSplit("test_from is not before test_to", "let the test end later")

    @property
    def test_us(self) -> tuple[int, int]:
        """Start and end of the test, microseconds UTC."""
        return microseconds(self.test_from), microseconds(self.test_to)

    def train(self, data: TrainingSet) -> TrainingSet:
        """Return what may be learned from."""
        start = None if self.train_from is None else microseconds(self.train_from)
        return data.between(start, microseconds(self.train_until))

    def test(self, data: TrainingSet, rows: RowsToJudge = every_row) -> TrainingSet:
        """Return what is judged on."""
        return data.take(rows(data, *self.test_us))

    def __str__(self) -> str:
        start = (
            "" if self.train_from is None else f"from {Instant.of(self.train_from).isoformat()} "
        )
        return (
            f"learned {start}until {Instant.of(self.train_until).isoformat()} (exclusive), judged "
            f"from {Instant.of(self.test_from).isoformat()} until "
            f"{Instant.of(self.test_to).isoformat()} (exclusive)"
        )


def _day(us: int) -> str:
    return Instant(us).isoformat()[:10]
