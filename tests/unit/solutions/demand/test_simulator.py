"""Simulated demand: the same for the same seed, and in the columns that are read."""

from pathlib import Path

import numpy as np
import pytest

from solutions.demand.files import read_collections
from solutions.demand.simulator import GROWTH, Simulation, bikes, hourly, main, weekly, write_files

SMALL = Simulation(series=2)


def test_one_seed_gives_the_same_values_and_another_gives_others() -> None:
    for make in (hourly, weekly):
        assert make(SMALL)["value"].tolist() == make(SMALL)["value"].tolist()
        other = make(Simulation(series=2, seed=8))
        assert make(SMALL)["value"].tolist() != other["value"].tolist()


def test_bikes_grow_by_half_from_one_day_on() -> None:
    grown = bikes(Simulation(days=56, grows_on=28))
    as_ever = bikes(Simulation(days=56, grows_on=56))

    before, after = np.split(grown["cnt"].astype(float), [28 * 24])
    without = as_ever["cnt"][28 * 24 :].astype(float)
    assert before.tolist() == as_ever["cnt"][: 28 * 24].tolist()
    assert after.mean() / without.mean() == pytest.approx(GROWTH, rel=0.02)


def test_what_is_written_is_what_the_solution_reads(tmp_path: Path) -> None:
    write_files(SMALL, tmp_path)

    found = read_collections(tmp_path)

    assert [(one.kind.name, len(one.series)) for one in found] == [
        ("hourly", 2), ("weekly", 2), ("bikes", 1),
    ]  # fmt: skip
    assert len(found[2].free_days) > SMALL.days * 2 // 7, "weekends, and some holidays"


def test_as_many_series_are_simulated_as_are_asked_for(tmp_path: Path) -> None:
    assert main(["--out", str(tmp_path), "--series", "1"]) == 0
    assert len(read_collections(tmp_path / "weekly.parquet")[0].series) == 1
    with pytest.raises(SystemExit):
        main(["--out", str(tmp_path), "--series", "0"])
