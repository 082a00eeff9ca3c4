"""Whatever fails, at whichever step: what was acknowledged stays, in order, byte for byte."""

import errno
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kingpost.core import KingpostError
from kingpost.journal import Entry, Journal, JournalCorrupt, Place, scan
from kingpost.journal.segments import HEADER_SIZE
from tests.simulated_disk import SimulatedDisk
from tests.stopped_clock import StoppedClock

DIRECTORY = Path("/journal/data")
SEGMENT_BYTES = 64 * 1024
Fault = Literal["kill", "power", "io_error", "full"]
FAULTS: tuple[Fault, ...] = ("kill", "power", "io_error", "full")
Group = Sequence[bytes]


@dataclass
class History:
    """What was handed to a journal, and how much of it was acknowledged."""

    submitted: list[bytes] = field(default_factory=list[bytes])
    acknowledged: int = 0


def open_journal(disk: SimulatedDisk) -> Journal:
    return Journal.open(
        DIRECTORY,
        disk=disk,
        clock=StoppedClock(),
        segment_bytes=SEGMENT_BYTES,
        fill_in_background=False,
    )


def append_until_it_fails(disk: SimulatedDisk, groups: Sequence[Group], history: History) -> None:
    try:
        journal = open_journal(disk)
    except KingpostError:
        return
    try:
        for group in groups:
            outcome: list[KingpostError | None] = []
            landed = Event()

            def tell(
                error: KingpostError | None,
                outcome: list[KingpostError | None] = outcome,
                landed: Event = landed,
            ) -> None:
                outcome.append(error)
                landed.set()

            journal.submit([[Entry("event", "acme", "t", body)] for body in group], tell)
            history.submitted += group
            landed.wait()
            if outcome[0] is not None:
                return
            history.acknowledged = len(history.submitted)
    finally:
        journal.close()


def after(fault: Fault, disk: SimulatedDisk) -> SimulatedDisk:
    return disk.after_power_loss() if fault == "power" else disk.after_kill()


def set_fault(fault: Fault, disk: SimulatedDisk, step: int) -> None:
    if fault == "io_error":
        disk.fails = {step: errno.EIO}
    elif fault == "full":
        disk.fails = dict.fromkeys(range(step, step + 3), errno.ENOSPC)
    else:
        disk.stops_at = step


def assert_nothing_is_lost(disk: SimulatedDisk, history: History) -> None:
    with open_journal(disk) as journal:
        next_offset = journal.next_offset
    commits = list(scan(DIRECTORY, disk=disk))
    bodies = [entry.body for commit in commits for entry in commit.entries]

    assert [commit.offset for commit in commits] == list(range(next_offset))
    assert bodies == history.submitted[: len(bodies)]
    assert len(bodies) >= history.acknowledged
    history.submitted = bodies
    history.acknowledged = len(bodies)


def body(number: int, size: int) -> bytes:
    return number.to_bytes(4, "little") + bytes([number % 255 + 1]) * size


GROUPS: list[Group] = [
    [body(1, 100)],
    [body(2, 300), body(3, 0), body(4, 300)],
    [body(5, 900)],
    [body(6, 900)],
    [body(7, 900)],
    [body(8, 900), body(9, 50)],
    [body(10, 9_000), body(11, 10)],
    [body(12, 50)],
    [body(13, 70_000)],
    [body(14, 50), body(15, 60)],
    [body(16, 300)],
    [body(17, 200), body(18, 0)],
    [body(19, 200)],
]


def steps_without_fault() -> int:
    disk = SimulatedDisk()
    append_until_it_fails(disk, GROUPS, History())
    return disk.steps


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_at_any_step_loses_nothing_that_was_acknowledged(fault: Fault) -> None:
    for step in range(steps_without_fault()):
        disk, history = SimulatedDisk(seed=step), History()
        set_fault(fault, disk, step)
        append_until_it_fails(disk, GROUPS, history)

        disk = after(fault, disk)

        assert_nothing_is_lost(disk, history)
        append_until_it_fails(disk, GROUPS[:1], history)
        disk = disk.after_power_loss()
        assert_nothing_is_lost(disk, history)
        append_until_it_fails(disk, GROUPS, history)
        assert history.acknowledged >= sum(map(len, GROUPS))
        assert_nothing_is_lost(disk.after_power_loss(), history)


