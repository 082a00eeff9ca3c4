"""The writer of a partition: groups, failures, segments."""

import errno
import os
import threading
from pathlib import Path

import pytest

from kingpost.core import KingpostError, SystemDisk
from kingpost.journal import (
    BadCommit,
    BadPartitionName,
    Commit,
    Entry,
    Journal,
    JournalClosed,
    JournalCorrupt,
    JournalFailed,
    JournalFull,
    JournalInUse,
    JournalReadOnly,
    Position,
    is_passing,
    scan,
)
from tests.simulated_disk import SimulatedDisk
from tests.stopped_clock import StoppedClock

DIRECTORY = Path("/journal/data")
SEGMENT_BYTES = 64 * 1024


def event(body: bytes = b"{}", count: int = 1) -> Entry:
    return Entry("event", "acme", "transactions", body, count)


def opened(disk: SimulatedDisk, clock: StoppedClock | None = None) -> Journal:
    return Journal.open(
        DIRECTORY,
        disk=disk,
        clock=clock or StoppedClock(),
        segment_bytes=SEGMENT_BYTES,
        fill_in_background=False,
    )


def commits(disk: SimulatedDisk) -> list[Commit]:
    return list(scan(DIRECTORY, disk=disk))


def ignore(error: KingpostError | None) -> None:
    pass


class HeldDisk(SimulatedDisk):
    """A disk whose durable writes wait until they are let go, and are counted."""

    def __init__(self) -> None:
        super().__init__()
        self.before_durable_write = self._hold
        self.begun = threading.Semaphore(0)
        self.let_go = threading.Semaphore(0)
        self.groups = 0

    def _hold(self) -> None:
        self.groups += 1
        self.begun.release()
        self.let_go.acquire()


def test_a_commit_gets_the_offset_after_the_one_before() -> None:
    with opened(SimulatedDisk()) as journal:
        first = journal.append([event(), event(count=40)])
        second = journal.append([event()])

    assert (first, second, journal.next_offset) == (0, 41, 42)


def test_offsets_go_on_after_reopening() -> None:
    disk = SimulatedDisk()
    with opened(disk) as journal:
        journal.append([event(b"a")])
    with opened(disk) as journal:
        assert journal.append([event(b"b")]) == 1

    assert [commit.entries for commit in commits(disk)] == [(event(b"a"),), (event(b"b"),)]


def test_its_position_says_how_far_it_is_durable() -> None:
    with opened(SimulatedDisk()) as journal:
        journal.append([event(count=3)])

        assert journal.position == Position.of({"data": 3})


def test_commits_that_arrive_while_a_group_is_in_flight_go_as_one() -> None:
    disk = HeldDisk()
    journal = opened(disk)
    order: list[int] = []
    journal.submit([[event()]], lambda _: order.append(0))
    disk.begun.acquire()
    for number in range(1, 6):
        journal.submit([[event()], [event()]], lambda _, number=number: order.append(number))
    disk.let_go.release(2)
    journal.close()

    assert disk.groups == 2
    assert order == [0, 1, 2, 3, 4, 5]
    assert len(commits(disk)) == 11


def test_nothing_is_acknowledged_before_it_is_durable() -> None:
    disk = HeldDisk()
    journal = opened(disk)
    landed = threading.Event()
    journal.submit([[event()]], lambda _: landed.set())
    disk.begun.acquire()

    assert not landed.is_set()
    assert (journal.durable_offset, journal.next_offset) == (0, 1)

    disk.let_go.release()
    journal.close()
    assert landed.is_set()
    assert journal.durable_offset == 1


def test_either_all_commits_are_queued_or_none() -> None:
    disk = SimulatedDisk()
    with opened(disk) as journal:
        with pytest.raises(BadCommit):
            journal.submit([[event()], []], ignore)
        with pytest.raises(BadCommit):
            journal.submit([], ignore)

        assert journal.append([event()]) == 0

    assert len(commits(disk)) == 1


def test_closing_waits_for_what_was_queued() -> None:
    disk = SimulatedDisk()
    journal = opened(disk)
    for _ in range(50):
        journal.submit([[event()]], ignore)
    journal.close()
    journal.close()

    assert len(commits(disk)) == 50
    with pytest.raises(JournalClosed):
        journal.append([event()])


