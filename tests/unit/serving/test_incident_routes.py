"""Incidents over the API: what they affected, what people did about them, a report."""

import msgspec
import pytest

from kingpost.monitoring import LogLine
from kingpost.records import Review
from kingpost.registry import RetrainingEvent
from tests.review_house import INCIDENT, ReviewHouse, run_review
from tests.unit.serving.test_review_routes import problem_of

PATH = f"/v1/incidents/{INCIDENT.id}"


async def decided_three(house: ReviewHouse) -> list[str]:
    """Have three payments decided within the incident, of which the second waits for people."""
    house.alarm()
    return [
        await house.decided(f"p{number}", amount) for number, amount in enumerate((900, 600, 900))
    ]


def test_all_that_it_affected_is_listed_page_by_page() -> None:
    async def scene(house: ReviewHouse) -> None:
        records = await decided_three(house)

        first = (await house.get(f"{PATH}/records?limit=2")).json()
        second = (await house.get(f"{PATH}/records?limit=2&before={first['next']}")).json()

        assert [one["id"] for one in first["records"] + second["records"]] == records[::-1]
        assert second["next"] is None
        assert INCIDENT.records, "these are examples, of which none is found here"

    run_review(scene)


def test_an_alarm_names_what_it_affected() -> None:
    async def scene(house: ReviewHouse) -> None:
        records = await decided_three(house)
        named = tuple(one.replace("-", "") for one in records[:2])
        house.alarm(kind="alarm", records=named)

        listed = (await house.get(f"{PATH}/records?limit=1")).json()
        rest = (await house.get(f"{PATH}/records?limit=2&before={listed['next']}")).json()

        assert [one["id"] for one in listed["records"]] == [records[1]]
        assert [one["id"] for one in rest["records"]] == [records[0]]

    run_review(scene)


def test_one_call_has_people_look_at_all_of_it_again() -> None:
    async def scene(house: ReviewHouse) -> None:
        records = await decided_three(house)

        sent = (await house.post(f"{PATH}/review", {"reason": "amounts were cents"})).json()
        again = (await house.post(f"{PATH}/review")).json()

        assert sent == {"queue": "fraud-desk", "sent": 2, "passed_over": 1, "is_all": True}
        assert again == sent | {"sent": 0, "passed_over": 3}
        tasks = (await house.get("/v1/tasks?kind=review", house.bob)).json()["tasks"]
        assert {task["id"] for task in tasks} == set(records)
        [title] = [task["title"] for task in tasks if task["id"] == records[0]]
        assert title == "p0: again, since amount has drifted"

        body = {"positive": False, "reason": "cents"}
        done = await house.post(f"/v1/tasks/{records[0]}/override", body, house.bob)
        assert done.json()["verdict"] == "overridden"
        reviews: list[Review] = house.reviews()
        assert [(one.verdict, one.positive) for one in reviews] == [("overridden", False)]
        report = (await house.get(f"{PATH}/report")).json()
        assert (report["affected"], report["reviewed"], report["overridden"]) == (3, 1, 1)

    run_review(scene)


def test_no_more_than_was_asked_for_is_sent_and_to_whom_it_says() -> None:
    async def scene(house: ReviewHouse) -> None:
        records = await decided_three(house)

        body = {"queue": "operations", "limit": 1}
        sent = (await house.post(f"{PATH}/review", body)).json()

        assert sent == {"queue": "operations", "sent": 1, "passed_over": 0, "is_all": False}
        tasks = (await house.get("/v1/tasks?queue=operations&kind=review")).json()["tasks"]
        assert [task["id"] for task in tasks] == [records[2]]

    run_review(scene)


