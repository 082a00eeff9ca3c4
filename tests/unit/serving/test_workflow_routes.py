"""Workflows over the API: what is told of them, who may steer them, what is refused."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest

from kingpost.core import SystemClock
from kingpost.workflows import Workflows, WorkflowStoreFailed
from tests.review_house import ReviewHouse, run_review
from tests.workflow_app import opened, runs_in

Scene = Callable[[ReviewHouse, dict[str, str]], Awaitable[None]]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of workflows that ended, failed, wait and were cancelled a minute ago."""
    path = tmp_path_factory.mktemp("workflows") / "workflows.sqlite"
    runs_in(path)
    return path


@pytest.fixture
def workflows(ran: Path, tmp_path: Path) -> Workflows:
    return opened(ran, tmp_path)


def play(workflows: Workflows, scene: Scene) -> None:
    house = ReviewHouse(workflows=workflows)
    run_review(lambda house: scene(house, house.key("ops", "workflows", "metrics")), house)


def problem_of(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json().get("code", "")


def test_workflows_are_listed_by_name_and_state_for_their_tenant_alone(
    workflows: Workflows,
) -> None:
    async def scene(house: ReviewHouse, ops: dict[str, str]) -> None:
        async def ids(query: str) -> set[str]:
            answered = await house.get(f"/v1/workflows?{query}", ops)
            return {one["id"] for one in answered.json()["workflows"]}

        every = {"order", "fails", "secret", "parent", "parent-1", "waits", "sleeps", "asks"}
        assert await ids("") == every | {"gone", "cancelled", "delayed"}
        assert await ids("workflow=order") == {"order", "parent-1", "cancelled", "delayed"}
        assert await ids("workflow=order&state=done") == {"order", "parent-1"}
        assert await ids("state=running") == {"waits", "sleeps", "asks"}
        assert await ids("state=waits_for_code") == {"gone"}
        assert await ids("state=queued") == set()
        zoe = house.key("zoe", "workflows", tenant="other")
        others = (await house.get("/v1/workflows", zoe)).json()["workflows"]
        assert [one["id"] for one in others] == ["others"]
        assert problem_of(await house.get("/v1/workflows/order", zoe)) == (
            404,
            "workflow_not_found",
        )

    play(workflows, scene)


def test_pages_follow_each_other_while_others_are_started(workflows: Workflows) -> None:
    async def scene(house: ReviewHouse, ops: dict[str, str]) -> None:
        found: list[str] = []
        after = ""
        while after is not None:
            page = (await house.get(f"/v1/workflows?limit=3&after={after}", ops)).json()
            found += [one["id"] for one in page["workflows"]]
            after = page["next"]
            if len(found) == 3:
                body = {"workflow": "order", "input": {"amount": 1, "customer": "new"}}
                assert (await house.post("/v1/workflows", body, ops)).status_code == 202

        assert len(found) == len(set(found)) == 11

    play(workflows, scene)


def test_a_workflow_is_read_with_its_steps_by_the_names_of_its_parameters(
    workflows: Workflows,
) -> None:
    async def scene(house: ReviewHouse, ops: dict[str, str]) -> None:
        one = (await house.get("/v1/workflows/order", ops)).json()

        assert (one["workflow"], one["state"], one["attempts"]) == ("order", "done", 1)
        assert one["input"]["value"] == {"amount": 3, "customer": "ann"}
        assert one["output"] == {
            "kind": "json",
            "type": "Receipt",
            "value": {"number": 3, "at": "2026-11-21T09:00:00Z", "lines": ["ann"]},
        }
        reserve, opaque = one["steps"]
        assert (reserve["place"], reserve["name"], reserve["output"]["value"]) == (1, "reserve", 6)
        assert reserve["started"] <= reserve["ended"]
        assert opaque["output"] == {"kind": "no_json", "type": "Opaque"}
        page = (await house.get("/v1/workflows/order?limit=1", ops)).json()
        assert ([step["place"] for step in page["steps"]], page["next"]) == ([1], 1)
        rest = (await house.get("/v1/workflows/order?limit=1&after=1", ops)).json()
        assert ([step["place"] for step in rest["steps"]], rest["next"]) == ([2], None)

    play(workflows, scene)


def test_what_may_not_be_seen_is_not_told(workflows: Workflows) -> None:
    async def scene(house: ReviewHouse, ops: dict[str, str]) -> None:
        answered = await house.get("/v1/workflows/secret", ops)

        assert "4111" not in answered.text
        one = answered.json()
        hidden = {"kind": "hidden"}
        assert (one["input"], one["output"], one["steps"][0]["output"]) == (hidden,) * 3

    play(workflows, scene)


def test_a_failure_says_what_each_attempt_ended_with(workflows: Workflows) -> None:
    async def scene(house: ReviewHouse, ops: dict[str, str]) -> None:
        one = (await house.get("/v1/workflows/fails", ops)).json()

        said = "step 'charge' failed 2 times, the last time with: ConnectionError: no bank for 3"
        assert (one["state"], one["reason"]) == ("failed", f"retries_exhausted: {said}")
        assert one["steps"][1]["failed"] == f"retries_exhausted: {said}"
        listed = (await house.get("/v1/workflows?state=failed", ops)).json()["workflows"]
        assert [line["reason"] for line in listed] == [f"retries_exhausted: {said}"]

    play(workflows, scene)


def test_what_a_workflow_waits_for_is_told(workflows: Workflows) -> None:
    async def scene(house: ReviewHouse, ops: dict[str, str]) -> None:
        for name, kind, about in (
            ("asks", "person", "asks-1"),
            ("waits", "event", ""),
            ("sleeps", "time", ""),
            ("delayed", "time", ""),
            ("gone", "code", "the application declares no workflow 'gone'"),
        ):
            [wait] = (await house.get(f"/v1/workflows/{name}", ops)).json()["waits_for"]
            assert (wait["kind"], wait["about"]) == (kind, about)
            assert (wait["until"] is not None) == (name in ("waits", "sleeps", "delayed"))
        parent = (await house.get("/v1/workflows/parent", ops)).json()
        assert parent["waits_for"] == []
        assert parent["steps"][0]["child"] == "parent-1"

    play(workflows, scene)  # the clock of the house stands in 2018, before every end of a wait


def test_a_start_checks_its_input_against_the_types_of_the_workflow(workflows: Workflows) -> None:
    async def scene(house: ReviewHouse, ops: dict[str, str]) -> None:
        async def start(given: object, name: str = "order") -> httpx.Response:
            return await house.post("/v1/workflows", {"workflow": name, "input": given}, ops)

        started = await start({"amount": 4, "customer": "ann", "tags": ["a"], "vip": True})
        assert started.status_code == 202
        assert (started.json()["workflow"], started.json()["state"]) == ("order", "queued")
        kept = await house.get(f"/v1/workflows/{started.json()['id']}", ops)
        assert kept.json()["input"]["value"] == {
            "amount": 4,
            "customer": "ann",
            "tags": ["a"],
            "vip": True,
        }
        for given, field, expected, found in (
            ({"customer": "ann"}, "amount", "a value", "none"),
            ({"amount": "4", "customer": "ann"}, "amount", "int", "str"),
            ({"amount": 0, "customer": "ann"}, "amount", "`int` >= 1", "another"),
            ({"amount": 1, "customer": "a", "tags": [1]}, "tags[0]", "str", "int"),
            ({"amount": 1, "customer": "a", "colour": 1}, "colour", "no such field", "one"),
        ):
            refused = await start(given)
            assert problem_of(refused) == (422, "contract_violation")
            body = refused.json()
            assert (body["field"], body["expected"], body["found"]) == (field, expected, found)
        unknown = await start({}, "nothing")
        assert problem_of(unknown) == (404, "workflow_unknown")
        assert "order" in unknown.json()["detail"]

    play(workflows, scene)


def test_the_same_key_starts_a_workflow_once_for_each_tenant(workflows: Workflows) -> None:
    async def scene(house: ReviewHouse, ops: dict[str, str]) -> None:
        body = {"workflow": "order", "input": {"amount": 4, "customer": "ann"}}
        keyed = {**ops, "idempotency-key": "order-17"}
        first = await house.post("/v1/workflows", body, keyed)
        again = await house.post("/v1/workflows", {**body, "key": "order-17"}, ops)
        zoe = house.key("zoe", "workflows", tenant="other")
        other = await house.post("/v1/workflows", {**body, "key": "order-17"}, zoe)

        assert first.json()["id"] == again.json()["id"] == "acme:order-17"
        assert other.json()["id"] == "other:order-17"
        for changed in (
            {**body, "input": {"amount": 5, "customer": "ann"}},
            {"workflow": "waits", "input": {"number": 1}},
        ):
            refused = await house.post("/v1/workflows", changed, keyed)
            assert problem_of(refused) == (409, "idempotency_key_reused")
        for key in ("a/b", "x" * 129, ""):
            refused = await house.post("/v1/workflows", body, {**ops, "idempotency-key": key})
            assert problem_of(refused) == (400, "bad_header")

    play(workflows, scene)


def test_a_start_may_be_due_later(workflows: Workflows) -> None:
    async def scene(house: ReviewHouse, ops: dict[str, str]) -> None:
        house.clock.us = SystemClock().now_us()
        body = {"workflow": "order", "input": {"amount": 4, "customer": "ann"}}
        later = await house.post("/v1/workflows", {**body, "after": "2h", "priority": 7}, ops)
        assert (later.json()["state"], later.json()["priority"]) == ("delayed", 7)
        for wrong in (
            {"after": "soon"},
            {"at": "noon"},
            {"at": "2030-01-01T00:00:00"},
            {"at": "2030-01-01T00:00:00Z", "after": "1h"},
            {"after": "99999w"},
            {"priority": -1},
        ):
            refused = await house.post("/v1/workflows", {**body, **wrong}, ops)
            assert problem_of(refused) == (422, "bad_body")

    play(workflows, scene)


def test_events_go_to_what_has_not_ended(workflows: Workflows) -> None:
    async def scene(house: ReviewHouse, ops: dict[str, str]) -> None:
        event = {"topic": "paid", "value": {"by": "card"}, "key": "e1"}
        sent = await house.post("/v1/workflows/waits/events", event, ops)
        assert (sent.status_code, sent.json()) == (202, {"status": "sent"})
        ended = await house.post("/v1/workflows/order/events", event, ops)
        assert problem_of(ended) == (409, "workflow_not_running")
        nobody = await house.post("/v1/workflows/nobody/events", event, ops)
        assert problem_of(nobody) == (404, "workflow_not_found")

    play(workflows, scene)


def test_workflows_are_cancelled_resumed_and_done_again(workflows: Workflows) -> None:
    async def scene(house: ReviewHouse, ops: dict[str, str]) -> None:
        cancelled = await house.post("/v1/workflows/waits/cancel", None, ops)
        assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
        again = await house.post("/v1/workflows/waits/cancel", None, ops)
        assert problem_of(again) == (409, "workflow_not_running")
        resumed = await house.post("/v1/workflows/waits/resume", None, ops)
        assert (resumed.status_code, resumed.json()["state"]) == (200, "queued")

        forked = await house.post("/v1/workflows/fails/fork", {"step": 2}, ops)
        assert forked.status_code == 202
        assert (forked.json()["forked_from"], forked.json()["state"]) == ("fails", "queued")
        kept = (await house.get(f"/v1/workflows/{forked.json()['id']}", ops)).json()
        assert [step["name"] for step in kept["steps"]] == ["reserve"]
        beyond = await house.post("/v1/workflows/fails/fork", {"step": 9}, ops)
        assert problem_of(beyond) == (409, "workflow_not_running")

    play(workflows, scene)


def test_only_who_may_steers_workflows_and_another_tenant_never(workflows: Workflows) -> None:
    async def scene(house: ReviewHouse, ops: dict[str, str]) -> None:
        zoe = house.key("zoe", "workflows", tenant="other")
        start = {"workflow": "order", "input": {"amount": 1, "customer": "a"}}
        for path, body in (
            ("waits/events", {"topic": "paid"}),
            ("waits/cancel", None),
            ("cancelled/resume", None),
            ("order/fork", {"step": 1}),
        ):
            refused = await house.post(f"/v1/workflows/{path}", body, house.ann)
            assert problem_of(refused) == (403, "missing_scope")
            elsewhere = await house.post(f"/v1/workflows/{path}", body, zoe)
            assert problem_of(elsewhere) == (404, "workflow_not_found")
        for answered in (
            await house.get("/v1/workflows", house.ann),
            await house.get("/v1/workflows/order", house.ann),
            await house.post("/v1/workflows", start, house.ann),
        ):
            assert problem_of(answered) == (403, "missing_scope")
        assert (await house.get("/v1/workflows", {})).status_code == 401

    play(workflows, scene)


@pytest.mark.parametrize("identifier", ["a" * 500, "a%00b", "%0a"])
def test_an_id_that_none_can_have_is_not_found(workflows: Workflows, identifier: str) -> None:
    async def scene(house: ReviewHouse, ops: dict[str, str]) -> None:
        answered = await house.get(f"/v1/workflows/{identifier}", ops)
        assert problem_of(answered) == (404, "workflow_not_found")

    play(workflows, scene)


def test_the_metrics_count_what_has_not_ended_of_all_tenants(workflows: Workflows) -> None:
    async def scene(house: ReviewHouse, ops: dict[str, str]) -> None:
        text = (await house.get("/metrics", ops)).text

        assert 'kingpost_workflows{state="running",workflow="waits"} 1.0' in text
        assert 'kingpost_workflows{state="waits_for_code",workflow="gone"} 1.0' in text
        assert 'kingpost_workflows{state="queued",workflow="order"} 1.0' in text

    play(workflows, scene)


class Unreachable(Workflows):
    """Workflows whose database has gone."""

    def of_tenant(self, tenant: str) -> Workflows:
        raise WorkflowStoreFailed("db:5432", "OperationalError")


def test_a_database_that_is_gone_is_said_so_without_its_address(
    workflows: Workflows,
) -> None:
    workflows.__class__ = Unreachable

    async def scene(house: ReviewHouse, ops: dict[str, str]) -> None:
        answered = await house.get("/v1/workflows", ops)
        assert problem_of(answered) == (503, "workflow_store_failed")
        assert "db:5432" not in answered.text

    play(workflows, scene)


def test_a_server_without_workflows_says_so() -> None:
    async def scene(house: ReviewHouse) -> None:
        ops = house.key("ops", "workflows", "metrics")
        for answered in (
            await house.get("/v1/workflows", ops),
            await house.get("/v1/workflows/order", ops),
            await house.post("/v1/workflows/order/cancel", None, ops),
        ):
            assert problem_of(answered) == (404, "not_configured")
        assert "kingpost_workflows" not in (await house.get("/metrics", ops)).text

    run_review(scene)


def test_the_routes_are_described() -> None:
    async def scene(house: ReviewHouse) -> None:
        paths = (await house.get("/openapi.json", {})).json()["paths"]

        start = paths["/v1/workflows"]["post"]
        assert "202" in start["responses"]
        assert [one["name"] for one in start["parameters"]] == ["Idempotency-Key"]
        assert set(start["responses"]) >= {"400", "401", "403", "404", "409", "413", "422", "503"}
        asked = {one["name"] for one in paths["/v1/workflows"]["get"]["parameters"]}
        assert asked == {"workflow", "state", "after", "limit"}

    run_review(scene)
