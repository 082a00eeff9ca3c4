"""Simulated machines: the same every time, healthy at first, wrong in their windows."""

from pathlib import Path

import numpy as np
import pytest

from solutions.anomaly.data import MeasurementFiles
from solutions.anomaly.simulator import Simulation, main, simulate

SMALL = Simulation(machines=3, days=14, every_minutes=30)


def test_one_seed_gives_one_table_and_another_seed_another() -> None:
    table, windows = simulate(SMALL)
    again, same_windows = simulate(SMALL)
    other, _ = simulate(Simulation(machines=3, days=14, every_minutes=30, seed=8))

    assert all(np.array_equal(table[name], again[name]) for name in table)
    assert windows == same_windows
    assert not np.array_equal(table["value"], other["value"])


def test_every_machine_has_its_faults_apart_and_none_in_the_first_days(tmp_path: Path) -> None:
    assert main(["--out", str(tmp_path), "--machines", "4", "--days", "14"]) == 0
    files = MeasurementFiles.find(tmp_path)

    every = files.series(files.measurements())

    assert [one.name for one in every] == [f"plant/machine-{number:02}" for number in (1, 2, 3, 4)]
    for one in every:
        assert one.labelled.windows == 2
        assert one.windows_us[0][0] >= one.event_time_us[0] + 4 * 86_400_000_000
        assert one.windows_us[0][1] < one.windows_us[1][0]


@pytest.mark.parametrize("arguments", [["--machines", "0"], ["--days", "5"]])
def test_what_cannot_be_simulated_is_a_wrong_call(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["--out", str(tmp_path), *arguments])

    assert "must be at least" in capsys.readouterr().err
