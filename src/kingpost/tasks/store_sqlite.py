"""Tasks in SQLite.

The connection is handed in, with the tables already at the format that `TASK_MIGRATIONS`
lead to. Each change is one statement that says what must still hold, so that of two
processes that want the same task one gets it.
"""

import sqlite3
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager

import msgspec

from kingpost.storage import transaction
from kingpost.tasks.errors import (
    NotClaimed,
    TaskClaimed,
    TaskStoreFailed,
)
from kingpost.tasks.store import QueueCount, TaskQuery, not_closed
from kingpost.tasks.tables import ADD, COLUMNS, IN_BRIEF, row_of, task_of
from kingpost.tasks.task import (
    CLAIM_LEASE_US,
    CLOSED,
    Task,
    TaskKind,
    TaskVerdict,
    closed_place,
)
from kingpost.tasks.value import EMPTY, encoded

__all__ = ["SqliteTasks"]

_HELD = "claimed_by <> '' AND claimed_us > :lapsed"
_STATES = {
    "open": "closed_us IS NULL AND claimed_by = ''",
    "claimed": "closed_us IS NULL AND claimed_by <> ''",
    "closed": "closed_us IS NOT NULL",
}
_CLOSE = (
    "UPDATE tasks SET claimed_by = '', claimed_us = NULL, closed_us = :closed_us, "
    "closed_by = :by, verdict = :verdict, reason = :reason, answer = :answer, place = :place "
    "WHERE id = :id AND tenant = :tenant AND closed_us IS NULL"
)


