"""However the journal is cut into batches, the monitors find the same."""

import sqlite3
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from kingpost.monitoring import (
    HOUR_US,
    MONITOR_MIGRATIONS,
    LabelledDecision,
    Limits,
    MemoryMonitors,
    MonitorStore,
    Observations,
    Profile,
    ReviewedDecision,
    SqliteMonitors,
)
from kingpost.storage import migrate
from tests.watched import (
    BUNDLE,
    DAY_US,
    DECISION,
    START_US,
    TENANT,
    everything,
    labels_of,
    observations,
    payments,
    profile,
    rows_of,
    watch_over,
)

OTHER = bytes(32)
NOON = START_US + DAY_US // 2
LIMITS = Limits(total_us=3_000, features_us=850, model_us=10_000)


class Told(NamedTuple):
    """A journal: rows with the bundle of each, labels and reviews."""

    rows: Observations
    is_other: np.ndarray[tuple[int], np.dtype[np.bool_]]
    labels: Sequence[LabelledDecision]
    reviews: Sequence[ReviewedDecision]


@cache
def references() -> dict[bytes, Profile | None]:
    return {BUNDLE: profile(), OTHER: profile(seed=12, days=20)}


@cache
def journal() -> Told:
    """A day and a half with faults, late rows, two bundles, a pause and wrong times."""
    rng = np.random.default_rng(4)
    rows = payments(START_US, 1.5, a_minute=9)
    rows.x[rows.since(NOON) & ~rows.since(NOON + 2 * HOUR_US), 0] *= 100
    rows.x[rows.since(NOON + 4 * HOUR_US) & ~rows.since(NOON + 5 * HOUR_US), 3] = np.nan
    rows.score[rows.since(NOON + 7 * HOUR_US) & (rng.random(len(rows)) < 0.1)] = np.nan
    late = rng.random(len(rows)) < 0.02
    rows.event_time_us[late] -= rng.integers(0, 30 * HOUR_US, np.count_nonzero(late))
    rows.event_time_us[rng.integers(0, len(rows), 5)] += 90 * DAY_US
    rows.event_time_us[len(rows) // 2 :] += 3 * HOUR_US
    watched = observations(rows)
    watched.at_us[:] = NOON + np.arange(len(rows)) * 1_000
    is_other = (np.arange(len(rows)) > len(rows) // 3) & (rng.random(len(rows)) < 0.3)
    bundle_of = [OTHER if other else BUNDLE for other in is_other]
    labels = [
        line._replace(bundle=bundle)
        for line, bundle in zip(labels_of(watched, rows.label, lag=900), bundle_of, strict=True)
    ]
    reviews = [
        ReviewedDecision(
            int(watched.offset[at]) + 5,
            int(watched.event_time_us[at]),
            bundle_of[at],
            overridden=bool(rng.random() < 0.7),
        )
        for at in np.sort(rng.integers(0, len(rows), 200))
    ]
    return Told(watched, is_other, labels, reviews)


def read(store: MonitorStore, cuts: Sequence[int], made_anew: Sequence[bool]) -> list[str]:
    """Read the journal up to each cut, and return the ids of what was opened."""
    told, opened = journal(), list[str]()
    watch = watch_over(store, references(), LIMITS)
    start = 0
    for end, anew in zip([*cuts, len(told.rows)], [*made_anew, False], strict=True):
        since = int(told.rows.offset[start]) if start else -1
        until = int(told.rows.offset[end]) if end < len(told.rows) else 1 << 62
        for bundle, chosen in ((BUNDLE, ~told.is_other), (OTHER, told.is_other)):
            places = np.flatnonzero(chosen[start:end]) + start
            if len(places):
                watch.observe(TENANT, DECISION, bundle, taken(told.rows, places))
        watch.labelled(
            TENANT, DECISION, [one for one in told.labels if since <= one.offset < until]
        )
        watch.reviewed(
            TENANT, DECISION, [one for one in told.reviews if since <= one.offset < until]
        )
        opened += [incident.id for incident in watch.flush()]
        start = end
        if anew:
            watch = watch_over(store, references(), LIMITS)
    return opened


def taken(rows: Observations, places: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Observations:
    whole = rows_of(rows, 0, len(rows))
    return Observations(
        offset=whole.offset[places],
        event_time_us=whole.event_time_us[places],
        at_us=whole.at_us[places],
        outcome=whole.outcome[places],
        features=whole.features[places],
        score=whole.score[places],
        confidence=whole.confidence[places],
        positive=whole.positive[places],
        stages=whole.stages[places],
        ids=[whole.ids[at] for at in places.tolist()],
    )


@cache
def at_once() -> tuple[tuple[object, ...], list[str]]:
    store = MemoryMonitors()
    opened = read(store, [], [])
    return everything(store), opened


def test_the_journal_holds_something_to_find() -> None:
    store = MemoryMonitors()
    opened = read(store, [], [])

    kinds = {incident.kind for incident in store.incidents(TENANT, limit=1000)}
    assert {"drift", "missing", "failures", "latency", "overrides"} <= kinds
    assert len(opened) == len(set(opened)) >= 5


@st.composite
def ways_to_cut(draw: st.DrawFn) -> tuple[list[int], list[bool]]:
    last = len(journal().rows) - 1
    cuts = sorted(draw(st.lists(st.integers(1, last), max_size=25, unique=True)))
    return cuts, [draw(st.booleans()) for _ in cuts]


@settings(max_examples=15, deadline=None)
@given(way=ways_to_cut())
def test_any_batches_give_the_same_summaries_statuses_and_incidents(
    way: tuple[list[int], list[bool]],
) -> None:
    store = MemoryMonitors()

    opened = read(store, *way)

    assert (everything(store), opened) == at_once()


def test_the_same_is_found_over_a_database_and_in_steps_of_a_few_rows() -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection, "monitoring", MONITOR_MIGRATIONS)
    cuts = list(range(50, len(journal().rows), 50))

    opened = read(SqliteMonitors(connection), cuts, [at % 1_000 == 0 for at in cuts])

    assert (everything(SqliteMonitors(connection)), opened) == at_once()
    connection.close()
