"""Rows are found by the names of their columns, in the model's order."""

from pathlib import Path

import duckdb
import numpy as np
import pytest

from kingpost.models import BadRows, random_rows, read_rows

TABLE = "at,b,a,fraud\n2018-08-01T00:00:00Z,1.5,2,true\n2018-08-02T00:00:00Z,,4,false\n"


def test_columns_are_taken_by_name_with_labels_and_times(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(TABLE)
    duckdb.read_csv(str(tmp_path / "rows.csv")).write_parquet(str(tmp_path / "rows.parquet"))

    for name in ("rows.csv", "rows.parquet"):
        found = read_rows(tmp_path / name, ["a", "b"], label="fraud", time="at")

        assert found.x.dtype == np.float32
        assert np.array_equal(found.x, [[2, 1.5], [4, np.nan]], equal_nan=True)
        assert found.y is not None
        assert found.y.tolist() == [1, 0]
        assert found.event_time_us is not None
        assert np.diff(found.event_time_us).tolist() == [86_400_000_000]


def test_an_array_is_taken_by_position(tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", np.arange(6.0).reshape(3, 2))

    found = read_rows(tmp_path / "rows.npy", ["a", "b"])

    assert (found.x[:, 1].tolist(), found.y, len(found)) == ([1, 3, 5], None, 3)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("rows.csv", "a\n1\n", "no column 'b'"),
        ("rows.csv", "a,b\n1,x\n", "Conversion"),
        ("rows.csv", "a,b\n", "0 rows"),
        ("rows.txt", "a,b\n1,2\n", "'.txt'"),
        ("rows.npy", "no array", "numpy.save"),
        ("rows.parquet", "no table", "Parquet"),
    ],
)
def test_what_is_no_table_of_these_features_is_refused(
    tmp_path: Path, name: str, content: str, says: str
) -> None:
    (tmp_path / name).write_text(content)

    with pytest.raises(BadRows, match=says):
        read_rows(tmp_path / name, ["a", "b"])


def test_labels_other_than_0_and_1_and_arrays_of_another_width_are_refused(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a,y\n1,2\n")
    np.save(tmp_path / "rows.npy", np.zeros((3, 2)))

    with pytest.raises(BadRows, match="neither 0 nor 1"):
        read_rows(tmp_path / "rows.csv", ["a"], label="y")
    with pytest.raises(BadRows, match=r"\(rows, 3\)"):
        read_rows(tmp_path / "rows.npy", ["a", "b", "c"])
    with pytest.raises(BadRows, match="no column 'y'"):
        read_rows(tmp_path / "rows.npy", ["a", "b"], label="y")
    with pytest.raises(BadRows, match="no such file"):
        read_rows(tmp_path / "none.csv", ["a"])


def test_random_rows_are_the_same_every_time() -> None:
    assert np.array_equal(random_rows(3).x, random_rows(3).x)
    assert random_rows(3).x.shape == (512, 3)
