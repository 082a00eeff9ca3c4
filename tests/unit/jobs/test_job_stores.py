"""One contract for every store of jobs."""

import threading
from collections.abc import Generator
from pathlib import Path

import psycopg
import pytest

from kingpost.jobs import (
    Job,
    JobEnded,
    JobKeyReused,
    JobNotDead,
    JobNotFound,
    JobQuery,
    JobQueueUnfit,
    JobState,
    JobStore,
    JobStoreFailed,
    JobStoreNewer,
    JobStoreUnfit,
    PostgresJobs,
    Settlement,
    SqliteJobs,
    open_job_queue,
    open_job_store,
)
from kingpost.storage import DatabaseNewer, open_database
from tests.job_stores import KINDS, new_job, opened_jobs
from tests.postgres import own_schema

SECOND = 1_000_000


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[JobStore]:
    with opened_jobs(request.param, tmp_path) as opened:
        yield opened


def done(job: Job, now_us: int = 0) -> Settlement:
    return Settlement(job, JobState.DONE, job.attempts, now_us, "", "record-1", b'{"a":1}')


def take(store: JobStore, by: str, now_us: int, limit: int = 10) -> list[Job]:
    return list(store.claim(by, now_us=now_us, until_us=now_us + SECOND, limit=limit))


def test_a_job_is_kept_as_it_was_submitted(store: JobStore) -> None:
    new = new_job(b'{"id":"p-1"}', priority=2, webhook="crm")
    made = store.submit(new, now_us=7)

    assert not made.is_repeat
    found = store.get("acme", new.id)
    assert found is not None
    assert found == made.job
    assert (found.body, found.priority, found.webhook) == (new.body, 2, "crm")
    assert (found.state, found.created_us, found.due_us, found.version) == ("queued", 7, 7, 1)
    assert store.get("other", new.id) is None
    assert store.running(new.id) is None


def test_a_key_gives_the_job_that_it_first_made_within_its_tenant(store: JobStore) -> None:
    first = store.submit(new_job(key="k"), now_us=1)
    again = store.submit(new_job(key="k"), now_us=2)
    others = store.submit(new_job(key="k", tenant="other"), now_us=3)

    assert again.is_repeat
    assert again.job == first.job
    assert not others.is_repeat
    for changed in (new_job(b"[]", key="k"), new_job(key="k", priority=1)):
        with pytest.raises(JobKeyReused):
            store.submit(changed, now_us=4)


def test_urgent_jobs_go_first_then_those_that_wait_longest(store: JobStore) -> None:
    late, soon = (store.submit(new_job(), now_us=at).job for at in (20, 10))
    urgent = store.submit(new_job(priority=0), now_us=30).job

    assert [job.id for job in take(store, "w", 40, 1)] == [urgent.id]
    assert [job.id for job in take(store, "w", 40, 1)] == [soon.id]
    assert [job.id for job in take(store, "w", 40, 1)] == [late.id]
    assert take(store, "w", 40) == []


def test_a_job_belongs_to_one_worker_until_its_lease_ends(store: JobStore) -> None:
    store.submit(new_job(), now_us=0)
    (held,) = take(store, "one", 10)

    assert held.state is JobState.RUNNING
    assert held.started_us == 10
    assert store.running(held.id) == held
    assert take(store, "two", 20) == []
    assert store.renew("one", [held.id], until_us=5 * SECOND) == 1
    assert store.renew("two", [held.id], until_us=9 * SECOND) == 0
    assert take(store, "two", 2 * SECOND) == []
    (taken,) = take(store, "two", 6 * SECOND)
    assert (taken.lost, taken.attempts, taken.started_us) == (1, 0, 10)
    assert store.settle("one", [done(held)], now_us=6 * SECOND) == []
    (ended,) = store.settle("two", [done(taken)], now_us=7 * SECOND)
    assert (ended.state, ended.record, ended.answer) == ("done", "record-1", b'{"a":1}')
    assert (ended.body, ended.ended_us) == (b"", 7 * SECOND)
    assert store.settle("two", [done(taken)], now_us=8 * SECOND) == []


def test_a_job_that_failed_waits_and_one_given_up_can_be_replayed(store: JobStore) -> None:
    store.submit(new_job(b"{1}"), now_us=0)
    (first,) = take(store, "w", 0)
    again = Settlement(first, JobState.QUEUED, 1, 5 * SECOND, "no luck")
    (queued,) = store.settle("w", [again], now_us=0)
    assert (queued.state, queued.attempts, queued.reason) == ("queued", 1, "no luck")
    assert take(store, "w", 4 * SECOND) == []
    (second,) = take(store, "w", 5 * SECOND)
    with pytest.raises(JobNotDead):
        store.replay("acme", first.id, now_us=0)
    (dead,) = store.settle(
        "w", [Settlement(second, JobState.DEAD, 2, 0, "gave up")], now_us=6 * SECOND
    )
    assert (dead.state, dead.body, dead.ended_us) == ("dead", b"{1}", 6 * SECOND)
    with pytest.raises(JobEnded):
        store.cancel("acme", dead.id, now_us=0)
    replayed = store.replay("acme", dead.id, now_us=7 * SECOND)
    assert (replayed.state, replayed.attempts, replayed.ended_us) == ("queued", 0, 0)
    assert [job.id for job in take(store, "w", 8 * SECOND)] == [dead.id]
    with pytest.raises(JobNotFound):
        store.replay("other", dead.id, now_us=0)


