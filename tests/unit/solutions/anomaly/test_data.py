"""Files of measurements: found, checked, and put together with their windows."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from solutions.anomaly.data import MeasurementFiles
from solutions.ground.tables import BadFiles

ROWS = [(name, f"2026-03-0{day} {hour:02}:00:00", float(hour)) for name in "ba"
        for day in (1, 2) for hour in range(24)]  # fmt: skip
WINDOW = ("2026-03-02 06:00:00.000000", "2026-03-02 09:00:00.000000")


def folder(
    path: Path,
    windows: Mapping[str, Sequence[Sequence[str]]],
    head: str = "series,timestamp,value",
) -> Path:
    lines = [head, *(f"{name},{at},{value}" for name, at, value in ROWS)]
    (path / "measurements.csv").write_text("\n".join(lines) + "\n")
    (path / "anomaly_windows.json").write_text(json.dumps(windows))
    return path


def test_measurements_come_in_the_order_of_time_and_apart_by_series(tmp_path: Path) -> None:
    files = MeasurementFiles.find(folder(tmp_path, {"a": [WINDOW], "c": [WINDOW]}))

    events = files.measurements()
    a, b = files.series(events)

    times = events.numbers("at").astype(np.int64)
    assert np.all(times[1:] >= times[:-1])
    assert events.values("id")[:2] == ["a#1", "b#1"]
    assert (a.name, len(a.rows), a.labelled.windows, b.labelled.windows) == ("a", 48, 1, 0)
    assert np.flatnonzero(a.labelled.window == 0).tolist() == [30, 31, 32, 33]
    assert a.days == 40 / 24  # seven of 48 rows are the probation


def test_a_single_file_finds_the_windows_beside_it_or_those_it_is_given(tmp_path: Path) -> None:
    file = folder(tmp_path, {"a": [WINDOW]}) / "measurements.csv"
    elsewhere = tmp_path / "others.json"
    elsewhere.write_text("{}")

    assert MeasurementFiles.find(file).windows == {"a": [WINDOW]}
    assert MeasurementFiles.find(file, elsewhere).windows == {}


@pytest.mark.parametrize(
    "window",
    [
        [("2026-04-01 00:00:00", "2026-04-02 00:00:00")],
        [WINDOW, ("2026-03-02 08:00:00", "2026-03-02 10:00:00")],
    ],
    ids=["no rows", "overlapping"],
)
def test_windows_without_rows_or_over_one_another_are_told(
    tmp_path: Path, window: Sequence[Sequence[str]]
) -> None:
    files = MeasurementFiles.find(folder(tmp_path, {"a": window}))

    with pytest.raises(BadFiles, match="a window of a"):
        files.series(files.measurements())


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    folder(tmp_path, {}, head="series,timestamp,reading")

    with pytest.raises(BadFiles, match="column value is missing|value"):
        MeasurementFiles.find(tmp_path)


def test_a_row_that_is_no_measurement_is_named(tmp_path: Path) -> None:
    folder(tmp_path, {})
    with (tmp_path / "measurements.csv").open("a") as file:
        file.write("a,2026-03-05 00:00:00,nan\n")

    with pytest.raises(BadFiles, match="breaks its contract"):
        MeasurementFiles.find(tmp_path).measurements()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("", None, "does not exist"),
        ("notes.txt", "x", "neither .parquet nor .csv"),
        ("measurements.csv", "series,timestamp,value\n", "windows cannot be read"),
    ],
)
def test_what_cannot_be_read_says_so(
    tmp_path: Path, name: str, content: str | None, said: str
) -> None:
    path = tmp_path / (name or "missing.csv")
    if content is not None:
        path.write_text(content)

    with pytest.raises(BadFiles, match=said):
        MeasurementFiles.find(path)
