"""A stream read from the journal: where each event begins to count, and where it ends."""

import numpy as np
import pytest

import kingpost as kp
from kingpost.contracts import batch_of, contract_of
from kingpost.features import NEVER, RETRACTED, WITHHELD, Histories, History
from kingpost.journal import Commit, Entry, Place


class Reading(kp.Event):
    id: kp.Key[str]
    at: kp.EventTime
    value: int = 0


class Count(kp.Event):
    number: kp.Key[int]
    at: kp.EventTime


READING, COUNT = contract_of(Reading), contract_of(Count)


def body(key: str, value: int = 0) -> bytes:
    return f'{{"id":"{key}","at":"2018-08-01T12:00:00Z","value":{value}}}'.encode()


def said(kind: str, text: bytes, stream: str = "reading") -> Entry:
    return Entry(kind, "acme", stream, text)


def batch(*keys: str) -> Entry:
    events = [READING.decode(body(key)) for key in keys]
    return Entry("events", "acme", "reading", batch_of(READING, events).encode(), len(events))


def gathered(*entries: Entry) -> Histories:
    histories = Histories([READING, COUNT])
    offset = 100
    for entry in entries:
        histories.add(Commit(offset, (entry,), 0, Place(0, 0)))
        offset += entry.count
    return histories


def ends(history: History) -> list[int | None]:
    assert history.ends is not None
    return [None if end == NEVER else end for end in history.ends.tolist()]


def test_where_nothing_was_changed_nothing_ends() -> None:
    history = gathered(batch("a", "b"), said("event", body("c"))).of("acme")["reading"]

    assert history.ends is None
    assert history.live() is history
    assert history.positions.tolist() == [100, 101, 102]


def test_a_retraction_ends_the_event_of_a_batch_at_its_own_position() -> None:
    histories = gathered(batch("a", "b", "c"), said("retraction", b'"b"'))
    history = histories.of("acme")["reading"]

    assert ends(history) == [None, 103, None]
    assert history.live().events.values("id") == ["a", "c"]
    assert history.until(103).live().events.values("id") == ["a", "b", "c"]
    assert history.until(104).live().events.values("id") == ["a", "c"]
    assert histories.versions_of("acme")["reading"].items() == {"a": 100, "b": RETRACTED, "c": 102}


def test_a_correction_ends_one_version_and_begins_the_next() -> None:
    history = gathered(
        said("event", body("a", 1)), said("correction", body("a", 2)), said("correction", body("a", 3))
    ).of("acme")["reading"]  # fmt: skip

    assert ends(history) == [101, 102, None]
    assert history.live().events.values("value") == [3]
    assert len(history.counted()) == 3


def test_an_event_that_was_retracted_before_it_came_never_counts() -> None:
    histories = gathered(said("retraction", b'"a"'), said("event", body("a")))
    history = histories.of("acme")["reading"]

    assert ends(history) == [101]
    assert len(history.live()) == len(history.counted()) == len(history.until(500).live()) == 0
    assert histories.versions_of("acme")["reading"].find("a") == RETRACTED


def test_a_retraction_that_waits_for_its_event_is_found_again() -> None:
    histories = gathered(said("retraction", b'"a"'))

    assert histories.tenants() == {"acme"}
    assert len(histories.of("acme")["reading"]) == 0
    assert histories.versions_of("acme")["reading"].find("a") == WITHHELD


@pytest.mark.parametrize("late", ["correction", "event"])
def test_what_comes_after_a_retraction_never_counts(late: str) -> None:
    history = gathered(
        said("event", body("a")), said("retraction", b'"a"'), said(late, body("a", 7))
    ).of("acme")["reading"]

    assert ends(history) == [101, 102]


def test_whole_numbers_are_keys_too() -> None:
    one = b'{"number":7,"at":"2018-08-01T12:00:00Z"}'
    history = gathered(said("event", one, "count"), said("retraction", b"7", "count")).of("acme")

    assert ends(history["count"]) == [101]


def test_more_commits_may_follow_after_a_look() -> None:
    histories = gathered(batch("a", "b"))
    assert len(histories.of("acme")["reading"]) == 2

    histories.add(Commit(102, (said("retraction", b'"a"'),), 0, Place(0, 0)))
    histories.add(Commit(103, (batch("c"),), 0, Place(0, 0)))

    history = histories.of("acme")["reading"]
    assert history.positions.tolist() == [100, 101, 103]
    assert ends(history) == [102, None, None]
    assert np.array_equal(history.live().positions, [101, 103])
