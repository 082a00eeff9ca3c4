"""What a forked process does with workflows."""

import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import _workflow_app as app
from kingpost.core import SystemClock
from kingpost.workflows import (
    Answer,
    People,
    Question,
    RunQuery,
    Worker,
    WorkflowDatabase,
    Workflows,
    WorkflowStoreFailed,
)

__all__ = ["FilePeople", "play"]

_STATES = ("queued", "delayed", "running", "waits_for_code")


def database(where: str) -> WorkflowDatabase:
    """Open a file, or a PostgreSQL and, behind `#`, its schema."""
    address, _, schema = where.partition("#")
    return WorkflowDatabase(address, schema=schema) if schema else WorkflowDatabase(Path(where))


def play(command: Mapping[str, Any]) -> object:
    """Play a role; return what it found."""
    arguments = {name: value for name, value in command.items() if name != "role"}
    return ROLES[command["role"]](**arguments)


def start(
    where: str,
    workflow: str,
    calls: Sequence[Sequence[object]],
    first: int = 0,
    at: float | None = None,
) -> int:
    """Start a workflow as often as there are arguments for it."""
    due = None if at is None else datetime.fromtimestamp(at, UTC)
    declared = {one.name: one for one in app.ALL}[workflow]
    with Workflows(database(where), clock=SystemClock()) as workflows:
        for number, args in enumerate(calls, first):
            workflows.start_with(declared, args, key=f"{workflow}-{number}", at=due)
    return len(calls)


def work(
    where: str,
    *,
    is_before: bool = False,
    seconds: float = 120.0,
    people: str = "",
    name: str = "local",
) -> Any:
    """Work until nothing is left to do, at most for some seconds."""
    declared = app.BEFORE if is_before else app.ALL
    asked: People | None = FilePeople(Path(people)) if people else None
    end = time.monotonic() + seconds
    with Worker(
        database(where), declared, people=asked, clock=SystemClock(), name=name, takeover_s=0.5
    ) as worker:
        with Workflows(database(where), clock=SystemClock()) as workflows:
            while time.monotonic() < end and not _is_idle(workflows):
                time.sleep(0.3)
            left = 0 if _is_idle(workflows) else sum(workflows.counts().values())
        return {
            "left": left,
            "threads": threading.active_count(),
            "waiting": worker.waiting_for_people,
        }


def _is_idle(workflows: Workflows) -> bool:
    try:
        return workflows.is_idle()
    except WorkflowStoreFailed:  # its sessions may be ended at any time here
        return False


def count(where: str) -> dict[str, int]:
    """Count what has not ended, by state."""
    with Workflows(database(where), clock=SystemClock()) as workflows:
        found = workflows.counts()
    return {
        state: sum(number for (_, is_), number in found.items() if is_ == state)
        for state in _STATES
    }


def states(where: str) -> dict[str, int]:
    """Count all workflows by state."""
    with Workflows(database(where), clock=SystemClock()) as workflows:
        found: dict[str, int] = {}
        for one in workflows.find(RunQuery(limit=1_000_000)):
            found[one.state] = found.get(one.state, 0) + 1
    return found


def steps_per_s(where: str, count: int) -> Any:
    """Run workflows of five steps one after the other in this thread, then one that may wait."""
    with Worker(database(where), app.ALL, clock=SystemClock()) as worker:
        for number in range(10):
            assert worker.run(app.five, number) == number + 5
        busy, start = time.process_time(), time.perf_counter()
        for number in range(count):
            worker.run(app.five, number)
        seconds, busy = time.perf_counter() - start, time.process_time() - busy
        with Workflows(database(where), clock=SystemClock()) as workflows:
            waiting_s = workflows.result(workflows.start(app.waiting, 5 * count))
        return {
            "steps_per_s": 5 * count / seconds,
            "cpu_ms_per_step": busy / count / 5 * 1e3,
            "async_steps_per_s": 5 * count / waiting_s,
        }


def grow(where: str, steps: Sequence[int]) -> list[int]:
    """Run workflows of so many steps; return the bytes of the file after each."""
    sizes: list[int] = []
    with Worker(database(where), app.ALL, clock=SystemClock()) as worker:
        for number in steps:
            worker.run(app.growing, number)
            with closing(sqlite3.connect(where)) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            sizes.append(Path(where).stat().st_size)
    return sizes


ROLES: Mapping[str, Callable[..., object]] = {
    "start": start,
    "work": work,
    "count": count,
    "states": states,
    "steps_per_s": steps_per_s,
    "grow": grow,
}


class FilePeople:
    """An inbox of files: a question has one, and is answered when `<folder>/yes` is there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def ask(self, identifier: str, workflow: str, question: Question, now_us: int) -> None:
        (self._folder / f"{identifier}.question").touch()

    def answers(self, questions: Mapping[str, Question]) -> Mapping[str, Answer]:
        if not (self._folder / "yes").exists():
            return {}
        return {identifier: Answer("approved", "kate") for identifier in questions}

    def withdraw(
        self, identifier: str, question: Question, reason: str, now_us: int
    ) -> Answer | None:
        return None
