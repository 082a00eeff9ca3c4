"""How far a stream has come: whole or as before, whatever happens to the disk."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kingpost.integrations import PositionFile
from kingpost.storage import StorageFailed
from tests.simulated_disk import SimulatedDisk

PATH = Path("/kingpost/streams/events/order.position")


def test_a_position_that_was_never_written_is_the_beginning() -> None:
    assert PositionFile(PATH, disk=SimulatedDisk()).read() == 0


@given(st.lists(st.integers(0, 2**63), min_size=1, max_size=5))
def test_what_was_written_last_is_read_after_a_power_loss(positions: list[int]) -> None:
    disk = SimulatedDisk()
    for position in positions:
        PositionFile(PATH, disk=disk).write(position)
        disk = disk.after_power_loss()
        assert PositionFile(PATH, disk=disk).read() == position


def test_a_file_that_holds_no_number_is_told_of() -> None:
    disk = SimulatedDisk()
    PositionFile(PATH, disk=disk).write(12)
    disk.damage(PATH, 0, b"x")

    with pytest.raises(StorageFailed, match="order.position"):
        PositionFile(PATH, disk=disk).read()
