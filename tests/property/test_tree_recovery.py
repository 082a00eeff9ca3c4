"""The tree after a crash at any step: every checkpoint that was seen is continued."""

from hypothesis import given, settings
from hypothesis import strategies as st

from kingpost.core import KingpostError
from kingpost.proofs import Checkpoint, Prover, Trust, audit_log
from kingpost.proofs.merkle import is_consistent
from tests.simulated_disk import SimulatedDisk
from tests.small_tree import PLACE, entry_id, opened, pair, tree_on

STEPS = 170


def work(disk: SimulatedDisk, seen: list[Checkpoint]) -> None:
    """Append, take in and rotate, until something fails."""
    tree = tree_on(disk)
    try:
        with opened(disk) as journal:
            for number in range(6):
                journal.append(pair(number))
                if number != 2:
                    seen.append(tree.update())
                if number == 3:
                    tree.rotate()
    except (OSError, KingpostError):
        pass
    finally:
        tree.close()


@settings(max_examples=150, deadline=None)
@given(stop=st.integers(1, STEPS), seed=st.integers(0, 9), is_power_loss=st.booleans())
def test_after_a_crash_the_tree_goes_on_and_continues_what_was_signed(
    stop: int, seed: int, is_power_loss: bool
) -> None:
    disk = SimulatedDisk(seed=seed)
    disk.stops_at = stop
    seen: list[Checkpoint] = []
    work(disk, seen)
    disk = disk.after_power_loss() if is_power_loss else disk.after_kill()

    with opened(disk) as journal:
        journal.append(pair(99))
    tree = tree_on(disk)
    made = tree.update()
    tree.close()
    prover = Prover(PLACE, disk, entry_id)
    for old in seen:
        _, proof = prover.consistency(old)
        assert is_consistent(old.size, made.size, old.root, made.root, proof)
    keys = PLACE.keys(disk)
    audit = audit_log(
        PLACE.public,
        Trust(keys.verifiers()[:1], seen),
        disk=disk,
        journal=PLACE.journal,
        salt=keys.salt(),
        handovers=keys.handovers(),
    )
    assert audit.findings == []
    assert audit.waiting == 0


def test_the_work_has_about_so_many_steps() -> None:
    disk = SimulatedDisk()
    seen: list[Checkpoint] = []
    work(disk, seen)

    assert len(seen) == 5
    assert STEPS * 0.6 < disk.steps < STEPS * 1.4
