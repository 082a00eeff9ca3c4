"""What happened over a span: bounded steps, added up across bundles."""

from dataclasses import replace

import pytest

from kingpost.console.series import SPANS, read_series, span_named
from kingpost.monitoring import HOUR_US, MemoryMonitors, Profile
from kingpost.stats import BinMismatch
from tests.watched import (
    BUNDLE,
    DAY_US,
    START_US,
    observations,
    payments,
    rows_of,
    watch_over,
)

OTHER = bytes(32)


def watched(reference: Profile) -> tuple[MemoryMonitors, int, int]:
    """Watch two days; the second half is another bundle's. Return the store, rows and end."""
    store, rows = MemoryMonitors(), observations(payments(START_US, 2))
    half = len(rows) // 2
    watch = watch_over(store, reference)
    watch.observe("acme", "fraud", BUNDLE, rows_of(rows, 0, half))
    watch.observe("acme", "fraud", OTHER, rows_of(rows, half, len(rows)))
    watch.flush()
    return store, len(rows), int(rows.event_time_us[-1])


def test_steps_are_as_many_whatever_happened_and_add_up_to_the_whole(reference: Profile) -> None:
    store, rows, end_us = watched(reference)

    series = read_series(store, "acme", "fraud", span_named("7d"), end_us)

    assert len(series.steps) == 56
    assert series.whole.rows == sum(step.rows for step in series.steps) == rows
    assert series.steps[0].rows == 0
    assert series.end_us > end_us >= series.steps[-1].start_us


def test_one_bundle_is_looked_at_alone(reference: Profile) -> None:
    store, rows, end_us = watched(reference)
    span = span_named("7d")

    first, second = (
        read_series(store, "acme", "fraud", span, end_us, bundle=one) for one in (BUNDLE, OTHER)
    )

    assert first.whole.rows + second.whole.rows == rows
    assert set(first.whole.parts) == {BUNDLE}
    columns = first.column(BUNDLE, 0)
    assert columns is not None
    assert columns.shape == (56, len(reference.columns[0].counts))
    assert columns.sum() == first.whole.rows
    assert first.column(OTHER, 0) is None


def test_the_last_day_is_cut_into_hours(reference: Profile) -> None:
    store, _, end_us = watched(reference)

    series = read_series(store, "acme", "fraud", span_named("24h"), end_us)

    assert len(series.steps) == 24
    assert {step.start_us % HOUR_US for step in series.steps} == {0}
    assert series.since_us == series.end_us - DAY_US


def test_every_span_has_few_steps_and_an_unknown_one_is_a_day() -> None:
    assert all(span.length_us // span.step_us <= 60 for span in SPANS)
    assert all(span.length_us % span.step_us == 0 for span in SPANS)
    assert span_named("nonsense").name == "24h"
    assert [span.step_title for span in SPANS] == ["5 minutes", "hour", "3 hours", "day"]


def test_columns_of_another_profile_are_not_added(reference: Profile) -> None:
    store, _, end_us = watched(reference)
    span = span_named("7d")
    hour = next(iter(store.summaries("acme", "fraud", START_US, end_us, "hour")))
    width = hour.widths[-1]
    fewer = replace(
        hour,
        start_us=hour.start_us + HOUR_US,
        widths=hour.widths[:-1],
        counts=hour.counts[:-width],
    )
    store.save_summaries([fewer])

    with pytest.raises(BinMismatch):
        _ = read_series(store, "acme", "fraud", span, end_us).whole
