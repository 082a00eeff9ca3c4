"""What the monitors find, and what they leave alone."""

import logging
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from kingpost.monitoring import (
    HOUR_US,
    MINUTE_US,
    Incident,
    Limits,
    MemoryMonitors,
    Profile,
    ReviewedDecision,
)
from kingpost.records import Outcome
from tests.watched import (
    BUNDLE,
    DAY_US,
    DECISION,
    START_US,
    TENANT,
    Payments,
    labels_of,
    observations,
    payments,
    profile,
    rows_of,
    scores_of,
    watch_over,
)

NOON = START_US + DAY_US + DAY_US // 2
Change = Callable[[Payments], None]


def found_in(rows: Payments, reference: Profile | None) -> tuple[MemoryMonitors, list[Incident]]:
    store = MemoryMonitors()
    watch = watch_over(store, reference)
    watch.observe(TENANT, DECISION, BUNDLE, observations(rows))
    watch.flush()
    return store, list(reversed(store.incidents(TENANT, limit=1000)))


def test_weeks_without_a_fault_open_no_incident(reference: Profile) -> None:
    store, incidents = found_in(payments(START_US, 10, seed=3), reference)

    assert incidents == []
    assert not any(status.breached for status in store.statuses(TENANT, DECISION))


def test_amounts_in_cents_are_found_within_two_minutes(reference: Profile) -> None:
    rows = payments(START_US, 2)
    rows.x[rows.since(NOON), 0] *= 100

    _, incidents = found_in(rows, reference)

    assert [one.kind for one in incidents] == ["drift"]
    assert incidents[0].columns == ("amount",)
    assert NOON < incidents[0].opened_us <= NOON + 2 * MINUTE_US
    assert NOON <= incidents[0].breach_since_us < incidents[0].opened_us
    assert incidents[0].title.startswith("amount has drifted: PSI ")
    assert incidents[0].bundle == BUNDLE.hex()
    assert incidents[0].is_open


