"""Workflows of all kinds, and a process that runs them until they end or wait."""

import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta

import kingpost as kp
from kingpost.core import SystemClock
from kingpost.workflows import (
    Answer,
    Question,
    Run,
    RunQuery,
    Worker,
    Workflow,
    WorkflowDatabase,
    Workflows,
)

__all__ = ["DECLARED", "TENANT", "gone", "opened", "order", "run_all", "runs_in", "secret"]

TENANT = "acme"


@dataclass(frozen=True)
class Receipt:
    """What an order returns."""

    number: int
    at: datetime
    lines: Sequence[str] = field(default=())


class Opaque:
    """What no JSON can hold, and whose text is nobody's business."""

    def __repr__(self) -> str:
        return "a password"


@kp.step
def reserve(amount: int) -> int:
    return amount * 2


@kp.step
def opaque() -> Opaque:
    return Opaque()


@kp.step(retries=kp.retries(2, "10ms"))
def charge(amount: int) -> int:
    raise ConnectionError(f"no bank for {amount}")


@kp.workflow
def order(
    amount: Annotated[int, Meta(ge=1)],
    customer: str,
    tags: Sequence[str] = (),
    *,
    vip: bool = False,
) -> Receipt:
    """Reserve, and give a receipt."""
    reserve(amount)
    opaque()
    return Receipt(amount, datetime.fromisoformat("2026-11-21T09:00:00+00:00"), [customer, *tags])


@kp.workflow
def fails(amount: int) -> int:
    """Reserve, then charge, which goes wrong."""
    reserve(amount)
    return charge(amount)


@kp.workflow(shows_input=False)
def secret(card: str) -> str:
    """Keep what it works on to itself."""
    reserve(1)
    return card


@kp.workflow
def parent(amount: int) -> int:
    """Have another workflow do it."""
    order(amount, "child")
    return amount


@kp.workflow
async def waits(number: int) -> str:
    """Wait for an event."""
    await kp.run(reserve, number)
    return str(await kp.event("paid", within="1d"))


@kp.workflow
async def sleeps(number: int) -> int:
    """Wait for tomorrow."""
    await kp.sleep("1d")
    return number


@kp.workflow
async def asks(number: int) -> str:
    """Wait for a person."""
    answer = await kp.ask("desk", f"may {number}?", within="1d")
    return answer.verdict


@kp.workflow
def gone(number: int) -> int:
    """What the application declares no more."""
    return number


DECLARED: dict[str, Workflow[..., Any]] = {
    one.name: one for one in (order, fails, secret, parent, waits, sleeps, asks)
}


class Nobody:
    """An inbox in which nothing is ever answered."""

    def ask(self, identifier: str, workflow: str, question: Question, now_us: int) -> None: ...

    def answers(self, questions: Mapping[str, Question]) -> Mapping[str, Answer]:
        return {}

    def withdraw(
        self, identifier: str, question: Question, reason: str, now_us: int
    ) -> Answer | None:
        return None


STARTS: Sequence[tuple[str, tuple[Any, ...]]] = (
    ("order", (3, "ann")),
    ("fails", (3,)),
    ("secret", ("4111",)),
    ("parent", (5,)),
    ("waits", (1,)),
    ("sleeps", (1,)),
    ("asks", (1,)),
)


def runs_in(path: Path) -> None:
    """Do `run_all` in a process of its own, as if a minute ago: DBOS is one for a process."""
    code = "import sys, pathlib; from tests.workflow_app import run_all; "
    done = subprocess.run(
        [sys.executable, "-c", f"{code}run_all(pathlib.Path(sys.argv[1]))", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE workflow_status SET created_at = created_at - 60000")


def opened(ran: Path, directory: Path) -> Workflows:
    """Open a copy of a database, that of all tenants."""
    for part in ran.parent.iterdir():
        shutil.copy(part, directory)
    database = WorkflowDatabase(directory / ran.name)
    return Workflows(database, clock=SystemClock(), declared=DECLARED)


class _NamedAsKeys(Workflows):
    """Starts workflows whose ids are their keys, so that tests can name them."""

    def id_of(self, key: str) -> str:
        return key


def run_all(path: Path) -> None:
    """Run each workflow once, under its name as its id, until it has ended or waits."""
    database, clock = WorkflowDatabase(path), SystemClock()
    with _NamedAsKeys(database, clock=clock, declared=DECLARED, tenant=TENANT) as workflows:
        for name, args in STARTS:
            workflows.start_with(DECLARED[name], args, key=name)
        with Worker(database, DECLARED.values(), people=Nobody(), clock=clock) as worker:
            ends_s = time.monotonic() + 30
            while not _is_settled(workflows.find(RunQuery()), worker):
                assert time.monotonic() < ends_s, workflows.find(RunQuery())
                time.sleep(0.05)
            time.sleep(0.2)  # what sleeps and waits for an event has written so
        workflows.start_with(gone, (1,), key="gone")
        workflows.start_with(order, (7, "bob"), key="cancelled")
        workflows.cancel("cancelled")
        workflows.start_with(order, (8, "eve"), key="delayed", after="1d", priority=5)
        workflows.of_tenant("other").start_with(order, (9, "zoe"), key="others")


def _is_settled(runs: Sequence[Run], worker: Worker) -> bool:
    active = {one.workflow for one in runs if not one.has_ended}
    return active == {"waits", "sleeps", "asks"} and worker.waiting_for_people == 1
