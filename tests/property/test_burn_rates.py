"""Burn rates of a stream are those of counting every request of a window, at any moment."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from kingpost.monitoring import (
    BURN_RULES,
    HOUR_US,
    MINUTE_US,
    BurnRule,
    MemoryMonitors,
    Objective,
    Observations,
    SloStatus,
    slo_statuses,
)
from tests.unit.monitoring.test_slo import NOON, observed, rows_of

PROMISED = Objective("answered", 0.99, 7 * 24 * HOUR_US)


class Asked(NamedTuple):
    second: float
    failed: bool


def streams() -> st.SearchStrategy[list[Asked]]:
    gaps = st.one_of(st.floats(0, 120), st.floats(0, 8 * 3600), st.floats(0, 2 * 86_400))
    steps = st.lists(st.tuples(gaps, st.booleans()), min_size=1, max_size=80)

    def timed(found: list[tuple[float, bool]]) -> list[Asked]:
        second, made = 0.0, list[Asked]()
        for gap, failed in found:
            second += gap
            made.append(Asked(second, failed))
        return made

    return steps.map(timed)


def of(asked: Sequence[Asked], first: int) -> Observations:
    """Put requests in columns; `first` is the place of the first in the journal."""
    return rows_of([one.second for one in asked], failed=[one.failed for one in asked], first=first)


def burning(asked: Sequence[Asked], minute: int, length_us: int) -> float:
    """Count every request of a window that ends with a minute, and divide."""
    if length_us > 6 * HOUR_US:  # begins with a whole hour
        first = (minute // 60 - length_us // HOUR_US + 1) * 60
    else:
        first = minute - length_us // MINUTE_US + 1
    found = [
        one.failed for one in asked if first <= NOON + int(one.second * 1e6) // MINUTE_US <= minute
    ]
    return sum(found) / len(found) / 0.01 if found else 0.0


def standing(store: MemoryMonitors, minute: int) -> SloStatus:
    [status] = slo_statuses(store, lambda decision: (PROMISED,), minute * MINUTE_US)
    return status


@given(asked=streams(), cuts=st.sets(st.integers(1, 79)))
def test_in_one_batch_or_as_a_stream_a_rate_is_that_of_counting_them_all(
    asked: list[Asked], cuts: set[int]
) -> None:
    batch, stream = MemoryMonitors(), MemoryMonitors()
    edges = [0, *sorted(cut for cut in cuts if cut < len(asked)), len(asked)]

    for store, ends in ((batch, [0, len(asked)]), (stream, edges)):
        for start, end in pairwise(ends):
            observed(store, of(asked[start:end], start), PROMISED)

    minute = NOON + int(asked[-1].second * 1e6) // MINUTE_US
    one, other = standing(batch, minute), standing(stream, minute)
    assert one == other
    for rule, burn in zip(BURN_RULES, one.burns, strict=True):
        assert (burn.long, burn.short) == (
            burning(asked, minute, rule.long_us),
            burning(asked, minute, rule.short_us),
        )


def is_due(asked: Sequence[Asked], minute: int, rule: BurnRule) -> bool:
    long, short = burning(asked, minute, rule.long_us), burning(asked, minute, rule.short_us)
    return min(long, short) >= rule.factor


@settings(max_examples=20)
@given(
    every_s=st.sampled_from([2.5, 5.0]),
    well_minutes=st.integers(0, 60),
    bad_of_ten=st.integers(2, 10),
)
def test_an_alert_comes_within_two_minutes_of_when_both_windows_burn(
    every_s: float, well_minutes: int, bad_of_ten: int
) -> None:
    rows = int((well_minutes + 40) * 60 / every_s)
    asked = [
        Asked(number * every_s, number * every_s >= well_minutes * 60 and number % 10 < bad_of_ten)
        for number in range(rows)
    ]
    due = next(
        minute
        for minute in range(NOON + well_minutes, NOON + well_minutes + 40)
        if any(is_due(asked, minute, rule) for rule in BURN_RULES)
        and sum(one.failed for one in asked if one.second < (minute - NOON + 1) * 60) >= 5
    )

    due_s = (due - NOON) * 60
    before = sum(one.second < due_s for one in asked)
    store = MemoryMonitors()
    assert not observed(store, of(asked[:before], 0), PROMISED), "nothing burns yet"
    for number in range(before, rows):
        if observed(store, of([asked[number]], number), PROMISED):
            assert asked[number].second - due_s <= 120
            return
    raise AssertionError("no alert came")
