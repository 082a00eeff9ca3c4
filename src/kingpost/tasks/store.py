"""Where tasks are kept: what a store of them can do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from kingpost.tasks.errors import TaskClosed, TaskNotFound
from kingpost.tasks.task import Task, TaskKind, TaskState, TaskVerdict

__all__ = ["QueueCount", "TaskQuery", "TaskStore", "not_closed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskQuery:
    """Which tasks, and from where on.

    Attributes:
        queue: Only those of one queue.
        queues: Only those of these queues, as whoever asks may see; None is all.
        claimed_by: Only those that this person has.
        is_waiting: Only those that are not closed.
        overdue_at_us: Only those that are due by this time and not closed.
        after: `place` of the last task of the page before.
        limit: The most that are returned.
    """

    tenant: str
    queue: str | None = None
    queues: tuple[str, ...] | None = None
    kind: TaskKind | None = None
    state: TaskState | None = None
    claimed_by: str | None = None
    is_waiting: bool = False
    overdue_at_us: int | None = None
    after: str = ""
    limit: int = 50


class QueueCount(NamedTuple):
    """How much waits in a queue; `open` counts what nobody has, `overdue` of both."""

    queue: str
    kind: TaskKind
    open: int
    claimed: int
    overdue: int


class TaskStore(Protocol):
    """Tasks of all tenants. Every call may raise `TaskStoreFailed`."""

    def add(self, tasks: Sequence[Task]) -> int:
        """Add tasks and return how many were new; one whose id is known stays as it is.

        Raises:
            BadTaskValue, BadTaskId: One cannot be kept as it is; none was added.
        """
        ...

    def get(self, tenant: str, identifier: str) -> Task | None:
        """Return a task; None when the tenant has none of this id."""
        ...

    def find(self, query: TaskQuery) -> Sequence[Task]:
        """Return the tasks asked for, in the order of their `place`.

        They come without `about` and `answer`, which `get` has.
        """
        ...

    def closed(self, tenant: str, identifiers: Sequence[str]) -> Sequence[Task]:
        """Return those of these tasks that are closed, whole."""
        ...

    def waiting(self, kind: TaskKind) -> Sequence[str]:
        """Return the subjects of the tasks of a kind that are not closed, of all tenants."""
        ...

    def counts(self, tenant: str, now_us: int) -> Sequence[QueueCount]:
        """Count what is not closed, by queue and kind."""
        ...

    def claim(self, tenant: str, identifier: str, by: str, now_us: int) -> Task:
        """Take a task; whoever has it already takes it anew.

        Raises:
            TaskNotFound: The tenant has no such task.
            TaskClaimed: Somebody else has it.
            TaskClosed: It was answered.
        """
        ...

    def release(self, tenant: str, identifier: str, by: str) -> Task:
        """Give a task back.

        Raises:
            TaskNotFound, TaskClosed: As in `claim`.
            NotClaimed: `by` does not hold it.
        """
        ...

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
        """Answer a task that `by` holds.

        Args:
            answer: What became of `about`.

        Raises:
            TaskNotFound, TaskClosed: As in `claim`.
            NotClaimed: `by` does not hold it.
            BadTaskValue: The answer cannot be kept.
        """
        ...

    def settle(
        self, tenant: str, identifier: str, by: str, verdict: TaskVerdict, reason: str, at_us: int
    ) -> Task | None:
        """Close a task that the journal says was answered, whoever holds it.

        Returns:
            The task; None when there is none of this id, or it was closed before.
        """
        ...

    def withdraw(self, tenant: str, identifier: str, reason: str, now_us: int) -> Task | None:
        """Close a task nobody needs an answer to any more, whoever holds it.

        Returns:
            The task, when a person had closed it before; it stays as it is.
        """
        ...

    def escalate(self, now_us: int) -> Sequence[Task]:
        """Move what is late to the queue it names, once, and let lapsed claims go.

        Returns:
            The tasks that moved.
        """
        ...

    def remind(self, now_us: int) -> Sequence[Task]:
        """Note of what is not closed that somebody is reminded of it, once each.

        Returns:
            The tasks whose reminder is due.
        """
        ...


def not_closed(task: Task | None, identifier: str) -> Task:
    """Return a task that may still be answered.

    Raises:
        TaskNotFound: There is none.
        TaskClosed: It was answered.
    """
    if task is None:
        raise TaskNotFound(identifier)
    if task.closed_us is not None:
        raise TaskClosed(identifier, task.closed_by, task.verdict)
    return task
