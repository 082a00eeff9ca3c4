"""Declarations: steps, workflows, their queues and schedules.

A step is done once: its result is kept, and a workflow that starts again after a crash
goes on behind the last step that finished. Only the step that was interrupted runs again,
so an effect needs an idempotency key, or is declared to be done once at most.

A workflow is either `def`, and runs its steps one after another, or `async def`, and may
wait: for time, events, people and parallel branches. What waits holds no thread.

Nothing here runs anything: the same functions are plain functions outside a workflow.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Generic, Literal, ParamSpec, TypeVar, overload
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from kingpost.core import ExtraMissing, duration_us
from kingpost.workflows.errors import BadWorkflow
from kingpost.workflows.running import call_step, call_workflow

__all__ = [
    "NO_RETRIES",
    "Effect",
    "Queue",
    "Retries",
    "Schedule",
    "Step",
    "Workflow",
    "queue",
    "retries",
    "schedule",
    "step",
    "workflow",
]

P = ParamSpec("P")
R = TypeVar("R")

Effect = Literal["keyed", "at_most_once"]
"""Whether a step that was interrupted runs again: with the same key, or never."""

_LONGEST_NAME = 100


def _is_retry_worth_it(error: BaseException) -> bool:
    return getattr(error, "retry_safe", True) is not False


@dataclass(frozen=True)
class Retries:
    """How often a step is tried, and how long it is waited before the next time.

    Attributes:
        attempts: The first one included.
        first_s: Seconds before the second one.
        growth: How many times longer each further wait is.
        on: Says whether an error is worth another attempt. By default all but Kingpost's
            own errors that say that they are not.
    """

    attempts: int
    first_s: float
    growth: float
    on: Callable[[BaseException], bool] = _is_retry_worth_it


NO_RETRIES = Retries(1, 0.0, 1.0)


def retries(
    attempts: int,
    first: str | timedelta = "1s",
    *,
    growth: float = 2.0,
    on: type[Exception] | tuple[type[Exception], ...] | None = None,
) -> Retries:
    """Try a step again when it fails.

    Args:
        attempts: How often at most, the first time included.
        first: How long to wait before the second time.
        growth: How many times longer each further wait is, an hour at most.
        on: Only after these errors.

    Raises:
        BadWorkflow, BadDuration: A value makes no sense.
    """
    if attempts < 1 or growth < 1:
        raise BadWorkflow("retries", "attempts and growth are 1 or more", "correct them")
    first_s = duration_us(first) / 1e6
    if on is None:
        return Retries(attempts, first_s, growth)
    kinds = on
    return Retries(attempts, first_s, growth, lambda error: isinstance(error, kinds))


@dataclass(frozen=True, eq=False)
class Step(Generic[P, R]):
    """A function whose result is kept; made by `step`.

    Attributes:
        name: What it is called in the history of a workflow: renaming it is a change of code.
        timeout_s: How long it may take; only an `async def` can be ended.
    """

    name: str
    function: Callable[P, R]
    retries: Retries = NO_RETRIES
    effect: Effect = "keyed"
    timeout_s: float | None = None

    @property
    def is_async(self) -> bool:
        """Whether it is `async def`."""
        return inspect.iscoroutinefunction(self.function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run it: in a `def` workflow as a step, elsewhere as the function that it is."""
        return call_step(self, args, kwargs)


@dataclass(frozen=True)
class Queue:
    """Where workflows wait for their turn; made by `queue`.

    Attributes:
        at_once: How many run at one time over all workers; None is any number.
        at_once_per_worker: The same for one worker.
        per_period: How many are started within `period_s`.
        poll_s: How long a workflow may wait although there is room.
    """

    name: str
    at_once: int | None = None
    at_once_per_worker: int | None = None
    per_period: int | None = None
    period_s: float = 0.0
    poll_s: float = 0.2


DEFAULT_QUEUE = Queue("default")


def queue(
    name: str,
    *,
    at_once: int | None = None,
    at_once_per_worker: int | None = None,
    rate: tuple[int, str | timedelta] | None = None,
    poll: str | timedelta = "200ms",
) -> Queue:
    """Declare a queue.

    Args:
        at_once: How many workflows of it run at one time. One that waits for an event or a
            person counts.
        at_once_per_worker: The same for each worker.
        rate: How many are started within a time, such as `(10, "1m")`.
        poll: How often it is looked at.

    Raises:
        BadWorkflow, BadDuration: A value makes no sense.
    """
    _check_name("queue", name)
    limits = (at_once, at_once_per_worker, None if rate is None else rate[0])
    if any(limit is not None and limit < 1 for limit in limits):
        raise BadWorkflow(f"queue {name!r}", "a limit is 1 or more", "leave it out for none")
    per_period, period = (None, "0s") if rate is None else rate
    return Queue(
        name,
        at_once,
        at_once_per_worker,
        per_period,
        duration_us(period) / 1e6,
        duration_us(poll) / 1e6,
    )


