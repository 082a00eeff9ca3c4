"""Segment headers: what does not belong, or is not understood, is refused."""

import struct
from pathlib import Path
from zlib import crc32

import pytest

from kingpost.journal import JournalCorrupt, JournalNewer
from kingpost.journal.segments import (
    HEADER_SIZE,
    SegmentHeader,
    first_offsets,
    open_segment,
    publish_segment,
    segment_path,
)
from tests.simulated_disk import SimulatedDisk

DIRECTORY = Path("/journal/data")
HEADER = SegmentHeader("data", 12, 1_800_000_000_000_000, 99)
PATH = DIRECTORY / "00000000000000000012.log"


def published(header: SegmentHeader = HEADER) -> SimulatedDisk:
    disk = SimulatedDisk()
    draft = DIRECTORY / "draft.tmp"
    publish_segment(disk, DIRECTORY, draft, disk.open(draft, write=True, create=True), header)
    return disk


def test_a_segment_is_named_by_its_first_offset() -> None:
    assert segment_path(DIRECTORY, 12) == PATH
    assert list(published().contents()) == [PATH.name]


def test_a_header_comes_back_as_it_went_in() -> None:
    file, header = open_segment(published(), DIRECTORY, 12)

    assert header == HEADER
    assert file.size() == HEADER_SIZE


def test_a_published_segment_survives_a_power_loss() -> None:
    assert open_segment(published().after_power_loss(), DIRECTORY, 12)[1] == HEADER


@pytest.mark.parametrize("byte", [0, 8, 16, 24, 40, 96])
def test_a_damaged_header_is_refused_and_the_file_named(byte: int) -> None:
    disk = published()
    disk.damage(PATH, byte, b"\x55")

    with pytest.raises(JournalCorrupt, match=r"00000000000000000012\.log is damaged at byte 0"):
        open_segment(disk, DIRECTORY, 12)


def test_a_segment_of_another_partition_is_refused() -> None:
    disk = published(SegmentHeader("control", 12, 0, 99))

    with pytest.raises(JournalCorrupt, match="offset 12 of partition 'control'"):
        open_segment(disk, DIRECTORY, 12)


def test_a_segment_under_another_name_is_refused() -> None:
    disk = published()
    disk.rename(PATH, segment_path(DIRECTORY, 13))

    with pytest.raises(JournalCorrupt, match="offset 12 of partition 'data'"):
        open_segment(disk, DIRECTORY, 13)


def test_a_file_too_short_for_a_header_is_refused() -> None:
    disk = SimulatedDisk()
    disk.open(PATH, write=True, create=True)

    with pytest.raises(JournalCorrupt, match="shorter than a header"):
        open_segment(disk, DIRECTORY, 12)


def test_a_newer_format_is_refused_with_both_versions() -> None:
    disk = published()
    head = bytearray(disk.contents()[PATH.name][:100])
    struct.pack_into("<H", head, 8, 2)
    struct.pack_into("<I", head, 96, crc32(head[:96]))
    disk.damage(PATH, 0, bytes(head))

    with pytest.raises(JournalNewer, match="format 2, this version of Kingpost reads up to 1"):
        open_segment(disk, DIRECTORY, 12)


def test_a_journal_without_its_first_segment_is_refused() -> None:
    with pytest.raises(JournalCorrupt, match="before offset 12 are missing"):
        first_offsets(published(), DIRECTORY)
