"""Demand: M4's last horizon as the test, and the bikes' last half year as a backtest.

Without M4's files, in DATA or beside the repository, simulated series stand in for all, and
the figures have other names.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks._figures import figure_at, say
from solutions.demand.data import Collection
from solutions.demand.files import read_collections
from solutions.demand.kinds import BIKES
from solutions.demand.protocol import judge_backtests, judge_last_horizon
from solutions.demand.simulator import Simulation, write_files

__all__ = ["demand_figures"]

M4, CITY = "demand-m4", "demand-bike-sharing"
BESIDE = Path(__file__).parents[2] / "shared" / "data"
OWA_BARS = {"hourly": 0.55, "weekly": 0.9}
PROMISED, MOST_OFF = 0.9, 0.03


def demand_figures(data: Path | None) -> None:
    """Print the figures.

    Args:
        data: A folder that holds M4's files in `demand-m4`, the bikes' in `demand-bike-sharing`.
    """
    folder = data or BESIDE
    if (folder / M4).is_dir():
        there = [folder / name for name in (M4, CITY) if (folder / name).is_dir()]
        _figures([one for path in there for one in read_collections(path)], "m4_{}_owa", "")
        return
    say(f"no {folder / M4}: simulating series")
    with tempfile.TemporaryDirectory() as temporary:
        write_files(Simulation(), Path(temporary))
        _figures(read_collections(Path(temporary)), "simulated_{}_owa", "_simulated")


def _figures(collections: Sequence[Collection], owa: str, of: str) -> None:
    coverage: list[float] = []
    for collection in collections:
        kind = collection.kind
        if kind is BIKES:
            coverage.append(_backtested(collection, of))
        else:
            judged = judge_last_horizon(collection)
            bar = OWA_BARS[kind.name]
            figure_at(owa.format(kind.name), judged.ours.owa, "OWA", bar, more_is_better=False)
            coverage.append(judged.coverage)
        say(f"{kind.name}: {coverage[-1]:.3f} of values are inside their interval")
    furthest = max(coverage, key=lambda one: abs(one - PROMISED))
    figure_at(f"interval_coverage{of}", furthest, "share", PROMISED, more_is_better=True)
    off = abs(furthest - PROMISED)
    figure_at(f"interval_coverage_off{of}", off, "share", MOST_OFF, more_is_better=False)


def _backtested(collection: Collection, of: str) -> float:
    done = judge_backtests(collection, policies=("on drift",))["on drift"]
    error, naive = done.mae, done.naive_mae
    figure_at(f"bikes_mae{of}", error, "rentals an hour", naive, more_is_better=False)
    return done.coverage
