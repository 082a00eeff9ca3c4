"""Taking commits out of finished segments: what stays is as it was, and readers go on."""

from collections.abc import Callable
from pathlib import Path

import pytest

from kingpost.core import SystemDisk
from kingpost.journal import (
    REMOVED,
    Commit,
    Entry,
    FinishedSegment,
    Journal,
    JournalCorrupt,
    Lookup,
    RemovedRange,
    Scan,
    decode_removed,
    finished_segments,
    is_removed,
    remove_commits,
    scan,
    survey,
)
from tests.stopped_clock import StoppedClock

COMMITS = 60


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    directory = tmp_path / "journal" / "data"
    with Journal.open(
        directory, disk=SystemDisk(), clock=StoppedClock(), segment_bytes=16_384
    ) as journal:
        for number in range(COMMITS):
            journal.append(
                [Entry("event", "acme", "sale", b"%d" % number * 400), Entry("n", "", "", b"", 2)]
            )
    return directory


def _first(directory: Path) -> FinishedSegment:
    return finished_segments(directory, disk=SystemDisk())[0]


def _remove(directory: Path, is_kept: Callable[[Commit], bool]) -> int:
    return remove_commits(_first(directory), is_kept, "old", disk=SystemDisk())


def _ranges(directory: Path) -> list[RemovedRange]:
    reader = Scan(directory, disk=SystemDisk())
    try:
        return [decode_removed(one) for one in reader.frames() if is_removed(one)]
    finally:
        reader.close()


def test_what_stays_keeps_its_bytes_offset_and_time_and_the_rest_is_gone(directory: Path) -> None:
    before = {one.offset: one for one in scan(directory, disk=SystemDisk())}
    end = _first(directory).next_offset
    inside = [offset for offset in before if offset < end]

    removed = _remove(directory, lambda commit: commit.offset == inside[3])

    assert removed == len(inside) - 1
    assert _ranges(directory) == [
        RemovedRange(0, inside[3], 3, "old"),
        RemovedRange(inside[4], end, len(inside) - 4, "old"),
    ]
    after = {one.offset: one for one in scan(directory, disk=SystemDisk())}
    kept = [offset for offset in before if offset >= end or offset == inside[3]]
    assert {offset: after[offset][:3] for offset in kept} == {
        offset: before[offset][:3] for offset in kept
    }
    assert all(one.entries[0].kind == REMOVED for at, one in after.items() if at not in kept)
    assert b"22222222" not in _first(directory).path.read_bytes()
    assert [one.damages for one in survey(directory, disk=SystemDisk())] == [[]] * len(
        {one.place.segment for one in after.values()}
    )


def test_what_was_removed_before_is_joined_with_what_is_removed_now(directory: Path) -> None:
    end = _first(directory).next_offset
    _remove(directory, lambda commit: commit.offset >= 9)
    count = end // 3

    assert _remove(directory, lambda commit: False) == count - 3

    assert _ranges(directory) == [RemovedRange(0, end, count, "old")]
    assert _remove(directory, lambda commit: False) == 0
    assert _first(directory).path.stat().st_size < 4300


def test_a_reader_that_has_the_segment_open_sees_what_is_left(directory: Path) -> None:
    lookup = Lookup(directory, disk=SystemDisk())
    assert lookup.read(7).entries[0].kind == "event"

    _remove(directory, lambda commit: commit.offset >= 9)

    assert lookup.read(7).entries[0].kind == REMOVED
    assert lookup.read(9).entries[0].body == b"3" * 400
    lookup.close()


def test_the_writer_goes_on_after_it(directory: Path) -> None:
    _remove(directory, lambda commit: False)

    with Journal.open(directory, disk=SystemDisk(), clock=StoppedClock()) as journal:
        assert journal.append([Entry("event", "", "sale", b"new")]) == 3 * COMMITS


def test_a_damaged_segment_stays_as_it_is(directory: Path) -> None:
    path = _first(directory).path
    body = bytearray(path.read_bytes())
    body[5000] ^= 1
    path.write_bytes(body)

    with pytest.raises(JournalCorrupt):
        _remove(directory, lambda commit: False)

    assert path.read_bytes() == body
    assert not list(directory.glob("*.tmp"))
