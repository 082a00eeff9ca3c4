"""A table of keys answers as a dictionary does, and so does what is kept beside it."""

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from kingpost.features import KeyKind, KeyTable, Versions
from kingpost.features.versions import WITHHELD

texts = st.dictionaries(st.text(max_size=4), st.integers(-2, 2**62), max_size=20)
numbers = st.dictionaries(st.integers(-(2**53), 2**53), st.integers(-2, 2**62), max_size=20)
either = st.one_of(
    st.tuples(st.just("text"), texts, texts), st.tuples(st.just("integer"), numbers, numbers)
)


@given(either)
def test_a_table_finds_what_was_put_in_last(
    case: tuple[KeyKind, Mapping[str | int, int], Mapping[str | int, int]],
) -> None:
    kind, first, second = case

    table = KeyTable.of(kind, first).merged(second)
    again = KeyTable(kind, table.columns)

    expected = {**first, **second}
    assert len(again) == len(expected)
    assert {key: again.find(key) for key in expected} == expected
    assert again.holds(WITHHELD) == (WITHHELD in expected.values())
    assert again.find("never there" if kind == "text" else 2**60) is None


STEPS = ["arrive", "arrive", "correct", "retract", "table"]


@given(st.lists(st.tuples(st.sampled_from(STEPS), st.sampled_from("abcdef")), max_size=40))
def test_versions_over_a_table_are_as_without_one(past: list[tuple[str, str]]) -> None:
    plain, over = Versions(), Versions()
    for at, (what, key) in enumerate(past):
        if what == "table":
            over = Versions(over.table("text"), over.ended)
        elif what == "arrive":
            assert plain.arrive(key, at) is over.arrive(key, at)
        elif what == "correct":
            assert plain.correct(key, at) == over.correct(key, at)
        else:
            assert plain.retract(key) == over.retract(key)
        assert len(plain) == len(over)
    assert [plain.find(key) for key in "abcdef"] == [over.find(key) for key in "abcdef"]
