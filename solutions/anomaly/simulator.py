"""Simulated machines: temperatures with a rhythm of their own, and what precedes a failure.

Every machine has a level, a daily rhythm and noise that remembers. Now and then something
is wrong with one, in one of three ways:

1. A surge: for an hour the readings are far too high.
2. A step: from one moment on the level is another, for a day and a half.
3. Wear: for two days the level rises slowly, as before a bearing breaks.

The window of each begins with it and lasts until it is over. One seed gives the same table,
whatever the machine; columns and windows are as `data.py` reads them.

    python -m solutions.anomaly.simulator --out folder
"""

import argparse
import json
import sys
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import numpy as np
from numpy.typing import NDArray

__all__ = ["Simulation", "Table", "main", "simulate", "write_folder"]

DAY_MINUTES = 1_440
SURGE_H, STEP_H, WEAR_H = 12, 36, 48
"""How long the window of each kind is; a surge itself takes an hour of it."""

HEALTHY_DAYS = 4
"""Nothing is wrong in the first days: a detector has to see what is usual."""

Table = dict[str, NDArray[np.generic]]


@dataclass(frozen=True)
class Simulation:
    """How many machines there are, and which of all possible ones.

    Attributes:
        faults: Of each machine, one in each of as many parts of the time.
        every_minutes: How often a machine is read.
    """

    machines: int = 12
    days: int = 28
    faults: int = 2
    every_minutes: int = 10
    seed: int = 7
    start: date = date(2026, 3, 2)


def simulate(simulation: Simulation) -> tuple[Table, dict[str, list[tuple[str, str]]]]:
    """Make the measurements and the windows in which something was wrong.

    Returns:
        series, timestamp (datetime64[us], UTC) and value, rows in the order of series and
        time; and the windows by series.
    """
    rng = np.random.default_rng(simulation.seed)
    readings = simulation.days * DAY_MINUTES // simulation.every_minutes
    minute = np.arange(readings) * simulation.every_minutes
    at = np.datetime64(simulation.start, "us") + minute.astype("timedelta64[m]")
    names = [f"plant/machine-{number + 1:02}" for number in range(simulation.machines)]
    windows: dict[str, list[tuple[str, str]]] = {}
    values: list[NDArray[np.float64]] = []
    for name in names:
        value = _healthy(minute, rng)
        windows[name] = []
        for first, last in _faults(simulation, minute, value, rng):
            windows[name].append((_text(at[first]), _text(at[last])))
        values.append(value)
    table: Table = {
        "series": np.repeat(np.array(names), readings),
        "timestamp": np.tile(at, simulation.machines),
        "value": np.round(np.concatenate(values), 4),
    }
    return table, windows


def _healthy(minute: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float64]:
    level, swing = rng.uniform(40, 80), rng.uniform(1, 6)
    phase = rng.uniform(0, 2 * np.pi)
    shocks = rng.normal(0, 0.25, len(minute))
    noise = np.empty(len(minute))
    last = 0.0
    for place, shock in enumerate(shocks.tolist()):
        noise[place] = last = 0.9 * last + shock
    return level + swing * np.sin(2 * np.pi * minute / DAY_MINUTES + phase) + noise


def _faults(
    simulation: Simulation,
    minute: NDArray[np.int64],
    value: NDArray[np.float64],
    rng: np.random.Generator,
) -> list[tuple[int, int]]:
    """Let a machine go wrong, in place; return first and last row of each window."""
    an_hour = 60 // simulation.every_minutes
    healthy = min(HEALTHY_DAYS * 24 * an_hour, len(minute) // 3)
    part = (len(minute) - healthy) // max(simulation.faults, 1)
    found: list[tuple[int, int]] = []
    for number in range(simulation.faults):
        hours = int(rng.choice([SURGE_H, STEP_H, WEAR_H]))
        rows = min(hours * an_hour, part - 1)
        first = healthy + number * part + int(rng.integers(0, part - rows))
        size = float(rng.choice([-1, 1])) * rng.uniform(8, 16)
        if hours == SURGE_H:
            value[first : first + an_hour] += abs(size) * 2
        elif hours == STEP_H:
            value[first : first + rows] += size
        else:
            value[first : first + rows] += np.linspace(0, abs(size) * 1.5, rows)
        found.append((first, first + rows - 1))
    return found


def _text(moment: np.datetime64) -> str:
    return str(moment.astype("datetime64[s]")).replace("T", " ")


def write_folder(table: Table, windows: dict[str, list[tuple[str, str]]], folder: Path) -> None:
    """Write the measurements and their windows as two files of a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as connection:
        connection.register("measurements", table)
        connection.execute(
            "COPY measurements TO ? (FORMAT parquet, COMPRESSION zstd)",
            [str(folder / "measurements.parquet")],
        )
    (folder / "anomaly_windows.json").write_text(json.dumps(windows, indent=1), encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    """Simulate and write a folder."""
    parser = argparse.ArgumentParser(prog="solutions.anomaly.simulator", description=__doc__)
    size = Simulation()
    parser.add_argument("--out", type=Path, required=True, help="the folder to write to")
    parser.add_argument("--machines", type=int, default=size.machines)
    parser.add_argument("--days", type=int, default=size.days)
    parser.add_argument("--seed", type=int, default=size.seed)
    chosen = parser.parse_args(arguments)
    if chosen.machines < 1:
        parser.error("--machines must be at least 1")
    if chosen.days < 3 * HEALTHY_DAYS:
        parser.error(f"--days must be at least {3 * HEALTHY_DAYS}")
    table, windows = simulate(Simulation(chosen.machines, chosen.days, seed=chosen.seed))
    write_folder(table, windows, chosen.out)
    faults = sum(map(len, windows.values()))
    print(f"{chosen.out}: {len(table['value']):,} measurements, {faults} faults", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
