"""Why a task cannot be taken or answered."""

from kingpost.core import KingpostError

__all__ = [
    "BadTaskId",
    "BadTaskValue",
    "NotClaimed",
    "TaskClaimed",
    "TaskClosed",
    "TaskNotFound",
    "TaskStoreFailed",
]


class TaskNotFound(KingpostError):
    """A task that this tenant does not have."""

    code = "task_not_found"

    def __init__(self, identifier: str) -> None:
        super().__init__(identifier)
        self.identifier = identifier

    def __str__(self) -> str:
        return "there is no task with this id; list the tasks to see which there are"


class TaskClaimed(KingpostError):
    """A task that somebody else has taken."""

    code = "task_claimed"

    def __init__(self, identifier: str, by: str) -> None:
        super().__init__(identifier, by)
        self.identifier, self.by = identifier, by

    def __str__(self) -> str:
        return f"{self.by} has claimed this task; take another, or ask for it to be released"


class TaskClosed(KingpostError):
    """A task that was answered already."""

    code = "task_closed"

    def __init__(self, identifier: str, by: str, verdict: str) -> None:
        super().__init__(identifier, by, verdict)
        self.identifier, self.by, self.verdict = identifier, by, verdict

    def __str__(self) -> str:
        if self.verdict == "withdrawn":
            return "nobody needs an answer to this task any more: the workflow has gone on"
        return f"{self.by} has closed this task ({self.verdict}); correct the record if it is wrong"


class NotClaimed(KingpostError):
    """A task that whoever asks does not hold, or no longer."""

    code = "task_not_claimed"

    def __init__(self, identifier: str) -> None:
        super().__init__(identifier)
        self.identifier = identifier

    def __str__(self) -> str:
        return "you do not hold this task, or your claim has lapsed; claim it first"


class BadTaskId(KingpostError):
    """A task whose id cannot be kept."""

    code = "bad_task_id"

    def __init__(self, identifier: str, problem: str) -> None:
        super().__init__(identifier, problem)
        self.identifier, self.problem = identifier, problem

    def __str__(self) -> str:
        return (
            f"{self.identifier!r} cannot be the id of a task: {self.problem}; "
            "start the workflow with another key"
        )


class BadTaskValue(KingpostError):
    """What a task is about, or what somebody made of it, cannot be kept."""

    code = "bad_task_value"

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        return (
            f"the value cannot be kept: {self.problem}; give a JSON object of 64 KiB at most, "
            "and keep what is larger elsewhere"
        )


class TaskStoreFailed(KingpostError):
    """The tasks could not be read or written.

    Safe to retry: nothing was changed.
    """

    code = "task_store_failed"
    retry_safe = True

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"the tasks cannot be reached ({self.reason}); check the disk, then try again"
