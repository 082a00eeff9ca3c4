import uuid

from kingpost.core import TimeOrderedIds, id_text, parse_id


class FixedClock:
    def __init__(self, now_us: int) -> None:
        self.us = now_us

    def now_us(self) -> int:
        return self.us

    def monotonic_ns(self) -> int:
        return 0


def test_ids_are_uuids_of_version_7_that_carry_the_millisecond() -> None:
    made = TimeOrderedIds(FixedClock(1_700_000_000_123_456)).next()

    read = uuid.UUID(bytes=made)
    assert (read.version, read.variant) == (7, uuid.RFC_4122)
    assert int.from_bytes(made[:6]) == 1_700_000_000_123


def test_ids_grow_within_a_millisecond_and_when_the_clock_goes_back() -> None:
    clock = FixedClock(1_700_000_000_000_000)
    ids = TimeOrderedIds(clock)
    made: list[bytes] = []
    for _ in range(2000):
        made.append(ids.next())
        clock.us -= 10_000

    assert made == sorted(set(made))


def test_ids_that_are_taken_together_grow_like_those_taken_one_by_one() -> None:
    clock = FixedClock(1_700_000_000_000_000)
    last = (1_700_000_000_000 << 80 | 0x7FFF << 64 | 0xBFFF_FFFF_FFFF_FFFF).to_bytes(16)
    ids = TimeOrderedIds(clock, after=last)  # nothing is left below the upper half

    made = [ids.next(), *ids.take(100), ids.next()]

    assert [last, *made] == sorted({last, *made})
    assert {uuid.UUID(bytes=one).version for one in made} == {7}
    assert {uuid.UUID(bytes=one).variant for one in made} == {uuid.RFC_4122}


def test_ids_go_on_above_the_last_one_of_an_earlier_run() -> None:
    last = TimeOrderedIds(FixedClock(1_800_000_000_000_000)).next()

    assert TimeOrderedIds(FixedClock(1_700_000_000_000_000), after=last).next() > last


def test_the_text_form_reads_back() -> None:
    made = TimeOrderedIds(FixedClock(1)).next()

    assert parse_id(id_text(made)) == made
    assert parse_id("not-an-id") is None
    assert parse_id("x" * 36) is None
