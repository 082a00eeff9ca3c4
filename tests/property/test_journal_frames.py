"""The compiled encoder and the one in Python give the same frames."""

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kingpost.journal import BadCommit, Entry
from kingpost.journal.frames import Frame, encode, encode_compiled, encode_plainly

Encode = Callable[[Sequence[Entry], int, int, int], Frame]

pytestmark = pytest.mark.skipif(encode_compiled is None, reason="the encoder was not compiled")
names = st.text(max_size=8) | st.sampled_from(["event", "größe", "a\0b", "", "\ud800"])
counts = st.integers(-1, 3) | st.sampled_from([2**32 - 1, 2**32, 2**70])
bodies = st.binary(max_size=40) | st.sampled_from([bytes(65_000), bytes(70_000)])
entries = st.lists(st.builds(Entry, names, names, names, bodies, counts), max_size=40)
numbers = st.integers(0, 2**40) | st.sampled_from([2**63 - 1, 2**63, 2**64 - 1])


@given(entries=entries, offset=numbers, time_us=numbers, salt=st.integers(0, 2**32 - 1))
def test_both_encode_alike(entries: list[Entry], offset: int, time_us: int, salt: int) -> None:
    def outcome(way: Encode) -> Frame | str:
        try:
            return way(entries, offset, time_us, salt)
        except BadCommit as error:
            return str(error)

    assert outcome(encode) == outcome(encode_plainly)


def test_ordinary_commits_are_encoded_by_the_compiled_one_and_large_ones_left() -> None:
    assert encode_compiled is not None
    pair = [Entry("event", "acme", "größe", b"body"), Entry("record", "", "", b"", 40)]

    assert encode_compiled(Frame, pair, 7, 1, 2**32 - 1) == encode_plainly(pair, 7, 1, 2**32 - 1)
    assert encode_compiled(Frame, pair * 20, 7, 1, 0) is None
