"""As-of joins: which row of a table counts for a request, and what its values become."""

from pathlib import Path

import duckdb
import numpy as np
import pytest
from numpy.typing import NDArray

from kingpost.features import (
    KeyedTimes,
    TableColumns,
    UnfitTable,
    join_as_of,
    rows_as_of,
    values_as_of,
)

DAY_US = 86_400_000_000


def keyed(keys: list[object], times: list[int], known: list[int] | None = None) -> KeyedTimes:
    told = None if known is None else np.array(known, np.int64)
    return KeyedTimes([np.array(keys)], np.array(times, np.int64), told)


def test_a_request_takes_the_latest_row_of_its_key_at_or_before_its_time() -> None:
    table = keyed([1, 1, 2, 1], [10, 30, 20, 20])

    rows = rows_as_of(table, keyed([1, 1, 1, 2, 2, 3], [9, 10, 29, 19, 99, 99]))

    assert rows.tolist() == [-1, 0, 3, -1, 2, -1]


def test_of_equal_times_the_last_row_counts() -> None:
    assert rows_as_of(keyed([1, 1, 1], [5, 5, 4]), keyed([1], [5])).tolist() == [1]


def test_a_row_that_became_known_later_is_not_seen_though_it_is_true_by_then() -> None:
    table = keyed([1, 1], [10, 20], known=[10, 50])

    assert rows_as_of(table, keyed([1, 1], [49, 50])).tolist() == [0, 1]


def test_a_row_as_old_as_the_greatest_age_is_too_old() -> None:
    rows = rows_as_of(keyed([1], [10]), keyed([1, 1], [14, 15]), max_age_us=5)

    assert rows.tolist() == [0, -1]


def test_keys_of_several_fields_must_all_be_equal() -> None:
    table = KeyedTimes([np.array(["a", "a", "b"]), np.array([1, 2, 1])], np.array([0, 0, 0]))
    asked = KeyedTimes([np.array(["b", "a", "b"]), np.array([1, 2, 2])], np.array([9, 9, 9]))

    assert rows_as_of(table, asked).tolist() == [2, 1, -1]


def test_an_empty_table_has_no_row_for_anyone() -> None:
    rows = rows_as_of(keyed([], []), keyed([1], [5]))

    assert rows.tolist() == [-1]
    assert np.isnan(values_as_of(np.empty(0), rows)).all()
    assert rows_as_of(keyed([1], [5]), keyed([], [])).tolist() == []


def test_numbers_without_a_row_are_nan_and_texts_none() -> None:
    rows = np.array([1, -1, 0])

    assert values_as_of(np.array([3, 4]), rows).tolist() == pytest.approx(
        [4.0, np.nan, 3.0], nan_ok=True
    )
    assert values_as_of(np.array(["x", "y"], object), rows).tolist() == ["y", None, "x"]
    masked: NDArray[np.generic] = np.ma.masked_equal(np.array([3.0, 4.0]), 3.0)
    assert values_as_of(masked, rows).tolist() == pytest.approx([4.0, np.nan, np.nan], nan_ok=True)


@pytest.mark.parametrize(
    ("table", "requests", "age", "said"),
    [
        (keyed([1], [1, 2]), keyed([1], [1]), None, "arrays of the table"),
        (keyed([1], [1]), KeyedTimes([], np.array([1])), None, "1 key fields, the requests 0"),
        (keyed([1], [1]), keyed([1], [1]), 0, "positive age"),
    ],
)
def test_what_cannot_be_joined_is_refused_with_the_mend(
    table: KeyedTimes, requests: KeyedTimes, age: int | None, said: str
) -> None:
    with pytest.raises(UnfitTable, match=said):
        rows_as_of(table, requests, max_age_us=age)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    duckdb.execute(
        f"""COPY (SELECT * FROM (VALUES
            ('a', TIMESTAMP '2026-01-01', 1.5, 'low'), ('a', TIMESTAMP '2026-01-03', NULL, 'high'),
            (NULL, TIMESTAMP '2026-01-01', 9.0, 'x'), ('b', NULL, 9.0, 'x')
        ) t(customer, "at", score, class)) TO '{tmp_path}/scores.parquet'"""
    )
    duckdb.execute(
        f"""COPY (SELECT * FROM (VALUES
            (0, 'a', TIMESTAMP '2026-01-02'), (1, 'a', TIMESTAMP '2026-01-04'),
            (2, NULL, TIMESTAMP '2026-01-04'), (3, 'b', TIMESTAMP '2026-01-04')
        ) t(id, customer, asked_at)) TO '{tmp_path}/requests.parquet'"""
    )
    return tmp_path


REQUESTS, SCORES = TableColumns(["customer"], "asked_at"), TableColumns(["customer"], "at")


def test_parquet_files_are_joined_in_the_order_of_the_requests(files: Path) -> None:
    joined = join_as_of(
        files / "requests.parquet", REQUESTS, files / "scores.parquet", SCORES, ["score", "class"]
    )

    assert joined["id"].tolist() == [0, 1, 2, 3]
    assert joined["score"].tolist() == pytest.approx([1.5] + [np.nan] * 3, nan_ok=True)
    assert joined["class"].tolist() == ["low", "high", None, None]


def test_rows_of_a_file_grow_too_old(files: Path) -> None:
    joined = join_as_of(
        files / "requests.parquet",
        REQUESTS,
        files / "scores.parquet",
        SCORES,
        ["class"],
        max_age_us=DAY_US,
    )

    assert joined["class"].tolist() == [None] * 4


def test_a_file_or_column_that_is_not_there_is_named(files: Path) -> None:
    requests, scores = files / "requests.parquet", files / "scores.parquet"
    with pytest.raises(UnfitTable, match=r"missing\.parquet"):
        join_as_of(files / "missing.parquet", REQUESTS, scores, SCORES, ["score"])
    with pytest.raises(UnfitTable, match="no_such"):
        join_as_of(requests, REQUESTS, scores, SCORES, ["no_such"])
    with pytest.raises(UnfitTable, match="'customer'"):
        join_as_of(requests, REQUESTS, scores, SCORES, ["customer"])
