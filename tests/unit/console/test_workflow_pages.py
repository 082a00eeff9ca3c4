"""The pages of workflows: what they show, to whom, and what their forms do."""

import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from kingpost.access import Principal
from kingpost.tasks import Task
from kingpost.workflows import Workflows
from tests.console_house import ConsoleHouse, run_console
from tests.workflow_app import opened, runs_in

Scene = Callable[[ConsoleHouse], Awaitable[None]]
OPS = Principal("k2", "acme", frozenset(("records", "review", "workflows")), "ops")


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of workflows that ended, failed, wait and were cancelled."""
    path = tmp_path_factory.mktemp("workflows") / "workflows.sqlite"
    runs_in(path)
    return path


@pytest.fixture
def workflows(ran: Path, tmp_path: Path) -> Workflows:
    return opened(ran, tmp_path)


def play(workflows: Workflows, scene: Scene, principal: Principal = OPS) -> None:
    async def as_somebody(house: ConsoleHouse) -> None:
        house.door.principal = principal
        await scene(house)

    run_console(as_somebody, workflows=workflows)


def text_of(page: str) -> str:
    """Return what of a page people read, its space made one."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def test_the_list_says_how_each_stands_and_what_waits_for_code(workflows: Workflows) -> None:
    async def scene(house: ConsoleHouse) -> None:
        page = await house.page("/workflows")
        text = text_of(page)

        assert '<a href="/workflows" aria-current="page">Workflows' in page
        for name in ("order", "fails", "secret", "waits", "sleeps", "asks", "gone"):
            assert f'href="/workflows/{name}"' in page
        assert "others" not in page  # another tenant's
        assert "1 workflow waits for code" in text
        assert "declares no workflow &#39;gone&#39;" in page

        narrowed = await house.page("/workflows?workflow=order&state=done")
        links = set(re.findall(r'href="/workflows/([^"]+)"', narrowed))
        assert links == {"order", "parent-1"}
        assert "Nothing found" in await house.page("/workflows?state=given_up")
        assert await house.page("/workflows?state=nonsense&after=nonsense&workflow=%00")

    play(workflows, scene)


def test_the_list_goes_on_over_several_pages(workflows: Workflows) -> None:
    async def scene(house: ConsoleHouse) -> None:
        mine = workflows.of_tenant("acme")
        for number in range(60):
            mine.start_with(workflows.declared["order"], (number, "x"))

        page = await house.page("/workflows?workflow=order")
        seen = set(re.findall(r'href="/workflows/([^"?]+)"', page))
        [more] = re.findall(r'rel="next" href="([^"]+)"', page)
        rest = await house.page(more.replace("&amp;", "&"))
        seen |= set(re.findall(r'href="/workflows/([^"?]+)"', rest))

        assert len(seen) == 60 + 4
        assert 'rel="next"' not in rest

    play(workflows, scene)


def test_a_workflow_shows_its_steps_as_bars_with_what_they_returned(workflows: Workflows) -> None:
    async def scene(house: ConsoleHouse) -> None:
        page = await house.page("/workflows/order")
        text = text_of(page)

        assert "1. reserve" in text
        assert re.search(r'<rect class="fill-1" x="[\d.]+%" width="[\d.]+%"', page)
        assert "&#34;customer&#34;: &#34;ann&#34;" in page
        assert "Opaque" in text
        assert "a password" not in page
        assert "gASV" not in page

        failed = text_of(await house.page("/workflows/fails"))
        assert "failed 2 times, the last time with: ConnectionError: no bank for 3" in failed
        assert "Output" not in failed
        parent = await house.page("/workflows/parent")
        assert 'href="/workflows/parent-1"' in parent
        assert 'href="/workflows/parent"' in await house.page("/workflows/parent-1")

    play(workflows, scene)


def test_what_is_hidden_is_not_on_the_page(workflows: Workflows) -> None:
    async def scene(house: ConsoleHouse) -> None:
        page = await house.page("/workflows/secret")

        assert "4111" not in page
        assert text_of(page).count("Not shown: the workflow is declared") == 2

    play(workflows, scene)


def task_of(workflow: str, queue: str) -> Task:
    return Task(
        id=f"{workflow}-1",
        tenant="acme",
        kind="approval",
        queue=queue,
        decision="",
        subject="",
        title="may 1?",
        workflow=workflow,
        created_us=1,
        event_time_us=1,
    )


