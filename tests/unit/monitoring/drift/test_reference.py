"""Each kind of column is counted in its own way, from batches and from files alike."""

from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kingpost.monitoring import (
    BadTable,
    CategoryColumn,
    NewerProfile,
    NumberColumn,
    StoredTable,
    build_reference,
    compare,
    decode_reference,
    encode_reference,
    open_table,
)
from tests.drift_tables import mixed, table, texts

pa: Any = import_module("pyarrow")  # it has no types
pc: Any = import_module("pyarrow.csv")  # it has no types
pq: Any = import_module("pyarrow.parquet")  # it has no types
ROWS = 3_000


def arrow_table(seed: int = 2) -> Any:
    rng = np.random.default_rng(seed)
    return pa.table(
        {
            "amount": pa.array(np.exp(rng.normal(size=ROWS)), mask=rng.random(ROWS) < 0.1),
            "whole": pa.array(rng.integers(0, 5, ROWS)),
            "is_new": pa.array(rng.random(ROWS) < 0.3),
            "kind": pa.array(rng.choice(["a", "b", "c"], ROWS).tolist()),
            "at": pa.array(np.arange(ROWS) * 60_000_000, pa.timestamp("us")),
            "note": pa.array(
                [f"note {n} {'x' * int(n % 7)}" for n in rng.integers(0, 10**9, ROWS)]
            ),
        }
    )


@contextmanager
def parquet(tmp_path: Path, made: Any, name: str = "rows.parquet") -> Generator[StoredTable]:
    pq.write_table(made, tmp_path / name, row_group_size=700)
    with open_table(tmp_path / name) as opened:
        yield opened


def test_a_reference_watches_every_column_it_can(tmp_path: Path) -> None:
    with parquet(tmp_path, arrow_table()) as opened:
        known = build_reference(opened)
        assert opened.skipped == ["at"]

    assert [column.name for column in known.columns] == [
        "amount", "whole", "is_new", "kind", "note.length",
    ]  # fmt: skip
    amount, _, _, kind, note = known.columns
    assert isinstance(amount, NumberColumn) and len(amount.edges) >= 512
    assert isinstance(kind, CategoryColumn) and sorted(kind.values) == ["a", "b", "c"]
    assert isinstance(note, NumberColumn) and note.of == "length"
    assert known.counts.rows == ROWS
    assert [int(one.sum()) for one in known.counts.columns] == [ROWS] * 5


def test_files_and_tables_in_memory_are_counted_alike(tmp_path: Path) -> None:
    made = arrow_table().drop_columns(["at"])
    with parquet(tmp_path, made) as opened:
        known = build_reference(opened, threads=2)
        again = known.count(opened, threads=2)
    pc.write_csv(made, tmp_path / "rows.csv")

    with open_table(made) as in_memory, open_table(tmp_path / "rows.csv") as text:
        assert again == known.count(in_memory) == known.count(text) == known.counts
        assert build_reference(in_memory) == known


