"""People's part of the API: the inbox, overrides, the search, incidents, explanations."""

import asyncio
import json
import re
from collections.abc import Sequence
from urllib.parse import quote

import httpx
import pytest

from kingpost.core import parse_id
from kingpost.records import (
    KnownLabel,
    MemoryRecords,
    RecordLine,
    RecordSearchFailed,
    Review,
)
from kingpost.tasks import (
    CLAIM_LEASE_US,
    LARGEST_VALUE,
    MemoryTasks,
    Task,
    TaskStoreFailed,
    TaskVerdict,
)
from tests.review_house import INCIDENT, ReviewHouse, run_review

NOBODY = "0199f2a0-7c00-7000-8000-00000000002a"
"""An id that no record has."""


def problem_of(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json().get("code", "")


def test_an_unsure_decision_waits_in_the_inbox_with_what_was_proposed() -> None:
    async def scene(house: ReviewHouse) -> None:
        sure = await house.decided("p1", 900)
        unsure = await house.decided("p2", 600)

        listed = (await house.get("/v1/tasks")).json()

        assert [task["id"] for task in listed["tasks"]] == [unsure]
        assert sure != unsure
        assert listed["next"] is None
        task = (await house.get(f"/v1/tasks/{unsure}")).json()
        assert task == listed["tasks"][0]
        assert task["title"] == "p2: fraud proposed, confidence below 0.75"
        assert (task["queue"], task["state"], task["subject"]) == ("fraud-desk", "open", unsure)
        assert (task["due"], task["verdict"]) == (None, None)

    run_review(scene)


def test_an_approval_is_in_the_journal_and_closes_the_task() -> None:
    async def scene(house: ReviewHouse) -> None:
        record = await house.decided("p1", 600)

        answered = await house.post(f"/v1/tasks/{record}/approve")

        assert answered.status_code == 200
        task = answered.json()
        assert (task["state"], task["verdict"], task["closed_by"]) == ("closed", "approved", "ann")
        [review] = house.reviews()
        assert (review.record, review.verdict, review.positive) == (
            parse_id(record),
            "approved",
            True,
        )
        assert (review.by, review.task, review.reason) == ("ann", record, "")
        assert review.at_us == house.clock.now_us()

    run_review(scene)


def test_an_override_joins_the_record_at_once_and_the_answer_stays() -> None:
    async def scene(house: ReviewHouse) -> None:
        record = await house.decided("p1", 600)
        before = (await house.get(f"/v1/records/{record}")).json()
        assert (before["review"], before["label"]) == (None, None)

        answered = await house.post(
            f"/v1/tasks/{record}/override", {"positive": False, "reason": "  a known\r\ncard "}
        )

        assert answered.json()["verdict"] == "overridden"
        after = (await house.get(f"/v1/records/{record}")).json()
        assert after["answer"] == before["answer"]
        assert after["answer"]["fraud"] is True
        assert after["review"] == {
            "verdict": "overridden",
            "positive": False,
            "by": "ann",
            "reason": "a known\ncard",
            "at": "2018-08-01T12:00:00Z",
        }
        [found] = (await house.get("/v1/records?decision=fraud")).json()["records"]
        assert (found["positive"], found["stands"], found["review"]) == (
            True,
            False,
            "overridden",
        )

    run_review(scene)


class QuicklyObserved(MemoryTasks):
    """An inbox whose observer reads each answer before the desk has closed its task."""

    def settle(
        self, tenant: str, identifier: str, by: str, verdict: TaskVerdict, reason: str, at_us: int
    ) -> Task | None:
        super().settle(tenant, identifier, by, verdict, reason, at_us)
        return super().settle(tenant, identifier, by, verdict, reason, at_us)


def test_an_answer_counts_when_the_observer_closes_its_task_first() -> None:
    async def scene(house: ReviewHouse) -> None:
        record = await house.decided("p1", 600)

        answered = await house.post(
            f"/v1/tasks/{record}/override", {"positive": False, "reason": "a known card"}
        )

        assert answered.status_code == 200
        assert (answered.json()["state"], answered.json()["verdict"]) == ("closed", "overridden")
        assert len(house.reviews()) == 1

    run_review(scene, ReviewHouse(QuicklyObserved()))


class QuicklyReleased(MemoryTasks):
    """An inbox in which each claim is given back at once, as by somebody of the same name."""

    def claim(self, tenant: str, identifier: str, by: str, now_us: int) -> Task:
        claimed = super().claim(tenant, identifier, by, now_us)
        self.release(tenant, identifier, by)
        return claimed


def test_an_answer_that_is_durable_closes_its_task_whoever_has_it_by_then() -> None:
    async def scene(house: ReviewHouse) -> None:
        record = await house.decided("p1", 600)

        answered = await house.post(f"/v1/tasks/{record}/approve")

        assert answered.status_code == 200
        assert len(house.reviews()) == 1
        task = (await house.get(f"/v1/tasks/{record}")).json()
        assert (task["state"], task["verdict"], task["closed_by"]) == ("closed", "approved", "ann")

    run_review(scene, ReviewHouse(QuicklyReleased()))


def test_overriding_with_the_proposed_answer_is_an_approval() -> None:
    async def scene(house: ReviewHouse) -> None:
        record = await house.decided("p1", 600)

        answered = await house.post(
            f"/v1/tasks/{record}/override", {"positive": True, "reason": "I called them"}
        )

        assert answered.json()["verdict"] == "approved"

    run_review(scene)


def test_of_two_who_answer_at_once_one_wins() -> None:
    async def scene(house: ReviewHouse) -> None:
        record = await house.decided("p1", 600)
        override = {"positive": False, "reason": "a known card"}

        answers = await asyncio.gather(
            *(
                house.post(f"/v1/tasks/{record}/override", override, key)
                for key in (house.ann, house.bob, house.ann, house.bob)
            ),
            house.post(f"/v1/records/{record}/override", override, house.bob),
        )

        codes = sorted(problem_of(one) for one in answers[:4])
        assert codes == [(200, "")] + [(409, "task_closed")] * 3
        # the last one corrects what the first one said, and may do so afterwards
        assert answers[4].status_code == 200
        assert len(house.reviews()) == 2

    run_review(scene)


def test_a_claim_keeps_others_from_answering() -> None:
    async def scene(house: ReviewHouse) -> None:
        record = await house.decided("p1", 600)
        path = f"/v1/tasks/{record}"
        override = {"positive": False, "reason": "x"}

        claimed = (await house.post(f"{path}/claim", key=house.bob)).json()
        assert (claimed["state"], claimed["claimed_by"]) == ("claimed", "bob")
        for refused in (
            await house.post(f"{path}/claim"),
            await house.post(f"{path}/approve"),
            await house.post(f"{path}/override", override),
            await house.post(f"/v1/records/{record}/override", override),
        ):
            assert problem_of(refused) == (409, "task_claimed")
        assert problem_of(await house.post(f"{path}/release")) == (409, "task_not_claimed")
        mine = (await house.get("/v1/tasks?mine=true", house.bob)).json()["tasks"]
        assert [task["id"] for task in mine] == [record]
        assert house.reviews() == []

        assert (await house.post(f"{path}/release", key=house.bob)).json()["state"] == "open"
        assert (await house.post(f"{path}/approve")).status_code == 200

    run_review(scene)


def test_a_claim_that_lapsed_keeps_nobody_away() -> None:
    async def scene(house: ReviewHouse) -> None:
        record = await house.decided("p1", 600)
        await house.post(f"/v1/tasks/{record}/claim", key=house.bob)

        house.clock.advance(CLAIM_LEASE_US / 1e6)

        assert (await house.post(f"/v1/tasks/{record}/approve")).status_code == 200

    run_review(scene)


def test_any_record_can_be_corrected_and_the_last_word_stands() -> None:
    async def scene(house: ReviewHouse) -> None:
        record = await house.decided("p1", 900)
        path = f"/v1/records/{record}/override"

        first = await house.post(path, {"positive": False, "reason": "a known card"})
        assert first.json()["verdict"] == "overridden"
        second = await house.post(path, {"positive": True, "reason": "no, it was stolen"})
        assert second.json()["verdict"] == "approved"

        read = (await house.get(f"/v1/records/{record}")).json()
        assert (read["review"]["positive"], read["review"]["reason"]) == (
            True,
            "no, it was stolen",
        )
        assert [review.task for review in house.reviews()] == ["", ""]

    run_review(scene)


def test_correcting_a_record_that_waits_for_review_closes_its_task() -> None:
    async def scene(house: ReviewHouse) -> None:
        record = await house.decided("p1", 600)

        answered = await house.post(
            f"/v1/records/{record.upper()}/override",
            {"positive": False, "reason": "a known card"},
            house.bob,
        )

        assert answered.status_code == 200
        task = house.tasks.get("acme", record)
        assert task is not None
        assert (task.state, task.verdict, task.closed_by) == ("closed", "overridden", "bob")
        assert [review.task for review in house.reviews()] == [record]

    run_review(scene)


def test_scopes_say_whose_tasks_one_sees_and_answers() -> None:
    async def scene(house: ReviewHouse) -> None:
        record = await house.decided("p1", 600)
        sure = await house.decided("p2", 900)
        house.alarm()
        leads = house.key("cleo", "review:leads")
        override = {"positive": False, "reason": "x"}

        def ids(response: httpx.Response) -> list[str]:
            return [task["id"] for task in response.json()["tasks"]]

        assert ids(await house.get("/v1/tasks")) == [record, INCIDENT.id]
        assert ids(await house.get("/v1/tasks", house.bob)) == [record]
        assert ids(await house.get("/v1/tasks?queue=operations", house.bob)) == []
        assert ids(await house.get("/v1/tasks", leads)) == []
        for refused in (
            await house.get("/v1/tasks", house.shop),
            await house.get(f"/v1/tasks/{record}", house.shop),
            await house.get(f"/v1/tasks/{record}", leads),
            await house.post(f"/v1/tasks/{record}/claim", key=leads),
            await house.post(f"/v1/tasks/{record}/approve", key=house.shop),
            await house.post(f"/v1/tasks/{INCIDENT.id}/acknowledge", key=house.bob),
            await house.post(f"/v1/records/{record}/override", override, house.shop),
            await house.post(f"/v1/records/{sure}/override", override, house.bob),
            await house.get("/v1/records?decision=fraud", house.bob),
            await house.get("/v1/incidents", house.bob),
        ):
            assert problem_of(refused) == (403, "missing_scope")
        assert house.reviews() == []

    run_review(scene)


def test_another_tenant_sees_and_changes_nothing() -> None:
    async def scene(house: ReviewHouse) -> None:
        record = await house.decided("p1", 600)
        house.alarm()
        eve = house.key("eve", "review", "records", tenant="umbrella")
        override = {"positive": False, "reason": "x"}

        assert (await house.get("/v1/tasks", eve)).json()["tasks"] == []
        assert (await house.get("/v1/records?decision=fraud", eve)).json()["records"] == []
        assert (await house.get("/v1/incidents", eve)).json()["incidents"] == []
        for path in ("claim", "release", "approve", "acknowledge"):
            answer = await house.post(f"/v1/tasks/{record}/{path}", key=eve)
            assert problem_of(answer) == (404, "task_not_found")
        refused = await house.post(f"/v1/records/{record}/override", override, eve)
        assert problem_of(refused) == (404, "record_not_found")
        refused = await house.get(f"/v1/incidents/{INCIDENT.id}", eve)
        assert problem_of(refused) == (404, "incident_not_found")
        refused = await house.get(f"/v1/records/{record}/explanation", eve)
        assert problem_of(refused) == (404, "record_not_found")

    run_review(scene)


def test_an_incident_is_read_and_acknowledged_and_nothing_else() -> None:
    async def scene(house: ReviewHouse) -> None:
        house.alarm()
        path = f"/v1/tasks/{INCIDENT.id}"

        [listed] = (await house.get("/v1/incidents?decision=fraud&open=true")).json()["incidents"]
        read = (await house.get(f"/v1/incidents/{INCIDENT.id}")).json()
        assert read == listed
        assert (read["columns"], read["opened"], read["ended"]) == (
            ["amount", "share"],
            "2018-08-01T12:00:00Z",
            None,
        )
        assert read["records"] == [NOBODY]
        assert problem_of(await house.post(f"{path}/approve")) == (409, "wrong_task_kind")
        done = (await house.post(f"{path}/acknowledge", {"reason": "a new shop"})).json()
        assert (done["verdict"], done["reason"], done["queue"]) == (
            "acknowledged",
            "a new shop",
            "operations",
        )
        assert problem_of(await house.post(f"{path}/acknowledge")) == (409, "task_closed")

        record = await house.decided("p1", 600)
        wrong = await house.post(f"/v1/tasks/{record}/acknowledge")
        assert problem_of(wrong) == (409, "wrong_task_kind")

    run_review(scene)


def asks(house: ReviewHouse, identifier: str = "order 17-2", queue: str = "fraud-desk") -> str:
    """Have a workflow ask, and return the path of the task."""
    house.tasks.add(
        [
            Task(
                id=identifier,
                tenant="acme",
                kind="approval",
                queue=queue,
                decision="",
                subject=identifier,
                title="Pay 100 €",
                created_us=house.clock.now_us(),
                event_time_us=house.clock.now_us(),
                due_us=house.clock.now_us() + 3_600_000_000,
                workflow="order 17",
                about={"amount": 100, "to": {"name": "Zoë"}},
            )
        ]
    )
    return f"/v1/tasks/{quote(identifier)}"


def test_an_approval_shows_what_it_is_about_and_a_list_does_not() -> None:
    async def scene(house: ReviewHouse) -> None:
        path = asks(house)

        [listed] = (await house.get("/v1/tasks?kind=approval")).json()["tasks"]
        read = (await house.get(path)).json()

        about = {"amount": 100, "to": {"name": "Zoë"}}
        assert (read["kind"], read["workflow"], read["about"]) == ("approval", "order 17", about)
        assert (read["answer"], read["due"]) == (None, "2018-08-01T13:00:00Z")
        assert listed == {**read, "about": None}

    run_review(scene)


def test_a_workflow_is_told_yes_no_or_what_to_do_instead() -> None:
    async def scene(house: ReviewHouse) -> None:
        yes, no, other = (asks(house, f"w-{at}") for at in range(3))

        approved = await house.post(f"{yes}/approve", {"reason": "as agreed"}, house.bob)
        rejected = await house.post(f"{no}/reject", {"reason": "no budget"})
        modified = await house.post(f"{other}/modify", {"value": {"amount": 50}})

        for answered, verdict, by, reason, answer in (
            (approved, "approved", "bob", "as agreed", None),
            (rejected, "rejected", "ann", "no budget", None),
            (modified, "modified", "ann", None, {"amount": 50}),
        ):
            assert answered.status_code == 200
            task = answered.json()
            assert (task["state"], task["verdict"], task["closed_by"]) == ("closed", verdict, by)
            assert (task["reason"], task["answer"]) == (reason, answer)
            assert (await house.get(f"/v1/tasks/{task['id']}")).json() == task
        assert house.reviews() == []
        assert problem_of(await house.post(f"{yes}/reject", {"reason": "x"})) == (
            409,
            "task_closed",
        )

    run_review(scene)


@pytest.mark.parametrize(
    ("action", "body", "code"),
    [
        ("reject", None, "bad_body"),
        ("reject", {"reason": ""}, "bad_body"),
        ("reject", {"reason": "  "}, "bad_reason"),
        ("modify", {}, "bad_body"),
        ("modify", {"value": [1]}, "bad_body"),
        ("modify", {"value": {"text": "x" * LARGEST_VALUE}}, "bad_task_value"),
        ("modify", {"value": {"a": 1}, "reason": "\x00"}, "bad_reason"),
    ],
)
def test_an_answer_that_cannot_be_kept_leaves_the_task_as_it_was(
    action: str, body: object, code: str
) -> None:
    async def scene(house: ReviewHouse) -> None:
        path = asks(house)

        assert problem_of(await house.post(f"{path}/{action}", body)) == (422, code)

        assert (await house.get(path)).json()["state"] == "open"

    run_review(scene)


def test_a_task_is_answered_as_its_kind_is() -> None:
    async def scene(house: ReviewHouse) -> None:
        path, record = asks(house), await house.decided("p1", 600)
        house.alarm()

        for refused in (
            await house.post(f"{path}/override", {"positive": True, "reason": "x"}),
            await house.post(f"{path}/acknowledge"),
            await house.post(f"/v1/tasks/{record}/reject", {"reason": "x"}),
            await house.post(f"/v1/tasks/{record}/modify", {"value": {}}),
            await house.post(f"/v1/tasks/{INCIDENT.id}/reject", {"reason": "x"}),
        ):
            assert problem_of(refused) == (409, "wrong_task_kind")

    run_review(scene)


def test_approvals_are_for_those_who_may_answer_their_queue() -> None:
    async def scene(house: ReviewHouse) -> None:
        path = asks(house, queue="finance")
        eve = house.key("eve", "review", tenant="umbrella")

        for refused in (
            await house.get(path, house.bob),
            await house.post(f"{path}/approve", key=house.bob),
            await house.post(f"{path}/reject", {"reason": "x"}, house.bob),
            await house.post(f"{path}/modify", {"value": {}}, house.shop),
        ):
            assert problem_of(refused) == (403, "missing_scope")
        stranger = await house.post(f"{path}/modify", {"value": {}}, eve)
        assert problem_of(stranger) == (404, "task_not_found")
        assert (await house.get(path)).json()["state"] == "open"

        cleo = house.key("cleo", "review:finance")
        await house.post(f"{path}/claim", key=cleo)
        assert problem_of(await house.post(f"{path}/approve")) == (409, "task_claimed")
        answered = await house.post(f"{path}/modify", {"value": {}}, cleo)
        assert (answered.json()["verdict"], answered.json()["answer"]) == ("modified", {})

    run_review(scene)


def test_of_many_who_answer_a_workflow_at_once_one_is_heard() -> None:
    async def scene(house: ReviewHouse) -> None:
        path = asks(house)

        answers = await asyncio.gather(
            *(house.post(f"{path}/approve", key=key) for key in (house.ann, house.bob)),
            *(house.post(f"{path}/reject", {"reason": "x"}, key) for key in (house.ann, house.bob)),
            *(house.post(f"{path}/modify", {"value": {}}, key) for key in (house.ann, house.bob)),
        )

        [heard] = [one for one in answers if one.status_code == 200]
        others = {problem_of(one) for one in answers if one is not heard}
        assert others <= {(409, "task_closed"), (409, "task_claimed"), (409, "task_not_claimed")}
        assert (await house.get(path)).json() == heard.json()

    run_review(scene)


def test_what_nobody_needs_any_more_cannot_be_answered() -> None:
    async def scene(house: ReviewHouse) -> None:
        path = asks(house)
        house.tasks.withdraw("acme", "order 17-2", "nobody answered in time", 5)

        refused = await house.post(f"{path}/approve")

        assert problem_of(refused) == (409, "task_closed")
        assert "the workflow has gone on" in refused.json()["detail"]

    run_review(scene)


def test_incidents_come_in_pages() -> None:
    async def scene(house: ReviewHouse) -> None:
        house.alarm()

        first = (await house.get("/v1/incidents?limit=1")).json()
        second = (await house.get(f"/v1/incidents?limit=1&before={first['next']}")).json()

        assert [one["id"] for one in first["incidents"]] == [INCIDENT.id]
        assert second == {"incidents": [], "next": None}

    run_review(scene)


def test_records_are_searched_in_pages() -> None:
    async def scene(house: ReviewHouse) -> None:
        made = [await house.decided(f"p{at}", 100 * at) for at in range(1, 6)]
        records = house.records
        records.label("acme", "fraud", [KnownLabel("p1", True, 5, 1 << 40)])

        pages: list[str] = []
        before = ""
        while True:
            path = f"/v1/records?decision=fraud&limit=2&before={before}"
            page = (await house.get(path)).json()
            pages += [record["id"] for record in page["records"]]
            if page["next"] is None:
                break
            before = page["next"]
        assert sorted(pages) == sorted(made)
        assert len(pages) == 5

        async def found(query: str) -> list[str]:
            answer = await house.get(f"/v1/records?decision=fraud&{query}")
            assert answer.status_code == 200, answer.text
            return [record["event_key"] for record in answer.json()["records"]]

        assert await found("text=p3") == ["p3"]
        assert sorted(await found("outcome=review")) == ["p3", "p4", "p5"]
        assert await found("mistaken=true") == ["p1"]
        one = (await house.get(f"/v1/records/{made[0]}")).json()
        assert len(await found(f"principal={one['principal']}")) == 5
        assert await found("principal=nobody") == []
        assert len(await found(f"model={one['bundle']}")) == 5
        assert len(await found(f"model={one['model']}&outcome=review")) == 3
        assert await found(f"model={'0' * 64}") == []
        assert (await house.get("/v1/records?decision=fraud&model=xyz")).status_code == 422
        assert await found("until=2001-01-01T00:00:00Z") == []
        assert len(await found("since=2001-01-01T00:00:00%2B01:00")) == 5
        labelled = (await house.get(f"/v1/records/{made[0]}")).json()
        assert labelled["label"] == {"value": True, "known_at": "1970-01-01T00:00:00.000005Z"}

    run_review(scene)


@pytest.mark.parametrize(
    "query",
    [
        "/v1/records",
        "/v1/records?decision=fraud&color=red",
        "/v1/records?decision=fraud&decision=fraud",
        "/v1/records?decision=fraud&outcome=lost",
        "/v1/records?decision=fraud&since=yesterday",
        "/v1/records?decision=fraud&since=2018-08-01T12:00:00",
        "/v1/records?decision=fraud&before=1",
        "/v1/records?decision=fraud&before=99999999999999999999:1",
        "/v1/records?decision=fraud&limit=0",
        "/v1/records?decision=fraud&limit=201",
        "/v1/tasks?state=lost",
        "/v1/tasks?kind=null",
        "/v1/tasks?mine=perhaps",
        "/v1/tasks?limit=many",
        "/v1/incidents?before=x",
    ],
)
def test_a_query_that_does_not_fit_is_refused(query: str) -> None:
    async def scene(house: ReviewHouse) -> None:
        assert problem_of(await house.get(query)) == (422, "bad_parameter")

    run_review(scene)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", (422, "bad_body")),
        (b"{", (422, "bad_body")),
        (b"\xff\xfe{}", (422, "bad_body")),
        (b"[" * 10_000, (422, "bad_body")),
        (b'{"positive":"no","reason":"x"}', (422, "bad_body")),
        (b'{"positive":false,"reason":"x","by":"root"}', (422, "bad_body")),
        (b'{"positive":false}', (422, "bad_body")),
        (b'{"positive":false,"reason":""}', (422, "bad_body")),
        (b'{"positive":false,"reason":"   "}', (422, "bad_reason")),
        (b'{"positive":false,"reason":"a\\u0000b"}', (422, "bad_reason")),
        (b'{"positive":false,"reason":"\\u202eevil"}', (422, "bad_reason")),
        (b'{"positive":false,"reason":"' + b"x" * 2001 + b'"}', (422, "bad_body")),
        (b" " * (16 * 1024 + 1), (413, "body_too_large")),
    ],
)
def test_a_body_that_does_not_fit_changes_nothing(body: bytes, expected: tuple[int, str]) -> None:
    async def scene(house: ReviewHouse) -> None:
        record = await house.decided("p1", 600)
        for path in (f"/v1/tasks/{record}/override", f"/v1/records/{record}/override"):
            answer = await house.client.post(path, content=body, headers=house.ann)
            assert problem_of(answer) == expected
        task = house.tasks.get("acme", record)
        assert task is not None
        assert task.state == "open"
        assert house.reviews() == []

    run_review(scene)


