"""The page of what a workflow asks: what it shows, what it takes, and what is never lost."""

import json
import re
from html import unescape
from urllib.parse import quote

import pytest

from kingpost.access import Principal
from kingpost.tasks import Task
from tests.console_house import ANN, ConsoleHouse, run_console
from tests.unit.console.test_pages import text_of

ABOUT: dict[str, object] = {"amount": 100, "to": {"name": "Zoë <b>"}, "note": "a </pre> b"}


def asks(house: ConsoleHouse, identifier: str = "order 17?-2") -> str:
    """Have a workflow ask, and return the path of the page."""
    now_us = house.behind.clock.now_us()
    task = Task(
        id=identifier,
        tenant="acme",
        kind="approval",
        queue="fraud-desk",
        decision="",
        subject=identifier,
        title="Pay <100> €",
        created_us=now_us,
        event_time_us=now_us,
        due_us=now_us + 3_600_000_000,
        escalate_to="leads",
        workflow="order 17?",
        about=ABOUT,
        remind_us=now_us + 60,
    )
    house.behind.tasks.add([task])
    return f"/inbox/{quote(identifier)}"


def answered(house: ConsoleHouse, identifier: str = "order 17?-2") -> Task:
    task = house.behind.tasks.get("acme", identifier)
    assert task is not None
    return task


def test_what_a_workflow_asks_is_listed_and_shown_with_all_that_is_needed() -> None:
    async def scene(house: ConsoleHouse) -> None:
        path = asks(house)

        inbox = await house.page("/inbox?tab=approvals")
        page = await house.page(path)

        assert f'href="{path}"' in inbox
        assert "Pay &lt;100&gt; €" in inbox
        assert "approval" in text_of(inbox)
        shown = text_of(page)
        for part in ("Pay <100> €", "order 17?", "due in", "amount 100", "Zoë <b>", "a </pre> b"):
            assert part in unescape(shown), part
        for button in ("Approve", "Reject", "Go on with the changed value", "Claim"):
            assert f">{button}</button>" in page
        assert json.loads(value_in(page)) == ABOUT

    run_console(scene)


def test_a_workflow_gets_a_yes_a_no_or_another_value() -> None:
    async def scene(house: ConsoleHouse) -> None:
        yes, no, other = (asks(house, f"w-{at}") for at in range(3))
        same = json.dumps(ABOUT, indent=2).replace("\n", "\r\n")

        approved = await house.send(f"{yes}/approve", {"reason": "", "value": same})
        rejected = await house.send(f"{no}/reject", {"reason": "no budget", "value": same})
        modified = await house.send(f"{other}/modify", {"reason": "", "value": '{"amount": 50}'})

        assert approved.headers["location"] == f"{no}?done=approved"
        assert rejected.headers["location"] == f"{other}?done=rejected"
        assert modified.headers["location"] == "/inbox?tab=approvals&done=modified"
        assert answered(house, "w-0").verdict == "approved"
        assert (answered(house, "w-1").verdict, answered(house, "w-1").reason) == (
            "rejected",
            "no budget",
        )
        assert answered(house, "w-2").answer == {"amount": 50}
        page = text_of(await house.page(other))
        assert "What became of it" in page
        assert "Modified by ann" in page
        assert "modified" in text_of(await house.page("/inbox?tab=closed"))

    run_console(scene)


@pytest.mark.parametrize(
    ("action", "value", "said"),
    [
        ("modify", '{"amount": 50,}', "line 1, column 15"),
        ("modify", "[1]", "a JSON object, in braces"),
        ("modify", '{"a": 1, "a": 2}', "a name is there twice"),
        ("modify", '{"a": NaN}', "JSON has no NaN"),
        ("modify", "[" * 100_000, "no JSON that can be read"),
        ("modify", json.dumps({"text": "x" * 70_000}), "of 65,536 at most"),
        ("approve", '{"amount": 50}', "you have changed it"),
    ],
)
def test_a_value_that_cannot_be_taken_is_said_at_its_field_and_nothing_is_lost(
    action: str, value: str, said: str
) -> None:
    async def scene(house: ConsoleHouse) -> None:
        path = asks(house)

        refused = await house.send(f"{path}/{action}", {"reason": "my words", "value": value})

        assert refused.status_code == 422
        page = refused.text
        assert 'aria-invalid="true" aria-describedby="value-problem"' in page
        assert said in unescape(text_of(page.partition('id="value-problem"')[2]))
        assert "my words</textarea>" in page
        assert value_in(page) == value
        assert answered(house).state == "open"

    run_console(scene)


def test_a_rejection_without_a_reason_is_said_at_its_field() -> None:
    async def scene(house: ConsoleHouse) -> None:
        path = asks(house)

        refused = await house.send(f"{path}/reject", {"reason": " ", "value": "{half"})

        assert refused.status_code == 422
        assert 'aria-describedby="reason-problem"' in refused.text
        assert value_in(refused.text) == "{half"

    run_console(scene)


def test_whoever_is_too_late_keeps_their_words() -> None:
    async def scene(house: ConsoleHouse) -> None:
        path = asks(house)
        fields = {"reason": "my words", "value": '{"amount": 50}'}
        house.door.principal = Principal("k2", "acme", frozenset(("review",)), "bob")
        assert (await house.send(f"{path}/claim", {})).headers["location"] == path
        assert "you hold it" in await house.page(path)

        house.door.principal = ANN
        held = await house.send(f"{path}/modify", fields)
        house.behind.tasks.withdraw("acme", "order 17?-2", "nobody answered in time", 5)
        late = await house.send(f"{path}/modify", fields)

        for answer, said in ((held, "bob has claimed"), (late, "the workflow has gone on")):
            assert answer.status_code == 409
            page = unescape(answer.text)
            assert said in page.replace("Bob", "bob")
            assert "my words" in page
            assert '{"amount": 50}' in page
        assert "Withdrawn" in late.text

    run_console(scene)


def value_in(page: str) -> str:
    """Return what stands in the field of the value."""
    found = re.search(r'<textarea class="code"[^>]*>\n(.*?)</textarea>', page, re.DOTALL)
    assert found is not None
    return unescape(found[1])
