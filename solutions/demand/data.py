"""Series of steps, forecasts to be made of them, and both as events of `app.py`.

Steps are counted from a Monday's midnight, so that a step gives hour and weekday. An event
of a step is dated when the step is over: that is when its value is known.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

import kingpost as kp
from kingpost.contracts import ColumnBatch, check_columns, contract_of
from kingpost.features import History
from solutions.demand.app import Order, Outcome, Sale
from solutions.demand.errors import BadDemandFiles
from solutions.demand.kinds import HOURLY, Kind

__all__ = ["Collection", "Origins", "Series"]

FIRST_DAY = np.datetime64("2000-01-03", "us")  # a Monday
_DAYS = ("unknown", "working", "free")


@dataclass(frozen=True, eq=False)
class Series:
    """One series.

    Attributes:
        first: The step of the first value.
        values: One a step, float64; NaN where there is none.
    """

    name: str
    first: int
    values: NDArray[np.float64]

    @property
    def last(self) -> int:
        """The step of the last value."""
        return self.first + len(self.values) - 1

    def until(self, step: int) -> NDArray[np.float64]:
        """Return the values up to a step, and that of the step itself."""
        return self.values[: step - self.first + 1]

    def at(self, steps: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the values of some steps; NaN beyond the ends."""
        places = steps - self.first
        inside = (places >= 0) & (places < len(self.values))
        return np.where(inside, self.values[np.where(inside, places, 0)], np.nan)


@dataclass(frozen=True, eq=False)
class Origins:
    """Forecasts to be made: a row for each step of the horizon at each origin.

    Attributes:
        series: The place of each row's series in its collection.
        origin: The last step that is known, int64.
        horizon: How many steps later the target is, from 1.
    """

    series: NDArray[np.int64]
    origin: NDArray[np.int64]
    horizon: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.series)

    @property
    def target(self) -> NDArray[np.int64]:
        """The step that is forecast."""
        return self.origin + self.horizon

    def at(self, places: NDArray[np.int64]) -> "Origins":
        """Return some of the rows."""
        return Origins(self.series[places], self.origin[places], self.horizon[places])

    @staticmethod
    def of(series: Sequence[int], origin: Sequence[int], steps: int) -> "Origins":
        """Ask for all steps of the horizon at each origin, side by side."""
        return Origins(
            np.repeat(np.array(series, np.int64), steps),
            np.repeat(np.array(origin, np.int64), steps),
            np.tile(np.arange(1, steps + 1), len(series)),
        )


@dataclass(frozen=True, eq=False)
class Collection:
    """Series of one kind, in the order of their names.

    Attributes:
        free_days: Days, counted from the first Monday, on which nobody works; where known.
    """

    kind: Kind
    series: tuple[Series, ...]
    free_days: frozenset[int] = field(default_factory=frozenset[int])

    def history(self) -> Mapping[str, History]:
        """Return all values as the stream `sale`, as they would lie in a journal."""
        steps = np.concatenate([one.first + np.arange(len(one.values)) for one in self.series])
        values = np.concatenate([one.values for one in self.series])
        codes = np.repeat(np.arange(len(self.series)), [len(one.values) for one in self.series])
        there = ~np.isnan(values)
        steps, values, codes = steps[there], values[there], codes[there]
        order = np.argsort(steps, kind="stable")
        events = self._sales(codes[order], steps[order], values[order])
        return {"sale": History(events, np.arange(events.rows, dtype=np.int64))}

    def orders(self, asked: Origins, planned: NDArray[np.float64] | None = None) -> ColumnBatch:
        """Write forecasts to be made as events of the stream `order`."""
        columns = self._placed(asked.series, asked.target)
        columns |= {"at": self.time(asked.origin), "horizon": asked.horizon}
        if planned is not None:
            columns["planned"] = planned
        if self.free_days:
            columns["day"] = np.array(_DAYS, object)[1 + self._is_free(asked.target)]
        keys = [
            f"{key}+{steps}"
            for key, steps in zip(
                self._keys(asked.series, asked.origin), asked.horizon.tolist(), strict=True
            )
        ]
        return _checked(Order, columns, keys)

    def outcomes(
        self, orders: ColumnBatch, asked: Origins, short: NDArray[np.bool_]
    ) -> ColumnBatch:
        """Write whether plans fell short as events of the stream `outcome`.

        Args:
            orders: The events of what was `asked`.
        """
        columns = {
            "at": self.time(asked.origin),
            "known_at": self.time(asked.target),
            "short": short,
        }
        return _checked(Outcome, columns, list(map(str, orders.values("id"))))

    def actual(self, asked: Origins) -> NDArray[np.float64]:
        """Return what came to be; NaN where it is not known."""
        found = np.empty(len(asked))
        places: list[int] = np.unique(asked.series).tolist()
        for place in places:
            rows = asked.series == place
            found[rows] = self.series[place].at(asked.target[rows])
        return found

    def time(self, steps: NDArray[np.int64]) -> NDArray[np.datetime64]:
        """Return the moments at which some steps are over."""
        return FIRST_DAY + ((steps + 1) * self.kind.step_us).astype("timedelta64[us]")

    def but_last(self, steps: int) -> "Collection":
        """Return the series without their last steps, if they are then long enough.

        Raises:
            BadDemandFiles: None of them is long enough to learn from.
        """
        cut = [replace(one, values=one.values[: len(one.values) - steps]) for one in self.series]
        kept = tuple(one for one in cut if len(one.values) >= self.kind.shortest)
        if max((len(one.values) for one in kept), default=0) < self.kind.least:
            raise BadDemandFiles(
                f"{self.kind.name} series",
                f"{steps} steps before the end, none has {self.kind.least} values",
                "give longer series",
            )
        return replace(self, series=kept)

    def _sales(
        self, codes: NDArray[np.int64], steps: NDArray[np.int64], values: NDArray[np.float64]
    ) -> ColumnBatch:
        columns = self._placed(codes, steps) | {"at": self.time(steps), "amount": values}
        return _checked(Sale, columns, self._keys(codes, steps))

    def _is_free(self, steps: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Say whether nobody works at some steps; of days to come only weekends are known."""
        day_us = 24 * HOURLY.step_us
        day = steps * self.kind.step_us // day_us
        last = max(one.last for one in self.series) * self.kind.step_us // day_us
        return np.where(day > last, day % 7 >= 5, np.isin(day, list(self.free_days)))

    def _keys(self, codes: NDArray[np.int64], steps: NDArray[np.int64]) -> Sequence[str]:
        names = [one.name for one in self.series]
        return [
            f"{names[code]}:{step}"
            for code, step in zip(codes.tolist(), steps.tolist(), strict=True)
        ]

    def _placed(
        self, codes: NDArray[np.int64], steps: NDArray[np.int64]
    ) -> dict[str, NDArray[np.generic]]:
        names = np.array([one.name for one in self.series], object)
        is_hours = self.kind.step_us == HOURLY.step_us
        return {
            "series": names[codes],
            "hour": steps % 24 if is_hours else np.zeros(len(steps), np.int64),
            "place": steps % self.kind.places,
        }


def _checked(
    event: type[kp.Event], columns: Mapping[str, NDArray[np.generic]], keys: Sequence[str]
) -> ColumnBatch:
    contract = contract_of(event)
    texts = {contract.key.name: np.array(keys, object)}
    batch, refused = check_columns(contract, texts | dict(columns))
    if refused:
        bad = refused[0]
        raise BadDemandFiles(
            "the series", f"a value breaks its contract: {bad.violation}", "mend it"
        )
    return batch