def test_a_waiting_job_is_cancelled_at_once_and_a_running_one_after_its_attempt(
    store: JobStore,
) -> None:
    waiting = store.submit(new_job(), now_us=0).job
    cancelled = store.cancel("acme", waiting.id, now_us=3)
    assert (cancelled.state, cancelled.ended_us, cancelled.body) == ("cancelled", 3, b"")
    assert store.cancel("acme", waiting.id, now_us=4) == cancelled
    with pytest.raises(JobNotFound):
        store.cancel("other", waiting.id, now_us=0)

    ids = [store.submit(new_job(), now_us=10).job.id for _ in range(2)]
    fails, succeeds = take(store, "w", 20)
    for one in ids:
        asked = store.cancel("acme", one, now_us=30)
        assert (asked.state, asked.is_cancelled) == ("running", True)
    settled = store.settle(
        "w", [Settlement(fails, JobState.QUEUED, 1, 99, "failed"), done(succeeds)], now_us=40
    )
    assert [job.state for job in settled] == ["cancelled", "done"]
    assert [job.ended_us for job in settled] == [40, 40]
    assert take(store, "w", 10 * SECOND) == []


def test_jobs_are_listed_by_state_and_decision_page_by_page(store: JobStore) -> None:
    made = [
        store.submit(new_job(decision="fraud" if at % 2 else "churn"), now_us=at).job
        for at in range(5)
    ]
    store.submit(new_job(tenant="other"), now_us=9)
    store.cancel("acme", made[0].id, now_us=0)

    def ids(**asked: object) -> list[str]:
        return [job.id for job in store.find("acme", JobQuery(**asked))]  # pyright: ignore[reportArgumentType]

    assert ids() == [job.id for job in reversed(made)]
    assert ids(state=JobState.CANCELLED) == [made[0].id]
    assert ids(decisions=("fraud",)) == [made[3].id, made[1].id]
    assert ids(decisions=()) == []
    assert ids(limit=2) == [made[4].id, made[3].id]
    assert ids(limit=2, before=made[3].place) == [made[2].id, made[1].id]


def test_what_waits_is_counted_and_what_ended_is_forgotten_in_time(store: JobStore) -> None:
    for at in (5, 6, 7):
        store.submit(new_job(), now_us=at)
    (first, second) = take(store, "w", 10, 2)
    store.settle("w", [done(first)], now_us=20)
    assert store.settle("w", [Settlement(second, JobState.DEAD, 1, 0)], now_us=30)

    assert [(one.state, one.number, one.oldest_us) for one in store.backlog()] == [
        ("dead", 1, 6),
        ("queued", 1, 7),
    ]
    assert store.prune(before_us=25) == 1
    assert store.get("acme", first.id) is None
    assert store.get("acme", second.id) is not None
    assert store.prune(before_us=1000) == 1


def test_many_workers_never_take_the_same_job(store: JobStore) -> None:
    for _ in range(60):
        store.submit(new_job(), now_us=0)
    taken: list[str] = []

    def work(name: str) -> None:
        while jobs := take(store, name, 1, 4):
            taken.extend(job.id for job in jobs)
            assert len(store.settle(name, list(map(done, jobs)), now_us=2)) == len(jobs)

    workers = [threading.Thread(target=work, args=(f"w{at}",)) for at in range(4)]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    assert len(taken) == len(set(taken)) == 60


def test_settings_name_a_store_and_a_queue(tmp_path: Path) -> None:
    open_job_store("", tmp_path / "jobs.sqlite").close()
    open_job_queue("").close()
    with pytest.raises(JobStoreUnfit):
        open_job_store("mysql://host/db", tmp_path / "x")
    with pytest.raises(JobQueueUnfit):
        open_job_queue("redis://host")
    with pytest.raises(JobStoreFailed, match="PostgreSQL"):
        open_job_store("postgresql://127.0.0.1:1/none", tmp_path / "x")


def test_what_a_webhook_could_not_be_told_is_replayed_or_discarded(store: JobStore) -> None:
    for _ in range(2):
        store.submit(new_job(webhook="crm"), now_us=1)
    for job in store.claim("w", now_us=2, until_us=3, limit=9):
        store.settle("w", [Settlement(job, JobState.DEAD, 5, 4, "model_error")], now_us=4)
    for claimed in store.outbox.claim(["jobs:crm"], "r", now_us=5, lease_us=9, limit=9):
        store.outbox.bury(claimed, "r", now_us=6, reason="status 410")

    one, other = store.dead_letters.find("acme")
    replayed = store.dead_letters.replay("acme", one.message.id, now_us=7)
    discarded = store.dead_letters.discard("acme", other.message.id)
    again = store.outbox.claim(["jobs:crm"], "r", now_us=8, lease_us=9, limit=9)

    assert replayed
    assert discarded
    assert [claimed.message for claimed in again] == [one.message]
    assert store.dead_letters.find("acme") == []
    assert store.dead_letters.get("acme", one.message.id) is None


def test_tables_of_a_later_version_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite"
    SqliteJobs(path).close()
    connection = open_database(path)
    connection.execute("UPDATE format SET version = 99 WHERE owner = 'jobs'")
    connection.close()
    with pytest.raises(DatabaseNewer):
        SqliteJobs(path)


def test_tables_of_a_later_version_at_postgresql_are_refused() -> None:
    with own_schema() as (connection, url):
        PostgresJobs(url).close()
        connection.execute("UPDATE kingpost_format SET version = 99 WHERE owner = 'jobs'")
        with pytest.raises(JobStoreNewer):
            PostgresJobs(url)


def test_a_connection_that_broke_is_not_lent_again() -> None:
    with own_schema() as (connection, url):
        store = PostgresJobs(url)
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND query LIKE '%kingpost_format%'"
        )
        try:
            store.submit(new_job(), now_us=1)
        except JobStoreFailed:
            store.submit(new_job(), now_us=1)
        assert [one.number for one in store.backlog()] == [1]
        store.close()
    assert issubclass(psycopg.OperationalError, psycopg.Error)
