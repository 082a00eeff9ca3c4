"""Jobs over the API: taken at once, decided later, once, and told to who may know."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import httpx
import pytest

from kingpost.access import KeyRing, MemoryKeys, create_key
from kingpost.jobs import Decided, JobPolicy, JobState, LocalQueue, MemoryJobs, Settlement
from kingpost.journal import scan
from kingpost.records import decode_record
from kingpost.serving import JobSetup, ServingSettings, build_app
from tests.simulated_disk import SimulatedDisk
from tests.tiny_app import FakeClock, open_engine, payment

DATA = Path("/journal/data")
QUICK = JobPolicy(waits_s=(0.01, 0.01), poll_s=0.02, held_s=0.01)


class Clock(FakeClock):
    """Its hours go on, as leases and waits need them to."""

    def now_us(self) -> int:
        return time.time_ns() // 1000


class House:
    def __init__(
        self, *, works: bool = True, most_waiting: int = 100, has_jobs: bool = True
    ) -> None:
        self.disk, self.clock, self.keys = SimulatedDisk(), Clock(), MemoryKeys()
        self.store = MemoryJobs()
        self.setup = JobSetup(
            self.store,
            LocalQueue(),
            webhooks=("crm",),
            most_waiting=most_waiting,
            works_here=works,
            policy=QUICK,
        )
        self.app = build_app(
            open_engine(DATA, disk=self.disk, clock=self.clock),
            KeyRing(self.keys, self.clock),
            ServingSettings(),
            self.clock,
            jobs=self.setup if has_jobs else None,
        )
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://test")
        self.shop = self.key("decide")

    def key(self, *scopes: str, tenant: str = "acme") -> dict[str, str]:
        made = create_key(self.keys, self.clock, tenant=tenant, scopes=scopes)
        return {"authorization": f"Bearer {made.secret}"}

    async def submit(
        self,
        body: bytes,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        decision: str = "fraud",
    ) -> httpx.Response:
        return await self.client.post(
            f"/v1/decisions/{decision}/jobs{query}",
            content=body,
            headers={**self.shop, **(headers or {})},
        )

    async def get(self, path: str, key: dict[str, str] | None = None) -> httpx.Response:
        return await self.client.get(path, headers=self.shop if key is None else key)

    async def ended(self, path: str) -> dict[str, object]:
        for _ in range(400):
            job = (await self.get(path)).json()
            if job["state"] not in ("queued", "running"):
                return job
            await asyncio.sleep(0.01)
        raise AssertionError("the job did not end")

    def records(self) -> Sequence[str | None]:
        return [
            decode_record(entry.body).idempotency_key
            for commit in scan(DATA, disk=self.disk)
            for entry in commit.entries
            if entry.kind == "record"
        ]


def play(scene: Callable[[House], Awaitable[None]], house: House | None = None) -> None:
    house = house or House()

    async def whole() -> None:
        if house.app.jobs is not None:
            house.app.jobs.start()
        async with house.client:
            await scene(house)
        await house.app.drain()

    asyncio.run(asyncio.wait_for(whole(), 30))


def problem(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json().get("code", "")


def test_a_job_is_taken_at_once_and_ends_with_the_answer_of_its_record() -> None:
    async def scene(house: House) -> None:
        taken = await house.submit(payment("p-1", 20.0))
        assert taken.status_code == 202
        job = taken.json()
        assert taken.headers["location"] == f"/v1/jobs/{job['id']}"
        assert (job["state"], job["answer"], job["record"]) == ("queued", None, None)

        done = await house.ended(taken.headers["location"])
        online = await house.client.post(
            "/v1/decisions/fraud", content=payment("p-1", 20.0), headers=house.shop
        )
        assert done["state"] == "done"
        assert done["answer"] == online.json()
        assert done["record"] == online.json()["id"]
        assert house.records() == [f"job:{job['id']}"]

    play(scene)


def test_what_does_not_fit_is_refused_before_it_is_kept() -> None:
    async def scene(house: House) -> None:
        assert problem(await house.submit(b"{}")) == (422, "contract_violation")
        good = payment("p-1", 20.0)
        assert problem(await house.submit(good, decision="none"))[1] == "decision_not_found"
        assert problem(await house.submit(good, "?priority=10")) == (422, "bad_parameter")
        assert problem(await house.submit(good, "?webhook=other")) == (422, "bad_parameter")
        spaced = {"idempotency-key": "a b"}
        assert problem(await house.submit(good, headers=spaced)) == (400, "bad_header")
        typed = {"content-type": "text/plain"}
        assert problem(await house.submit(good, headers=typed)) == (415, "unsupported_media_type")
        none = house.key("records")
        assert problem(await house.submit(good, headers=none)) == (403, "missing_scope")
        assert (await house.get("/v1/jobs")).json() == {"jobs": [], "next": None}

    play(scene)


def test_a_key_submits_one_job_and_no_other() -> None:
    async def scene(house: House) -> None:
        key = {"idempotency-key": "k-1"}
        first = await house.submit(payment("p-1", 20.0), headers=key)
        again = await house.submit(payment("p-1", 20.0), headers=key)
        other = await house.submit(payment("p-2", 20.0), headers=key)

        assert again.status_code == 202
        assert again.json()["id"] == first.json()["id"]
        assert again.headers["idempotency-replayed"] == "true"
        assert problem(other) == (409, "job_key_reused")

    play(scene)


def test_jobs_are_their_tenants_and_of_those_who_may_decide() -> None:
    async def scene(house: House) -> None:
        path = (await house.submit(payment("p-1", 20.0))).headers["location"]
        narrow, elsewhere = house.key("decide:fraud"), house.key("decide:other")
        stranger = house.key("decide", tenant="globex")

        assert (await house.get(path, narrow)).status_code == 200
        assert problem(await house.get(path, elsewhere)) == (404, "job_not_found")
        assert problem(await house.get(path, stranger)) == (404, "job_not_found")
        assert problem(await house.get("/v1/jobs", house.key("records"))) == (403, "missing_scope")
        listed = [
            len((await house.get("/v1/jobs", key)).json()["jobs"])
            for key in (house.shop, narrow, elsewhere, stranger)
        ]
        assert listed == [1, 1, 0, 0]
        asked = await house.get("/v1/jobs?decision=fraud", elsewhere)
        assert problem(asked) == (403, "missing_scope")

    play(scene)


def test_waiting_jobs_are_listed_and_cancelled_and_no_more_are_taken_than_may_wait() -> None:
    async def scene(house: House) -> None:
        paths = [
            (await house.submit(payment(f"p-{at}", 20.0))).headers["location"] for at in range(3)
        ]
        full = await house.submit(payment("p-9", 20.0))
        assert problem(full) == (503, "jobs_full")
        assert full.headers["retry-after"] == "5"
        page = (await house.get("/v1/jobs?state=queued&limit=2")).json()
        rest = (await house.get(f"/v1/jobs?limit=2&after={page['next']}")).json()
        found = [f"/v1/jobs/{job['id']}" for job in (*page["jobs"], *rest["jobs"])]
        assert found == paths[::-1]
        assert rest["next"] is None

        cancelled = await house.client.delete(paths[0], headers=house.shop)
        assert cancelled.json()["state"] == "cancelled"
        assert (await house.client.delete(paths[0], headers=house.shop)).status_code == 200
        replayed = await house.client.post(f"{paths[0]}/replay", headers=house.shop)
        assert problem(replayed) == (409, "job_not_dead")

    play(scene, House(works=False, most_waiting=3))


def test_a_job_that_fails_is_tried_again_then_dead_and_can_be_replayed() -> None:
    async def scene(house: House) -> None:
        # another event under the key of one that was decided: it can never be
        await house.client.post(
            "/v1/decisions/fraud", content=payment("p-1", 20.0), headers=house.shop
        )
        path = (await house.submit(payment("p-1", 21.0))).headers["location"]
        dead = await house.ended(path)
        assert (dead["state"], dead["reason"], dead["attempts"]) == ("dead", "event_conflict", 1)
        gone = await house.client.delete(path, headers=house.shop)
        assert problem(gone) == (409, "job_ended")
        replayed = await house.client.post(f"{path}/replay", headers=house.shop)
        assert replayed.status_code == 202
        assert (await house.ended(path))["state"] == "dead"

    play(scene)


def test_events_tell_each_change_and_end_with_the_job() -> None:
    async def scene(house: House) -> None:
        path = (await house.submit(payment("p-1", 20.0))).headers["location"]
        await house.ended(path)
        told = await house.get(f"{path}/events")
        assert told.status_code == 200
        assert told.headers["content-type"].startswith("text/event-stream")
        fields = dict(line.split(": ", 1) for line in told.text.strip().splitlines())
        assert fields["event"] == "done"
        assert json.loads(fields["data"])["answer"]["decision"] == "fraud"
        heard = {**house.shop, "last-event-id": fields["id"]}
        assert (await house.get(f"{path}/events", heard)).status_code == 204
        wrong = {**house.shop, "last-event-id": "x"}
        assert problem(await house.get(f"{path}/events", wrong)) == (400, "bad_header")
        assert problem(await house.get("/v1/jobs/none/events")) == (404, "job_not_found")

    play(scene)


def test_a_worker_elsewhere_has_jobs_decided_that_are_running_and_no_others() -> None:
    async def scene(house: House) -> None:
        path = (await house.submit(payment("p-1", 20.0))).headers["location"]
        work = house.key("jobs", tenant="operators")

        async def decide(key: dict[str, str]) -> httpx.Response:
            return await house.client.post(f"{path}/decide", headers=key)

        assert problem(await decide(house.shop)) == (403, "missing_scope")
        assert (await decide(work)).json()["kind"] == "gone"
        assert house.records() == []
        now_us = house.clock.now_us()
        (job,) = house.store.claim("w", now_us=now_us, until_us=now_us + 10**7, limit=1)
        first, again = await decide(work), await decide(work)
        assert first.json()["kind"] == "done"
        assert again.json() == first.json()
        assert len(house.records()) == 1
        came = Decided("done", first.json()["record"], b"{}")
        done = Settlement(job, JobState.DONE, 0, now_us, "", came.record, came.answer)
        house.store.settle("w", [done], now_us=now_us)
        assert (await house.get(path)).json()["state"] == "done"

    play(scene, House(works=False))


def test_what_waits_is_in_the_metrics() -> None:
    async def scene(house: House) -> None:
        await house.submit(payment("p-1", 20.0))
        await asyncio.sleep(1.2)
        text = (await house.get("/metrics", house.key("metrics"))).text
        assert 'kingpost_jobs{decision="fraud",state="queued"} 1.0' in text
        assert 'kingpost_job_oldest_seconds{decision="fraud"} ' in text
        assert "kingpost_job_wait_seconds_count 0.0" in text

    play(scene, House(works=False))


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/jobs/x", "/v1/jobs/x/events"])
def test_a_server_without_jobs_says_so(path: str) -> None:
    async def scene(house: House) -> None:
        assert problem(await house.get(path)) == (404, "not_configured")

    play(scene, House(has_jobs=False))
