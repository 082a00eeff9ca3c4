"""Pipelines that become stale, as the observer sees them; the list says the same."""

import logging
from dataclasses import replace

import pytest

from kingpost.cli.freshness import PipelineFreshness
from kingpost.cli.pipeline_runner import standing_of
from kingpost.contracts import Event, EventTime, Key
from kingpost.features import stream
from kingpost.integrations import FileSource, MemoryRuns, PipelineRun, RunStoreFailed, pipeline
from kingpost.monitoring import FreshnessWatch, MemoryMonitors

DAY_US = 86_400_000_000
START_US = 20_000 * DAY_US


class Price(Event):
    id: Key[str]
    at: EventTime


DAILY = pipeline(stream(Price), FileSource("prices.csv"), every="1d", stale_after="36h")
UNTIL_US = START_US + DAY_US * 3 // 2
RUN = PipelineRun(pipeline="price", tenant="acme", started_us=START_US, finished_us=START_US)


class House:
    """Runs and monitors that stay, looked at by observers that come and go."""

    def __init__(self) -> None:
        self.runs, self.monitors = MemoryRuns(), MemoryMonitors()

    def look(self, now_us: int) -> list[str]:
        """Look as a process that has just begun; return the titles that it opened."""
        watch = FreshnessWatch(self.monitors)
        freshness = PipelineFreshness([DAILY], self.runs, watch, "acme")
        opened = [one.title for one in freshness.judge(now_us)]
        open_now = bool(self.monitors.incidents("acme", open_only=True))
        assert open_now is standing_of(DAILY, self.runs, "acme", now_us).is_stale
        return opened


@pytest.fixture
def house() -> House:
    return House()


def test_a_pipeline_that_never_ran_has_until_its_first_deadline(house: House) -> None:
    assert house.look(START_US) == []
    assert house.look(UNTIL_US) == []
    assert house.look(UNTIL_US + 1) == ["price brought nothing yet, allowed are 36h"]
    assert house.look(UNTIL_US + 2) == []
    [incident] = house.monitors.incidents("acme")
    assert incident.breach_since_us == UNTIL_US
    assert "it has never run in this data directory" in incident.facts


def test_runs_that_bring_nothing_new_are_told_from_runs_that_fail(house: House) -> None:
    house.runs.add(replace(RUN, newest_us=START_US))
    assert house.look(UNTIL_US) == []
    house.runs.add(replace(RUN, problem="unreadable_source: no file"))
    [title] = house.look(UNTIL_US + 1)
    assert title.startswith("price is stale: nothing newer than ")
    [failing] = house.monitors.incidents("acme")

    house.runs.add(RUN)
    assert house.look(UNTIL_US + 2) == []

    [empty] = house.monitors.incidents("acme")
    assert failing.facts[-1] == "its last run failed: unreadable_source: no file"
    assert empty.facts[-1].startswith("its last run did not fail")
    assert empty.id == failing.id


def test_something_new_ends_it(house: House) -> None:
    house.runs.add(replace(RUN, newest_us=START_US))
    house.look(UNTIL_US + 1)

    house.runs.add(replace(RUN, newest_us=START_US + DAY_US))
    assert house.look(UNTIL_US + 2) == []

    [incident] = house.monitors.incidents("acme")
    assert incident.ended_us == UNTIL_US + 2


def test_a_tenant_that_runs_it_is_watched_and_the_configured_one_is_not(house: House) -> None:
    house.runs.add(replace(RUN, tenant="other", newest_us=START_US))
    watch = FreshnessWatch(house.monitors)
    freshness = PipelineFreshness([DAILY], house.runs, watch, "acme")

    opened = freshness.judge(UNTIL_US + 1)

    assert [one.tenant for one in opened] == ["other"]


class Unreadable(MemoryRuns):
    """Cannot be read."""

    def tenants(self, pipeline: str) -> list[str]:
        raise RunStoreFailed("disk I/O error")


def test_runs_that_cannot_be_read_are_told_once_and_stop_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    freshness = PipelineFreshness([DAILY], Unreadable(), FreshnessWatch(MemoryMonitors()), "acme")

    with caplog.at_level(logging.ERROR):
        assert freshness.judge(UNTIL_US + 1) == ()
        assert freshness.judge(UNTIL_US + 2) == ()

    assert [record.message for record in caplog.records] == ["pipeline_runs_unreadable"]
