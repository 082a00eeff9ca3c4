"""Positions: an order within a partition, and a text that others pass on."""

import pytest

from kingpost.journal import (
    BadPartitionName,
    BadPosition,
    DifferentPartitions,
    Position,
    UnknownPartition,
)


def test_a_position_survives_its_text() -> None:
    position = Position.of({"data": 17, "control": 3})

    assert str(position) == "control:3,data:17"
    assert Position.parse(str(position)) == position


@pytest.mark.parametrize(
    "text",
    ["", "data", "data:", "data:-1", "data:1,", ",data:1", "data:1,data:2", "Data:1", "data: 1"],
)
def test_a_text_that_is_no_position_is_refused(text: str) -> None:
    with pytest.raises(BadPosition):
        Position.parse(text)


def test_a_position_needs_a_partition_and_offsets_that_are_not_negative() -> None:
    with pytest.raises(BadPosition):
        Position.of({})
    with pytest.raises(BadPosition):
        Position.of({"data": -1})
    with pytest.raises(BadPartitionName):
        Position.of({"a:b": 1})


def test_positions_in_one_partition_have_an_order() -> None:
    early, late = Position.of({"data": 1}), Position.of({"data": 2})

    assert early < late
    assert late > early
    assert early <= Position.of({"data": 1})
    assert not late <= early
    assert late >= early


def test_positions_may_be_neither_before_nor_after_each_other() -> None:
    one, other = Position.of({"a": 1, "b": 2}), Position.of({"a": 2, "b": 1})

    assert not one <= other
    assert not other <= one


def test_positions_over_different_partitions_have_no_order() -> None:
    with pytest.raises(DifferentPartitions):
        assert Position.of({"a": 1}) < Position.of({"b": 1})


def test_a_position_tells_the_offset_of_each_partition() -> None:
    position = Position.of({"data": 17}).moved("control", 4).moved("data", 18)

    assert position.partitions == ("control", "data")
    assert (position.offset("control"), position.offset("data")) == (4, 18)
    with pytest.raises(UnknownPartition, match="'other'"):
        position.offset("other")
