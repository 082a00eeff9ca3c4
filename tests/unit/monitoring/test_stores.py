"""Every store of what the monitors found keeps the same promises."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kingpost.monitoring import (
    HOUR_US,
    MINUTE_US,
    MONITOR_MIGRATIONS,
    Incident,
    LiveBucket,
    MemoryMonitors,
    MonitorStatus,
    MonitorStore,
    MonitorStoreFailed,
    NewerSummary,
    SqliteMonitors,
    Summary,
)
from kingpost.monitoring.counts import COLUMNS_AT, Count
from kingpost.stats import LogHistogram
from kingpost.storage import migrate, open_database

BUNDLE, OTHER = b"b" * 32, b"o" * 32
INCIDENT = Incident(
    id="1",
    tenant="acme",
    decision="fraud",
    kind="drift",
    title="amount has drifted",
    columns=("amount", "mean"),
    opened_us=1_000,
    breach_since_us=900,
    value=6.2,
    limit=0.6,
    window="fast",
    rows=60,
    bundle=BUNDLE.hex(),
    records=("ab",),
    last_at_us=2_000,
    facts=("amount: PSI 6.2",),
    runbook="docs/monitoring.md",
)
STATUS = MonitorStatus(
    tenant="acme",
    decision="fraud",
    bundle=BUNDLE.hex(),
    monitor="drift",
    column="amount",
    window="fast",
    value=0.1,
    limit=0.6,
    rows=60,
    breached=False,
    at_us=1_000,
    detail="amount: PSI 0.1",
)


def summary(start_us: int, *, rows: int = 3, bundle: bytes = BUNDLE, of: int = HOUR_US) -> Summary:
    counts = np.zeros(COLUMNS_AT + 7, np.int64)
    counts[Count.ROWS] = rows
    counts[Count.CONFIDENCE_MILLIONTHS] = 2_500_000
    counts[-1] = rows
    return Summary("acme", "fraud", bundle, start_us, of, (4, 3), counts)


def bucket(start_us: int, rows: int = 2) -> LiveBucket:
    return LiveBucket("acme", "fraud", start_us, rows, 1, LogHistogram.of(np.full(rows, 500)))


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MonitorStore]:
    if request.param == "memory":
        yield MemoryMonitors()
        return
    connection = open_database(tmp_path / "observed.sqlite")
    migrate(connection, "monitoring", MONITOR_MIGRATIONS)
    yield SqliteMonitors(connection)
    connection.close()


def test_summaries_come_back_as_they_were_oldest_first(store: MonitorStore) -> None:
    later, sooner = summary(2 * HOUR_US), summary(HOUR_US)
    store.save_summaries([later, sooner, summary(HOUR_US, bundle=OTHER)])

    found = store.summaries("acme", "fraud", HOUR_US, 3 * HOUR_US, "hour")

    assert list(found) == [sooner, summary(HOUR_US, bundle=OTHER), later]
    assert list(store.summaries("acme", "fraud", HOUR_US, 2 * HOUR_US, "hour")) == found[:2]
    assert not store.summaries("acme", "fraud", HOUR_US, 2 * HOUR_US, "minute")
    assert not store.summaries("umbrella", "fraud", 0, 9 * HOUR_US, "hour")


def test_a_summary_takes_the_place_of_the_one_before(store: MonitorStore) -> None:
    store.save_summaries([summary(0, rows=1)])
    store.save_summaries([summary(0, rows=300)])

    assert [one.rows for one in store.summaries("acme", "fraud", 0, 1, "hour")] == [300]


def test_live_buckets_come_back_oldest_first(store: MonitorStore) -> None:
    store.save_live([bucket(20), bucket(10)])
    store.save_live([bucket(20, rows=5)])

    assert list(store.live("acme", "fraud", 0)) == [bucket(10), bucket(20, rows=5)]
    assert list(store.live("acme", "fraud", 0, 20)) == [bucket(10)]
    assert not store.live("acme", "fraud", 21)


def test_minutes_and_live_buckets_are_purged_and_hours_are_kept(store: MonitorStore) -> None:
    store.save_summaries([summary(0), summary(0, of=MINUTE_US), summary(MINUTE_US, of=MINUTE_US)])
    store.save_live([bucket(10), bucket(20)])

    store.purge("acme", "fraud", minutes_before_us=MINUTE_US, live_before_us=20)

    minutes = store.summaries("acme", "fraud", 0, HOUR_US, "minute")
    assert [one.start_us for one in minutes] == [MINUTE_US]
    assert len(store.summaries("acme", "fraud", 0, HOUR_US, "hour")) == 1
    assert [one.start_us for one in store.live("acme", "fraud", 0)] == [20]


def test_an_incident_is_found_by_its_tenant_alone(store: MonitorStore) -> None:
    store.save_incident(INCIDENT)

    assert store.incident("acme", "1") == INCIDENT
    assert store.incident("umbrella", "1") is None
    assert store.incident("acme", "2") is None


def test_incidents_are_listed_newest_first_page_by_page(store: MonitorStore) -> None:
    made = [replace(INCIDENT, id=str(one), opened_us=1_000 + one // 2) for one in range(5)]
    for incident in made:
        store.save_incident(incident)
    store.save_incident(replace(INCIDENT, id="x", tenant="umbrella"))

    first = store.incidents("acme", limit=2)
    second = store.incidents("acme", limit=9, before=(first[-1].opened_us, first[-1].id))

    assert [one.id for one in (*first, *second)] == ["4", "3", "2", "1", "0"]


def test_open_incidents_and_those_of_a_decision_can_be_asked_for(store: MonitorStore) -> None:
    store.save_incident(INCIDENT)
    store.save_incident(replace(INCIDENT, id="2", decision="refund"))
    store.save_incident(replace(INCIDENT, ended_us=9_000))

    assert [one.id for one in store.incidents("acme", open_only=True)] == ["2"]
    assert [one.ended_us for one in store.incidents("acme", decision="fraud")] == [9_000]


def test_statuses_of_a_bundle_take_the_place_of_those_before(store: MonitorStore) -> None:
    store.save_statuses("acme", "fraud", BUNDLE.hex(), [STATUS, replace(STATUS, column="age")])
    store.save_statuses("acme", "fraud", OTHER.hex(), [replace(STATUS, bundle=OTHER.hex())])
    store.save_statuses("acme", "fraud", BUNDLE.hex(), [STATUS])

    assert list(store.statuses("acme", "fraud")) == [STATUS, replace(STATUS, bundle=OTHER.hex())]
    assert not store.statuses("umbrella", "fraud")


def test_a_state_is_kept_by_decision(store: MonitorStore) -> None:
    store.save_state("acme", "fraud", b"one")
    store.save_state("acme", "fraud", b"two")
    store.save_state("acme", "refund", b"three")

    assert list(store.states()) == [("acme", "fraud", b"two"), ("acme", "refund", b"three")]


def test_a_database_that_fails_is_reported_as_such(tmp_path: Path) -> None:
    connection = open_database(tmp_path / "observed.sqlite")
    store = SqliteMonitors(connection)

    calls: tuple[Callable[[], object], ...] = (
        lambda: store.save_summaries([summary(0)]),
        lambda: store.summaries("a", "b", 0, 1, "hour"),
        lambda: store.save_live([bucket(0)]),
        lambda: store.live("a", "b", 0),
        lambda: store.save_incident(INCIDENT),
        lambda: store.incident("a", "1"),
        lambda: store.incidents("a"),
        lambda: store.save_statuses("a", "b", "c", [STATUS]),
        lambda: store.statuses("a", "b"),
        lambda: store.save_state("a", "b", b""),
        store.states,
        lambda: store.purge("a", "b", minutes_before_us=0, live_before_us=0),
    )
    for call in calls:
        with pytest.raises(MonitorStoreFailed, match="no such table"):
            call()
    connection.close()


def test_what_a_later_version_wrote_is_refused(tmp_path: Path) -> None:
    connection = open_database(tmp_path / "observed.sqlite")
    migrate(connection, "monitoring", MONITOR_MIGRATIONS)
    store = SqliteMonitors(connection)
    store.save_summaries([summary(0)])
    store.save_incident(INCIDENT)
    store.save_live([bucket(0)])
    connection.execute("UPDATE monitor_summaries SET counts = x'93'")
    connection.execute("UPDATE incidents SET incident = x'80'")
    connection.execute("UPDATE monitor_live SET total = x'00000000'")

    calls: tuple[Callable[[], object], ...] = (
        lambda: store.summaries("acme", "fraud", 0, 1, "hour"),
        lambda: store.incident("acme", "1"),
        lambda: store.live("acme", "fraud", 0),
    )
    for call in calls:
        with pytest.raises(NewerSummary, match="upgrade Kingpost"):
            call()
    connection.close()
