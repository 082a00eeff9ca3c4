"""A worker in this process over a database of its own, and who starts workflows there."""

import time
import uuid
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from kingpost.core import SystemClock
from kingpost.workflows import (
    Answer,
    People,
    Question,
    Schedule,
    Worker,
    Workflow,
    WorkflowDatabase,
    Workflows,
)
from tests.postgres import own_schema

__all__ = ["Desk", "WorkflowHouse", "databases", "eventually"]


class Desk:
    """People in memory."""

    def __init__(self) -> None:
        self.asked: dict[str, Question] = {}
        self.said: dict[str, Answer] = {}
        self.withdrawn: list[str] = []

    def ask(self, identifier: str, workflow: str, question: Question, now_us: int) -> None:
        self.asked.setdefault(identifier, question)

    def answers(self, questions: Mapping[str, Question]) -> Mapping[str, Answer]:
        return {one: self.said[one] for one in questions if one in self.said}

    def withdraw(
        self, identifier: str, question: Question, reason: str, now_us: int
    ) -> Answer | None:
        self.withdrawn.append(identifier)
        return self.said.get(identifier)


class WorkflowHouse:
    """One database, one worker at a time, and a client beside it."""

    def __init__(self, database: WorkflowDatabase, people: People | None = None) -> None:
        self.database, self.people = database, people

    @contextmanager
    def working(
        self, workflows: Iterable[Workflow[..., Any]], schedules: Iterable[Schedule] = ()
    ) -> Generator[Workflows]:
        """Run a worker; yield a client."""
        workflows = list(workflows)
        declared = {one.name: one for one in workflows}
        clock = SystemClock()
        with (
            Worker(self.database, workflows, schedules, people=self.people, clock=clock),
            Workflows(self.database, clock=clock, declared=declared) as client,
        ):
            yield client

    @contextmanager
    def beside(self, workflows: Iterable[Workflow[..., Any]] = ()) -> Generator[Workflows]:
        """Yield a client while no worker runs."""
        declared = {one.name: one for one in workflows}
        with Workflows(self.database, clock=SystemClock(), declared=declared) as client:
            yield client


@contextmanager
def databases(kind: str, directory: Path) -> Generator[WorkflowDatabase]:
    """Make an empty database of a kind."""
    if kind == "sqlite":
        yield WorkflowDatabase(directory / "workflows.sqlite")
        return
    with own_schema() as (connection, url):
        schema = f"workflows_{uuid.uuid4().hex}"
        try:
            yield WorkflowDatabase(url.partition("?")[0], schema=schema)
        finally:
            connection.execute(f'DROP SCHEMA IF EXISTS "{schema}" CASCADE'.encode())


def eventually(is_so: Callable[[], bool], what: str, within_s: float = 30.0) -> None:
    """Wait for something that a worker does."""
    end = time.monotonic() + within_s
    while not is_so():
        if time.monotonic() > end:
            pytest.fail(f"{what}: not within {within_s:g} s")
        time.sleep(0.02)
