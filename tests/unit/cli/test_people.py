"""What workflows ask reaches the inbox, and what people say there reaches them."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kingpost.cli.people import TaskPeople
from kingpost.storage import migrate, open_database
from kingpost.tasks import (
    LARGEST_VALUE,
    TASK_MIGRATIONS,
    BadTaskId,
    BadTaskValue,
    MemoryTasks,
    SqliteTasks,
    TaskQuery,
    TaskStore,
    TaskVerdict,
)
from kingpost.workflows import Answer, People, Question

NOW = 1_800_000_000_000_000
HOUR = 3_600_000_000
QUESTION = Question(
    queue="finance",
    title="Pay 100 €",
    about={"amount": 100},
    within_us=HOUR,
    remind_us=HOUR // 2,
    escalate_to="leads",
)


@pytest.fixture(params=["memory", "sqlite"])
def tasks(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TaskStore]:
    if request.param == "memory":
        yield MemoryTasks()
        return
    connection = open_database(tmp_path / "tasks.sqlite")
    migrate(connection, "tasks", TASK_MIGRATIONS)
    yield SqliteTasks(connection)
    connection.close()


@pytest.fixture
def people(tasks: TaskStore) -> People:
    return TaskPeople(lambda: tasks, "acme")


def test_a_question_waits_in_the_inbox(people: People, tasks: TaskStore) -> None:
    people.ask("w-1-2", "w-1", QUESTION, NOW)

    task = tasks.get("acme", "w-1-2")
    assert task is not None
    assert (task.kind, task.queue, task.title) == ("approval", "finance", "Pay 100 €")
    assert (task.workflow, task.about) == ("w-1", {"amount": 100})
    assert (task.created_us, task.remind_us, task.due_us) == (NOW, NOW + HOUR // 2, NOW + HOUR)
    assert task.escalate_to == "leads"
    assert people.answers({"w-1-2": QUESTION}) == {}


def test_a_question_that_is_asked_again_stays_as_it_is(people: People, tasks: TaskStore) -> None:
    people.ask("w-1-2", "w-1", QUESTION, NOW)

    people.ask("w-1-2", "w-1", replace(QUESTION, about={"amount": 200}), NOW + 5)

    task = tasks.get("acme", "w-1-2")
    assert task is not None
    assert (task.about, task.due_us) == ({"amount": 100}, NOW + HOUR)


@pytest.mark.parametrize(
    ("verdict", "left"),
    [("approved", {"amount": 100}), ("rejected", {"amount": 100}), ("modified", {"amount": 50})],
)
def test_an_answer_has_what_people_left_of_it(
    people: People, tasks: TaskStore, verdict: TaskVerdict, left: dict[str, object]
) -> None:
    people.ask("w-1-2", "w-1", QUESTION, NOW)
    people.ask("w-1-4", "w-1", QUESTION, NOW)
    tasks.claim("acme", "w-1-2", "ann", NOW)
    value = left if verdict == "modified" else None
    tasks.close("acme", "w-1-2", "ann", verdict, "as agreed", NOW + 1, answer=value)

    [(identifier, answer)] = people.answers(
        dict.fromkeys(["w-1-2", "w-1-4", "w-9-9"], QUESTION)
    ).items()

    assert identifier == "w-1-2"
    assert (answer.verdict, answer.by, answer.reason) == (verdict, "ann", "as agreed")
    assert answer.value == left
    assert people.withdraw("w-1-2", QUESTION, "too late", NOW + 2) == answer


def test_a_question_is_withdrawn_when_nobody_answered(people: People, tasks: TaskStore) -> None:
    people.ask("w-1-2", "w-1", QUESTION, NOW)

    assert people.withdraw("w-1-2", QUESTION, "nobody answered in time", NOW + HOUR) is None

    assert people.answers({"w-1-2": QUESTION}) == {}
    assert people.withdraw("w-1-2", QUESTION, "again", NOW + HOUR) is None
    assert tasks.find(TaskQuery(tenant="acme", is_waiting=True)) == []


def test_what_the_inbox_cannot_keep_is_said_to_the_workflow(people: People) -> None:
    too_large = replace(QUESTION, about={"text": "x" * LARGEST_VALUE})
    with pytest.raises(BadTaskValue, match="64 KiB"):
        people.ask("w-1-2", "w-1", too_large, NOW)
    with pytest.raises(BadTaskId, match="slash"):
        people.ask("order/17-2", "order/17", QUESTION, NOW)


def test_a_question_of_another_tenant_is_not_taken_for_ones_own(
    people: People, tasks: TaskStore
) -> None:
    TaskPeople(lambda: tasks, "other").ask("w-1-2", "w-1", QUESTION, NOW)

    with pytest.raises(BadTaskId, match="another tenant"):
        people.ask("w-1-2", "w-1", QUESTION, NOW)
    assert people.answers({"w-1-2": QUESTION}) == {}
    assert people.withdraw("w-1-2", QUESTION, "", NOW) is None


def test_an_answer_is_a_yes_unless_it_was_rejected() -> None:
    said: dict[str, bool] = {
        verdict: Answer(verdict, "ann").is_yes for verdict in ("approved", "modified", "rejected")
    }
    assert said == {"approved": True, "modified": True, "rejected": False}


def test_a_workflow_of_a_tenant_asks_its_own_people(people: People, tasks: TaskStore) -> None:
    theirs = replace(QUESTION, tenant="other")
    people.ask("w-1-2", "w-1", theirs, NOW)
    tasks.claim("other", "w-1-2", "kate", NOW)
    tasks.close("other", "w-1-2", "kate", "approved", "", NOW)

    assert tasks.get("acme", "w-1-2") is None
    assert people.answers({"w-1-2": QUESTION}) == {}
    assert people.answers({"w-1-2": theirs})["w-1-2"].by == "kate"