@dataclass(frozen=True, eq=False)
class Workflow(Generic[P, R]):
    """A function that survives a crash; made by `workflow`.

    Attributes:
        timeout_s: How long it may take from its start; then it is cancelled.
        shows_input: Whether people may read what it was called with and what it returned.
    """

    name: str
    function: Callable[P, R]
    queue: Queue = DEFAULT_QUEUE
    timeout_s: float | None = None
    shows_input: bool = True

    @property
    def is_async(self) -> bool:
        """Whether it is `async def`, and may wait."""
        return inspect.iscoroutinefunction(self.function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run it: in a `def` workflow as its child, elsewhere as the function that it is."""
        return call_workflow(self, args, kwargs)


@dataclass(frozen=True)
class Schedule:
    """When a workflow is started by itself; made by `schedule`.

    Attributes:
        cron: Five fields, or six with seconds first.
        zone: The time zone in which it is read.
        catches_up: Whether times that passed while no worker ran are made up for.
        args: What it is called with, before the time that it is due at.
    """

    name: str
    cron: str
    workflow: Workflow[..., Any]
    zone: str = "UTC"
    catches_up: bool = False
    args: tuple[object, ...] = field(default=())


def schedule(
    name: str,
    cron: str,
    workflow: Workflow[..., Any],
    *,
    zone: str = "UTC",
    catch_up: bool = False,
    args: tuple[object, ...] = (),
) -> Schedule:
    """Start a workflow at times of the clock, once for each.

    The workflow is called with `args` and then the `datetime` that it is due at.

    Args:
        cron: Such as `0 2 * * *`, two o'clock every night; with six fields the first one
            are seconds.
        zone: Such as `Europe/Berlin`. An hour that the clock skips or repeats in spring and
            autumn is handled as cron does.
        catch_up: Start it for the times at which no worker ran, too.

    Raises:
        BadWorkflow: The expression or the time zone cannot be read.
        ExtraMissing: The extra `workflows` is not installed.
    """
    _check_name("schedule", name)
    try:
        from croniter import croniter
    except ImportError as error:
        raise ExtraMissing("croniter", "workflows") from error
    if not croniter.is_valid(cron, second_at_beginning=True):
        problem = f"{cron!r} is no cron expression"
        raise BadWorkflow(f"schedule {name!r}", problem, "write five fields, as in '0 2 * * *'")
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        problem = f"there is no time zone {zone!r}"
        remedy = "write a name such as 'Europe/Berlin'"
        raise BadWorkflow(f"schedule {name!r}", problem, remedy) from error
    return Schedule(name, cron, workflow, zone, catch_up, args)


@overload
def step(function: Callable[P, R], /) -> Step[P, R]: ...
@overload
def step(
    *,
    name: str | None = None,
    retries: Retries = NO_RETRIES,
    effect: Effect = "keyed",
    timeout: str | timedelta | None = None,
) -> Callable[[Callable[P, R]], Step[P, R]]: ...
def step(
    function: Callable[P, R] | None = None,
    /,
    *,
    name: str | None = None,
    retries: Retries = NO_RETRIES,
    effect: Effect = "keyed",
    timeout: str | timedelta | None = None,
) -> Step[P, R] | Callable[[Callable[P, R]], Step[P, R]]:
    """Declare a function whose result is kept.

    Args:
        name: The function's own name by default.
        effect: `"keyed"`: when it is interrupted it runs again, so pass `effect_key()` to
            whoever is called. `"at_most_once"`: it never runs twice; interrupted, it ends
            with `EffectUnknown`.
        timeout: How long an attempt may take, for `async def`; in a `def` give the call
            itself a deadline.

    Raises:
        BadWorkflow, BadDuration: The declaration makes no sense.
    """

    def declared(function: Callable[P, R]) -> Step[P, R]:
        chosen = name or function.__name__
        _check_name("step", chosen)
        what = f"step {chosen!r}"
        is_async: bool = inspect.iscoroutinefunction(function)
        if timeout is not None and not is_async:
            problem = "a `def` cannot be ended after a time"
            raise BadWorkflow(what, problem, "make it `async def`, or give its call a deadline")
        if effect == "at_most_once" and retries.attempts > 1:
            problem = "is done once at most and cannot be tried again"
            raise BadWorkflow(what, problem, "leave out `retries`, or pass keys")
        timeout_s = None if timeout is None else duration_us(timeout) / 1e6
        return Step(chosen, function, retries, effect, timeout_s)

    return declared if function is None else declared(function)


@overload
def workflow(function: Callable[P, R], /) -> Workflow[P, R]: ...
@overload
def workflow(
    *,
    name: str | None = None,
    queue: Queue = DEFAULT_QUEUE,
    timeout: str | timedelta | None = None,
    shows_input: bool = True,
) -> Callable[[Callable[P, R]], Workflow[P, R]]: ...
def workflow(
    function: Callable[P, R] | None = None,
    /,
    *,
    name: str | None = None,
    queue: Queue = DEFAULT_QUEUE,
    timeout: str | timedelta | None = None,
    shows_input: bool = True,
) -> Workflow[P, R] | Callable[[Callable[P, R]], Workflow[P, R]]:
    """Declare a function that survives a crash.

    Between its steps it must do the same each time it is run: no clock, no chance, no I/O.

    Args:
        name: The function's own name by default.
        queue: Where it waits for its turn.
        timeout: After so long it is cancelled.
        shows_input: False keeps what it is called with, and what it and its steps return,
            from API and console.

    Raises:
        BadWorkflow, BadDuration: The declaration makes no sense.
    """

    def declared(function: Callable[P, R]) -> Workflow[P, R]:
        chosen = name or function.__name__
        _check_name("workflow", chosen)
        timeout_s = None if timeout is None else duration_us(timeout) / 1e6
        return Workflow(chosen, function, queue, timeout_s, shows_input)

    return declared if function is None else declared(function)


def _check_name(kind: str, name: str) -> None:
    if not 1 <= len(name) <= _LONGEST_NAME or not name.isprintable() or name.startswith("_"):
        problem = f"the name of a {kind} has 1 to {_LONGEST_NAME} characters, the first no _"
        raise BadWorkflow(repr(name), problem, "rename it")
