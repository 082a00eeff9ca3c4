"""Forecasts of demand: evaluated by one command, and written as a batch."""

from pathlib import Path

import duckdb
import msgspec
import numpy as np
import pytest

from solutions.demand import evaluate, forecast
from solutions.demand.files import read_collections
from solutions.demand.forecast import forecast_next
from solutions.demand.simulator import Simulation, write_files

SMALL = Simulation(series=12, hours=624, weeks=160, days=75, grows_on=75)


class Measured(msgspec.Struct):
    smape: float
    mase: float
    owa: float


class Judged(Measured):
    naive2: Measured
    seasonal_naive: Measured
    interval_coverage: float
    below: float
    above: float
    series: int


class Backtested(msgspec.Struct):
    mae: float
    interval_coverage: float
    models: int
    trained_on_days: list[int]


class Bikes(msgspec.Struct):
    days: int
    mae_week_before: float
    never: Backtested
    on_drift: Backtested
    every_four_weeks: Backtested


class Report(msgspec.Struct):
    hourly: Judged
    weekly: Judged
    bikes: Bikes
    wall_s: float


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demand")
    write_files(SMALL, folder)
    return folder


def test_one_command_judges_all_kinds_of_series(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate.main(["--data", str(files), "--json"]) == 0

    told = capsys.readouterr()
    report = msgspec.json.decode(told.out, type=Report)
    for judged in (report.hourly, report.weekly):
        assert judged.naive2.owa == 1
        assert judged.owa < min(1, judged.seasonal_naive.owa)
        assert judged.series == SMALL.series
        inside = judged.interval_coverage + judged.below + judged.above
        assert inside == pytest.approx(1)
    assert report.bikes.days == 25
    assert report.bikes.never.mae < report.bikes.mae_week_before
    assert 0.8 < report.bikes.never.interval_coverage < 0.97
    assert report.bikes.every_four_weeks.trained_on_days == [0]
    assert "hourly train" in told.err


def test_the_test_may_lie_in_files_of_its_own(
    files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = files / "weekly.parquet"
    with duckdb.connect() as database:
        for name, which in (("first", "<="), ("later", ">")):
            database.sql(
                f"SELECT series, step, value FROM '{whole}' WHERE step {which} {SMALL.weeks - 13}"
            ).write_parquet(str(tmp_path / f"{name}.parquet"))

    first, later = str(tmp_path / "first.parquet"), str(tmp_path / "later.parquet")
    assert evaluate.main(["--data", str(whole), "--json"]) == 0
    together = msgspec.json.decode(capsys.readouterr().out)
    assert evaluate.main(["--data", first, "--test", later, "--json"]) == 0
    apart = msgspec.json.decode(capsys.readouterr().out)

    assert apart["weekly"] == together["weekly"]


def test_an_earlier_horizon_is_judged_as_if_the_file_ended_with_it(
    files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, cut = files / "weekly.parquet", tmp_path / "cut.parquet"
    with duckdb.connect() as database:
        database.sql(f"SELECT * FROM '{whole}' WHERE step <= {SMALL.weeks - 26}").write_parquet(
            str(cut)
        )

    assert evaluate.main(["--data", str(whole), "--json", "--earlier", "2"]) == 0
    earlier = msgspec.json.decode(capsys.readouterr().out)
    assert evaluate.main(["--data", str(cut), "--json"]) == 0

    assert earlier["weekly"] == msgspec.json.decode(capsys.readouterr().out)["weekly"]


def test_the_next_horizon_of_every_series_is_written_as_it_is_forecast(
    files: Path, tmp_path: Path
) -> None:
    weekly, out = files / "weekly.parquet", tmp_path / "forecasts.parquet"

    assert forecast.main(["--data", str(weekly), "--out", str(out)]) == 0

    [collection] = read_collections(weekly)
    said = forecast_next(collection)
    with duckdb.connect() as database:
        rows = database.sql(f"SELECT * FROM '{out}'").fetchnumpy()
    assert rows["expected"].tolist() == said.expected.tolist()
    assert (rows["low"].tolist(), rows["high"].tolist()) == (said.low.tolist(), said.high.tolist())
    assert np.all(rows["low"] <= rows["high"])
    assert rows["series"][:14].tolist() == ["W1"] * 13 + ["W10"]
    assert rows["step"][:14].tolist() == [*range(1, 14), 1]
    weeks = (rows["at"] - rows["origin"]) / np.timedelta64(7, "D")
    assert weeks.tolist() == rows["step"].tolist()


@pytest.mark.parametrize("command", [evaluate.main, forecast.main])
def test_an_error_says_what_to_do(
    command: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert callable(command)
    arguments = ["--data", str(tmp_path)]
    if command is forecast.main:
        arguments += ["--out", str(tmp_path / "out.parquet")]

    assert command(arguments) == 1
    assert "error [bad_demand_files]" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
