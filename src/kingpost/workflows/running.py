"""What a workflow can do while it runs, and who does it for it.

A `Runtime` keeps results and brings a workflow back after a crash; one process has one.
Without it, or outside a workflow, steps and workflows are the functions that they are,
which is how they are tested.
"""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ParamSpec, Protocol, TypeVar, cast, overload

from kingpost.core import duration_text, duration_us
from kingpost.workflows.errors import NotInTime, NotInWorkflow
from kingpost.workflows.people import Answer, Question

__all__ = [
    "Callee",
    "Runtime",
    "apatched",
    "ask",
    "call_step",
    "call_workflow",
    "effect_key",
    "event",
    "patched",
    "run",
    "sleep",
    "sleep_until",
    "together",
    "use_runtime",
    "workflow_id",
]

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
R_co = TypeVar("R_co", covariant=True)


class Callee(Protocol[P, R_co]):
    """A step or a workflow, as far as running it goes."""

    @property
    def name(self) -> str: ...
    @property
    def function(self) -> Callable[P, R_co]: ...


class Runtime(Protocol):
    """Keeps what steps return; asked from inside workflows only, but for `is_inside`."""

    @property
    def is_inside(self) -> bool:
        """Whether a workflow runs here, and none of its steps."""
        ...

    @property
    def key(self) -> str | None:
        """What names the step that runs here, the same each time it runs; None outside."""
        ...

    @property
    def workflow_id(self) -> str | None: ...

    def call(self, callee: Callee[..., Any], args: Sequence[Any], named: Mapping[str, Any]) -> Any:
        """Run a step or a child from a `def` workflow."""
        ...

    def run(
        self, callee: Callee[..., Any], args: Sequence[Any], named: Mapping[str, Any]
    ) -> Awaitable[Any]:
        """Run a step or a child from an `async def` workflow; its place is taken at once."""
        ...

    def sleep(self, seconds: float) -> Awaitable[None]: ...

    def event(self, topic: str, within_s: float) -> Awaitable[tuple[Any] | None]:
        """Wait for an event; None when none came."""
        ...

    def ask(self, question: Question) -> Awaitable[Answer | None]: ...

    def patched(self, name: str) -> bool: ...

    def apatched(self, name: str) -> Awaitable[bool]: ...


_runtime: Runtime | None = None


def use_runtime(runtime: Runtime | None) -> None:
    """Say who runs this process' workflows."""
    global _runtime
    _runtime = runtime


def call_step(callee: Callee[P, R], args: Sequence[Any], named: Mapping[str, Any]) -> R:
    """Run a step that was called directly."""
    runtime = _runtime
    if runtime is None or not runtime.is_inside:
        return callee.function(*args, **named)  # pyright: ignore[reportCallIssue]  the caller's
    return runtime.call(callee, args, named)


call_workflow = call_step
"""Run a workflow that was called directly."""


def _inside(what: str) -> Runtime:
    if _runtime is None or not _runtime.is_inside:
        raise NotInWorkflow(what)
    return _runtime


@overload
def run(
    callee: Callee[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs
) -> Awaitable[T]: ...
@overload
def run(callee: Callee[P, R], *args: P.args, **kwargs: P.kwargs) -> Awaitable[R]: ...
def run(callee: Callee[P, Any], *args: P.args, **kwargs: P.kwargs) -> Awaitable[Any]:
    """Run a step, or another workflow as a child, from an `async def` workflow.

    Several at once: hand them to `together`. Outside a workflow it runs the function.
    """
    if _runtime is None or not _runtime.is_inside:
        return _plainly(callee.function, args, kwargs)
    return _runtime.run(callee, args, kwargs)


async def _plainly(
    function: Callable[..., Any], args: Sequence[Any], named: Mapping[str, Any]
) -> Any:
    if inspect.iscoroutinefunction(function):
        return await function(*args, **named)
    return await asyncio.to_thread(function, *args, **named)


async def together(*branches: Awaitable[T]) -> list[T]:
    """Wait for several branches, and return what they return, in their order.

    When some fail, all others end first; then the first failure in their order is raised.
    """
    ended = await asyncio.gather(*branches, return_exceptions=True)
    for one in ended:
        if isinstance(one, BaseException):
            raise one
    return cast("list[T]", ended)


async def sleep(length: str | timedelta) -> None:
    """Wait for some time, counted from when it was first asked for, also over a restart.

    Raises:
        BadDuration: It is no length of time.
        NotInWorkflow
    """
    await _inside("sleep").sleep(duration_us(length) / 1e6)


async def sleep_until(moment: datetime) -> None:
    """Wait until a moment that has a time zone; one that is past is not waited for.

    Raises:
        NotInWorkflow
        ValueError: The moment has no time zone.
    """
    runtime = _inside("sleep_until")
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone; pass an aware datetime")
    # a step reads the clock, so that it is asked only once
    now = await runtime.run(_Clock(), (), {})
    await runtime.sleep(max(0.0, moment.timestamp() - now))


class _Clock:
    name = "the time"

    def function(self) -> float:
        return time.time()


async def event(topic: str, *, within: str | timedelta) -> Any:
    """Wait for what `Workflows.send` sends to this workflow; each event is received once.

    Raises:
        NotInTime: None came.
        BadDuration, NotInWorkflow
    """
    within_us = duration_us(within)
    received = await _inside("event").event(topic, within_us / 1e6)
    if received is None:
        raise NotInTime(f"the event {topic!r}", duration_text(within_us))
    return received[0]


async def ask(
    queue: str,
    title: str,
    *,
    about: Mapping[str, object] | None = None,
    within: str | timedelta = "7d",
    remind: str | timedelta | None = None,
    escalate_to: str = "",
) -> Answer:
    """Ask a person, and wait for the answer: a task in the inbox.

    Args:
        queue: The desk whose people look at it.
        about: What they need to see, and may change: a value of JSON.
        within: How long they have.
        remind: After so long without an answer they are reminded.
        escalate_to: The queue that it moves to when it is late; then there is as much time again.

    Raises:
        NotInTime: Nobody answered.
        BadDuration, NotInWorkflow
    """
    runtime = _inside("ask")
    within_us = duration_us(within)
    question = Question(
        queue=queue,
        title=title,
        about=dict(about or {}),
        within_us=within_us,
        remind_us=None if remind is None else duration_us(remind),
        escalate_to=escalate_to,
    )
    answer = await runtime.ask(question)
    if answer is None:
        raise NotInTime(f"an answer to {title!r}", duration_text(within_us))
    return answer


def patched(name: str) -> bool:
    """Say whether a changed part of a `def` workflow runs as it is now.

    True in workflows that had not come here when the change was deployed, and False in
    those that had: they go on as they began.

    Raises:
        NotInWorkflow
    """
    return _inside("patched").patched(name)


async def apatched(name: str) -> bool:
    """Do what `patched` does, in an `async def` workflow.

    Raises:
        NotInWorkflow
    """
    return await _inside("apatched").apatched(name)


def effect_key() -> str:
    """Return the idempotency key of the step that runs: the same each time it runs.

    Raises:
        NotInWorkflow: No step of a workflow runs here.
    """
    key = None if _runtime is None else _runtime.key
    if key is None:
        raise NotInWorkflow("effect_key")
    return key


def workflow_id() -> str | None:
    """Return the id of the workflow that runs here; None outside of one."""
    return None if _runtime is None else _runtime.workflow_id