def test_windows_add_up_to_the_whole(tmp_path: Path) -> None:
    with parquet(tmp_path, arrow_table()) as opened:
        known = build_reference(opened)
        by_count = list(opened.by_count(1_000))
        by_time = list(opened.by_time("at", 24 * 3600 * 1_000_000))

        assert [first for first, _ in by_count] == [0, 1_000, 2_000]
        assert [window.rows for _, window in by_time] == [1_440, 1_440, 120]
        assert [start // 86_400_000_000 for start, _ in by_time] == [0, 1, 2]
        for windows in (by_count, by_time):
            parts = [known.count(window) for _, window in windows]
            assert parts[0].merge(parts[1]).merge(parts[2]) == known.counts


def test_several_files_are_one_table(tmp_path: Path) -> None:
    made = arrow_table()
    pq.write_table(made.slice(0, 1_200), tmp_path / "first.parquet")
    pq.write_table(made.slice(1_200), tmp_path / "second.parquet")

    with parquet(tmp_path, made) as opened:
        known = build_reference(opened)
    with open_table([tmp_path / "first.parquet", tmp_path / "second.parquet"]) as both:
        assert known.count(both) == known.counts
        assert [window.rows for _, window in both.by_count(2_000)] == [2_000, 1_000]


def test_a_number_that_float32_cannot_hold_lies_beyond_all(tmp_path: Path) -> None:
    values = np.append(np.arange(100.0), [1e300, -1e300])
    with parquet(tmp_path, pa.table({"x": values})) as opened:
        known = build_reference(opened)

    counts = known.counts.columns[0]
    assert (counts[0], counts[-2], counts[-1]) == (1, 1, 0)
    assert (known.counts.lowest[0], known.counts.highest[0]) == (0, 99)


def test_a_vector_is_watched_by_its_length_and_directions(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(ROWS, 6)).astype(np.float32)
    listed: list[list[float] | None] = [*vectors.tolist()[:-1], None]
    made = pa.table({"v": pa.array(listed, pa.list_(pa.float32()))})
    batch = table({"v": vectors}, {"v": np.arange(ROWS) < ROWS - 1})

    with parquet(tmp_path, made) as opened:
        known = build_reference(opened)
        assert known.count(batch) == known.count(opened) == known.counts

    assert [column.name for column in known.columns][:2] == ["v.norm", "v.direction_1"]
    assert len(known.columns) == 17
    assert known.counts.columns[0][-1] == 1
    turned = table({"v": vectors + np.array([0.4, 0, 0, 0, 0, 0], np.float32)})
    assert compare(known, known.count(turned)).drifted
    assert not compare(known, known.count(batch)).drifted


def test_a_vector_gives_the_same_numbers_in_any_company() -> None:
    rng = np.random.default_rng(4)
    vectors = rng.normal(size=(500, 33)).astype(np.float32)
    known = build_reference(table({"v": vectors}))

    one_by_one = known.count(table({"v": vectors[:1]}))
    for at in range(1, 500):
        one_by_one = one_by_one.merge(known.count(table({"v": vectors[at : at + 1]})))

    assert one_by_one == known.counts


def test_a_reference_is_stored_as_it_is() -> None:
    known = build_reference(mixed(1, 500))

    body = encode_reference(known)

    assert decode_reference(body) == known
    assert encode_reference(decode_reference(body)) == body
    with pytest.raises(NewerProfile, match="upgrade Kingpost"):
        decode_reference(body.replace(b'"format":1', b'"format":2'))


def test_a_column_of_nothing_is_only_missing() -> None:
    nothing = table({"x": np.full(50, np.nan)})
    known = build_reference(nothing)

    report = compare(known, known.count(table({"x": np.arange(50.0)})))

    assert report.columns[0].measures is None
    assert report.columns[0].found == ("missing",)


def test_what_cannot_be_measured_is_said(tmp_path: Path) -> None:
    known = build_reference(table({"x": np.arange(50.0)}))

    with pytest.raises(BadTable, match="column 'x' is not there; the reference has a number"):
        known.count(table({"y": np.arange(5.0)}))
    with pytest.raises(BadTable, match="holds a text; the reference has a number"):
        known.count(table({"x": texts(["a"])}))
    with pytest.raises(BadTable, match="has no column 'z'"):
        build_reference(table({"y": np.arange(5.0)}), columns=["z"])
    with pytest.raises(BadTable, match="nothing to measure"):
        build_reference(table({"y": np.arange(0.0)}))
    with pytest.raises(BadTable, match="does not exist"), open_table(tmp_path / "no.parquet"):
        pass
    (tmp_path / "bad.parquet").write_text("no Parquet")
    with pytest.raises(BadTable, match="cannot be read"), open_table(tmp_path / "bad.parquet"):
        pass
    with (
        parquet(tmp_path, pa.table({"x": [1.0]})) as opened,
        pytest.raises(BadTable, match="'x' is no time"),
    ):
        list(opened.by_time("x", 1_000_000))
