"""Simulated demand in the columns of the real files: hourly and weekly series, and bikes.

Hourly series have a shape of the day and of the week around a level that wanders; weekly
ones wander with a trend and a shape of the year; bikes follow the hours in which people
work or do not, and grow by half from one day on, for a model to drift. One seed gives the
same files; nothing is taken from real ones.

    python -m solutions.demand.simulator --out simulated/
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
from numpy.typing import NDArray

__all__ = ["Simulation", "Table", "bikes", "hourly", "main", "weekly", "write_files"]

Floats = NDArray[np.float64]
Table = dict[str, NDArray[np.generic]]
FIRST_DAY = np.datetime64("2011-01-03", "D")  # a Monday
GROWTH = 1.5


@dataclass(frozen=True)
class Simulation:
    """How much is simulated, and which one of all possible it is.

    Attributes:
        grows_on: The day from which on bikes are asked for half as much again.
    """

    series: int = 60
    hours: int = 800
    weeks: int = 260
    days: int = 300
    grows_on: int = 240
    seed: int = 7


def hourly(size: Simulation) -> Table:
    """Make hourly series H1, H2 …: `series`, `step` from 1, `value`."""
    random = np.random.default_rng([size.seed, 1])
    hour = np.arange(size.hours)
    found: list[Floats] = []
    for _ in range(size.series):
        level = np.exp(random.normal(6, 1.5) + np.cumsum(random.normal(0, 0.004, size.hours)))
        day, week = random.gamma(8, 1 / 8, 24), random.gamma(40, 1 / 40, 7)
        shape = day[hour % 24] * week[hour // 24 % 7]
        found.append(level * shape * np.exp(random.normal(0, 0.05, size.hours)))
    return _long("H", found)


def weekly(size: Simulation) -> Table:
    """Make weekly series W1, W2 …, as `hourly`."""
    random = np.random.default_rng([size.seed, 2])
    week = np.arange(size.weeks)
    found: list[Floats] = []
    for _ in range(size.series):
        drift, phase = random.normal(0.001, 0.001), random.uniform(0, 52)
        level = random.normal(8, 1) + np.cumsum(random.normal(drift, 0.02, size.weeks))
        year = random.uniform(0, 0.3) * np.sin(2 * np.pi * (week + phase) / 52)
        found.append(np.exp(level + year))
    return _long("W", found)


def bikes(size: Simulation) -> Table:
    """Make hours of rentals: `dteday`, `hr`, `workingday` and `cnt`."""
    random = np.random.default_rng([size.seed, 3])
    day, hour = np.divmod(np.arange(size.days * 24), 24)
    works = (day % 7 < 5) & ~np.isin(day, random.choice(size.days, size.days // 40))
    rush = np.exp(-((hour - 8.0) ** 2) / 3) + 1.2 * np.exp(-((hour - 17.5) ** 2) / 4)
    leisure = 1.2 * np.exp(-((hour - 14.0) ** 2) / 18)
    season = 1 + 0.4 * np.sin(2 * np.pi * (day - 80) / 365)
    grown = np.where(day >= size.grows_on, GROWTH, 1.0)
    weather = np.exp(random.normal(0, 0.15, size.days))[day]
    mean = 12 + 260 * np.where(works, rush, leisure) * season * weather
    return {
        "dteday": (FIRST_DAY + day.astype("timedelta64[D]")).astype("datetime64[us]"),
        "hr": hour,
        "workingday": works.astype(np.int64),
        "cnt": random.poisson(mean * grown),
    }


def _long(letter: str, series: list[Floats]) -> Table:
    lengths = [len(values) for values in series]
    names = np.array([f"{letter}{at}" for at in range(1, len(series) + 1)])
    return {
        "series": np.repeat(names, lengths),
        "step": np.concatenate([np.arange(1, length + 1) for length in lengths]),
        "value": np.round(np.concatenate(series), 2),
    }


def write_files(size: Simulation, folder: Path) -> None:
    """Write `hourly.parquet`, `weekly.parquet` and `bikes.parquet`."""
    folder.mkdir(parents=True, exist_ok=True)
    tables = {"hourly": hourly(size), "weekly": weekly(size), "bikes": bikes(size)}
    with duckdb.connect() as database:
        for name, table in tables.items():
            database.register("made", table)
            database.execute(
                "COPY made TO ? (FORMAT parquet, COMPRESSION zstd)",
                [str(folder / f"{name}.parquet")],
            )
            database.unregister("made")


def main(arguments: list[str] | None = None) -> int:
    """Simulate and write the files."""
    parser = argparse.ArgumentParser(prog="solutions.demand.simulator", description=__doc__)
    usual = Simulation()
    parser.add_argument("--out", type=Path, required=True, help="the folder to write into")
    parser.add_argument("--series", type=int, default=usual.series, help="of each kind")
    parser.add_argument("--seed", type=int, default=usual.seed)
    chosen = parser.parse_args(arguments)
    if chosen.series < 1:
        parser.error("--series must be at least 1")
    write_files(Simulation(series=chosen.series, seed=chosen.seed), chosen.out)
    print(f"{chosen.out}: hourly.parquet, weekly.parquet, bikes.parquet", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
