"""One inbox for people: what waits for somebody, who has it, what they said."""

from kingpost.tasks.errors import (
    BadTaskId,
    BadTaskValue,
    NotClaimed,
    TaskClaimed,
    TaskClosed,
    TaskNotFound,
    TaskStoreFailed,
)
from kingpost.tasks.store import QueueCount, TaskQuery, TaskStore
from kingpost.tasks.store_memory import MemoryTasks
from kingpost.tasks.store_sqlite import SqliteTasks
from kingpost.tasks.tables import TASK_MIGRATIONS
from kingpost.tasks.task import CLAIM_LEASE_US, Task, TaskKind, TaskState, TaskVerdict
from kingpost.tasks.value import LARGEST_VALUE, LONGEST_ID, check_value

__all__ = [
    "CLAIM_LEASE_US",
    "LARGEST_VALUE",
    "LONGEST_ID",
    "TASK_MIGRATIONS",
    "BadTaskId",
    "BadTaskValue",
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
    "check_value",
]
