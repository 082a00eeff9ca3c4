"""A workflow asks a person through the inbox on the disk, and goes on when they answered."""

from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import pytest

from kingpost.cli.people import TaskPeople
from kingpost.core import SystemClock
from kingpost.storage import ThreadConnections, migrate, open_database
from kingpost.tasks import TASK_MIGRATIONS, SqliteTasks, Task, TaskQuery
from kingpost.workflows import Worker, WorkflowDatabase, Workflows, ask, workflow
from tests.served_shop import until

WAITS = TaskQuery(tenant="acme", is_waiting=True)


@workflow
async def payment(amount: int, within: str) -> dict[str, object]:
    answer = await ask("finance", f"Pay {amount} €", about={"amount": amount}, within=within)
    return asdict(answer)


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    path = tmp_path / "tasks.sqlite"
    with closing(open_database(path)) as connection:
        migrate(connection, "tasks", TASK_MIGRATIONS)
    return path


def test_a_workflow_goes_on_with_what_a_person_made_of_it(tmp_path: Path, inbox: Path) -> None:
    database, clock = WorkflowDatabase(tmp_path / "workflows.sqlite"), SystemClock()
    connections = ThreadConnections(inbox)
    people = TaskPeople(lambda: SqliteTasks(connections.get()), "acme")
    with closing(open_database(inbox)) as mine, Workflows(database, clock=clock) as workflows:
        tasks = SqliteTasks(mine)
        with Worker(database, [payment], people=people, clock=clock):
            key = workflows.start_with(payment, (100, "1h"), key="order 17")
            until(lambda: bool(tasks.find(WAITS)), "the question in the inbox")
        [asked] = tasks.find(WAITS)
        assert asked.id.startswith("order 17-")

        answer(tasks, asked)

        # nothing ran when the answer came; whoever comes up finds it
        with Worker(database, [payment], people=people, clock=clock):
            until(lambda: workflows.get(key).state == "done", "the workflow after the answer")
            said = workflows.result(key)
    connections.close()

    assert (said["verdict"], said["by"], said["reason"]) == ("modified", "ann", "half is enough")
    assert said["value"] == {"amount": 50}


def answer(tasks: SqliteTasks, asked: Task) -> None:
    now_us = SystemClock().now_us()
    tasks.claim("acme", asked.id, "ann", now_us)
    tasks.close(
        "acme", asked.id, "ann", "modified", "half is enough", now_us, answer={"amount": 50}
    )
