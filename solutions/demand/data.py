"""Files of the M4 competition's columns, or of the bike sharing set's, as series of steps.

M4: `series`, `step` (from 1) and `value`; a series whose name begins with H is hourly, with W
weekly. Bikes: `dteday`, `hr`, `workingday` and `cnt`, one hourly series. Steps are counted
from a Monday's midnight, so that a step gives hour and weekday; M4 does not say when its
series begin, so for them these are places in a season and no more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import duckdb
import numpy as np
from numpy.typing import NDArray

import kingpost as kp
from kingpost.contracts import ColumnBatch, check_columns, contract_of
from kingpost.features import History
from solutions.demand.app import Order, Sale
from solutions.demand.kinds import BIKES, HOURLY, WEEKLY, Kind

__all__ = ["BadDemandFiles", "Collection", "Origins", "Series", "read_collections"]

FIRST_DAY = np.datetime64("2000-01-03", "us")  # a Monday
M4_COLUMNS, BIKE_COLUMNS = ("series", "step", "value"), ("dteday", "hr", "workingday", "cnt")
_KINDS = {"H": HOURLY, "W": WEEKLY}
_DAYS = ("unknown", "working", "free")


class BadDemandFiles(kp.KingpostError):
    """Files that are not there or do not hold series of a known kind."""

    code = "bad_demand_files"

    def __init__(self, path: str, problem: str, mend: str) -> None:
        super().__init__(path, problem, mend)
        self.path, self.problem, self.mend = path, problem, mend

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}; {self.mend}"


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
            days = asked.target * self.kind.step_us // (24 * HOURLY.step_us)
            free = np.isin(days, list(self.free_days))
            columns["day"] = np.array(_DAYS, object)[1 + free]
        return _checked(Order, columns, [f"o{row}" for row in range(len(asked))])

    def actual(self, asked: Origins) -> NDArray[np.float64]:
        """Return what came to be; NaN where it is not known."""
        found = np.empty(len(asked))
        for place in np.unique(asked.series).tolist():
            rows = asked.series == place
            found[rows] = self.series[place].at(asked.target[rows])
        return found

    def time(self, steps: NDArray[np.int64]) -> NDArray[np.datetime64]:
        """Return the moments of some steps."""
        return FIRST_DAY + (steps * self.kind.step_us).astype("timedelta64[us]")

    def but_last(self, steps: int) -> "Collection":
        """Return the series without their last steps."""
        cut = (replace(one, values=one.values[:-steps]) for one in self.series)
        return replace(self, series=tuple(cut))

    def _sales(
        self, codes: NDArray[np.int64], steps: NDArray[np.int64], values: NDArray[np.float64]
    ) -> ColumnBatch:
        columns = self._placed(codes, steps) | {"at": self.time(steps), "amount": values}
        names = [one.name for one in self.series]
        keys = [
            f"{names[code]}:{step}"
            for code, step in zip(codes.tolist(), steps.tolist(), strict=True)
        ]
        return _checked(Sale, columns, keys)

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


def read_collections(path: Path, then: Path | None = None) -> tuple[Collection, ...]:
    """Read a Parquet or CSV file, or a folder of such files.

    Args:
        then: Files with the values that follow those of `path`, whose steps may begin anew.

    Raises:
        BadDemandFiles: There are none, or they hold no series, or too short ones.
    """
    m4, bikes = _read(path)
    if then is not None:
        later, later_bikes = _read(then)
        for name, values in later.items():
            m4[name] = np.concatenate([m4.get(name, np.empty(0)), values])
        bikes += later_bikes
    found = [
        _collected(kind, {name: v for name, v in m4.items() if name[:1] == letter})
        for letter, kind in _KINDS.items()
    ]
    other = sorted(name for name in m4 if name[:1] not in _KINDS)
    if other:
        raise BadDemandFiles(
            str(path), f"series {other[0]!r} is neither hourly nor weekly", "name it H… or W…"
        )
    collections = [one for one in found if one.series]
    if bikes:
        collections.append(_bikes(bikes))
    for one in collections:
        _check_length(one, path)
    return tuple(collections)


def _check_length(collection: Collection, path: Path) -> None:
    kind = collection.kind
    least = kind.before + 5 * kind.horizon
    for one in collection.series:
        if len(one.values) < 4 * kind.horizon:
            raise BadDemandFiles(
                str(path),
                f"series {one.name!r} has {len(one.values)} values",
                f"leave out series of fewer than {4 * kind.horizon}",
            )
    if max(len(one.values) for one in collection.series) < least:
        raise BadDemandFiles(
            str(path), f"no {kind.name} series has {least} values", "give longer series"
        )


def _collected(kind: Kind, named: Mapping[str, NDArray[np.float64]]) -> Collection:
    series = [Series(name, kind.places, named[name]) for name in sorted(named)]
    return Collection(kind, tuple(series))


def _bikes(rows: Sequence[tuple[int, float, bool]]) -> Collection:
    hours = np.array([row[0] for row in rows], np.int64)
    values = np.full(int(hours.max() - hours.min()) + 1, np.nan)
    values[hours - hours.min()] = [row[1] for row in rows]
    free = frozenset(int(hour) // 24 for hour, _, works in rows if not works)
    return Collection(BIKES, (Series("bikes", int(hours.min()), values),), free)


def _read(path: Path) -> tuple[dict[str, NDArray[np.float64]], list[tuple[int, float, bool]]]:
    """Read all files: values by series, and hours with count and whether people work."""
    m4: dict[str, NDArray[np.float64]] = {}
    bikes: list[tuple[int, float, bool]] = []
    with duckdb.connect() as database:
        for file in _files(path):
            source = f"'{str(file).replace(chr(39), chr(39) * 2)}'"
            try:
                described = database.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
                columns = {str(row[0]).lower() for row in described}
                if columns >= set(M4_COLUMNS):
                    m4 |= _read_m4(database, source, file)
                elif columns >= set(BIKE_COLUMNS):
                    query = (
                        "SELECT datediff('hour', TIMESTAMP '2000-01-03', dteday::TIMESTAMP) "
                        f"+ hr::BIGINT, cnt::DOUBLE, workingday::BIGINT = 1 FROM {source} ORDER BY 1"
                    )
                    bikes += database.execute(query).fetchall()
                else:
                    raise BadDemandFiles(
                        str(file),
                        f"it has the columns {', '.join(sorted(columns))}",
                        f"give {', '.join(M4_COLUMNS)} or {', '.join(BIKE_COLUMNS)}",
                    )
            except duckdb.Error as error:
                problem = str(error).strip().partition("\n")[0]
                raise BadDemandFiles(
                    str(file), f"cannot be read: {problem}", "give Parquet or CSV files"
                ) from error
    if not m4 and not bikes:
        raise BadDemandFiles(str(path), "holds no values", "give some")
    return m4, bikes


def _read_m4(
    database: duckdb.DuckDBPyConnection, source: str, file: Path
) -> dict[str, NDArray[np.float64]]:
    rows = database.execute(
        "SELECT series, list(value::DOUBLE ORDER BY step), max(step) - min(step) + 1, count(*) "
        f"FROM {source} GROUP BY series"
    ).fetchall()
    found: dict[str, NDArray[np.float64]] = {}
    for name, values, span, count in rows:
        if span != count:
            raise BadDemandFiles(
                str(file), f"series {name!r} has {count} rows for {span} steps", "give each once"
            )
        found[str(name)] = np.array(values, np.float64)
    return found


def _files(path: Path) -> list[Path]:
    inside = sorted(path.iterdir()) if path.is_dir() else [path]
    files = [one for one in inside if one.name.endswith((".parquet", ".csv", ".csv.gz"))]
    if not files or not path.exists():
        raise BadDemandFiles(str(path), "is no .parquet or .csv file, nor holds one", "check it")
    return files


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
