"""Anomaly detection: the score of the Numenta Anomaly Benchmark, bounds from other series only.

Without the benchmark's files, in DATA or beside the repository, simulated machines stand in
for them, and the figure has another name.
"""

import tempfile
from pathlib import Path

from benchmarks._figures import figure_at, say
from solutions.anomaly.data import MeasurementFiles
from solutions.anomaly.nab import normalised
from solutions.anomaly.protocol import FALSE_ALARMS, false_alarms_a_day, judge, total
from solutions.anomaly.simulator import Simulation, simulate, write_folder

__all__ = ["anomaly_figures"]

FOLDER = "metrics-anomaly-nab"
BESIDE = Path(__file__).parents[2] / "shared" / "data"
BAR = 60.0


def anomaly_figures(data: Path | None) -> None:
    """Print the figures.

    Args:
        data: A folder that holds the benchmark's files in `metrics-anomaly-nab`.
    """
    found = (data or BESIDE) / FOLDER
    if found.is_dir():
        _figures(found, "nab_score")
        return
    say(f"no {found}: simulating machines")
    with tempfile.TemporaryDirectory() as temporary:
        write_folder(*simulate(Simulation()), Path(temporary))
        _figures(Path(temporary), "nab_score_simulated")


def _figures(folder: Path, name: str) -> None:
    judged = judge(MeasurementFiles.find(folder)).by_series
    score, rate = total(judged), false_alarms_a_day(judged)
    say(
        f"{len(judged)} series, {score.found} of {score.windows} windows found, "
        f"{score.false_alarms} false alarms"
    )
    figure_at(name, normalised(score), "points", BAR, more_is_better=True)
    figure_at("anomaly_false_alarms", rate, "a stream-day", FALSE_ALARMS, more_is_better=False)
