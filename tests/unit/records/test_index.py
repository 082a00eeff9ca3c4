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


def test_older_records_are_read_where_they_lie_in_columns() -> None:
    index, plain = RecordIndex(), RecordIndex()
    ids = [bytes(15) + bytes([number]) for number in range(8)]
    for number, one in enumerate(ids[:6]):
        index.add(one, 10 * number)
        plain.add(one, 10 * number)
    for covered in (2, 5):
        older = RecordIndex()
        for number, one in enumerate(ids[:covered]):
            older.add(one, 10 * number)
        index.rebase(*older.columns())
    for number, one in enumerate(ids[6:], 6):
        index.add(one, 10 * number)
        plain.add(one, 10 * number)

    assert [index.offset_of(one) for one in ids] == [10 * number for number in range(8)]
    assert index.offset_of(bytes([1] * 16)) is None
    assert index.last == ids[-1]
    assert [bytes(one) for one in index.columns()] == [bytes(one) for one in plain.columns()]