def test_a_body_of_another_kind_is_refused() -> None:
    async def scene(house: ReviewHouse) -> None:
        record = await house.decided("p1", 600)

        answer = await house.client.post(
            f"/v1/tasks/{record}/claim",
            content=b"a=b",
            headers=house.ann | {"content-type": "application/x-www-form-urlencoded"},
        )

        assert problem_of(answer) == (415, "unsupported_media_type")

    run_review(scene)


def test_what_is_not_there_is_not_found() -> None:
    async def scene(house: ReviewHouse) -> None:
        override = {"positive": False, "reason": "x"}
        for identifier in (NOBODY, "x", "%00", "é" * 36):
            for path in ("claim", "release", "approve", "acknowledge"):
                answer = await house.post(f"/v1/tasks/{identifier}/{path}")
                assert problem_of(answer) == (404, "task_not_found")
            for path, code in (
                (f"/v1/tasks/{identifier}", "task_not_found"),
                (f"/v1/incidents/{identifier}", "incident_not_found"),
                (f"/v1/records/{identifier}/explanation", "record_not_found"),
            ):
                assert problem_of(await house.get(path)) == (404, code)
            answer = await house.post(f"/v1/records/{identifier}/override", override)
            assert problem_of(answer) == (404, "record_not_found")

    run_review(scene)