def test_many_threads_may_append() -> None:
    disk = SimulatedDisk()
    offsets: list[int] = []
    with opened(disk) as journal:

        def append() -> None:
            offsets.extend(journal.append([event(b"%d" % number)]) for number in range(20))

        threads = [threading.Thread(target=append) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert sorted(offsets) == [commit.offset for commit in commits(disk)] == list(range(80))


def test_a_callback_that_raises_does_not_stop_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(error: KingpostError | None) -> None:
        raise RuntimeError("the loop is closed")

    with opened(SimulatedDisk()) as journal:
        journal.submit([[event()]], fail)

        assert journal.append([event()]) == 1

    assert [record.message for record in caplog.records] == ["journal_landed_failed"]


def test_one_process_writes_a_partition(tmp_path: Path) -> None:
    disk, clock = SystemDisk(), StoppedClock()
    with (
        Journal.open(tmp_path / "data", disk=disk, clock=clock),
        pytest.raises(JournalInUse, match=f"open for writing in process {os.getpid()}"),
    ):
        Journal.open(tmp_path / "data", disk=disk, clock=clock)

    Journal.open(tmp_path / "data", disk=disk, clock=clock).close()


def test_after_a_failed_write_nothing_is_acknowledged_until_it_is_reopened() -> None:
    disk = HeldDisk()
    journal = opened(disk)
    outcomes: list[KingpostError | None] = []
    journal.submit([[event(b"in flight")]], outcomes.append)
    disk.begun.acquire()
    journal.submit([[event(b"waiting")]], outcomes.append)
    disk.fails = {disk.steps + 1: errno.EIO}
    disk.let_go.release(2)
    while len(outcomes) < 2:
        pass

    assert [type(outcome) for outcome in outcomes] == [JournalFailed, JournalFailed]
    with pytest.raises(JournalFailed, match="open the journal again"):
        journal.append([event()])

    journal.close()
    assert disk.groups == 1
    with opened(disk) as journal:
        disk.let_go.release()
        journal.append([event(b"after")])
    assert [commit.entries[0].body for commit in commits(disk)] in (
        [b"in flight", b"after"],
        [b"after"],
    )


def test_a_full_disk_loses_nothing_and_the_journal_goes_on_when_there_is_space() -> None:
    disk = SimulatedDisk()
    journal = opened(disk)
    journal.append([event(b"kept")])
    disk.is_full = True

    with pytest.raises(JournalFull, match="Free some space") as refusal:
        for _ in range(100):
            journal.append([event(bytes(900))])

    assert not refusal.value.retry_safe
    with pytest.raises(JournalFull):
        journal.append([event()])
    acknowledged = journal.durable_offset
    journal.close()

    disk.is_full = False
    with opened(disk) as journal:
        assert journal.next_offset >= acknowledged > 1
        journal.append([event(b"after")])
    bodies = [commit.entries[0].body for commit in commits(disk)]
    assert (bodies[0], bodies[-1]) == (b"kept", b"after")


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.EPERM])
def test_a_disk_that_takes_no_writes_is_told_from_one_that_fails(number: int) -> None:
    disk = SimulatedDisk()
    journal = opened(disk)
    journal.append([event(b"kept")])
    disk.fails = {disk.steps: number}

    with pytest.raises(JournalReadOnly, match="Let this user write there") as refusal:
        journal.append([event(b"refused")])

    assert is_passing(refusal.value)
    assert not is_passing(JournalFailed(DIRECTORY, "EIO"))
    journal.close()
    with opened(disk) as journal:
        journal.append([event(b"after")])
    bodies = [commit.entries[0].body for commit in commits(disk)]
    assert (bodies[0], bodies[-1]) == (b"kept", b"after")


def test_room_that_is_asked_for_is_tried_and_given_back() -> None:
    disk = SimulatedDisk()
    opened(disk).close()
    before = disk.contents()
    disk.is_full = True

    with pytest.raises(JournalFull):
        Journal.open(DIRECTORY, disk=disk, clock=StoppedClock(), room_bytes=1)

    disk.is_full = False
    Journal.open(DIRECTORY, disk=disk, clock=StoppedClock(), room_bytes=1 << 20).close()
    assert disk.contents().keys() == before.keys()


def test_a_disk_that_is_full_from_the_start_is_said_so() -> None:
    disk = SimulatedDisk()
    disk.is_full = True

    with pytest.raises(JournalFull):
        opened(disk)

    disk.is_full = False
    opened(disk).close()


def test_commits_never_go_back_in_time() -> None:
    disk = SimulatedDisk()
    for time_us in (2_000, 1_000, 3_000):
        with opened(disk, StoppedClock(time_us)) as journal:
            journal.append([event()])

    assert [commit.time_us for commit in commits(disk)] == [2_000, 2_000, 3_000]