def test_an_incident_names_the_decisions_of_the_minute_it_began_in(reference: Profile) -> None:
    rows = payments(START_US, 2)
    rows.x[rows.since(NOON), 0] *= 100

    _, incidents = found_in(rows, reference)

    since = incidents[0].breach_since_us
    first = int(np.searchsorted(rows.event_time_us, since // MINUTE_US * MINUTE_US))
    assert incidents[0].records[0] == first.to_bytes(16).hex()
    assert 0 < len(incidents[0].records) <= 20
    assert since + 2_000 <= incidents[0].last_at_us < incidents[0].opened_us + 2_000


def test_a_business_of_two_hundred_decisions_a_day_is_watched_day_by_day() -> None:
    rare = 220 / (24 * 60)
    reference = profile(days=60, a_minute=2 * rare)
    calm, wrong = (
        payments(START_US, 20, a_minute=2 * rare),
        payments(START_US, 20, a_minute=2 * rare),
    )
    wrong.x[wrong.since(START_US + 18 * DAY_US), 0] *= 100

    _, none = found_in(calm, reference)
    _, found = found_in(wrong, reference)

    assert none == []
    assert ("drift", ("amount",)) in [(one.kind, one.columns) for one in found]


def test_values_that_go_missing_are_missing_not_drifted(reference: Profile) -> None:
    rows = payments(START_US, 2)
    rows.x[rows.since(NOON), 3] = np.nan

    _, incidents = found_in(rows, reference)

    assert [(one.kind, one.columns) for one in incidents] == [("missing", ("age",))]
    assert "age is missing: " in incidents[0].title


def test_more_positive_answers_are_found(reference: Profile) -> None:
    rows = payments(START_US, 2)
    fault = rows.since(NOON) & (np.random.default_rng(2).random(len(rows)) < 0.4)
    rows.score[fault] = 0.9

    _, incidents = found_in(rows, reference)

    assert {"positive_rate", "score"} <= {one.kind for one in incidents}
    rate = next(one for one in incidents if one.kind == "positive_rate")
    assert "positive, " in rate.title
    assert "in the reference" in rate.title
    assert NOON < rate.opened_us <= NOON + 10 * MINUTE_US


def test_decisions_that_fail_are_found_within_the_hour(reference: Profile) -> None:
    rows = payments(START_US, 2, a_minute=20)
    rows.score[rows.since(NOON) & (np.arange(len(rows)) % 5 == 0)] = np.nan

    _, incidents = found_in(rows, reference)

    assert [one.kind for one in incidents] == ["failures"]
    assert NOON < incidents[0].opened_us <= NOON + 15 * MINUTE_US
    assert "failed, limit 2.0%" in incidents[0].facts[0]


def test_what_failed_before_its_features_were_read_is_missing_nothing(reference: Profile) -> None:
    rows = payments(START_US, 2, a_minute=20)
    unread = rows.since(NOON) & (np.arange(len(rows)) % 5 == 0)
    rows.score[unread] = np.nan
    rows.x[unread] = np.nan

    _, incidents = found_in(rows, reference)

    assert [one.kind for one in incidents] == ["failures"]


def test_a_slow_stage_is_found_beside_its_budget(reference: Profile) -> None:
    rows = payments(START_US, 1, a_minute=20)
    watched = observations(rows)
    slow = np.array(watched.stages)
    slow[rows.since(START_US + DAY_US // 2), 2] = 40_000
    store = MemoryMonitors()
    watch = watch_over(store, None, Limits(total_us=250_000, features_us=2_000, model_us=10_000))

    watch.observe(TENANT, DECISION, BUNDLE, replace(watched, stages=slow))
    incidents = watch.flush()

    assert [(one.kind, one.columns) for one in incidents] == [("latency", ("model",))]
    assert incidents[0].limit == 10_000
    assert incidents[0].value >= 10_000
    assert incidents[0].title.startswith("model is too slow: p95 ")


def test_an_incident_ends_by_itself_an_hour_after_the_last_breach(reference: Profile) -> None:
    rows = payments(START_US, 3)
    end = NOON + 3 * HOUR_US
    rows.x[rows.since(NOON) & ~rows.since(end), 0] *= 100

    _, incidents = found_in(rows, reference)

    # the day's window remembers it for a day
    assert len(incidents) == 1
    assert incidents[0].ended_us is not None
    assert NOON + DAY_US < incidents[0].ended_us <= end + DAY_US + 3 * HOUR_US


def test_what_drifts_later_joins_the_open_incident(reference: Profile) -> None:
    rows = payments(START_US, 2)
    rows.x[rows.since(NOON), 0] *= 100
    rows.x[rows.since(NOON + 2 * HOUR_US), 1] += 30

    _, incidents = found_in(rows, reference)

    assert [one.columns for one in incidents] == [("amount", "count")]


def test_a_fault_that_comes_again_opens_another_incident(reference: Profile) -> None:
    rows = payments(START_US, 5)
    for start in (NOON, NOON + 3 * DAY_US):
        rows.x[rows.since(start) & ~rows.since(start + HOUR_US), 0] *= 100

    _, incidents = found_in(rows, reference)

    assert len(incidents) == 2
    assert incidents[0].ended_us is not None
    assert incidents[0].ended_us < incidents[1].opened_us
    assert incidents[0].id != incidents[1].id


@pytest.mark.parametrize("cut_us", [0, 2 * MINUTE_US, 90 * MINUTE_US, 31 * DAY_US])
def test_weeks_without_decisions_leave_one_incident_however_they_are_read(
    reference: Profile, cut_us: int
) -> None:
    rows = payments(START_US, 34)
    rows.x[rows.since(NOON), 0] *= 100
    begin, end = NOON + 2 * HOUR_US, NOON + 30 * DAY_US
    asked = ~rows.since(begin) | rows.since(end)
    rows = Payments(rows.event_time_us[asked], rows.x[asked], rows.score[asked], rows.label[asked])
    read, store = observations(rows), MemoryMonitors()
    at = int(np.count_nonzero(~rows.since(NOON + cut_us)))

    for part in (rows_of(read, 0, at), rows_of(read, at, len(rows))):
        watch = watch_over(store, reference)
        watch.observe(TENANT, DECISION, BUNDLE, part)
        watch.flush()

    found = [one for one in store.incidents(TENANT, limit=100) if one.kind == "drift"]
    assert len(found) == 1
    assert found[0].is_open
    assert found[0].opened_us <= NOON + 2 * MINUTE_US


def test_without_a_profile_rows_are_counted_and_nothing_is_compared() -> None:
    rows = payments(START_US, 1)
    rows.x[rows.since(START_US + DAY_US // 2), 0] *= 100

    store, incidents = found_in(rows, None)

    assert incidents == []
    hours = store.summaries(TENANT, DECISION, 0, 1 << 62, "hour")
    assert sum(one.rows for one in hours) == len(rows)
    assert {status.monitor for status in store.statuses(TENANT, DECISION)} == {"failures"}


def test_a_profile_of_other_features_is_told_once_and_left_aside(
    reference: Profile, caplog: pytest.LogCaptureFixture
) -> None:
    rows = payments(START_US, 1)
    rows.x = rows.x[:, :2]

    with caplog.at_level(logging.ERROR):
        _, incidents = found_in(rows, reference)

    assert incidents == []
    assert [record.message for record in caplog.records] == ["profile_mismatch"]


def test_a_late_decision_counts_in_the_hour_it_happened_in(reference: Profile) -> None:
    rows = payments(START_US, 1)
    rows.event_time_us[-1] = START_US - 30 * DAY_US

    store, _ = found_in(rows, reference)

    hours = store.summaries(TENANT, DECISION, 0, 1 << 62, "hour")
    assert hours[0].start_us == START_US - 30 * DAY_US
    assert hours[0].rows == 1


def test_one_time_in_the_far_future_moves_nothing(reference: Profile) -> None:
    rows = payments(START_US, 2)
    rows.x[rows.since(NOON), 0] *= 100
    watched = observations(rows)
    watched.event_time_us[100] = START_US + 400 * DAY_US
    watch = watch_over(MemoryMonitors(), reference)

    watch.observe(TENANT, DECISION, BUNDLE, watched)

    assert [one.columns for one in watch.flush()] == [("amount",)]


def test_answers_that_turn_out_wrong_are_found(reference: Profile) -> None:
    rows = payments(START_US, 10)
    watched = observations(rows)
    # from the fourth day on the answers have nothing to do with what is true
    label = np.where(
        rows.since(START_US + 4 * DAY_US),
        np.random.default_rng(8).random(len(rows)) < 0.1,
        rows.label,
    )
    store = MemoryMonitors()
    watch = watch_over(store, reference)

    watch.observe(TENANT, DECISION, BUNDLE, watched)
    lines = labels_of(watched, label, lag=2000)
    watch.labelled(TENANT, DECISION, lines)
    watch.flush()

    quality = [one for one in store.incidents(TENANT) if one.kind == "quality"]
    assert len(quality) == 1
    assert "precision" in quality[0].columns
    assert "in training" in quality[0].title
    hours = store.summaries(TENANT, DECISION, 0, 1 << 62, "hour")
    assert sum(one.true_positives + one.false_negatives for one in hours) == sum(label)


def test_answers_as_right_as_promised_are_left_alone(reference: Profile) -> None:
    rows = payments(START_US, 10)
    watched = observations(rows)
    store = MemoryMonitors()
    watch = watch_over(store, reference)

    watch.observe(TENANT, DECISION, BUNDLE, watched)
    watch.labelled(TENANT, DECISION, labels_of(watched, rows.label, lag=2000))
    watch.flush()

    assert store.incidents(TENANT) == []
    said = {one.column: one for one in store.statuses(TENANT, DECISION) if one.window == "week"}
    assert said.keys() == {"precision", "recall"}


def test_a_label_that_changes_is_counted_once() -> None:
    rows = payments(START_US, 0.1)
    watched = observations(rows)
    store = MemoryMonitors()
    watch = watch_over(store, None)
    watch.observe(TENANT, DECISION, BUNDLE, watched)
    line = labels_of(watched, np.ones(len(rows)), lag=5000)[0]

    watch.labelled(TENANT, DECISION, [line, line._replace(label=False, was=True)])
    watch.flush()

    hour = store.summaries(TENANT, DECISION, 0, 1 << 62, "hour")[0]
    right, wrong = hour.true_positives, hour.false_positives
    kept, missed = hour.true_negatives, hour.false_negatives
    assert (right + wrong + kept + missed, right, missed) == (1, 0, 0)


def review(offset: int, *, overridden: bool, asked: bool = True) -> ReviewedDecision:
    return ReviewedDecision(offset, START_US, BUNDLE, overridden, asked)


@pytest.mark.parametrize(("share", "expected"), [(1.0, ["overrides"]), (0.1, [])])
def test_reviewers_who_keep_overriding_are_heard(
    reference: Profile, share: float, expected: list[str]
) -> None:
    rows = payments(START_US, 0.5)
    store = MemoryMonitors()
    watch = watch_over(store, reference)
    watch.observe(TENANT, DECISION, BUNDLE, observations(rows))
    last = len(rows) * 10

    watch.reviewed(
        TENANT, DECISION, [review(last + one, overridden=one < 30 * share) for one in range(30)]
    )
    incidents = watch.flush()

    assert [one.kind for one in incidents] == expected
    hours = store.summaries(TENANT, DECISION, 0, 1 << 62, "hour")
    assert sum(one.overridden for one in hours) == 30 * share
    assert sum(one.approved for one in hours) == 30 - 30 * share


def test_corrections_that_nobody_asked_for_are_no_overrides(reference: Profile) -> None:
    rows = payments(START_US, 0.5)
    watch = watch_over(MemoryMonitors(), reference)
    watch.observe(TENANT, DECISION, BUNDLE, observations(rows))
    last = len(rows) * 10

    watch.reviewed(
        TENANT,
        DECISION,
        [review(last + one, overridden=True, asked=False) for one in range(100)],
    )

    assert not watch.flush()


def test_each_bundle_is_compared_with_its_own_profile(reference: Profile) -> None:
    other = bytes(32)
    rows = payments(START_US, 2)
    rows.x[rows.since(NOON), 0] *= 100
    watched = observations(rows)
    half = int(np.searchsorted(rows.event_time_us, NOON))
    store = MemoryMonitors()
    watch = watch_over(store, {BUNDLE: reference, other: None})

    watch.observe(TENANT, DECISION, BUNDLE, rows_of(watched, 0, half))
    watch.observe(TENANT, DECISION, other, rows_of(watched, half, len(rows)))

    assert not watch.flush()
    bundles = {one.bundle for one in store.summaries(TENANT, DECISION, 0, 1 << 62, "hour")}
    assert bundles == {BUNDLE, other}


def test_tenants_and_decisions_are_kept_apart(reference: Profile) -> None:
    rows = payments(START_US, 2)
    store = MemoryMonitors()
    watch = watch_over(store, reference)
    watch.observe("umbrella", DECISION, BUNDLE, observations(rows))
    rows = payments(START_US, 2)
    rows.x[rows.since(NOON), 0] *= 100
    watch.observe(TENANT, DECISION, BUNDLE, observations(rows))

    watch.flush()

    assert store.incidents("umbrella") == []
    assert len(store.incidents(TENANT)) == 1


def test_live_buckets_go_by_the_wall_clock() -> None:
    rows = payments(START_US, 0.1)
    rows.score[:3] = np.nan
    watched = observations(rows)
    now = 1_800_000_000 * 10**6
    at_us = np.full(len(rows), now)
    at_us[-5:] += 25_000_000
    store = MemoryMonitors()
    watch = watch_over(store, None)

    for start in range(0, len(rows), 100):
        part = rows_of(replace(watched, at_us=at_us), start, start + 100)
        watch.observe(TENANT, DECISION, BUNDLE, part)
        watch.flush()

    buckets = store.live(TENANT, DECISION, now)
    assert [(one.start_us, one.rows) for one in buckets] == [
        (now, len(rows) - 5),
        (now + 20_000_000, 5),
    ]
    assert buckets[0].failed == 3
    assert buckets[0].total.rows == len(rows) - 5


def test_labels_and_reviews_of_a_decision_nobody_made_are_passed_over() -> None:
    store = MemoryMonitors()
    watch = watch_over(store, None)
    watch.reviewed(TENANT, DECISION, [review(1, overridden=True)])

    assert not watch.flush()
    assert store.states() == []


def test_scores_follow_the_amounts() -> None:
    assert scores_of(np.array([1.0, 150.0]))[1] > 0.5
    assert tuple(Outcome)[2] is Outcome.REVIEW
