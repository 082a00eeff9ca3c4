"""Files of rows are found and put under one another, as text where that is asked for.

What is said of files that cannot be read is tested by the solutions that read them.
"""

from pathlib import Path

import duckdb
import pytest

from solutions.ground.tables import BadFiles, TableFiles


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write a CSV file and a Parquet file with columns in other orders, and one apart."""
    (tmp_path / "part-1.csv").write_text("name,Size\n007,1\n010,2\n")
    with duckdb.connect() as database:
        database.execute(
            "COPY (SELECT 3 AS size, 'x' AS name, true AS more) TO ?",
            [str(tmp_path / "part-2.parquet")],
        )
    (tmp_path / "other.csv").write_text("name,size\ny,4\n")
    return tmp_path


def test_both_formats_are_read_by_the_names_of_their_columns(folder: Path) -> None:
    files = TableFiles.find(folder, ("name", "size"), as_text=True)

    rows = files.ask(f"FROM {files.source} ORDER BY size")

    assert rows == [("007", "1"), ("010", "2"), ("x", "3"), ("y", "4")]


def test_files_are_chosen_by_a_pattern(folder: Path) -> None:
    files = TableFiles.find(folder, ("size",), names="part-*")

    assert files.ask(f"SELECT sum(size) FROM {files.source}") == [(6,)]


def test_a_column_that_no_file_has_is_named(folder: Path) -> None:
    with pytest.raises(BadFiles, match="column colour is missing; it has size, name, more"):
        TableFiles.find(folder, ("name", "colour"))


def test_what_a_file_holds_that_cannot_be_asked_is_told(folder: Path) -> None:
    files = TableFiles.find(folder, ("name",))

    with pytest.raises(BadFiles, match=r"cannot be read: .*'x'"):
        files.ask(f"SELECT name::INTEGER FROM {files.source}")
