"""Incidents of stale sources: one each, kept up to date, ended when there is something new."""

from dataclasses import replace

import pytest

from kingpost.monitoring import Freshness, FreshnessWatch, MemoryMonitors

STALE = Freshness(
    tenant="acme",
    source="pipeline limits",
    is_stale=True,
    until_us=1_000,
    allowed_us=600,
    title="limits is stale",
    facts=("its last run failed: no route",),
)
FRESH = replace(STALE, is_stale=False, until_us=9_000)


@pytest.fixture
def store() -> MemoryMonitors:
    return MemoryMonitors()


def test_what_is_fresh_opens_nothing(store: MemoryMonitors) -> None:
    assert FreshnessWatch(store).judge(["acme"], [FRESH], 900) == []
    assert store.incidents("acme") == []


def test_a_stale_source_is_one_incident_however_often_and_by_whom_it_is_looked_at(
    store: MemoryMonitors,
) -> None:
    [opened] = FreshnessWatch(store).judge(["acme"], [STALE], 1_500)
    again = FreshnessWatch(store).judge(["acme"], [STALE], 2_500)

    assert again == []
    assert store.incidents("acme") == [opened]
    assert (opened.opened_us, opened.breach_since_us, opened.limit) == (1_500, 1_000, 600)
    assert (opened.value, opened.facts, opened.is_open) == (1_100, STALE.facts, True)
    assert opened.runbook


def test_what_is_newly_known_is_added_to_the_open_incident(store: MemoryMonitors) -> None:
    watch = FreshnessWatch(store)
    [opened] = watch.judge(["acme"], [STALE], 1_500)

    assert watch.judge(["acme"], [replace(STALE, facts=("it brings nothing new",))], 2_000) == []

    assert store.incidents("acme") == [replace(opened, facts=("it brings nothing new",))]


@pytest.mark.parametrize("found", [[FRESH], []], ids=["fresh again", "declared no more"])
def test_it_ends_when_it_is_over(store: MemoryMonitors, found: list[Freshness]) -> None:
    watch = FreshnessWatch(store)
    [opened] = watch.judge(["acme"], [STALE], 1_500)

    watch.judge(["acme"], found, 3_000)

    assert store.incidents("acme") == [replace(opened, ended_us=3_000)]
    assert store.incidents("acme", open_only=True) == []


def test_stale_again_is_another_incident(store: MemoryMonitors) -> None:
    watch = FreshnessWatch(store)
    [first] = watch.judge(["acme"], [STALE], 1_500)
    watch.judge(["acme"], [FRESH], 3_000)

    [second] = watch.judge(["acme"], [replace(FRESH, is_stale=True)], 9_500)

    assert second.id != first.id
    assert [one.is_open for one in store.incidents("acme")] == [True, False]


def test_tenants_and_other_kinds_are_left_alone(store: MemoryMonitors) -> None:
    watch = FreshnessWatch(store)
    [drifted] = watch.judge(["acme"], [STALE], 1_500)
    store.save_incident(replace(drifted, id="d", kind="drift", decision="fraud"))
    [others] = watch.judge(["other"], [replace(STALE, tenant="other")], 1_600)

    watch.judge(["acme"], [FRESH], 3_000)

    assert {one.kind for one in store.incidents("acme", open_only=True)} == {"drift"}
    assert store.incidents("other", open_only=True) == [others]
