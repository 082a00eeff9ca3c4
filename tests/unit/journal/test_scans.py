"""Reading in order, from anywhere, also while someone writes."""

import struct
from pathlib import Path
from zlib import crc32

import pytest

from kingpost.core import KingpostError
from kingpost.journal import (
    Entry,
    Journal,
    JournalCorrupt,
    JournalNewer,
    Scan,
    last_commit,
    scan,
)
from kingpost.journal.segments import open_segment
from kingpost.journal.walk import SegmentWalk
from tests.simulated_disk import SimulatedDisk
from tests.stopped_clock import StoppedClock

DIRECTORY = Path("/journal/data")
FIRST = DIRECTORY / "00000000000000000000.log"


def opened(disk: SimulatedDisk) -> Journal:
    return Journal.open(
        DIRECTORY,
        disk=disk,
        clock=StoppedClock(),
        segment_bytes=64 * 1024,
        fill_in_background=False,
    )


def entry(number: int, size: int = 100, count: int = 1) -> Entry:
    return Entry("event", "acme", "t", b"%d:" % number + b"x" * size, count)


def journal_of(*groups: list[Entry]) -> SimulatedDisk:
    disk = SimulatedDisk()
    with opened(disk) as journal:
        for group in groups:
            journal.append(group)
    return disk


def many(count: int = 40) -> SimulatedDisk:
    """Write one-entry commits over several segments."""
    return journal_of(*([entry(number, 900)] for number in range(count)))


def offsets(disk: SimulatedDisk, start: int = 0, stop: int | None = None) -> list[int]:
    return [commit.offset for commit in scan(DIRECTORY, disk=disk, start=start, stop=stop)]


def test_a_scan_goes_over_all_segments() -> None:
    disk = many()

    assert len(disk.contents()) > 3
    assert offsets(disk) == list(range(40))


def test_a_scan_of_nothing_is_empty() -> None:
    assert offsets(SimulatedDisk()) == []
    assert offsets(journal_of()) == []


@pytest.mark.parametrize("start", [0, 1, 17, 39, 40, 99])
def test_a_scan_begins_where_it_is_told(start: int) -> None:
    assert offsets(many(), start) == list(range(start, 40))


def test_a_batch_that_holds_the_start_comes_whole() -> None:
    disk = journal_of([entry(0)], [entry(1, count=10)], [entry(2)])

    assert offsets(disk, start=5) == [1, 11]


def test_a_scan_ends_before_the_stop() -> None:
    assert offsets(many(), 10, stop=20) == list(range(10, 20))


def test_a_scan_can_go_on_with_what_has_come_since() -> None:
    disk = SimulatedDisk()
    follower = Scan(DIRECTORY, disk=disk)
    assert list(follower.commits()) == []

    with opened(disk) as journal:
        for number in range(30):
            journal.append([entry(number, 900)])
            assert [commit.offset for commit in follower.commits()] == [number]
            assert follower.offset == number + 1
    follower.close()


def test_a_scan_left_in_the_middle_goes_on_after_the_last_commit_it_gave() -> None:
    follower = Scan(DIRECTORY, disk=many())

    before = [commit.offset for commit, _ in zip(follower.commits(), range(5), strict=False)]
    after = [commit.offset for commit in follower.commits(stop=20)]
    rest = [commit.offset for commit in follower.commits()]

    # `zip` took a sixth one to see that it was over
    assert (before, after, rest) == ([*range(5)], [*range(6, 20)], [*range(20, 40)])


def test_a_group_that_is_just_being_written_is_not_seen() -> None:
    disk = journal_of([entry(0)])
    used = len(disk.contents()[FIRST.name].rstrip(b"\0"))
    disk.damage(FIRST, used + 200, b"half a group")

    assert offsets(disk) == [0]


@pytest.mark.parametrize("damage", [b"\x01", bytes(100), b"\xff" * 8])
@pytest.mark.parametrize("within", [0, 4, 20, 60])
def test_damage_with_later_commits_behind_it_is_an_error(damage: bytes, within: int) -> None:
    disk = journal_of(*([entry(number)] for number in range(1, 6)))
    byte = list(scan(DIRECTORY, disk=disk))[2].place.byte
    disk.damage(FIRST, byte + within, damage)

    with pytest.raises(JournalCorrupt, match=f"damaged at byte {byte}"):
        offsets(disk)


@pytest.mark.parametrize("chunk", [4, 5, 31, 32, 33, 100, 1 << 20])
def test_a_later_commit_is_found_in_pieces_of_any_size(chunk: int) -> None:
    disk = journal_of([entry(0, 300)], [entry(1, 300)])
    file, header = open_segment(disk, DIRECTORY, 0)
    frames = list(SegmentWalk(file, header, FIRST).frames())
    disk.damage(FIRST, frames[0].byte + 40, b"\xff" * 8)

    walk = SegmentWalk(file, header, FIRST, chunk=chunk)

    assert walk.proof_after() == frames[1].byte
    walk.byte = frames[1].byte
    assert walk.proof_after() is None, "a frame does not vouch for itself"


def test_damage_at_the_end_of_an_earlier_segment_is_an_error() -> None:
    disk = many()
    disk.damage(FIRST, len(disk.contents()[FIRST.name]) - 20, bytes(20))
    segment = sorted(disk.contents())[1]

    with pytest.raises(JournalCorrupt, match=r"000\.log is damaged at byte"):
        offsets(disk)
    assert offsets(disk, start=int(segment[:20]))[-1] == 39


def test_a_missing_segment_is_an_error() -> None:
    disk = many()
    disk.remove(DIRECTORY / sorted(disk.contents())[1])

    with pytest.raises(JournalCorrupt, match=r"000\.log is damaged at byte"):
        offsets(disk)


def changed(disk: SimulatedDisk, index: int, at: int, data: bytes) -> None:
    """Change a frame and make its check right again."""
    commit = list(scan(DIRECTORY, disk=disk))[index]
    salt = struct.unpack_from("<I", disk.contents()[FIRST.name], 12)[0]
    disk.damage(FIRST, commit.place.byte + at, data)
    frame = disk.contents()[FIRST.name][commit.place.byte :]
    length = struct.unpack_from("<I", frame)[0]
    check = crc32(frame[8:length], salt)
    disk.damage(FIRST, commit.place.byte + 4, struct.pack("<I", check))


def test_offsets_that_do_not_follow_on_are_an_error() -> None:
    disk = journal_of([entry(0)], [entry(1)], [entry(2)])
    changed(disk, 1, 8, struct.pack("<Q", 7))

    with pytest.raises(JournalCorrupt, match="it holds offset 7 where 1 belongs"):
        offsets(disk)
    with pytest.raises(KingpostError, match="it holds offset 7 where 1 belongs"):
        opened(disk)


def test_a_frame_of_a_newer_format_is_refused() -> None:
    disk = journal_of([entry(0)], [entry(1)], [entry(2)])
    changed(disk, 1, 27, b"\x02")

    with pytest.raises(JournalNewer):
        offsets(disk)
    with pytest.raises(JournalNewer):
        opened(disk)


def test_the_last_commit_is_found_without_reading_all() -> None:
    for disk, offset in ((many(), 39), (journal_of([entry(0)], [entry(1, count=10)]), 1)):
        last = last_commit(DIRECTORY, disk=disk)
        assert last is not None
        assert last.offset == offset
    assert last_commit(DIRECTORY, disk=journal_of()) is None
    assert last_commit(DIRECTORY, disk=SimulatedDisk()) is None
