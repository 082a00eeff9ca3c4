"""What can go wrong with workflows."""

from kingpost.core import KingpostError

__all__ = [
    "AlreadyWorking",
    "BadWorkflow",
    "EffectUnknown",
    "NotInTime",
    "NotInWorkflow",
    "RetriesExhausted",
    "StepBlocksLoop",
    "WorkflowNotFound",
    "WorkflowNotRunning",
    "WorkflowStoreFailed",
    "WorkflowStoreUnfit",
]


class AlreadyWorking(KingpostError):
    """Another worker of this name runs.

    Safe to retry: nothing was changed.
    """

    code = "already_working"
    retry_safe = True

    def __init__(self, name: str, where: str) -> None:
        super().__init__(name, where)
        self.name, self.where = name, where

    def __str__(self) -> str:
        return (
            f"a worker called {self.name!r} runs over {self.where}: `kingpost run` starts one by "
            "itself unless it is called with --no-work; another one needs a name of its own "
            "(`worker`)"
        )


class BadWorkflow(KingpostError):
    """A workflow, a step, a queue or a schedule is declared wrongly."""

    code = "bad_workflow"

    def __init__(self, name: str, problem: str, remedy: str) -> None:
        super().__init__(name, problem, remedy)
        self.name, self.problem, self.remedy = name, problem, remedy

    def __str__(self) -> str:
        return f"{self.name}: {self.problem}; {self.remedy}"


class NotInWorkflow(KingpostError):
    """Something that only a running workflow can do was asked for outside of one."""

    code = "not_in_workflow"

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what

    def __str__(self) -> str:
        return f"{self.what} works only inside a running workflow; start one with `Workflows.start`"


class StepBlocksLoop(KingpostError):
    """A `def` step was called directly in an `async def` workflow, or the other way round."""

    code = "step_blocks_loop"

    def __init__(self, step: str, *, is_async: bool) -> None:
        super().__init__(step)
        self.step, self.is_async = step, is_async

    def __reduce__(self) -> tuple[object, ...]:
        return _blocks_loop, (self.step, self.is_async)

    def __str__(self) -> str:
        if self.is_async:
            return (
                f"{self.step!r} is `async def`, and a `def` workflow waits for nothing; "
                "make the workflow `async def`"
            )
        return (
            f"{self.step!r} called directly would hold up every other `async def` workflow; "
            f"write `await kp.run({self.step}, …)`"
        )


def _blocks_loop(step: str, is_async: bool) -> StepBlocksLoop:
    return StepBlocksLoop(step, is_async=is_async)


class RetriesExhausted(KingpostError):
    """A step failed as often as it may be tried.

    Attributes:
        reasons: What each attempt ended with, in order.
    """

    code = "retries_exhausted"

    def __init__(self, step: str, attempts: int, reasons: tuple[str, ...]) -> None:
        super().__init__(step, attempts, reasons)
        self.step, self.attempts, self.reasons = step, attempts, reasons

    def __str__(self) -> str:
        last = self.reasons[-1] if self.reasons else "unknown"
        return f"step {self.step!r} failed {self.attempts} times, the last time with: {last}"


class EffectUnknown(KingpostError):
    """A step that may be done once at most was interrupted: nobody knows whether it was done.

    It is not tried again.
    """

    code = "effect_unknown"

    def __init__(self, step: str) -> None:
        super().__init__(step)
        self.step = step

    def __str__(self) -> str:
        return (
            f"step {self.step!r} was interrupted while it ran, and its receiver takes no "
            "idempotency key; find out whether it was done, for instance with `kp.ask`"
        )


class NotInTime(KingpostError):
    """Nobody answered, or no event came, within the time given."""

    code = "not_in_time"

    def __init__(self, what: str, within: str) -> None:
        super().__init__(what, within)
        self.what, self.within = what, within

    def __str__(self) -> str:
        return f"{self.what} did not come within {self.within}"


class WorkflowNotFound(KingpostError):
    """There is no workflow of this id."""

    code = "workflow_not_found"

    def __init__(self, identifier: str) -> None:
        super().__init__(identifier)
        self.identifier = identifier

    def __str__(self) -> str:
        return f"there is no workflow {self.identifier!r}; see `kingpost workflows list`"


class WorkflowNotRunning(KingpostError):
    """A workflow is in a state in which this cannot be done to it."""

    code = "workflow_not_running"

    def __init__(self, identifier: str, state: str, what: str) -> None:
        super().__init__(identifier, state, what)
        self.identifier, self.state, self.what = identifier, state, what

    def __str__(self) -> str:
        return f"workflow {self.identifier!r} is {self.state} and cannot {self.what}"


class WorkflowStoreUnfit(KingpostError):
    """The database cannot keep workflows."""

    code = "workflow_store_unfit"

    def __init__(self, where: str, problem: str, remedy: str) -> None:
        super().__init__(where, problem, remedy)
        self.where, self.problem, self.remedy = where, problem, remedy

    def __str__(self) -> str:
        return f"{self.where} {self.problem}; {self.remedy}"


class WorkflowStoreFailed(KingpostError):
    """The database of workflows did not do what it was asked for."""

    code = "workflow_store_failed"
    retry_safe = True

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(where, reason)
        self.where, self.reason = where, reason

    def __str__(self) -> str:
        return f"the workflows in {self.where} cannot be reached: {self.reason}"
