"""Files of series: read by their columns, and refused with what to do."""

from collections.abc import Sequence
from pathlib import Path

import duckdb
import numpy as np
import pytest

from solutions.demand.errors import BadDemandFiles
from solutions.demand.files import read_collections

HOURS, WEEKS = 576, 119
"""The fewest values of a longest series."""
FREE = {5, 6}


def m4(path: Path, series: dict[str, Sequence[float]]) -> Path:
    lines = ["series,step,value"]
    for name, values in series.items():
        # the last step first: the order of rows does not count
        lines += [f"{name},{step},{value}" for step, value in enumerate(values, 1)][::-1]
    path.write_text("\n".join(lines) + "\n")
    return path


def bikes(path: Path, days: int, *, without: Sequence[int] = (), head: str = "hr") -> Path:
    lines = [f"dteday,{head},workingday,cnt"]
    for hour in range(days * 24):
        if hour not in without:
            day = np.datetime64("2011-01-03") + hour // 24  # a Monday
            lines.append(f"{day},{hour % 24},{int(hour // 24 % 7 not in FREE)},{hour}")
    path.write_text("\n".join(lines) + "\n")
    return path


def test_series_are_told_apart_by_their_names(tmp_path: Path) -> None:
    m4(tmp_path / "hours.csv", {"H2": range(HOURS), "H1": range(600)})
    m4(tmp_path / "weeks.csv", {"W1": range(WEEKS)})
    bikes(tmp_path / "bikes.csv", 19)

    hourly, weekly, city = read_collections(tmp_path)

    assert [one.name for one in hourly.series] == ["H1", "H2"]
    assert hourly.series[1].values.tolist() == list(range(HOURS))
    assert (hourly.series[0].first, hourly.series[0].last) == (168, 767)
    assert (weekly.kind.name, weekly.series[0].first) == ("weekly", 52)
    assert (city.kind.name, [one.name for one in city.series]) == ("bikes", ["bikes"])


def test_hours_of_the_bikes_fall_on_their_weekday_and_free_days_are_known(tmp_path: Path) -> None:
    [city] = read_collections(bikes(tmp_path / "bikes.csv", 21, without=[30]))

    [series] = city.series
    assert series.first % 168 == 0, "Monday, midnight"
    assert np.isnan(series.values[30])
    assert series.values[31] == 31
    assert {day % 7 for day in city.free_days} == FREE


def test_what_follows_is_put_behind(tmp_path: Path) -> None:
    first = m4(tmp_path / "first.csv", {"W1": range(WEEKS)})
    later = m4(tmp_path / "later.csv", {"W1": [7.0, 8.0]})

    [weekly] = read_collections(first, later)

    assert weekly.series[0].values[-3:].tolist() == [WEEKS - 1, 7, 8]


def test_parquet_is_read_as_csv_is(tmp_path: Path) -> None:
    file = m4(tmp_path / "it's.csv", {"W1": range(WEEKS)})
    parquet = tmp_path / "weeks.parquet"
    with duckdb.connect() as database:
        database.read_csv(str(file)).write_parquet(str(parquet))

    [from_csv], [from_parquet] = read_collections(file), read_collections(parquet)

    assert from_csv.series[0].values.tolist() == from_parquet.series[0].values.tolist()


@pytest.mark.parametrize(
    ("series", "said"),
    [
        ({"D1": [1.0] * 700}, "series 'D1' is neither hourly nor weekly"),
        ({"W1": [1.0] * 51}, "series 'W1' has 51 values; leave out series of fewer than 52"),
        ({"W1": [1.0] * 118}, "no weekly series has 119 values"),
        ({"H1": [1.0] * 575}, "no hourly series has 576 values"),
        ({}, "holds no values"),
    ],
)
def test_series_that_cannot_be_forecast_are_refused(
    tmp_path: Path, series: dict[str, Sequence[float]], said: str
) -> None:
    with pytest.raises(BadDemandFiles, match=said):
        read_collections(m4(tmp_path / "series.csv", series))


@pytest.mark.parametrize("row", ["W1,7,1.0", "W1,130,1.0", "W1,120,"])
def test_a_step_that_is_missing_empty_or_there_twice_is_refused(tmp_path: Path, row: str) -> None:
    file = m4(tmp_path / "weeks.csv", {"W1": range(WEEKS)})
    with file.open("a") as more:
        more.write(row + "\n")

    with pytest.raises(BadDemandFiles, match=r"series 'W1' has \d+ values for \d+ steps"):
        read_collections(file)


def test_parts_of_a_series_are_joined_by_their_steps_and_refused_when_these_begin_anew(
    tmp_path: Path,
) -> None:
    file = m4(tmp_path / "b.csv", {"W1": range(WEEKS)})
    (tmp_path / "a.csv").write_text(f"series,step,value\nW1,{WEEKS + 1},7\n")

    [weekly] = read_collections(tmp_path)
    assert weekly.series[0].values.tolist() == [*range(WEEKS), 7]

    (tmp_path / "a.csv").write_text(file.read_text())
    with pytest.raises(BadDemandFiles, match=r"'W1' is in several files.*given as --test"):
        read_collections(tmp_path)


def test_an_hour_of_the_bikes_that_is_none_or_there_twice_is_refused(tmp_path: Path) -> None:
    for name in ("a", "b"):
        bikes(tmp_path / f"{name}.csv", 19)
    with pytest.raises(BadDemandFiles, match="an hour of the bikes is there twice"):
        read_collections(tmp_path)

    file = tmp_path / "a.csv"
    file.write_text(file.read_text().replace(",23,1,", ",24,1,"))
    with pytest.raises(BadDemandFiles, match=r"a row has .* \(hr 24\)"):
        read_collections(file)


def test_what_is_no_such_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadDemandFiles, match="nor holds one"):
        read_collections(tmp_path)
    with pytest.raises(BadDemandFiles, match="nor holds one"):
        read_collections(tmp_path / "gone.csv")
    (tmp_path / "x.parquet").write_text("no Parquet")
    with pytest.raises(BadDemandFiles, match="cannot be read"):
        read_collections(tmp_path)


def test_other_columns_are_named_beside_those_that_are_needed(tmp_path: Path) -> None:
    with pytest.raises(BadDemandFiles, match="columns cnt, dteday, hour, workingday; give series"):
        read_collections(bikes(tmp_path / "bikes.csv", 19, head="hour"))


def test_an_amount_below_nothing_breaks_the_contract(tmp_path: Path) -> None:
    [weekly] = read_collections(m4(tmp_path / "weeks.csv", {"W1": [-1.0, *range(WEEKS)]}))

    with pytest.raises(BadDemandFiles, match="a value breaks its contract"):
        weekly.history()