def test_a_report_has_what_happened_in_json_and_for_people() -> None:
    async def scene(house: ReviewHouse) -> None:
        records = await decided_three(house)
        now_us = house.clock.now_us()
        house.incident_log.add("acme", INCIDENT.id, LogLine(now_us, "told", "slack", ""))
        house.clock.us += 1_000_000
        noted = (await house.post(f"{PATH}/notes", {"text": "cents | <b>not</b>\nrupees"})).json()
        house.clock.us += 1_000_000
        await house.post(f"{PATH}/review", {"reason": "cents"})
        house.clock.us += 1_000_000
        await house.post(f"/v1/tasks/{INCIDENT.id}/acknowledge", {"reason": "mended"})

        report = (await house.get(f"{PATH}/report")).json()

        assert noted["text"] == "cents | <b>not</b>\nrupees"
        assert report["incident"] == (await house.get(PATH)).json()
        assert [(one["kind"], one["by"], one["text"]) for one in report["timeline"]] == [
            ("began", "monitors", ""),
            ("opened", "monitors", "amount has drifted"),
            ("told", "slack", ""),
            ("noted", "ann", "cents | <b>not</b>\nrupees"),
            ("sent_to_review", "ann", "2 decisions to fraud-desk, 1 passed over: cents"),
            ("acknowledged", "ann", "mended"),
        ]
        assert report["records"] == records[::-1]
        lines = report["markdown"].splitlines()
        assert lines[0] == "# amount has drifted"
        assert r"cents \| \<b\>not\</b\> rupees" in report["markdown"]
        assert "- Runbook: docs/how-to/handle-a-drift-incident.md" in lines
        assert "3 decisions; people reviewed 0, and answered 0 otherwise." in lines
        assert f"| {records[2]} | 2018-08-01T12:00:00Z | decided |  |" in lines

    run_review(scene)


def test_the_retraining_that_it_began_stands_in_the_timeline() -> None:
    async def scene(house: ReviewHouse) -> None:
        await decided_three(house)
        for number, incident in enumerate((INCIDENT.id, "", "another")):
            event = RetrainingEvent(
                decision="fraud", tenant="acme", run=f"run-{number}", incident=incident,
                step="asked", reason="amount has drifted", by="kingpost",
                at_us=house.clock.now_us(),
            )  # fmt: skip
            house.control.note_retraining(event)
            done = msgspec.structs.replace(event, stage="gates", step="refused", reason="worse")
            house.control.note_retraining(done)

        report = (await house.get(f"{PATH}/report")).json()

        assert [one["text"] for one in report["timeline"] if one["kind"] == "retraining"] == [
            "asked: amount has drifted",
            "gates refused: worse",
        ]

    run_review(scene)


@pytest.mark.parametrize("path", ["records", "report", "review", "notes"])
def test_an_incident_of_nobody_or_of_others_is_not_found(path: str) -> None:
    async def scene(house: ReviewHouse) -> None:
        house.alarm()
        eve = house.key("eve", "records", "review", tenant="umbrella")
        body = {"text": "x"} if path == "notes" else {}
        for place in (f"/v1/incidents/none/{path}", f"{PATH}/{path}"):
            if path in ("records", "report"):
                refused = await house.get(place, eve)
            else:
                refused = await house.post(place, body, eve)
            assert problem_of(refused) == (404, "incident_not_found")

    run_review(scene)


def test_who_may_not_acknowledge_incidents_may_not_note_or_send() -> None:
    async def scene(house: ReviewHouse) -> None:
        await decided_three(house)
        desk = house.key("kim", "review:operations", "records")

        for refused in (
            await house.get(f"{PATH}/records", house.bob),
            await house.get(f"{PATH}/report", house.bob),
            await house.post(f"{PATH}/notes", {"text": "x"}, house.bob),
            await house.post(f"{PATH}/review", {}, house.bob),
            await house.post(f"{PATH}/review", {}, desk),
        ):
            assert problem_of(refused) == (403, "missing_scope")
        assert (await house.post(f"{PATH}/notes", {"text": "x"}, desk)).status_code == 200
        assert len((await house.get("/v1/tasks?kind=review")).json()["tasks"]) == 1

    run_review(scene)


def test_what_cannot_be_kept_is_refused_and_changes_nothing() -> None:
    async def scene(house: ReviewHouse) -> None:
        await decided_three(house)

        for path, body, code in (
            ("notes", {"text": " "}, "bad_reason"),
            ("notes", {"text": "\x00"}, "bad_reason"),
            ("notes", {}, "bad_body"),
            ("review", {"limit": 0}, "bad_body"),
            ("review", {"queue": "No Queue"}, "bad_body"),
            ("review", {"reason": "\x07"}, "bad_reason"),
        ):
            assert (await house.post(f"{PATH}/{path}", body)).json()["code"] == code
        assert house.incident_log.lines("acme", INCIDENT.id) == []

    run_review(scene)
