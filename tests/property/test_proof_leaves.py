"""A leaf is the same whether C or Python writes it, and whether of bytes or of entries."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kingpost.journal import Entry
from kingpost.journal.frames import encode
from kingpost.journal.walk import WholeFrame
from kingpost.proofs.leaf import LeafWriter, commitments_compiled, parse_leaf

names = st.text(max_size=8).filter(lambda name: "\0" not in name)
kinds = st.text("abcé", min_size=1, max_size=8)
bodies = st.binary(max_size=40) | st.sampled_from([bytes(65_500), bytes(70_000)])
entries = st.lists(
    st.builds(Entry, kinds, names, names, bodies, st.integers(1, 9)), min_size=1, max_size=12
)


def frame_of(commit: list[Entry], offset: int) -> WholeFrame:
    frame = encode(commit, offset, 1, 0)
    buffer = b"".join([bytes(8), *frame.buffers])
    return WholeFrame(0, 0, offset, frame.next_offset, 1, True, buffer, 32, len(buffer))


@given(commit=entries, offset=st.integers(0, 2**40))
def test_a_leaf_of_bytes_is_the_leaf_of_the_entries(commit: list[Entry], offset: int) -> None:
    frame = frame_of(commit, offset)
    writer = LeafWriter("data", bytes(32))

    written = writer.leaf(frame)

    assert written == LeafWriter("data", bytes(32)).leaf_of(frame.commit())
    assert parse_leaf(written).width == len(commit)


def test_a_commit_of_more_entries_than_a_leaf_can_list_is_folded_alike() -> None:
    frame = frame_of([Entry("event", "acme", "t", b"x")] * 2_000, 7)

    written = LeafWriter("data", bytes(32)).leaf(frame)

    assert written == LeafWriter("data", bytes(32)).leaf_of(frame.commit())
    assert parse_leaf(written).commitments is None


@pytest.mark.skipif(commitments_compiled is None, reason="it was not compiled")
def test_ordinary_commits_are_written_by_the_compiled_function() -> None:
    assert commitments_compiled is not None
    frame = frame_of([Entry("event", "acme", "t", b"x"), Entry("record", "", "", b"")], 7)

    made = commitments_compiled(frame.buffer, 32, frame.end, 7, lambda block: bytes(64))

    assert made is not None
    assert made[1] == 2
