"""The evaluation of anomaly detection: one command, one JSON object, errors that help."""

from pathlib import Path

import msgspec
import pytest

from solutions.anomaly.evaluate import main
from solutions.anomaly.simulator import Simulation, simulate, write_folder

REAL = Path(__file__).parents[3] / "shared/data/metrics-anomaly-nab"


class Figures(msgspec.Struct):
    nab_score: float
    false_alarms_per_stream_day: float
    windows: int
    windows_found: int


class Report(Figures):
    false_alarms_stated: float
    within_stated: bool
    series: int
    measurements: int
    declared: Figures
    groups: dict[str, Figures]
    protocol: dict[str, str]


def evaluated(folder: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> Report:
    assert main(["--data", str(folder), "--json", *arguments]) == 0
    return msgspec.json.decode(capsys.readouterr().out, type=Report)


def test_one_command_judges_any_files_of_these_columns(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_folder(*simulate(Simulation(machines=4, days=21, every_minutes=30)), tmp_path)

    report = evaluated(tmp_path, capsys, "--false-alarms", "0.2")

    assert report.nab_score > 50
    assert report.within_stated
    assert report.false_alarms_per_stream_day <= report.false_alarms_stated == 0.2
    assert (report.series, report.measurements, report.windows) == (4, 4_032, 8)
    assert list(report.groups) == ["plant"]
    assert "on all others" in report.protocol["bounds"]


def test_without_json_it_tells_series_by_series(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_folder(*simulate(Simulation(machines=2, days=14, every_minutes=60)), tmp_path)

    assert main(["--data", str(tmp_path)]) == 0

    told = capsys.readouterr().out
    assert "plant/machine-01: " in told
    assert "false alarms in" in told


def test_an_error_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", str(tmp_path), "--json"]) == 1
    assert "error [bad_files]" in capsys.readouterr().err


@pytest.mark.skipif(not REAL.is_dir(), reason="the benchmark's files are not here")
def test_the_benchmarks_series_score_sixty_with_bounds_from_other_series(
    capsys: pytest.CaptureFixture[str],
) -> None:
    report = evaluated(REAL, capsys)

    assert report.nab_score >= 60
    assert report.within_stated
    assert (report.series, report.windows) == (23, 44)