def test_a_record_is_explained_on_demand() -> None:
    async def scene(house: ReviewHouse) -> None:
        record = await house.decided("p1", 600)

        explained = (await house.get(f"/v1/records/{record}/explanation")).json()

        assert (explained["record"], explained["base"], explained["score"]) == (record, 0.1, 0.6)
        assert explained["contributions"][0] == {
            "feature": "amount",
            "value": 600.0,
            "contribution": 0.5,
            "standard_error": 0.01,
            "percentile": 0.99,
        }
        assert explained["contributions"][2]["value"] is None

    run_review(scene)


def test_nobody_without_a_key_gets_anywhere() -> None:
    async def scene(house: ReviewHouse) -> None:
        for path in ("/v1/tasks", "/v1/records?decision=fraud", "/v1/incidents"):
            assert problem_of(await house.get(path, {})) == (401, "api_key_missing")
        answer = await house.post(f"/v1/tasks/{NOBODY}/approve", key={})
        assert problem_of(answer) == (401, "api_key_missing")

    run_review(scene)


def test_a_server_without_an_inbox_says_so() -> None:
    async def scene(house: ReviewHouse) -> None:
        for path in ("/v1/tasks", f"/v1/tasks/{NOBODY}", "/v1/records", "/v1/incidents"):
            assert problem_of(await house.get(path)) == (404, "not_configured")
        answer = await house.post(f"/v1/records/{NOBODY}/override", {})
        assert problem_of(answer) == (404, "not_configured")

    run_review(scene, ReviewHouse(has_sources=False))