def test_a_small_commit_lands_in_zeros_that_wait_for_it() -> None:
    disk = SimulatedDisk()
    with opened(disk) as journal:
        before = len(disk.contents()["00000000000000000000.log"])
        journal.append([event(bytes(500))])

        assert len(disk.contents()["00000000000000000000.log"]) == before


def test_the_next_segment_is_ready_before_it_is_needed() -> None:
    disk = SimulatedDisk()
    with opened(disk) as journal:
        while "spare.tmp" not in disk.contents():
            journal.append([event(bytes(500))])
        first = disk.contents()["00000000000000000000.log"]
        spare = disk.contents()["spare.tmp"]
        offset = 0
        while "spare.tmp" in disk.contents():
            offset = journal.append([event(bytes(500))])

        assert first.count(0, len(first) // 2 + 600) == len(first) // 2 - 600
        assert len(disk.contents()[f"{offset:020d}.log"]) == len(spare) == 2 * len(first)


def test_a_commit_larger_than_a_segment_gets_one_of_its_own_size() -> None:
    disk = SimulatedDisk()
    with opened(disk) as journal:
        journal.append([event()])
        journal.append([event(bytes(3 * SEGMENT_BYTES))])
        journal.append([event()])

    sizes = [len(data) for name, data in sorted(disk.contents().items()) if name != "lock"]
    assert [size // SEGMENT_BYTES for size in sizes] == [0, 3, 0]
    assert [commit.place.segment for commit in commits(disk)] == [0, 1, 2]


def test_bulk_is_not_written_over_zeros() -> None:
    disk = SimulatedDisk()
    with opened(disk) as journal:
        for _ in range(12):
            journal.append([event(b"x" * 20_000)])

    sizes = [len(data) for name, data in disk.contents().items() if name != "lock"]
    assert max(sizes) <= SEGMENT_BYTES
    assert sum(sizes) < 12 * 20_000 + len(sizes) * 5_000


def test_segments_fill_up_in_the_background_too(tmp_path: Path) -> None:
    disk = SystemDisk()
    with Journal.open(
        tmp_path / "data", disk=disk, clock=StoppedClock(), segment_bytes=SEGMENT_BYTES
    ) as journal:
        for number in range(300):
            journal.append([event(b"%500d" % number)])

    found = [commit.entries[0].body for commit in scan(tmp_path / "data", disk=disk)]
    assert found == [b"%500d" % number for number in range(300)]
    assert "spare.tmp" not in disk.list(tmp_path / "data")


def test_what_a_crash_left_of_a_segment_in_the_making_is_removed() -> None:
    disk = SimulatedDisk()
    opened(disk).close()
    disk.open(DIRECTORY / "spare.tmp", write=True, create=True)
    opened(disk).close()

    assert sorted(disk.contents()) == ["00000000000000000000.log", "lock"]


def test_damage_before_a_later_group_is_refused_naming_file_and_byte() -> None:
    disk = SimulatedDisk()
    with opened(disk) as journal:
        for _ in range(3):
            journal.append([event(bytes(100))])
    place = commits(disk)[1].place
    disk.damage(DIRECTORY / "00000000000000000000.log", place.byte + 50, b"\x01")
    before = disk.contents()

    with pytest.raises(
        JournalCorrupt, match=rf"000\.log is damaged at byte {place.byte}: .*backup"
    ):
        opened(disk)

    assert disk.contents() == before


def test_the_advice_for_damage_works() -> None:
    disk = SimulatedDisk()
    with opened(disk) as journal:
        for number in range(3):
            journal.append([event(b"%d" % number)])
    path = DIRECTORY / "00000000000000000000.log"
    disk.damage(path, commits(disk)[1].place.byte + 40, b"\xff")
    with pytest.raises(JournalCorrupt) as refusal:
        opened(disk)

    disk.open(path, write=True).truncate(refusal.value.byte)
    with opened(disk) as journal:
        journal.append([event(b"new")])

    assert [commit.entries[0].body for commit in commits(disk)] == [b"0", b"new"]


@pytest.mark.parametrize("name", ["Data", "a b", "a,b", "a:b", "-", "x" * 65])
def test_a_directory_that_cannot_name_a_partition_is_refused(name: str) -> None:
    with pytest.raises(BadPartitionName):
        Journal.open(Path("/journal") / name, disk=SimulatedDisk(), clock=StoppedClock())
