"""Audits of whole logs: what is found, and which leaf is named."""

from collections.abc import Callable

import pytest

from kingpost.journal import Entry, Scan
from kingpost.proofs import Audit, Checkpoint, Trust, audit_log
from tests.simulated_disk import SimulatedDisk
from tests.small_tree import PLACE, opened, pair, tree_on

Commits = list[list[Entry]]


def honest() -> Commits:
    return [pair(number) for number in range(300)]


def log_of(commits: Commits, disk: SimulatedDisk) -> Checkpoint:
    with opened(disk) as journal:
        for commit in commits:
            journal.append(commit)
    tree = tree_on(disk)
    try:
        return tree.update()
    finally:
        tree.close()


def audit(disk: SimulatedDisk, *kept: Checkpoint, keys: SimulatedDisk | None = None) -> Audit:
    ring = PLACE.keys(keys or disk)
    return audit_log(
        PLACE.public,
        Trust(ring.verifiers(), kept),
        disk=disk,
        journal=PLACE.journal,
        salt=ring.salt(),
    )


def copied(disk: SimulatedDisk) -> SimulatedDisk:
    """Return another disk with the salt and the key, as an attacker has them."""
    other = SimulatedDisk()
    for place in (PLACE.secret / "salt", PLACE.secret / "signing.key", PLACE.public / "keys"):
        other.open(place, write=True, create=True).write_at(0, disk.contents()[place.name])
    return other


def journal_replaced(disk: SimulatedDisk, commits: Commits) -> None:
    for name in disk.list(PLACE.journal):
        disk.remove(PLACE.journal / name)
    with opened(disk) as journal:
        for commit in commits:
            journal.append(commit)


def _edit(commits: Commits) -> None:
    commits[150] = pair(150, body=b"otherwise")


def _delete(commits: Commits) -> None:
    del commits[150]


def _exchange(commits: Commits) -> None:
    commits[150], commits[200] = commits[200], commits[150]


def _cut(commits: Commits) -> None:
    del commits[150:]


LIES = [_edit, _delete, _exchange, _cut]


def test_an_honest_log_is_sound_also_when_it_has_grown() -> None:
    disk = SimulatedDisk()
    kept = log_of(honest(), disk)
    with opened(disk) as journal:
        journal.append(pair(1000))

    found = audit(disk, kept)

    assert (found.findings, found.size, found.commits, found.waiting) == ([], 300, 300, 1)


@pytest.mark.parametrize("lie", LIES)
def test_a_changed_journal_is_named_to_the_leaf(lie: Callable[[Commits], None]) -> None:
    disk, commits = SimulatedDisk(), honest()
    log_of(commits, disk)
    lie(commits)
    journal_replaced(disk, commits)

    first = audit(disk).first

    assert first is not None
    assert (first.code, first.leaf, first.until) == ("journal", 150, 151)


@pytest.mark.parametrize("lie", LIES)
def test_a_log_made_anew_with_the_key_contradicts_the_kept_checkpoint(
    lie: Callable[[Commits], None],
) -> None:
    disk, commits = SimulatedDisk(), honest()
    kept = log_of(commits, disk)
    lie(commits)
    forged = copied(disk)
    log_of(commits, forged)

    assert audit(forged).is_sound, "without the checkpoint nobody can tell"
    first = audit(forged, kept).first

    assert first is not None
    assert first.leaf <= 150 or first.code == "kept_checkpoint_larger"


def test_several_kept_checkpoints_narrow_the_place_down() -> None:
    disk, commits = SimulatedDisk(), honest()
    kept = [log_of(commits[:100], disk)]
    for part in (commits[100:140], commits[140:160], commits[160:]):
        kept.append(log_of(part, disk))
    _edit(commits)
    forged = copied(disk)
    log_of(commits, forged)

    first = audit(forged, *kept).first

    assert first is not None
    assert (first.code, first.leaf, first.until) == ("kept_checkpoint", 140, 160)


@pytest.mark.parametrize(
    ("name", "at"),
    [("entries", 900), ("level-0", 32 * 290), ("level-1", 3), ("bundles", 7), ("bundles", 15),
     ("checkpoint", 5), ("checkpoint", 100), ("checkpoints", 100), ("checkpoints", 1)],
)  # fmt: skip
def test_a_byte_of_the_tree_is_found(name: str, at: int) -> None:
    disk = SimulatedDisk()
    kept = log_of(honest(), disk)
    before = disk.contents()[name][at]
    disk.damage(PLACE.public / name, at, bytes([before ^ 1]))

    found = audit(disk, kept)

    assert not found.is_sound
    if name == "level-0":
        assert found.first is not None
        assert (found.first.leaf, found.first.until) == (290, 291)


def test_the_journal_that_was_read_is_the_one_that_lies_there() -> None:
    disk = SimulatedDisk()
    log_of(honest(), disk)

    assert sum(1 for _ in Scan(PLACE.journal, disk=disk).frames()) == 300
