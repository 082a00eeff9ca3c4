"""Files, folders and patterns become units of checked rows, the same ones each time."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kingpost.contracts import decode_batch
from kingpost.decisions.batch.inputs import Unit, input_files, units_of
from kingpost.decisions.batch.plan import BatchChanged, BatchPlan
from kingpost.integrations import UnreadableSource
from tests.payments import PAYMENT

HEADER = "id,at,amount\n"


def csv_of(path: Path, identifiers: Sequence[int]) -> None:
    """Write a row per number; a negative one breaks the contract."""
    rows = [f"{abs(one)},2018-08-01T00:00:00Z,{1 if one >= 0 else -1}\n" for one in identifiers]
    path.write_text(HEADER + "".join(rows))


def plan_of(*inputs: str, rows_per_part: int) -> BatchPlan:
    return BatchPlan(
        id="a", decision="d", tenant="acme", bundle="b", version="1", stop=0, erasures=0,
        inputs=input_files(inputs), mapping={}, zone=None, ignore_extra=False,
        rows_per_part=rows_per_part,
    )  # fmt: skip


def units(plan: BatchPlan) -> list[Unit]:
    return [unit for unit, _ in units_of(plan, PAYMENT)]


def keys_of(unit: Unit) -> list[object]:
    return list(decode_batch(unit.batch, PAYMENT).values("id"))


def test_files_of_a_folder_and_of_a_pattern_come_in_the_order_of_their_names(
    tmp_path: Path,
) -> None:
    (tmp_path / "deep").mkdir()
    for name in ("b.csv", "a.csv", "deep/c.csv", "notes.txt"):
        csv_of(tmp_path / name, [1])

    folder = [Path(one.name).name for one in input_files([str(tmp_path)])]
    pattern = [Path(one.name).name for one in input_files([str(tmp_path / "?.csv")])]
    twice = input_files([str(tmp_path / "b.csv"), str(tmp_path / "*.csv")])

    assert folder == ["a.csv", "b.csv", "c.csv"]
    assert pattern == ["a.csv", "b.csv"]
    assert [Path(one.name).name for one in twice] == ["b.csv", "a.csv"]


@pytest.mark.parametrize("missing", ["gone.csv", "gone/*.parquet", "."])
def test_what_matches_no_file_is_an_error_that_names_it(
    missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(UnreadableSource) as refused:
        input_files([missing])

    assert refused.value.source == missing


@given(
    identifiers=st.lists(st.integers(-99, 99), max_size=40),
    cut=st.integers(0, 40),
    size=st.integers(1, 12),
)
def test_every_row_is_in_one_unit_in_its_order_or_refused_with_its_place(
    tmp_path_factory: pytest.TempPathFactory, identifiers: list[int], cut: int, size: int
) -> None:
    directory = tmp_path_factory.mktemp("in")
    csv_of(directory / "1.csv", identifiers[:cut])
    csv_of(directory / "2.csv", identifiers[cut:])

    found = units(plan_of(str(directory), rows_per_part=size))

    good = [one for one in identifiers if one >= 0]
    assert [key for unit in found for key in keys_of(unit)] == good
    assert [int(one.row) for unit in found for one in unit.refused] == [
        at + 2
        for part in (identifiers[:cut], identifiers[cut:])
        for at, one in enumerate(part)
        if one < 0
    ]
    assert [unit.part for unit in found] == list(range(max(1, len(found))))
    assert all(unit.rows <= size and len(unit.refused) <= size for unit in found)


def test_a_refused_row_says_where_it_was_and_what_was_expected(tmp_path: Path) -> None:
    csv_of(tmp_path / "1.csv", [1, -2])

    [unit] = units(plan_of(str(tmp_path / "1.csv"), rows_per_part=10))

    [refused] = unit.refused
    assert (refused.row, refused.field, refused.code) == (3, "amount", "contract_violation")
    assert refused.file.endswith("1.csv")
    assert '"amount":"-1"' in refused.raw


def test_changed_input_is_another_batch(tmp_path: Path) -> None:
    csv_of(tmp_path / "1.csv", [1])
    begun = plan_of(str(tmp_path), rows_per_part=10)
    csv_of(tmp_path / "1.csv", [2])

    with pytest.raises(BatchChanged, match="the input is another"):
        begun.check_same(plan_of(str(tmp_path), rows_per_part=10), tmp_path)
    with pytest.raises(BatchChanged, match="--rows-per-part was 10, is 9"):
        begun.check_same(plan_of(str(tmp_path), rows_per_part=9), tmp_path)
