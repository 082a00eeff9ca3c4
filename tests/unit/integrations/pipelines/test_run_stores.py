"""Every store of pipeline runs keeps the same promises."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kingpost.integrations import (
    PIPELINE_MIGRATIONS,
    MemoryRuns,
    PipelineRun,
    RunStore,
    RunStoreFailed,
    SqliteRuns,
)
from kingpost.storage import migrate, open_database


def run(
    started_us: int, *, pipeline: str = "limits", newest_us: int | None = None, problem: str = ""
) -> PipelineRun:
    return PipelineRun(
        pipeline=pipeline,
        tenant="acme",
        started_us=started_us,
        finished_us=started_us + 5,
        rows=3,
        accepted=1,
        duplicates=1,
        refused=1,
        newest_us=newest_us,
        problem=problem,
    )


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RunStore]:
    if request.param == "memory":
        yield MemoryRuns()
        return
    connection = open_database(tmp_path / "pipelines.sqlite")
    migrate(connection, "pipelines", PIPELINE_MIGRATIONS)
    yield SqliteRuns(connection)
    connection.close()


def test_runs_come_back_newest_first_as_they_were_stored(store: RunStore) -> None:
    first, second = run(10, newest_us=7), run(20, problem="unreadable_source: gone")
    store.add(first)
    store.add(second)
    store.add(run(30, pipeline="prices"))

    assert list(store.latest("acme", "limits", 5)) == [second, first]
    assert list(store.latest("acme", "limits")) == [second]
    assert list(store.latest("umbrella", "limits")) == []


def test_the_newest_event_is_that_of_any_run(store: RunStore) -> None:
    assert store.newest_event_us("acme", "limits") is None

    for newest in (7, None, 9, 8):
        store.add(run(10, newest_us=newest))

    assert store.newest_event_us("acme", "limits") == 9
    assert store.newest_event_us("acme", "prices") is None


def test_failures_are_counted_since_the_last_success(store: RunStore) -> None:
    store.add(run(10, problem="x"))
    assert store.failures("acme", "limits") == 1

    store.add(run(20))
    assert store.failures("acme", "limits") == 0

    store.add(run(30, problem="x"))
    store.add(run(40, problem="x"))
    assert store.failures("acme", "limits") == 2


def test_a_database_that_fails_is_an_error_of_ours(tmp_path: Path) -> None:
    connection = open_database(tmp_path / "pipelines.sqlite")
    migrate(connection, "pipelines", PIPELINE_MIGRATIONS)
    store = SqliteRuns(connection)
    connection.close()

    with pytest.raises(RunStoreFailed, match="closed"):
        store.add(run(10))


def test_when_a_pipeline_was_first_heard_of_is_kept(store: RunStore) -> None:
    assert store.known_since_us("acme", "limits", 70) == 70
    assert store.known_since_us("acme", "limits", 90) == 70
    assert store.known_since_us("other", "limits", 90) == 90


def test_the_tenants_of_a_pipeline_are_those_with_runs(store: RunStore) -> None:
    store.known_since_us("other", "limits", 70)
    store.add(run(10))
    store.add(run(20))

    assert list(store.tenants("limits")) == ["acme"]
    assert list(store.tenants("prices")) == []
