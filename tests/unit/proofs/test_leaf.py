"""Leaves: the fast way and the plain way agree; too many entries are folded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kingpost.journal import Entry, Scan
from kingpost.proofs import BadProof, TreeNewer
from kingpost.proofs.leaf import MAX_ENTRY, LeafWriter, commitment, parse_leaf
from tests.simulated_disk import SimulatedDisk
from tests.small_tree import PLACE, opened

names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5)
entries = st.builds(
    Entry, names.filter(bool), names, names, st.binary(max_size=40), st.integers(1, 9)
)


@given(st.lists(st.lists(entries, min_size=1, max_size=9), min_size=1, max_size=5))
def test_a_leaf_from_the_file_is_that_of_the_commit(commits: list[list[Entry]]) -> None:
    disk = SimulatedDisk()
    with opened(disk) as journal:
        for commit in commits:
            journal.append(commit)
    fast, plain = LeafWriter("data", bytes(32)), LeafWriter("data", bytes(32))
    next_offset = 0
    for frame in Scan(PLACE.journal, disk=disk).frames():
        leaf = parse_leaf(fast.leaf(frame))

        assert fast.leaf(frame) == plain.leaf_of(frame.commit())
        assert leaf.offset == next_offset
        assert leaf.commitments is not None
        assert leaf.width == len(frame.commit().entries)
        next_offset = leaf.next_offset
    assert next_offset == journal.next_offset


def test_many_entries_are_folded_into_one_root() -> None:
    disk = SimulatedDisk()
    with opened(disk) as journal:
        journal.append([Entry("event", "", "t", b"%d" % at) for at in range(3000)])
    writer = LeafWriter("data", bytes(32))
    (frame,) = Scan(PLACE.journal, disk=disk).frames()

    leaf = writer.leaf(frame)

    assert len(leaf) < 100 < MAX_ENTRY
    assert leaf == writer.leaf_of(frame.commit())
    assert (parse_leaf(leaf).commitments, parse_leaf(leaf).width) == (None, 3000)


def test_without_the_salt_a_body_cannot_be_guessed() -> None:
    entry = Entry("event", "acme", "t", b"1")
    nonces = {LeafWriter("data", bytes(32)).nonce(at) for at in range(100)}

    assert len(nonces) == 100
    assert len({commitment(entry, nonce) for nonce in nonces}) == 100
    assert LeafWriter("data", bytes(31) + b"1").nonce(0) not in nonces


@pytest.mark.parametrize("cut", [0, 10, 27, -1])
def test_a_leaf_cut_short_is_refused(cut: int) -> None:
    disk = SimulatedDisk()
    with opened(disk) as journal:
        journal.append([Entry("event", "acme", "t", b"1")])
    (frame,) = Scan(PLACE.journal, disk=disk).frames()

    with pytest.raises(BadProof):
        parse_leaf(LeafWriter("data", bytes(32)).leaf(frame)[:cut])


def test_a_leaf_of_a_later_version_is_refused() -> None:
    with pytest.raises(TreeNewer):
        parse_leaf(bytes([2]) + bytes(60))