groups = st.lists(
    st.lists(
        st.builds(body, st.integers(0, 2**20), st.sampled_from([0, 60, 600, 20_000])),
        min_size=1,
        max_size=5,
    ),
    max_size=8,
)
lives = st.lists(st.tuples(groups, st.sampled_from(FAULTS), st.integers(0, 60)), max_size=5)


@given(lives=lives, seed=st.integers(0, 2**32), sector_bytes=st.sampled_from([16, 512, 4096]))
def test_nothing_acknowledged_is_lost_over_many_lives_that_end_badly(
    lives: list[tuple[list[Group], Fault, int]], seed: int, sector_bytes: int
) -> None:
    disk, history = SimulatedDisk(seed=seed, sector_bytes=sector_bytes), History()
    for groups, fault, step in lives:
        set_fault(fault, disk, disk.steps + step)
        append_until_it_fails(disk, groups, history)
        disk = after(fault, disk)

        assert_nothing_is_lost(disk, history)


@given(seed=st.integers(0, 2**32), step=st.integers(0, 60), again=st.integers(0, 8))
def test_power_may_fail_again_while_the_tail_is_being_recovered(
    seed: int, step: int, again: int
) -> None:
    disk, history = SimulatedDisk(seed=seed), History()
    disk.stops_at = step
    append_until_it_fails(disk, GROUPS, history)
    disk = disk.after_power_loss()
    disk.stops_at = disk.steps + again
    append_until_it_fails(disk, [], history)

    disk = disk.after_power_loss()

    assert_nothing_is_lost(disk, history)


def test_what_is_left_of_a_torn_group_never_follows_on_a_new_commit() -> None:
    for seed in range(40):
        disk, history = SimulatedDisk(seed=seed, sector_bytes=64), History()
        open_journal(disk).close()
        disk.stops_at = disk.steps + 4
        append_until_it_fails(disk, [[body(number, 200) for number in range(5)]], history)
        disk = disk.after_power_loss()
        assert_nothing_is_lost(disk, history)

        append_until_it_fails(disk, [[body(99, 200)]], history)

        assert_nothing_is_lost(disk, history)


@given(data=st.data(), damage=st.sampled_from([b"\x01", b"\xff\xff\xff\xff", bytes(512)]))
def test_damage_is_refused_unless_it_looks_just_like_a_torn_last_group(
    data: st.DataObject, damage: bytes
) -> None:
    disk, history = SimulatedDisk(), History()
    append_until_it_fails(disk, GROUPS, history)
    commits = list(scan(DIRECTORY, disk=disk))
    name = data.draw(st.sampled_from([name for name in disk.contents() if name != "lock"]))
    content = disk.contents()[name].rstrip(b"\0")
    last = len(content) - 1
    byte = data.draw(st.integers(0, 99) | st.integers(min(HEADER_SIZE, last), last))
    old = content[byte : byte + len(damage)]
    new = bytes(a ^ b for a, b in zip(old, damage, strict=False)) if any(damage) else damage
    disk.damage(DIRECTORY / name, byte, new[: len(old)])
    before = disk.contents()

    try:
        open_journal(disk).close()
        found = list(scan(DIRECTORY, disk=disk))
    except JournalCorrupt:
        assert {**disk.contents(), "lock": b""} == {**before, "lock": b""}
        return

    assert found == commits[: len(found)]
    if len(found) < len(commits):
        segment = int(name[:20])
        whole_before = sum(commit.place <= Place(segment, byte) for commit in commits) - 1
        assert len(found) == max(0, whole_before)
        assert Place(segment, byte + len(old)) > commits[-1].place
