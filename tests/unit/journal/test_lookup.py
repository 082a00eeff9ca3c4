"""Reading single commits."""

from pathlib import Path

import pytest

from kingpost.journal import (
    Entry,
    Journal,
    JournalCorrupt,
    Lookup,
    NoSuchOffset,
    Place,
    read_commit_at,
    scan,
)
from tests.simulated_disk import SimulatedDisk
from tests.stopped_clock import StoppedClock

DIRECTORY = Path("/journal/data")


def opened(disk: SimulatedDisk) -> Journal:
    return Journal.open(
        DIRECTORY,
        disk=disk,
        clock=StoppedClock(),
        segment_bytes=256 * 1024,
        fill_in_background=False,
    )


def journal_of(count: int) -> SimulatedDisk:
    disk = SimulatedDisk()
    with opened(disk) as journal:
        for number in range(count):
            journal.append([Entry("events", "", "t", b"%09999d" % number, 3)])
    return disk


def test_every_offset_is_found_in_its_commit() -> None:
    disk = journal_of(60)
    lookup = Lookup(DIRECTORY, disk=disk)
    commits = list(scan(DIRECTORY, disk=disk))

    assert len(disk.contents()) > 3
    for offset in [*range(0, 180, 7), *range(179, 0, -11)]:
        assert lookup.read(offset) == commits[offset // 3]
    lookup.close()


def test_a_commit_is_read_by_its_place() -> None:
    disk = journal_of(40)

    for commit in scan(DIRECTORY, disk=disk):
        assert read_commit_at(DIRECTORY, commit.place, disk=disk) == commit


def test_commits_that_came_since_are_found() -> None:
    disk = SimulatedDisk()
    lookup = Lookup(DIRECTORY, disk=disk)
    with opened(disk) as journal:
        for number in range(60):
            offset = journal.append([Entry("event", "", "t", b"%09999d" % number)])
            assert lookup.read(offset).offset == offset


def test_every_offset_of_a_large_segment_is_found_whatever_was_asked_before() -> None:
    disk = SimulatedDisk()
    with Journal.open(
        DIRECTORY,
        disk=disk,
        clock=StoppedClock(),
        segment_bytes=8 * 1024 * 1024,
        fill_in_background=False,
    ) as journal:
        for number in range(300):
            body = b"%d" % number + bytes(300_000 if number == 150 else 19_000)
            journal.append([Entry("event", "", "t", body)])

    lookup = Lookup(DIRECTORY, disk=disk)
    for offset in (277, 3, 150, 151, 149, 299, *range(300)):
        assert lookup.read(offset).entries[0].body.startswith(b"%d\0" % offset)


def test_data_that_looks_like_frames_misleads_no_search() -> None:
    disk = SimulatedDisk()
    with opened(disk) as journal:
        journal.append([Entry("event", "", "t", b"first")])
    copied = next(iter(disk.contents().values()))[:2048]
    with opened(disk) as journal:
        for number in range(1, 120):
            journal.append([Entry("event", "", "t", b"%d" % number + copied * 4)])

    lookup = Lookup(DIRECTORY, disk=disk)
    for offset in range(119, -1, -1):
        body = lookup.read(offset).entries[0].body
        assert body.startswith(b"%d" % offset if offset else b"first")


@pytest.mark.parametrize("offset", [-1, 9, 10_000])
def test_an_offset_that_is_not_there_is_an_error_that_names_the_range(offset: int) -> None:
    lookup = Lookup(DIRECTORY, disk=journal_of(3))

    with pytest.raises(NoSuchOffset, match=f"no offset {offset}"):
        lookup.read(offset)


def test_nothing_is_found_where_there_is_no_journal() -> None:
    with pytest.raises(NoSuchOffset):
        Lookup(DIRECTORY, disk=SimulatedDisk()).read(0)


@pytest.mark.parametrize("index", [2, 50])
def test_damage_is_told_from_an_offset_that_never_was(index: int) -> None:
    disk = journal_of(60)
    commit = list(scan(DIRECTORY, disk=disk))[index]
    path = DIRECTORY / f"{commit.place.segment:020d}.log"
    disk.damage(path, commit.place.byte + 80, b"\xff")

    with pytest.raises(JournalCorrupt, match=f"damaged at byte {commit.place.byte}"):
        Lookup(DIRECTORY, disk=disk).read(commit.offset)
    with pytest.raises(JournalCorrupt):
        read_commit_at(DIRECTORY, commit.place, disk=disk)


def test_a_place_where_no_commit_begins_is_an_error() -> None:
    disk = journal_of(3)

    for byte in (5000, 10**9):
        with pytest.raises(JournalCorrupt, match="no whole commit"):
            read_commit_at(DIRECTORY, Place(0, byte), disk=disk)


def test_only_so_many_segments_stay_open() -> None:
    disk = SimulatedDisk()
    with opened(disk) as journal:
        for number in range(70):
            journal.append([Entry("events", "", "t", bytes(260_000) + b"%d" % number)])
    lookup = Lookup(DIRECTORY, disk=disk)

    for offset in (*range(70), 0):
        assert lookup.read(offset).offset == offset
    assert len(lookup._open) == 64  # pyright: ignore[reportPrivateUsage]  what it keeps is its secret
