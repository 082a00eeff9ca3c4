"""The tree as a follower of the journal."""

import pytest

from kingpost.journal import Entry
from kingpost.proofs import (
    Checkpoint,
    CheckpointInconsistent,
    OriginChanged,
    PublishedLog,
    SigningKeyUnusable,
    Tree,
    TreeAheadOfJournal,
    TreeDamaged,
    TreeInUse,
    TreeNewer,
    TreePlace,
    log_name,
    signed_by,
    trusted_keys,
)
from tests.simulated_disk import SimulatedDisk
from tests.small_tree import PLACE, entry_id, opened, pair, tree_on


def log_of(disk: SimulatedDisk, count: int, *, body: bytes = b"answer") -> Checkpoint:
    with opened(disk) as journal:
        for number in range(count):
            journal.append(pair(number, body=body))
    tree = tree_on(disk)
    try:
        return tree.update()
    finally:
        tree.close()


def without(disk: SimulatedDisk, *names: str) -> None:
    for name in names:
        disk.remove(PLACE.public / name)


def test_a_checkpoint_is_signed_only_when_there_is_something_new() -> None:
    disk = SimulatedDisk()
    tree = tree_on(disk)
    with opened(disk) as journal:
        journal.append(pair(1))
        first = tree.update()
        again = tree.update()
        journal.append(pair(2))
        second = tree.update()

    assert (first.size, second.size) == (1, 2)
    assert again == first
    assert signed_by(second.note, PLACE.keys(disk).verifiers())
    tree.close()


def test_a_tree_taken_in_steps_is_that_taken_at_once() -> None:
    one, other = SimulatedDisk(), SimulatedDisk()
    tree = tree_on(one)
    with opened(one) as journal:
        for number in range(600):
            journal.append(pair(number))
            if number % 70 == 0:
                tree.update()
        last = tree.update()
    tree.close()
    for name in ("salt", "signing.key"):
        file = other.open(PLACE.secret / name, write=True, create=True)
        file.write_at(0, one.contents()[name])

    assert log_of(other, 600).root == last.root


def test_two_do_not_work_on_a_tree_at_a_time() -> None:
    disk = SimulatedDisk()
    held = disk.lock(PLACE.public / "lock")

    with pytest.raises(TreeInUse):
        tree_on(disk).update()
    held.release()
    assert tree_on(disk).update().size == 0


def test_a_journal_that_went_back_is_never_signed() -> None:
    disk = SimulatedDisk()
    log_of(disk, 9)
    disk.remove(PLACE.journal / f"{0:020d}.log")
    with opened(disk) as journal:
        for number in range(3):
            journal.append(pair(number))

    with pytest.raises(TreeAheadOfJournal):
        tree_on(disk).update()


def test_a_journal_that_was_altered_is_never_signed() -> None:
    disk = SimulatedDisk()
    log_of(disk, 9)
    disk.remove(PLACE.journal / f"{0:020d}.log")
    with opened(disk) as journal:
        for number in range(12):
            journal.append(pair(number, body=b"another"))

    with pytest.raises(TreeAheadOfJournal):
        tree_on(disk).update()


def test_a_tree_made_anew_must_continue_every_checkpoint() -> None:
    disk = SimulatedDisk()
    log_of(disk, 9)
    without(disk, "entries", "level-0", "ids")
    assert tree_on(disk).update().size == 9

    disk.remove(PLACE.journal / f"{0:020d}.log")
    with opened(disk) as journal:
        for number in range(12):
            journal.append(pair(number, body=b"another"))
    without(disk, "entries", "level-0", "ids")
    with pytest.raises(CheckpointInconsistent):
        tree_on(disk).update()


def test_hashes_that_were_changed_are_never_built_on() -> None:
    disk = SimulatedDisk()
    log_of(disk, 9)
    disk.damage(PLACE.public / "level-0", 40, b"xx")

    with pytest.raises(TreeDamaged):
        tree_on(disk).update()


def test_a_rotated_key_hands_over_and_earlier_checkpoints_stay_verifiable() -> None:
    disk = SimulatedDisk()
    first = log_of(disk, 3)
    (old,) = PLACE.keys(disk).verifiers()
    new = tree_on(disk).rotate().verifier
    with opened(disk) as journal:
        journal.append(pair(10))
    second = tree_on(disk).update()

    keys = PLACE.keys(disk)
    assert keys.verifiers() == [old, new]
    assert trusted_keys([old], keys.handovers()) == [old, new]
    assert trusted_keys([new], keys.handovers()) == [new]
    assert [one.key for one in signed_by(first.note, [old])] == [old]
    assert [one.key for one in signed_by(second.note, [old, new])] == [new]


def test_a_key_that_is_missing_or_another_is_refused() -> None:
    disk = SimulatedDisk()
    log_of(disk, 1)
    with opened(disk) as journal:
        journal.append(pair(10))
    disk.remove(PLACE.secret / "signing.key")

    with pytest.raises(SigningKeyUnusable, match="missing"):
        tree_on(disk).update()


def test_a_log_keeps_its_name() -> None:
    disk = SimulatedDisk()
    assert log_name(PLACE, disk) == "a.example/log"

    with pytest.raises(OriginChanged):
        log_name(TreePlace(PLACE.journal, PLACE.public, PLACE.secret, origin="b/log"), disk)
    disk.damage(PLACE.public / "log", 0, b'{"format": 2')
    with pytest.raises(TreeNewer):
        log_name(PLACE, disk)


def test_what_witnesses_sign_is_part_of_the_checkpoint() -> None:
    disk = SimulatedDisk()
    with opened(disk) as journal:
        journal.append([Entry("event", "acme", "t", b"1")])
    line = "— w.example AAAAAAAA\n"
    tree = Tree(PLACE, disk, entry_id, lambda checkpoint, consistency: line)

    assert tree.update().note.whole.endswith(line)
    tree.close()


def test_what_is_published_tells_the_newest_checkpoints_first_and_who_signed() -> None:
    disk = SimulatedDisk()
    for number in range(4):
        with opened(disk) as journal:
            journal.append(pair(number))
        tree = tree_on(disk)
        tree.update()
        tree.close()
    found = PublishedLog(PLACE.public, disk=disk).newest(3)

    assert [one.checkpoint.size for one in found] == [4, 3, 2]
    [key] = PLACE.keys(disk).verifiers()
    assert {*map(tuple, (one.keys for one in found))} == {(f"{key.name}+{key.id.hex()}",)}
    assert all(one.last_us for one in found)
    assert [one.cosigners for one in found] == [[], [], []]
    assert len(PublishedLog(PLACE.public, disk=disk).newest(99)) == 4
    assert PublishedLog(PLACE.secret, disk=disk).newest(3) == []
