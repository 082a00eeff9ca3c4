"""Objectives: burn rates by hand, budgets, tallies that add up, an alert within two minutes."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kingpost.monitoring import (
    BURN_RULES,
    HOUR_US,
    MINUTE_US,
    OUTCOMES,
    Incident,
    Limits,
    MemoryMonitors,
    Objective,
    Observations,
    SloTally,
    Watch,
    budget_of,
    burn_of,
    slo_statuses,
)
from kingpost.records import Outcome

ANSWERED = Objective("answered", 0.999, 30 * 24 * HOUR_US)
FAST = Objective("fast", 0.99, 28 * 24 * HOUR_US, within_us=50_000)
PERCENT = Objective("percent", 0.99, 30 * 24 * HOUR_US)
NOON = 29_500_020 - 29_500_020 % 60
"""A minute at the beginning of an hour, some time in 2026."""

FAST_RULE, MIDDLE_RULE, SLOW_RULE = BURN_RULES
_FAILED, _DECIDED = OUTCOMES.index(Outcome.FAILED), OUTCOMES.index(Outcome.DECIDED)


def tally_of(*minutes: tuple[int, int, int]) -> SloTally:
    """Make a tally of minutes after noon, each with total and bad."""
    tally = SloTally()
    for minute, total, bad in minutes:
        tally.add(NOON + minute, total, bad)
    return tally


def test_a_burn_rate_is_the_share_of_bad_requests_beside_the_share_that_may_be() -> None:
    tally = tally_of((0, 1000, 0), (56, 500, 1), (59, 500, 9))

    burn = burn_of(tally, ANSWERED, FAST_RULE, NOON + 59)

    assert burn.long == pytest.approx(10 / 2000 / 0.001)
    assert burn.short == pytest.approx(10 / 1000 / 0.001)
    assert burn.bad == 10
    assert not burn.is_alert, "the hour burns 5 times too fast, 14.4 is the bound"


def test_windows_end_with_the_minute_and_begin_after_what_lies_before_them() -> None:
    tally = tally_of((0, 100, 100), (60, 100, 0))

    assert burn_of(tally, ANSWERED, FAST_RULE, NOON + 59).bad == 100
    assert burn_of(tally, ANSWERED, FAST_RULE, NOON + 60).bad == 0
    assert burn_of(tally, ANSWERED, MIDDLE_RULE, NOON + 359).bad == 100
    assert burn_of(tally, ANSWERED, MIDDLE_RULE, NOON + 360).bad == 0
    assert burn_of(tally, ANSWERED, SLOW_RULE, NOON + 71 * 60).bad == 100
    assert burn_of(tally, ANSWERED, SLOW_RULE, NOON + 72 * 60).bad == 0


def test_an_alert_needs_both_windows() -> None:
    over = tally_of((0, 1000, 100), (30, 1000, 0))
    just_begun = tally_of((0, 100_000, 0), (58, 100, 50))

    assert not burn_of(over, ANSWERED, FAST_RULE, NOON + 30).is_alert, "it is over"
    assert not burn_of(just_begun, ANSWERED, FAST_RULE, NOON + 58).is_alert, "a blip of the hour"
    assert burn_of(over, ANSWERED, FAST_RULE, NOON + 4).is_alert


def test_a_few_bad_requests_of_a_few_are_no_alert() -> None:
    assert not burn_of(tally_of((0, 10, 4)), ANSWERED, FAST_RULE, NOON).is_alert
    assert burn_of(tally_of((0, 10, 5)), ANSWERED, FAST_RULE, NOON).is_alert


def test_a_budget_is_left_spent_or_overspent() -> None:
    assert budget_of(SloTally(), ANSWERED, NOON) == (0, 0, 1.0)
    assert budget_of(tally_of((0, 10_000, 4)), ANSWERED, NOON).left == pytest.approx(0.6)
    assert budget_of(tally_of((0, 10_000, 25)), ANSWERED, NOON).left == pytest.approx(-1.5)
    assert budget_of(tally_of((0, 10_000, 4)), ANSWERED, NOON + 30 * 24 * 60).total == 0


def test_what_is_forgotten_is_in_no_window() -> None:
    tally = tally_of((0, 10, 1), (400, 10, 2), (40 * 24 * 60, 10, 3))
    minute = NOON + 40 * 24 * 60
    before = [tally.over(minute, rule.long_us) for rule in BURN_RULES]

    tally.forget(minute, ANSWERED.over_us)

    assert [tally.over(minute, rule.long_us) for rule in BURN_RULES] == before
    assert (len(tally.minutes), len(tally.hours)) == (1, 1)


def rows_of(
    seconds: Sequence[float], *, failed: Sequence[bool], took_ms: float = 1.0, first: int = 0
) -> Observations:
    """Make decisions at moments after noon, by the wall clock."""
    at = np.array([NOON * MINUTE_US + int(second * 1e6) for second in seconds], np.int64)
    count = len(seconds)
    return Observations(
        offset=np.arange(first, first + count, dtype=np.int64),
        event_time_us=at - 3_000_000,
        at_us=at,
        outcome=np.where(failed, _FAILED, _DECIDED).astype(np.int8),
        features=np.zeros((count, 1)),
        score=np.full(count, 0.25),
        confidence=np.full(count, 0.75),
        positive=np.zeros(count, np.int8),
        stages=np.tile(np.array([[0, 0, int(took_ms * 1000), 0]], np.int64), (count, 1)),
        ids=[(first + number).to_bytes(16) for number in range(count)],
    )


def watch_over(store: MemoryMonitors, *objectives: Objective) -> Watch:
    def limits(decision: str) -> Limits:
        return Limits(objectives=objectives)

    return Watch(store, lambda decision, bundle: None, limits)


def observed(store: MemoryMonitors, rows: Observations, *objectives: Objective) -> list[Incident]:
    """Let a watch made anew see some rows; return the incidents of objectives it opened."""
    watch = watch_over(store, *(objectives or (ANSWERED,)))
    watch.observe("acme", "fraud", b"b" * 32, rows)
    return [one for one in watch.flush() if one.kind == "slo"]


def second_by_second(store: MemoryMonitors, outage_s: int, until_s: int) -> tuple[int, Incident]:
    """Decide ten times a second, from some second on in vain; return when an alert came."""
    for second in range(until_s):
        moments = [second + tenth / 10 for tenth in range(10)]
        failed = [second >= outage_s] * 10
        for incident in observed(store, rows_of(moments, failed=failed, first=second * 10)):
            return second, incident
    raise AssertionError("no alert came")


def test_an_outage_is_told_within_two_minutes_of_its_beginning() -> None:
    store = MemoryMonitors()
    observed(store, rows_of([minute * 60 - 3600 for minute in range(60)], failed=[False] * 60))

    came_s, incident = second_by_second(store, outage_s=330, until_s=600)

    assert came_s - 330 <= 120
    assert incident.title.startswith("fraud: the budget of answered burns ")
    assert (incident.window, incident.limit, incident.columns) == ("1h/5m", 14.4, ("answered",))
    assert incident.value > 14.4
    assert len(incident.records) == 20
    assert incident.runbook == "docs/slo.md#a-budget-burns"
    assert "of the error budget is left" in incident.facts[-1]
    assert store.incidents("acme", open_only=True) == [incident]


def test_a_burn_of_14_4_is_told_within_two_minutes_of_the_stream() -> None:
    store = MemoryMonitors()
    moments = [tenth / 10 for tenth in range(1200)]

    opened = observed(store, rows_of(moments, failed=[number % 69 == 0 for number in range(1200)]))

    assert [(one.kind, one.window, one.limit) for one in opened] == [("slo", "1h/5m", 14.4)]
    assert opened[0].opened_us - NOON * MINUTE_US <= 120_000_000
    assert 14.4 <= opened[0].value < 16


def test_an_outage_after_hours_of_good_service_is_told_within_two_minutes() -> None:
    store = MemoryMonitors()
    hours_s = 6 * 3600
    assert observed(store, rows_of(range(hours_s), failed=[False] * hours_s)) == []

    for second in range(hours_s, hours_s + 121):
        if observed(store, rows_of([second], failed=[True], first=second)):
            return
    raise AssertionError("no alert came")


def test_a_stream_that_spends_half_of_what_it_may_is_left_in_peace() -> None:
    store = MemoryMonitors()
    rows = 8 * 3600

    opened = observed(
        store, rows_of(range(rows), failed=[number % 200 == 7 for number in range(rows)]), PERCENT
    )

    assert opened == []
    [status] = slo_statuses(
        store, lambda decision: (PERCENT,), NOON * MINUTE_US + 8 * HOUR_US - MINUTE_US
    )
    assert status.budget.left == pytest.approx(0.5)
    assert [burn.is_alert for burn in status.burns] == [False, False, False]


def test_an_incident_names_the_runbook_of_its_objective() -> None:
    promised = ANSWERED._replace(runbook="https://wiki.example/answered")

    [incident] = observed(MemoryMonitors(), rows_of(range(130), failed=[True] * 130), promised)

    assert incident.runbook == "https://wiki.example/answered"
    assert incident.breach_since_us == NOON * MINUTE_US


def test_what_goes_on_is_one_incident_and_ends_an_hour_after_it_burned_last() -> None:
    store = MemoryMonitors()
    _, opened = second_by_second(store, outage_s=0, until_s=180)
    well = [200 + minute * 20 for minute in range(1, 3000)]

    again = observed(store, rows_of(well, failed=[False] * len(well), first=10_000))

    assert again == []
    [incident] = [one for one in store.incidents("acme") if one.kind == "slo"]
    assert incident.id == opened.id
    assert incident.ended_us is not None
    assert incident.ended_us - incident.opened_us > HOUR_US


def test_an_incident_about_what_is_promised_no_more_ends_too() -> None:
    store = MemoryMonitors()
    second_by_second(store, outage_s=0, until_s=180)

    watch = watch_over(store)
    watch.observe("acme", "fraud", b"b" * 32, rows_of([3 * 3600], failed=[False], first=10_000))
    watch.flush()

    [incident] = [one for one in store.incidents("acme") if one.kind == "slo"]
    assert not incident.is_open


def test_slow_answers_spend_the_budget_of_time_alone() -> None:
    store = MemoryMonitors()
    moments = [tenth / 10 for tenth in range(1300)]

    opened = observed(store, rows_of(moments, failed=[False] * 1300, took_ms=51), ANSWERED, FAST)

    assert [one.columns for one in opened] == [("fast",)]
    statuses = slo_statuses(store, lambda decision: (ANSWERED, FAST), (NOON + 2) * MINUTE_US)
    answered, fast = statuses
    assert (answered.budget.bad, answered.budget.left) == (0, 1.0)
    assert (fast.budget.total, fast.budget.bad) == (1300, 1300)
    assert fast.budget.left == pytest.approx(-99)
    assert [burn.is_alert for burn in fast.burns] == [True, True, True]


def test_an_objective_that_is_promised_no_more_is_forgotten() -> None:
    store = MemoryMonitors()
    observed(store, rows_of([0, 70], failed=[True, True]), ANSWERED, FAST)
    observed(store, rows_of([140], failed=[False], first=2), FAST)

    [fast, answered] = slo_statuses(store, lambda decision: (FAST, ANSWERED), NOON * MINUTE_US)

    assert (fast.budget.total, answered.budget.total) == (3, 0)


@given(
    steps=st.lists(st.tuples(st.floats(0, 90), st.booleans()), min_size=1, max_size=60),
    cuts=st.sets(st.integers(1, 59)),
)
def test_any_batches_and_restarts_leave_the_same_tallies_and_incidents(
    steps: list[tuple[float, bool]], cuts: set[int]
) -> None:
    seconds = np.cumsum([step for step, _ in steps]).tolist()
    failed = [bad for _, bad in steps]
    edges = [0, *sorted(cut for cut in cuts if cut < len(steps)), len(steps)]
    whole, parts = MemoryMonitors(), MemoryMonitors()

    observed(whole, rows_of(seconds, failed=failed))
    for start, end in pairwise(edges):
        observed(parts, rows_of(seconds[start:end], failed=failed[start:end], first=start))

    kept = [
        [one for one in store.incidents("acme") if one.kind == "slo"] for store in (whole, parts)
    ]
    assert kept[0] == kept[1]
    now_us = NOON * MINUTE_US + int(seconds[-1] * 1e6)
    stand = [slo_statuses(store, lambda decision: (ANSWERED,), now_us) for store in (whole, parts)]
    assert stand[0] == stand[1]