def test_what_it_waits_for_is_said_and_led_to(workflows: Workflows) -> None:
    async def scene(house: ConsoleHouse) -> None:
        asks = await house.page("/workflows/asks")
        assert "a person&#39;s answer" in asks or "a person's answer" in asks
        assert 'href="/inbox/asks-1"' not in asks
        house.behind.tasks.add([task_of("asks", "desk")])
        assert 'href="/inbox/asks-1"' in await house.page("/workflows/asks")
        assert 'href="/workflows/asks"' in await house.page("/inbox/asks-1")
        assert "It waits for an event , until" in text_of(await house.page("/workflows/waits"))
        assert "It goes on at" in text_of(await house.page("/workflows/sleeps"))
        assert "It goes on at" in text_of(await house.page("/workflows/delayed"))
        gone = text_of(await house.page("/workflows/gone"))
        assert "It waits for code that it fits" in gone
        assert "does not declare gone" in gone

    play(workflows, scene)


def test_the_task_of_a_queue_that_somebody_may_not_see_is_not_led_to(workflows: Workflows) -> None:
    async def scene(house: ConsoleHouse) -> None:
        house.behind.tasks.add([task_of("asks", "desk")])
        assert 'href="/inbox/asks-1"' not in await house.page("/workflows/asks")

    only = Principal("k3", "acme", frozenset(("workflows",)), "steward")
    play(workflows, scene, only)


def test_workflows_are_cancelled_resumed_and_done_again_from_their_page(
    workflows: Workflows,
) -> None:
    async def scene(house: ConsoleHouse) -> None:
        cancelled = await house.send("/workflows/waits/cancel", {})
        assert cancelled.headers["location"] == "/workflows/waits?done=cancelled"
        page = await house.page("/workflows/waits?done=cancelled")
        assert "Cancelled." in page
        assert "/workflows/waits/cancel" not in page

        resumed = await house.send("/workflows/waits/resume", {})
        assert resumed.status_code == 303
        assert "its turn" in await house.page("/workflows/waits")

        forked = await house.send("/workflows/fails/fork", {"step": "2"})
        assert forked.status_code == 303
        new = await house.page(forked.headers["location"])
        assert "This is the new workflow" in new
        assert 'href="/workflows/fails"' in new

    play(workflows, scene)


def test_what_cannot_be_done_is_told_where_it_was_asked_for(workflows: Workflows) -> None:
    async def scene(house: ConsoleHouse) -> None:
        for action, fields, status, said in (
            ("cancel", {}, 409, "is done and cannot be cancelled"),
            ("resume", {}, 409, "is done and cannot be resumed"),
            ("fork", {"step": "9"}, 409, "cannot be done again from step 9"),
            ("fork", {"step": "x"}, 422, "the number of a step"),
        ):
            answered = await house.send(f"/workflows/order/{action}", fields)
            assert answered.status_code == status
            form = re.search(
                rf'<form class="action" method="post" action="/workflows/order/{action}">.*?</form>',
                answered.text,
                re.DOTALL,
            )
            assert form is not None
            assert said in form[0]
            assert 'role="alert"' in form[0]

    play(workflows, scene)


def test_another_tenants_workflow_and_none_are_not_found(workflows: Workflows) -> None:
    async def scene(house: ConsoleHouse) -> None:
        for path in ("/workflows/others", "/workflows/nobody", "/workflows/%00"):
            assert (await house.get(path)).status_code == 404
        for action in ("cancel", "resume", "fork"):
            answered = await house.send(f"/workflows/others/{action}", {"step": "1"})
            assert answered.status_code == 404

    play(workflows, scene)


def test_who_may_not_steer_workflows_sees_none_of_them(workflows: Workflows) -> None:
    async def scene(house: ConsoleHouse) -> None:
        assert 'href="/workflows"' not in await house.page("/")
        for path in ("/workflows", "/workflows/order"):
            assert (await house.get(path)).status_code == 403
        assert (await house.send("/workflows/waits/cancel", {})).status_code == 403

    reader = Principal("k4", "acme", frozenset(("records", "review")), "ann")
    play(workflows, scene, reader)


def test_who_may_do_nothing_else_is_led_to_the_workflows(workflows: Workflows) -> None:
    async def scene(house: ConsoleHouse) -> None:
        assert (await house.get("/")).headers["location"] == "/workflows"
        assert 'href="/inbox"' not in await house.page("/workflows")

    play(workflows, scene, Principal("k3", "acme", frozenset(("workflows",)), "steward"))


def test_an_application_without_workflows_has_no_such_section() -> None:
    async def scene(house: ConsoleHouse) -> None:
        house.door.principal = OPS
        assert 'href="/workflows"' not in await house.page("/")
        assert (await house.get("/workflows")).status_code == 404

    run_console(scene)


def test_no_page_has_scripts_or_styles_of_its_own(workflows: Workflows) -> None:
    async def scene(house: ConsoleHouse) -> None:
        for path in ("/workflows", "/workflows/order", "/workflows/waits"):
            page = await house.page(path)
            assert not re.search(r"\sstyle=|\son[a-z]+=|<style|javascript:|hx-on|hx-vals", page)
            assert not re.search(r'(?:src|href|action)="(?!/|#)', page), path

    play(workflows, scene)
