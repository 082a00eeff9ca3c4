"""A worker: what becomes of jobs by what came of them, and what webhooks are told."""

import json
import threading
import time
from collections.abc import Sequence

import pytest

from kingpost.jobs import (
    Decided,
    Job,
    JobPolicy,
    JobState,
    JobStoreFailed,
    JobWorker,
    LocalQueue,
    MemoryJobs,
    webhook_route,
)
from tests.job_stores import new_job

POLICY = JobPolicy(waits_s=(1.0, 5.0), most_lost=2, lease_s=10.0, poll_s=0.01)
SECOND = 1_000_000


class Clock:
    """Stands until it is moved."""

    def __init__(self) -> None:
        self.us = SECOND

    def now_us(self) -> int:
        return self.us

    def monotonic_ns(self) -> int:
        return self.us * 1000


class Says:
    """Says the same of every job."""

    def __init__(self, came: Decided) -> None:
        self.came = came
        self.asked: list[str] = []

    def decide(self, jobs: Sequence[Job]) -> Sequence[Decided]:
        self.asked += [job.id for job in jobs]
        return [self.came for _ in jobs]


class House:
    def __init__(self, came: Decided) -> None:
        self.store, self.clock, self.decider = MemoryJobs(), Clock(), Says(came)
        self.worker = JobWorker(
            self.store,
            LocalQueue(),
            self.decider,
            POLICY,
            clock=self.clock,
            chance=lambda: 0.0,
        )
        self.id = self.store.submit(new_job(webhook="crm"), now_us=0).job.id

    def run(self, came: Decided | None = None, *, after_s: float = 0.0) -> Job:
        self.decider.came = came or self.decider.came
        self.clock.us += round(after_s * SECOND)
        self.worker.run_once()
        job = self.store.get("acme", self.id)
        assert job is not None
        return job


DONE = Decided("done", "r-1", b'{"a":1}')


def test_a_decided_job_is_done_and_its_webhook_is_told_in_the_same_transaction() -> None:
    house = House(DONE)
    job = house.run()

    assert (job.state, job.record, job.answer) == ("done", "r-1", b'{"a":1}')
    (told,) = house.store.outbox.claim(
        [webhook_route("crm")], "relay", now_us=house.clock.us, lease_us=SECOND, limit=9
    )
    said = json.loads(told.message.payload)
    assert told.message.id == f"{job.id}.{job.version}"
    assert (said["type"], said["data"]["id"], said["data"]["answer"]) == (
        "job.done",
        job.id,
        {"a": 1},
    )


def test_a_failed_job_is_tried_after_each_wait_and_then_dead() -> None:
    house = House(Decided("failed", "r-1", reason="no_score"))
    first = house.run()
    assert (first.state, first.attempts, first.due_us) == ("queued", 1, 2 * SECOND)
    assert house.run(after_s=0.9).attempts == 1
    second = house.run(after_s=0.2)
    assert (second.state, second.attempts) == ("queued", 2)
    dead = house.run(after_s=5.1)
    assert (dead.state, dead.attempts, dead.reason) == ("dead", 3, "no_score")
    assert len(house.decider.asked) == 3


def test_what_can_never_be_decided_is_dead_at_once() -> None:
    job = House(Decided("refused", reason="event_conflict")).run()
    assert (job.state, job.attempts, job.reason) == ("dead", 1, "event_conflict")


def test_a_server_that_takes_no_work_costs_no_attempt_however_long() -> None:
    house = House(Decided("held", reason="journal_full", wait_s=2.0))
    for _ in range(20):
        job = house.run(after_s=2.1)
        assert (job.state, job.attempts, job.lost) == ("queued", 0, 0)
    assert house.run(DONE, after_s=2.1).state is JobState.DONE


def test_an_answer_that_nobody_heard_is_a_lost_lease_and_not_an_attempt() -> None:
    house = House(Decided("unknown", reason="ReadTimeout"))
    assert house.run().state is JobState.RUNNING
    job = house.run(DONE, after_s=1.1)
    assert (job.state, job.attempts, job.lost) == ("done", 0, 1)


def test_a_job_whose_workers_are_always_lost_is_dead_in_the_end() -> None:
    house = House(DONE)
    for _ in range(POLICY.most_lost + 1):
        now_us = house.clock.us
        house.store.claim("killed", now_us=now_us, until_us=now_us + SECOND, limit=1)
        house.clock.us += 2 * SECOND
    job = house.run()
    assert (job.state, job.attempts, job.lost) == ("dead", 0, 3)
    assert house.decider.asked == []


def test_a_job_that_is_no_longer_ours_is_left_alone() -> None:
    house = House(Decided("gone"))
    assert house.run().state is JobState.RUNNING
    job = house.run(DONE, after_s=11)
    assert (job.state, job.lost) == ("done", 1)


def test_leases_are_renewed_while_a_job_is_worked_on() -> None:
    store = MemoryJobs()
    store.submit(new_job(), now_us=0)
    stop = threading.Event()
    seen: list[int] = []

    class Slow:
        def decide(self, jobs: Sequence[Job]) -> Sequence[Decided]:
            time.sleep(0.9)  # three leases long
            now_us = time.time_ns() // 1000
            seen.extend(
                job.lost for job in store.claim("other", now_us=now_us, until_us=now_us, limit=9)
            )
            stop.set()
            return [DONE for _ in jobs]

    worker = JobWorker(store, LocalQueue(), Slow(), JobPolicy(lease_s=0.3, poll_s=0.01))
    worker.run(stop)
    assert seen == []
    assert [one.number for one in store.backlog()] == []


def test_a_store_that_fails_is_a_pause(caplog: pytest.LogCaptureFixture) -> None:
    class Failing(MemoryJobs):
        def __init__(self) -> None:
            super().__init__()
            self.failures = 2

        def claim(self, by: str, *, now_us: int, until_us: int, limit: int) -> Sequence[Job]:
            if self.failures:
                self.failures -= 1
                raise JobStoreFailed("SQLite", "database is locked")
            return super().claim(by, now_us=now_us, until_us=until_us, limit=limit)

    store, stop = Failing(), threading.Event()
    identifier = store.submit(new_job(), now_us=0).job.id
    worker = JobWorker(store, LocalQueue(), Says(DONE), POLICY)
    running = threading.Thread(target=worker.run, args=(stop,))
    running.start()
    end = time.monotonic() + 10
    while time.monotonic() < end:
        job = store.get("acme", identifier)
        if job is not None and job.state is JobState.DONE:
            break
        time.sleep(0.01)
    else:
        raise AssertionError("the job was not done")
    stop.set()
    running.join(10)
    assert [record.message for record in caplog.records] == ["job_worker_failed"] * 2
