"""Every record is found by its id, and nothing else is."""

from hypothesis import given
from hypothesis import strategies as st

from kingpost.records import RecordIndex

IDS = st.lists(st.binary(min_size=16, max_size=16), unique=True, min_size=1).map(sorted)


@given(ids=IDS, step=st.integers(1, 1000))
def test_every_record_is_found_where_it_lies(ids: list[bytes], step: int) -> None:
    index = RecordIndex()
    for at, identifier in enumerate(ids):
        index.add(identifier, at * step)

    assert [index.offset_of(identifier) for identifier in ids] == [
        at * step for at in range(len(ids))
    ]
    assert index.last == ids[-1]
    assert len(index) == len(ids)


@given(ids=IDS, other=st.binary(min_size=16, max_size=16))
def test_an_id_that_is_not_there_is_not_found(ids: list[bytes], other: bytes) -> None:
    index = RecordIndex()
    for at, identifier in enumerate(ids):
        index.add(identifier, at)

    assert (index.offset_of(other) is None) == (other not in ids)


def test_an_empty_index_finds_nothing() -> None:
    index = RecordIndex()

    assert index.offset_of(bytes(16)) is None
    assert index.last is None
