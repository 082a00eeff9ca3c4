"""The table of tasks in SQLite: its formats, and a task as a row of it.

The rule: a value is kept as its JSON, beside what tasks are found by.
"""

from collections.abc import Sequence
from dataclasses import fields
from operator import attrgetter

import msgspec

from kingpost.tasks.task import Task
from kingpost.tasks.value import EMPTY, check_id, decoded, encoded

__all__ = ["ADD", "COLUMNS", "IN_BRIEF", "TASK_MIGRATIONS", "Row", "row_of", "task_of"]

Row = tuple[str | int | None, ...]

TASK_MIGRATIONS: Sequence[str] = (
    """
    CREATE TABLE tasks (
        id TEXT PRIMARY KEY,
        tenant TEXT NOT NULL,
        kind TEXT NOT NULL,
        queue TEXT NOT NULL,
        decision TEXT NOT NULL,
        subject TEXT NOT NULL,
        title TEXT NOT NULL,
        created_us INTEGER NOT NULL,
        event_time_us INTEGER NOT NULL,
        due_us INTEGER,
        escalate_to TEXT NOT NULL,
        escalated_us INTEGER,
        claimed_by TEXT NOT NULL,
        claimed_us INTEGER,
        closed_us INTEGER,
        closed_by TEXT NOT NULL,
        verdict TEXT NOT NULL,
        reason TEXT NOT NULL,
        place TEXT NOT NULL
    ) STRICT
    """,
    "CREATE INDEX tasks_place ON tasks (tenant, place)",
    "CREATE INDEX tasks_queue ON tasks (tenant, queue, place)",
    """
    CREATE INDEX tasks_due ON tasks (due_us)
    WHERE closed_us IS NULL AND escalated_us IS NULL AND escalate_to <> ''
    """,
    "CREATE INDEX tasks_claimed ON tasks (tenant, claimed_by, place) WHERE claimed_by <> ''",
    "CREATE INDEX tasks_waiting ON tasks (tenant, queue, kind) WHERE closed_us IS NULL",
    "ALTER TABLE tasks ADD COLUMN workflow TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE tasks ADD COLUMN about TEXT NOT NULL DEFAULT '{}'",
    "ALTER TABLE tasks ADD COLUMN answer TEXT NOT NULL DEFAULT '{}'",
    "ALTER TABLE tasks ADD COLUMN remind_us INTEGER",
    "ALTER TABLE tasks ADD COLUMN reminded_us INTEGER",
    """
    CREATE INDEX tasks_remind ON tasks (remind_us)
    WHERE closed_us IS NULL AND reminded_us IS NULL AND remind_us IS NOT NULL
    """,
)
"""One statement each; format n is what the first n of them made."""

_VALUES = ("about", "answer")
_PLAIN = tuple(field.name for field in fields(Task) if field.name not in _VALUES)
COLUMNS = ", ".join((*_PLAIN, *_VALUES))
"""What a task is read from."""

IN_BRIEF = ", ".join((*_PLAIN, *(f"'{EMPTY}'" for _ in _VALUES)))
"""The same, without the values."""

ADD = (
    f"INSERT INTO tasks ({COLUMNS}, place) "
    f"VALUES ({', '.join('?' * (len(_PLAIN) + len(_VALUES) + 1))}) ON CONFLICT (id) DO NOTHING"
)
"""Adds what `row_of` returns."""

_values_of = attrgetter(*_PLAIN)  # `astuple` copies every value


def row_of(task: Task) -> Row:
    """Return a task as it is kept.

    Raises:
        BadTaskValue, BadTaskId: It cannot be kept so.
    """
    check_id(task)
    return (*_values_of(task), encoded(task.about), encoded(task.answer), task.place)


def task_of(row: Row) -> Task:
    """Return a task from what `COLUMNS` or `IN_BRIEF` read."""
    *plain, about, answer = row
    found: dict[str, object] = dict(zip(_PLAIN, plain, strict=True))
    found["about"], found["answer"] = decoded(str(about)), decoded(str(answer))
    return msgspec.convert(found, Task)