class SqliteTasks:
    """A `TaskStore` in a database file; for the thread that opened the connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add(self, tasks: Sequence[Task]) -> int:
        if not tasks:
            return 0
        rows = [row_of(task) for task in tasks]
        with _translated():
            before = self._connection.total_changes
            with transaction(self._connection):
                self._connection.executemany(ADD, rows)
            return self._connection.total_changes - before

    def get(self, tenant: str, identifier: str) -> Task | None:
        with _translated():
            row = self._connection.execute(
                f"SELECT {COLUMNS} FROM tasks WHERE id = ? AND tenant = ?", [identifier, tenant]
            ).fetchone()
        return None if row is None else task_of(row)

    def find(self, query: TaskQuery) -> Sequence[Task]:
        terms, values = _asked(query)
        with _translated():
            rows = self._connection.execute(
                f"SELECT {IN_BRIEF} FROM tasks WHERE {' AND '.join(terms)} ORDER BY place LIMIT ?",
                [*values, query.limit],
            ).fetchall()
        return [task_of(row) for row in rows]

    def closed(self, tenant: str, identifiers: Sequence[str]) -> Sequence[Task]:
        if not identifiers:
            return []
        with _translated():
            rows = self._connection.execute(
                f"SELECT {COLUMNS} FROM tasks WHERE id IN (SELECT value FROM json_each(?)) "
                "AND tenant = ? AND closed_us IS NOT NULL",
                [msgspec.json.encode(list(identifiers)).decode(), tenant],
            ).fetchall()
        return [task_of(row) for row in rows]

    def waiting(self, kind: TaskKind) -> Sequence[str]:
        with _translated():
            rows = self._connection.execute(
                "SELECT subject FROM tasks WHERE kind = ? AND closed_us IS NULL ORDER BY subject",
                [kind],
            ).fetchall()
        return [row[0] for row in rows]

    def counts(self, tenant: str, now_us: int) -> Sequence[QueueCount]:
        with _translated():
            rows = self._connection.execute(
                "SELECT queue, kind, sum(claimed_by = ''), sum(claimed_by <> ''), "
                "coalesce(sum(due_us <= ?), 0) FROM tasks "
                "WHERE tenant = ? AND closed_us IS NULL GROUP BY queue, kind ORDER BY queue, kind",
                [now_us, tenant],
            ).fetchall()
        return [QueueCount(*row) for row in rows]

    def claim(self, tenant: str, identifier: str, by: str, now_us: int) -> Task:
        changed = self._change(
            "UPDATE tasks SET claimed_by = :by, claimed_us = :now "
            "WHERE id = :id AND tenant = :tenant AND closed_us IS NULL "
            f"AND (claimed_by = :by OR NOT ({_HELD}))",
            {
                "id": identifier,
                "tenant": tenant,
                "by": by,
                "now": now_us,
                "lapsed": now_us - CLAIM_LEASE_US,
            },
        )
        if changed is not None:
            return changed
        task = self._not_closed(tenant, identifier)
        raise TaskClaimed(identifier, task.claimed_by)

    def release(self, tenant: str, identifier: str, by: str) -> Task:
        changed = self._change(
            "UPDATE tasks SET claimed_by = '', claimed_us = NULL "
            "WHERE id = :id AND tenant = :tenant AND closed_us IS NULL AND claimed_by = :by",
            {"id": identifier, "tenant": tenant, "by": by},
        )
        if changed is not None:
            return changed
        self._not_closed(tenant, identifier)
        raise NotClaimed(identifier)

    def close(
        self,
        tenant: str,
        identifier: str,
        by: str,
        verdict: TaskVerdict,
        reason: str,
        now_us: int,
        *,
        answer: Mapping[str, object] | None = None,
    ) -> Task:
        said = {"answer": encoded(answer or {})}
        changed = self._change(
            f"{_CLOSE} AND claimed_by = :by",
            _closing(tenant, identifier, by, verdict, reason, now_us) | said,
        )
        if changed is not None:
            return changed
        self._not_closed(tenant, identifier)
        raise NotClaimed(identifier)

    def settle(
        self, tenant: str, identifier: str, by: str, verdict: TaskVerdict, reason: str, at_us: int
    ) -> Task | None:
        return self._change(_CLOSE, _closing(tenant, identifier, by, verdict, reason, at_us))

    def withdraw(self, tenant: str, identifier: str, reason: str, now_us: int) -> Task | None:
        withdrawn = self._change(
            _CLOSE.replace(":by", "workflow"),
            _closing(tenant, identifier, "", "withdrawn", reason, now_us),
        )
        if withdrawn is not None:
            return None
        task = self.get(tenant, identifier)
        return None if task is None or task.verdict == "withdrawn" else task

    def escalate(self, now_us: int) -> Sequence[Task]:
        late = "closed_us IS NULL AND escalated_us IS NULL AND escalate_to <> '' AND due_us <= :now"
        lapsed = "claimed_by <> '' AND claimed_us <= :lapsed AND closed_us IS NULL"
        values = {"now": now_us, "lapsed": now_us - CLAIM_LEASE_US}
        with _translated():
            # looked at first: as a rule there is nothing, and then nothing is locked
            waits = self._connection.execute(
                f"SELECT EXISTS (SELECT 1 FROM tasks WHERE {late}) "
                f"OR EXISTS (SELECT 1 FROM tasks WHERE {lapsed})",
                values,
            ).fetchone()[0]
            if not waits:
                return []
            moved: list[Task] = []
            with transaction(self._connection):
                self._connection.execute(
                    f"UPDATE tasks SET claimed_by = '', claimed_us = NULL WHERE {lapsed}", values
                )
                rows = self._connection.execute(
                    f"SELECT {COLUMNS} FROM tasks WHERE {late}", values
                ).fetchall()
                moved += [task_of(row).escalated(now_us) for row in rows]
                self._connection.executemany(
                    "UPDATE tasks SET queue = ?, escalated_us = ?, due_us = ?, place = ? "
                    "WHERE id = ?",
                    [(task.queue, now_us, task.due_us, task.place, task.id) for task in moved],
                )
        return sorted(moved, key=lambda task: task.place)

    def remind(self, now_us: int) -> Sequence[Task]:
        due = "closed_us IS NULL AND reminded_us IS NULL AND remind_us <= :now"
        values = {"now": now_us}
        with _translated():
            # looked at first, as in `escalate`
            if not self._connection.execute(
                f"SELECT EXISTS (SELECT 1 FROM tasks WHERE {due})", values
            ).fetchone()[0]:
                return []
            rows = self._connection.execute(
                f"UPDATE tasks SET reminded_us = :now WHERE {due} RETURNING {COLUMNS}", values
            ).fetchall()
        return sorted(map(task_of, rows), key=lambda task: task.place)

    def _change(self, statement: str, values: dict[str, str | int]) -> Task | None:
        """Run an update of one task and return how it is now; None when it does not apply."""
        with _translated():
            # all rows are taken, since only the end of the statement commits it
            rows = self._connection.execute(f"{statement} RETURNING {COLUMNS}", values).fetchall()
        return task_of(rows[0]) if rows else None

    def _not_closed(self, tenant: str, identifier: str) -> Task:
        return not_closed(self.get(tenant, identifier), identifier)


def _asked(query: TaskQuery) -> tuple[list[str], list[str | int]]:
    """Return what must hold of the tasks of a query, and the values in it."""
    is_waiting = (
        query.is_waiting or query.state in ("open", "claimed") or query.overdue_at_us is not None
    )
    first = max(query.after, CLOSED) if query.state == "closed" else query.after
    terms = ["tenant = ?", "place > ?"]
    values: list[str | int] = [query.tenant, first]
    for column, wanted in (("queue", query.queue), ("kind", query.kind)):
        if wanted is not None:
            terms.append(f"{column} = ?")
            values.append(wanted)
    if query.queues is not None:
        terms.append(f"queue IN ({', '.join('?' * len(query.queues))})")
        values += query.queues
    if query.claimed_by is not None:
        terms.append("claimed_by = ? AND claimed_by <> ''")
        values.append(query.claimed_by)
    if query.state is not None:
        terms.append(_STATES[query.state])
    if is_waiting:
        terms.append("place < ?")
        values.append(CLOSED)
    if query.overdue_at_us is not None:
        terms.append("closed_us IS NULL AND due_us <= ?")
        values.append(query.overdue_at_us)
    return terms, values


def _closing(
    tenant: str, identifier: str, by: str, verdict: TaskVerdict, reason: str, at_us: int
) -> dict[str, str | int]:
    return {
        "id": identifier,
        "tenant": tenant,
        "by": by,
        "verdict": verdict,
        "reason": reason,
        "answer": EMPTY,
        "closed_us": at_us,
        "place": closed_place(identifier, at_us),
    }


@contextmanager
def _translated() -> Generator[None, None, None]:
    try:
        yield
    except sqlite3.Error as error:
        raise TaskStoreFailed(str(error)) from error
