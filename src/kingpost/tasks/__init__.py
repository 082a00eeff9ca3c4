"""One inbox for people: what waits for somebody, who has it, what they said."""

from kingpost.tasks.errors import (
    NotClaimed,
    TaskClaimed,
    TaskClosed,
    TaskNotFound,
    TaskStoreFailed,
)
from kingpost.tasks.store import QueueCount, TaskQuery, TaskStore
from kingpost.tasks.store_memory import MemoryTasks
from kingpost.tasks.store_sqlite import TASK_MIGRATIONS, SqliteTasks
from kingpost.tasks.task import CLAIM_LEASE_US, Task, TaskKind, TaskState, TaskVerdict

__all__ = [
    "CLAIM_LEASE_US",
    "TASK_MIGRATIONS",
    "MemoryTasks",
    "NotClaimed",
    "QueueCount",
    "SqliteTasks",
    "Task",
    "TaskClaimed",
    "TaskClosed",
    "TaskKind",
    "TaskNotFound",
    "TaskQuery",
    "TaskState",
    "TaskStore",
    "TaskStoreFailed",
    "TaskVerdict",
]
