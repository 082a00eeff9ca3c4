"""Files of the M4 competition's columns, or of the bike sharing set's, as series of steps.

M4: `series`, `step` (from 1) and `value`; a series whose name begins with H is hourly, with W
weekly. It does not say when its series begin, so hour and week are places in a season and no
more. Bikes: `dteday`, `hr`, `workingday` and `cnt`, one hourly series; hours that are not
there have no value.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import duckdb
import numpy as np
from numpy.typing import NDArray

from solutions.demand.data import Collection, Series
from solutions.demand.errors import BadDemandFiles
from solutions.demand.kinds import BIKES, HOURLY, WEEKLY, Kind

__all__ = ["BIKE_COLUMNS", "M4_COLUMNS", "read_collections"]

Floats = NDArray[np.float64]

M4_COLUMNS, BIKE_COLUMNS = ("series", "step", "value"), ("dteday", "hr", "workingday", "cnt")
_KINDS = {"H": HOURLY, "W": WEEKLY}
_SUFFIXES = (".parquet", ".csv", ".csv.gz")


class _Part(NamedTuple):
    """What one file holds of a series, from its first step on."""

    first: int
    values: Floats


class _Hour(NamedTuple):
    """One hour of rentals: its step, how many, and whether people work that day."""

    step: int
    amount: float
    works: bool


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
    other = sorted(name for name in m4 if name[:1] not in _KINDS)
    if other:
        raise BadDemandFiles(
            str(path), f"series {other[0]!r} is neither hourly nor weekly", "name it H… or W…"
        )
    found = [
        _collected(kind, {name: values for name, values in m4.items() if name[0] == letter})
        for letter, kind in _KINDS.items()
    ]
    collections = [one for one in found if one.series]
    if bikes:
        collections.append(_bikes(bikes, path))
    for one in collections:
        _check_length(one, path)
    return tuple(collections)


def _check_length(collection: Collection, path: Path) -> None:
    kind = collection.kind
    lengths = {one.name: len(one.values) for one in collection.series}
    shortest = min(lengths, key=lambda name: lengths[name])
    if lengths[shortest] < kind.shortest:
        raise BadDemandFiles(
            str(path),
            f"series {shortest!r} has {lengths[shortest]} values",
            f"leave out series of fewer than {kind.shortest}",
        )
    if max(lengths.values()) < kind.least:
        raise BadDemandFiles(
            str(path), f"no {kind.name} series has {kind.least} values", "give longer series"
        )


def _collected(kind: Kind, named: Mapping[str, Floats]) -> Collection:
    series = [Series(name, kind.places, named[name]) for name in sorted(named)]
    return Collection(kind, tuple(series))


def _bikes(rows: Sequence[_Hour], path: Path) -> Collection:
    hours = np.array([row.step for row in rows], np.int64)
    if len(np.unique(hours)) < len(hours):
        raise BadDemandFiles(str(path), "an hour of the bikes is there twice", "give each once")
    first = int(hours.min())
    values = np.full(int(hours.max()) - first + 1, np.nan)
    values[hours - first] = [row.amount for row in rows]
    free = frozenset(row.step // 24 for row in rows if not row.works)
    return Collection(BIKES, (Series("bikes", first, values),), free)


def _read(path: Path) -> tuple[dict[str, Floats], list[_Hour]]:
    parts: dict[str, list[_Part]] = {}
    bikes: list[_Hour] = []
    with duckdb.connect() as database:
        for file in _files(path):
            try:
                named, hours = _read_file(database, file)
            except duckdb.Error as error:
                problem = str(error).strip().partition("\n")[0]
                raise BadDemandFiles(
                    str(file), f"cannot be read: {problem}", "give Parquet or CSV files"
                ) from error
            for name, part in named.items():
                parts.setdefault(name, []).append(part)
            bikes += hours
    if not parts and not bikes:
        raise BadDemandFiles(str(path), "holds no values", "give some")
    return {name: _joined(name, found, path) for name, found in parts.items()}, bikes


def _joined(name: str, parts: list[_Part], path: Path) -> Floats:
    """Put the parts of a series one behind the other, in the order of steps."""
    parts.sort(key=lambda part: part.first)
    for part, following in pairwise(parts):
        if following.first != part.first + len(part.values):
            raise BadDemandFiles(
                str(path),
                f"series {name!r} is in several files, whose steps do not follow one another",
                "give each step once; files whose steps begin anew are given as --test",
            )
    return np.concatenate([part.values for part in parts])


def _read_file(
    database: duckdb.DuckDBPyConnection, file: Path
) -> tuple[dict[str, _Part], list[_Hour]]:
    source = f"'{str(file).replace(chr(39), chr(39) * 2)}'"
    described = database.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
    columns = {str(row[0]).lower() for row in described}
    if columns >= set(M4_COLUMNS):
        return _read_m4(database, source, file), []
    if columns >= set(BIKE_COLUMNS):
        return {}, _read_bikes(database, source, file)
    raise BadDemandFiles(
        str(file),
        f"it has the columns {', '.join(sorted(columns))}",
        f"give {', '.join(M4_COLUMNS)} or {', '.join(BIKE_COLUMNS)}",
    )


def _read_m4(database: duckdb.DuckDBPyConnection, source: str, file: Path) -> dict[str, _Part]:
    rows = database.execute(
        "SELECT series::TEXT, list(value::DOUBLE ORDER BY step::BIGINT), "
        "min(step::BIGINT), max(step::BIGINT), count(step), count(value) "
        f"FROM {source} GROUP BY series"
    ).fetchall()
    found: dict[str, _Part] = {}
    for name, values, first, last, steps, there in rows:
        span = last - first + 1
        if not span == steps == there == len(values):
            raise BadDemandFiles(
                str(file),
                f"series {name!r} has {there} values for {span} steps",
                "give one value for each step",
            )
        found[str(name)] = _Part(first, np.array(values, np.float64))
    return found


def _read_bikes(database: duckdb.DuckDBPyConnection, source: str, file: Path) -> list[_Hour]:
    rows = database.execute(
        "SELECT datediff('hour', TIMESTAMP '2000-01-03', dteday::TIMESTAMP) + hr::BIGINT, "
        f"cnt::DOUBLE, workingday::BIGINT = 1, hr::BIGINT FROM {source} ORDER BY 1"
    ).fetchall()
    found: list[_Hour] = []
    for step, count, works, hour in rows:
        if None in (step, count, works) or not 0 <= hour <= 23:
            raise BadDemandFiles(
                str(file),
                f"a row has dteday, hr, cnt or workingday that are none (hr {hour})",
                "mend it, or leave it out",
            )
        found.append(_Hour(step, count, works))
    return found


def _files(path: Path) -> list[Path]:
    inside = sorted(path.iterdir()) if path.is_dir() else [path]
    files = [one for one in inside if one.name.endswith(_SUFFIXES)]
    if not files or not path.exists():
        raise BadDemandFiles(str(path), "is no .parquet or .csv file, nor holds one", "check it")
    return files
