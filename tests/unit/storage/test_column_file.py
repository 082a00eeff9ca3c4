"""A file of columns comes back as it was written, or not at all."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kingpost.core import SystemDisk
from kingpost.storage import ColumnsDamaged, ColumnsNewer, Part, read_columns, write_columns
from tests.simulated_disk import SimulatedDisk

PATH = Path("/columns/one")


def write(disk: SimulatedDisk, *columns: bytes, kind: str = "test", version: int = 1) -> None:
    parts = [
        Part(f"part {at}", {"at": at}, {"a": memoryview(one), "b": memoryview(b"")})
        for at, one in enumerate(columns)
    ]
    write_columns(PATH, kind=kind, version=version, facts={"x": "y"}, parts=parts, disk=disk)


@given(st.lists(st.binary(max_size=200), max_size=4))
def test_columns_come_back_as_they_were_written(columns: list[bytes]) -> None:
    disk = SimulatedDisk()
    write(disk, *columns)

    found = read_columns(PATH, kind="test", version=1, disk=disk)

    assert found.facts == {"x": "y"}
    assert [bytes(part.columns["a"]) for part in found.parts] == columns
    assert [part.facts for part in found.parts] == [{"at": at} for at in range(len(columns))]


def test_the_machines_own_disk_maps_them(tmp_path: Path) -> None:
    path = tmp_path / "made" / "one"
    part = Part("p", {}, {"a": memoryview(bytes(range(256)) * 40_000)})
    write_columns(path, kind="test", version=1, facts={}, parts=[part], disk=SystemDisk())

    found = read_columns(path, kind="test", version=1, disk=SystemDisk())
    path.unlink()

    assert found.parts[0].columns["a"] == part.columns["a"]


@given(byte=st.integers(0, 400), flipped=st.integers(1, 255))
def test_a_changed_byte_is_damage_or_changes_nothing(byte: int, flipped: int) -> None:
    disk = SimulatedDisk()
    write(disk, b"abc" * 50)
    content = disk.contents()["one"]
    byte %= len(content)
    disk.damage(PATH, byte, bytes([content[byte] ^ flipped]))

    try:
        found = read_columns(PATH, kind="test", version=1, disk=disk)
    except ColumnsDamaged:
        return
    assert bytes(found.parts[0].columns["a"]) == b"abc" * 50


def test_another_kind_and_a_later_version_are_refused() -> None:
    disk = SimulatedDisk()
    write(disk, b"abc", version=2)

    with pytest.raises(ColumnsDamaged, match="not of 'other'"):
        read_columns(PATH, kind="other", version=2, disk=disk)
    with pytest.raises(ColumnsNewer, match="has format 2"):
        read_columns(PATH, kind="test", version=1, disk=disk)


def test_a_file_that_was_cut_short_is_damage() -> None:
    disk = SimulatedDisk()
    write(disk, b"abc" * 100)
    disk.open(PATH, write=True).truncate(200)

    with pytest.raises(ColumnsDamaged):
        read_columns(PATH, kind="test", version=1, disk=disk)
