"""Tasks in memory, for as long as the process lives."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace

from kingpost.tasks.errors import NotClaimed, TaskClaimed
from kingpost.tasks.store import QueueCount, TaskQuery, not_closed
from kingpost.tasks.task import Task, TaskKind, TaskVerdict
from kingpost.tasks.value import check_id, kept

__all__ = ["MemoryTasks"]


class MemoryTasks:
    """A `TaskStore` that forgets; for any thread."""

    def __init__(self) -> None:
        self._tasks: dict[str, Task] = {}
        self._lock = threading.Lock()

    def add(self, tasks: Sequence[Task]) -> int:
        checked = [_checked(task) for task in tasks]
        with self._lock:
            before = len(self._tasks)
            for task in checked:
                self._tasks.setdefault(task.id, task)
            return len(self._tasks) - before

    def get(self, tenant: str, identifier: str) -> Task | None:
        task = self._tasks.get(identifier)
        return task if task is not None and task.tenant == tenant else None

    def find(self, query: TaskQuery) -> Sequence[Task]:
        with self._lock:
            found = sorted(
                (task for task in self._tasks.values() if _matches(task, query)),
                key=lambda task: task.place,
            )
        return [replace(task, about={}, answer={}) for task in found[: query.limit]]

    def closed(self, tenant: str, identifiers: Sequence[str]) -> Sequence[Task]:
        with self._lock:
            found = [self.get(tenant, identifier) for identifier in dict.fromkeys(identifiers)]
        return [task for task in found if task is not None and task.closed_us is not None]

    def waiting(self, kind: TaskKind) -> Sequence[str]:
        with self._lock:
            found = [one for one in self._tasks.values() if one.closed_us is None]
        return sorted(one.subject for one in found if one.kind == kind)

    def counts(self, tenant: str, now_us: int) -> Sequence[QueueCount]:
        counted: dict[tuple[str, TaskKind], list[Task]] = {}
        with self._lock:
            for task in self._tasks.values():
                if task.tenant == tenant and task.closed_us is None:
                    counted.setdefault((task.queue, task.kind), []).append(task)
        return [
            QueueCount(
                queue,
                kind,
                sum(not task.claimed_by for task in tasks),
                sum(bool(task.claimed_by) for task in tasks),
                sum(task.is_overdue(now_us) for task in tasks),
            )
            for (queue, kind), tasks in sorted(counted.items())
        ]

    def claim(self, tenant: str, identifier: str, by: str, now_us: int) -> Task:
        with self._lock:
            task = self._not_closed(tenant, identifier)
            if task.claimed_by != by and task.is_held(now_us):
                raise TaskClaimed(identifier, task.claimed_by)
            return self._put(replace(task, claimed_by=by, claimed_us=now_us))

    def release(self, tenant: str, identifier: str, by: str) -> Task:
        with self._lock:
            task = self._not_closed(tenant, identifier)
            if task.claimed_by != by:
                raise NotClaimed(identifier)
            return self._put(replace(task, claimed_by="", claimed_us=None))

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
        said = kept(answer or {})
        with self._lock:
            task = self._not_closed(tenant, identifier)
            if task.claimed_by != by:
                raise NotClaimed(identifier)
            return self._put(replace(_closed(task, by, verdict, reason, now_us), answer=said))

    def settle(
        self, tenant: str, identifier: str, by: str, verdict: TaskVerdict, reason: str, at_us: int
    ) -> Task | None:
        with self._lock:
            task = self.get(tenant, identifier)
            if task is None or task.closed_us is not None:
                return None
            return self._put(_closed(task, by, verdict, reason, at_us))

    def withdraw(self, tenant: str, identifier: str, reason: str, now_us: int) -> Task | None:
        with self._lock:
            task = self.get(tenant, identifier)
            if task is None:
                return None
            if task.closed_us is not None:
                return None if task.verdict == "withdrawn" else task
            self._put(_closed(task, task.workflow, "withdrawn", reason, now_us))
            return None

    def escalate(self, now_us: int) -> Sequence[Task]:
        moved: list[Task] = []
        with self._lock:
            for task in list(self._tasks.values()):
                if task.closed_us is not None:
                    continue
                if task.claimed_by and not task.is_held(now_us):
                    task = self._put(replace(task, claimed_by="", claimed_us=None))
                if task.escalate_to and task.escalated_us is None and task.is_overdue(now_us):
                    moved.append(self._put(task.escalated(now_us)))
        return sorted(moved, key=lambda task: task.place)

    def remind(self, now_us: int) -> Sequence[Task]:
        with self._lock:
            due = [
                self._put(replace(task, reminded_us=now_us))
                for task in list(self._tasks.values())
                if task.closed_us is None
                and task.reminded_us is None
                and task.remind_us is not None
                and task.remind_us <= now_us
            ]
        return sorted(due, key=lambda task: task.place)

    def _not_closed(self, tenant: str, identifier: str) -> Task:
        return not_closed(self.get(tenant, identifier), identifier)

    def _put(self, task: Task) -> Task:
        self._tasks[task.id] = task
        return task


def _checked(task: Task) -> Task:
    """Return a task as another store would give it back."""
    check_id(task)
    return replace(task, about=kept(task.about), answer=kept(task.answer))


def _closed(task: Task, by: str, verdict: TaskVerdict, reason: str, at_us: int) -> Task:
    return replace(
        task,
        claimed_by="",
        claimed_us=None,
        closed_us=at_us,
        closed_by=by,
        verdict=verdict,
        reason=reason,
    )


def _matches(task: Task, query: TaskQuery) -> bool:
    return (
        task.tenant == query.tenant
        and query.queue in (None, task.queue)
        and (query.queues is None or task.queue in query.queues)
        and query.kind in (None, task.kind)
        and query.state in (None, task.state)
        and (query.claimed_by is None or task.claimed_by == query.claimed_by != "")
        and not (query.is_waiting and task.closed_us is not None)
        and (query.overdue_at_us is None or task.is_overdue(query.overdue_at_us))
        and task.place > query.after
    )
