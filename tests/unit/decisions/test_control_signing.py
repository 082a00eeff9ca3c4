"""The control log under signed checkpoints: nothing is added to one that was altered, nor run."""

from collections.abc import Callable
from pathlib import Path

import pytest

from kingpost.decisions import ControlLogAltered, DataDirectory, LogSettings
from kingpost.journal import Commit, Journal, Scan
from kingpost.proofs import Checkpoint, PublishedLog, TreeAheadOfJournal, signed_by
from tests.simulated_disk import SimulatedDisk
from tests.stopped_clock import StoppedClock

WHERE = DataDirectory(Path("/data"))
CONTROL = WHERE.log("control")
CLOCK = StoppedClock(1_533_124_800_000_000)


def house(bundles: int = 4) -> SimulatedDisk:
    disk = SimulatedDisk()
    log = WHERE.control_log(disk=disk, clock=CLOCK)
    for number in range(bundles):
        log.add_bundle("risk", b'{"number": %d}' % number)
        log.approve("risk", log.bundles("risk")[-1].digest, by="ada", reason="a test")
    return disk


def signed(disk: SimulatedDisk) -> list[Checkpoint]:
    return list(PublishedLog(CONTROL.public, disk=disk).checkpoints())


def commits(disk: SimulatedDisk) -> list[Commit]:
    scan = Scan(WHERE.control, disk=disk)
    try:
        return list(scan.commits())
    finally:
        scan.close()


def rewritten(disk: SimulatedDisk, told: list[Commit]) -> None:
    """Write a journal that is sound in itself, of other commits."""
    for name in disk.list(WHERE.control):
        disk.remove(WHERE.control / name)
    with Journal.open(
        WHERE.control, disk=disk, clock=CLOCK, segment_bytes=1 << 20, fill_in_background=False
    ) as journal:
        for one in told:
            journal.append(list(one.entries))


def cut_off(disk: SimulatedDisk, last: int = 1) -> None:
    """Cut the last commits off the file, byte for byte."""
    place = commits(disk)[-last].place
    file = disk.open(WHERE.control / f"{place.segment:020d}.log", write=True)
    file.truncate(place.byte)
    file.close()


def test_every_append_is_under_a_signed_checkpoint_before_it_returns() -> None:
    disk = house()
    made = signed(disk)

    assert [one.size for one in made] == list(range(9))
    assert signed_by(made[-1].note, CONTROL.keys(disk).verifiers())
    assert made[-1].origin.endswith("/control")
    WHERE.check_control_log(disk=disk)
    assert signed(disk) == made


def test_a_log_from_before_it_was_signed_is_taken_in() -> None:
    disk = house()
    for name in disk.list(CONTROL.public):
        disk.remove(CONTROL.public / name)
    WHERE.check_control_log(disk=disk, sign=False)
    assert not disk.list(CONTROL.public)
    WHERE.check_control_log(disk=disk)

    assert [one.size for one in signed(disk)] == [8]


@pytest.mark.parametrize("last", [1, 2, 5, 8])
def test_a_log_that_was_cut_is_not_run_and_takes_nothing_more(last: int) -> None:
    disk = house()
    cut_off(disk, last)

    for sign in (False, True):
        with pytest.raises(ControlLogAltered):
            WHERE.check_control_log(disk=disk, sign=sign)
    with pytest.raises(TreeAheadOfJournal):
        WHERE.control_log(disk=disk, clock=CLOCK).add_bundle("risk", b'{"number": 9}')
    assert len(commits(disk)) == 8 - last


def exchanged(told: list[Commit]) -> list[Commit]:
    return [told[0], told[3], told[2], told[1], *told[4:]]


def without_one(told: list[Commit]) -> list[Commit]:
    return [told[0], *told[2:]]


def edited(told: list[Commit]) -> list[Commit]:
    entry = told[1].entries[0]
    body = entry.body.replace(b'"ada"', b'"eve"')
    return [
        told[0],
        told[1]._replace(entries=(type(entry)(entry.kind, entry.tenant, entry.topic, body),)),
        *told[2:],
    ]


def nothing(told: list[Commit]) -> list[Commit]:
    del told
    return []


@pytest.mark.parametrize("change", [exchanged, without_one, edited, nothing])
def test_a_log_that_was_written_anew_is_not_run(
    change: Callable[[list[Commit]], list[Commit]],
) -> None:
    disk = house()
    told = commits(disk)
    rewritten(disk, told)
    WHERE.check_control_log(disk=disk)  # the same, written anew, is the same
    rewritten(disk, change(told))

    for sign in (False, True):
        with pytest.raises(ControlLogAltered):
            WHERE.check_control_log(disk=disk, sign=sign)


def test_a_kept_checkpoint_finds_a_log_that_was_made_anew_with_its_tree(tmp_path: Path) -> None:
    disk = house()
    kept = tmp_path / "kept.txt"
    kept.write_text(signed(disk)[-1].note.whole)
    told = commits(disk)[:-1]
    for place in (WHERE.control, CONTROL.public):
        for name in disk.list(place):
            disk.remove(place / name)
    rewritten(disk, told)
    WHERE.check_control_log(disk=disk)  # who holds the disk can do this, and alone it looks sound

    where = DataDirectory(WHERE.root, log_settings={"control": LogSettings(kept=kept)})
    with pytest.raises(ControlLogAltered):
        where.check_control_log(disk=disk)
    kept.write_text(signed(disk)[-1].note.whole)
    where.check_control_log(disk=disk)
    kept.unlink()
    with pytest.raises(ControlLogAltered):
        where.check_control_log(disk=disk)