class LostInbox(MemoryTasks):
    """An inbox whose tasks cannot be closed."""

    def settle(
        self, tenant: str, identifier: str, by: str, verdict: TaskVerdict, reason: str, at_us: int
    ) -> Task | None:
        raise TaskStoreFailed("disk I/O error")


class LostSearch(MemoryRecords):
    """A search that takes no reviews."""

    def review(self, tenant: str, reviews: Sequence[Review]) -> Sequence[RecordLine]:
        raise RecordSearchFailed("disk I/O error")


def test_an_answer_that_is_durable_stands_whatever_fails_afterwards(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scene(house: ReviewHouse) -> None:
        record = await house.decided("p1", 600)

        answered = await house.post(f"/v1/tasks/{record}/approve")

        assert answered.status_code == 200
        assert answered.json()["state"] == "closed"
        assert len(house.reviews()) == 1

    run_review(scene, ReviewHouse(LostInbox(), LostSearch()))

    assert [one.message for one in caplog.records] == ["search_not_updated", "task_not_closed"]


def test_an_answer_that_is_not_durable_closes_nothing() -> None:
    async def scene(house: ReviewHouse) -> None:
        record = await house.decided("p1", 600)
        house.disk.fails = {house.disk.steps + at: 5 for at in range(9)}

        answered = await house.post(f"/v1/tasks/{record}/approve")

        assert answered.status_code == 503
        task = house.tasks.get("acme", record)
        assert task is not None
        assert task.closed_us is None

    run_review(scene)


def test_every_route_is_described_with_what_it_takes() -> None:
    async def scene(house: ReviewHouse) -> None:
        described = (await house.get("/openapi.json", {})).json()
        paths = described["paths"]

        schemas = described["components"]["schemas"]
        assert set(re.findall(r"#/components/schemas/(\w+)", json.dumps(described))) <= set(schemas)
        for path in ("claim", "release", "approve", "override", "acknowledge"):
            operation = paths[f"/v1/tasks/{{id}}/{path}"]["post"]
            assert operation["requestBody"]["required"] == (path == "override")
            assert {"401", "403", "404", "409", "422"} <= set(operation["responses"])
        parameters = {one["name"]: one for one in paths["/v1/records"]["get"]["parameters"]}
        assert parameters["decision"]["required"]
        assert not parameters["limit"]["required"]
        assert parameters["limit"]["schema"]["maximum"] == 200
        record = schemas["RecordDocument"]["properties"]
        assert {"event_time", "review", "label"} <= set(record)

    run_review(scene)
