"""Workflows inside a process, by DBOS: how a step is kept and a wait survives.

The rule: the place of a step in the history of its workflow is taken in the order in which
the workflow asks, never in the order in which steps end. A workflow whose history says
something else than its code ends here without a result: it stays as it is, and waits for
code that it fits.
"""

import asyncio
import contextvars
import itertools
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

from dbos import DBOS, SetWorkflowTimeout, StepOptions
from dbos import error as dbos_error

from kingpost.workflows.declare import Step, Workflow
from kingpost.workflows.errors import BadWorkflow, EffectUnknown, RetriesExhausted, StepBlocksLoop
from kingpost.workflows.inbox import Inbox
from kingpost.workflows.people import Answer, Question
from kingpost.workflows.running import Callee

__all__ = ["CodeChanged", "DbosRuntime", "failures_of", "time_limit"]

_log = logging.getLogger(__name__)
_NAME_OF_BEGIN = "{} begins"


class CodeChanged(BaseException):
    """The code asks for another step than the history has.

    No `Exception`, so that neither a workflow nor DBOS takes it for the workflow's own end.
    """

    def __init__(self, workflow: str, place: int, recorded: str, expected: str) -> None:
        super().__init__(workflow, place, recorded, expected)
        self.workflow, self.place = workflow, place
        self.recorded, self.expected = recorded, expected

    def __str__(self) -> str:
        return f"step {self.place} was {self.recorded!r}, and the code has {self.expected!r} there"


class DbosRuntime:
    """Runs what workflows ask for; a `Runtime`."""

    def __init__(
        self,
        workflows: Mapping[str, Callable[..., Any]],
        inbox: Inbox,
    ) -> None:
        self._workflows, self._inbox = workflows, inbox

    @property
    def is_inside(self) -> bool:
        return DBOS.workflow_id is not None and DBOS.step_status is None

    @property
    def key(self) -> str | None:
        if DBOS.workflow_id is None or DBOS.step_status is None:
            return None
        return f"{DBOS.workflow_id}:{DBOS.step_id}"

    @property
    def workflow_id(self) -> str | None:
        return DBOS.workflow_id

    def call(self, callee: Callee[..., Any], args: Sequence[Any], named: Mapping[str, Any]) -> Any:
        if isinstance(callee, Workflow):
            return self._call_child(callee, args, named)
        assert isinstance(callee, Step)
        step: Step[..., Any] = callee
        if _is_on_loop() or step.is_async:
            raise StepBlocksLoop(step.name, is_async=step.is_async)
        try:
            if step.effect == "at_most_once":
                begun: list[bool] = []
                DBOS.run_step(StepOptions(name=_NAME_OF_BEGIN.format(step.name)), _begin, begun)
                return DBOS.run_step(
                    StepOptions(name=step.name), _once, step, begun, tuple(args), dict(named)
                )
            return DBOS.run_step(step_options(step), step.function, *args, **named)
        except (dbos_error.DBOSUnexpectedStepError, dbos_error.DBOSMaxStepRetriesExceeded) as error:
            raise _translated(step.name, error) from error

    def _call_child(
        self, child: Workflow[..., Any], args: Sequence[Any], named: Mapping[str, Any]
    ) -> Any:
        if _is_on_loop() or child.is_async:
            raise StepBlocksLoop(child.name, is_async=child.is_async)
        try:
            with time_limit(child):
                return self._registered(child)(*args, **named)
        except dbos_error.DBOSUnexpectedStepError as error:
            raise _translated(child.name, error) from error

    def _registered(self, child: Workflow[..., Any]) -> Any:
        found = self._workflows.get(child.name)
        if found is None:
            raise BadWorkflow(
                f"workflow {child.name!r}",
                "is not among the names of the application's file",
                "import it there",
            )
        return found

    def run(
        self, callee: Callee[..., Any], args: Sequence[Any], named: Mapping[str, Any]
    ) -> Awaitable[Any]:
        if isinstance(callee, Workflow):
            return self._run_child(callee, args, named)
        if not isinstance(callee, Step):
            return self._kept(StepOptions(name=callee.name), callee.function, args, named)
        step: Step[..., Any] = callee
        if step.effect == "at_most_once":
            return self._run_once(step, args, named)
        return self._kept(step_options(step), step.function, args, named)

    def _kept(
        self,
        options: StepOptions,
        function: Callable[..., Any],
        args: Sequence[Any],
        named: Mapping[str, Any],
    ) -> Awaitable[Any]:
        """Take a place in the history now, and run a function there later."""
        place = DBOS.reserve_step()

        async def kept() -> Any:
            try:
                return await place.run_async(options, function, *args, **named)
            except (
                dbos_error.DBOSUnexpectedStepError,
                dbos_error.DBOSMaxStepRetriesExceeded,
            ) as error:
                raise _translated(options.get("name") or "", error) from error

        return kept()

    def _run_once(
        self, step: Step[..., Any], args: Sequence[Any], named: Mapping[str, Any]
    ) -> Awaitable[Any]:
        begun: list[bool] = []
        begins = self._kept(
            StepOptions(name=_NAME_OF_BEGIN.format(step.name)), _begin, (begun,), {}
        )
        once = _once_async if step.is_async else _once
        done = self._kept(
            StepOptions(name=step.name), once, (step, begun, tuple(args), dict(named)), {}
        )

        async def both() -> Any:
            await begins
            return await done

        return both()

    async def _run_child(
        self, child: Workflow[..., Any], args: Sequence[Any], named: Mapping[str, Any]
    ) -> Any:
        if not child.is_async:
            raise BadWorkflow(
                f"workflow {child.name!r}",
                "is `def`, and an `async def` workflow cannot wait for it",
                "make it `async def`",
            )
        try:
            with time_limit(child):
                handle = await DBOS.start_workflow_async(self._registered(child), *args, **named)
            return await handle.get_result()
        except dbos_error.DBOSUnexpectedStepError as error:
            raise _translated(child.name, error) from error

    async def sleep(self, seconds: float) -> None:
        try:
            await DBOS.sleep_async(seconds)
        except dbos_error.DBOSUnexpectedStepError as error:
            raise _translated("sleep", error) from error

    async def event(self, topic: str, within_s: float) -> tuple[Any] | None:
        try:
            received = await DBOS.recv_async(topic, within_s)
        except dbos_error.DBOSUnexpectedStepError as error:
            raise _translated("event", error) from error
        return None if received is None else (received["value"],)

    def ask(self, question: Question) -> Awaitable[Answer | None]:
        """Put the question in the inbox, then wait; after a restart in between it waits on."""
        workflow = DBOS.workflow_id or ""
        question = replace(question, tenant=DBOS.authenticated_user or "")
        asks, waits = DBOS.reserve_step(), DBOS.reserve_step()
        identifier = f"{workflow}-{asks.step_id}"

        async def both() -> Answer | None:
            try:
                asked_us = await asks.run_async(
                    StepOptions(name="ask"), self._inbox.ask, identifier, workflow, question
                )
                return await waits.run_async(
                    StepOptions(name="answer", preemptible=True),
                    self._inbox.answer, identifier, question, asked_us,
                )  # fmt: skip
            except dbos_error.DBOSUnexpectedStepError as error:
                raise _translated("ask", error) from error

        return both()

    def patched(self, name: str) -> bool:
        return DBOS.patch(name)

    def apatched(self, name: str) -> Awaitable[bool]:
        return DBOS.patch_async(name)


def time_limit(workflow: Workflow[..., Any]) -> AbstractContextManager[object]:
    """Give the workflow that is started within the time that it may take."""
    return nullcontext() if workflow.timeout_s is None else SetWorkflowTimeout(workflow.timeout_s)


def step_options(step: Step[..., Any]) -> StepOptions:
    """Say to DBOS how a step is tried."""
    tries = step.retries
    return StepOptions(
        name=step.name,
        retries_allowed=tries.attempts > 1,
        max_attempts=tries.attempts,
        interval_seconds=tries.first_s,
        backoff_rate=tries.growth,
        should_retry=_judge(step) if tries.attempts > 1 else None,
        timeout_seconds=step.timeout_s,
    )


def _judge(step: Step[..., Any]) -> Callable[[BaseException], bool | Awaitable[bool]]:
    """Make what says whether one call of a step is tried again, and notes each failure."""
    failures = itertools.count(1)

    def is_tried_again(error: BaseException) -> bool:
        again, kind = step.retries.on(error), type(error).__name__
        _log.warning("step_failed", extra={"step": step.name, "error": kind, "may_retry": again})
        noted = {failures_of(DBOS.step_id or 0): next(failures)}
        # a context of its own: for DBOS this is no step of the workflow
        contextvars.Context().run(
            DBOS.update_workflow_attributes, DBOS.workflow_id or "", noted, merge=True
        )
        return again

    async def is_tried_again_async(error: BaseException) -> bool:
        return await asyncio.to_thread(is_tried_again, error)

    return is_tried_again_async if step.is_async else is_tried_again


def failures_of(place: int) -> str:
    """Return the attribute of a workflow that counts the failed attempts of a step."""
    return f"failures of {place}"


def _is_on_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _begin(begun: list[bool]) -> float:
    begun.append(True)
    return time.time()


def _once(
    step: Step[..., Any], begun: list[bool], args: tuple[Any, ...], named: dict[str, Any]
) -> Any:
    if not begun:
        raise EffectUnknown(step.name)
    return step.function(*args, **named)


async def _once_async(
    step: Step[..., Any], begun: list[bool], args: tuple[Any, ...], named: dict[str, Any]
) -> Any:
    return await _once(step, begun, args, named)


def _translated(
    name: str, error: dbos_error.DBOSUnexpectedStepError | dbos_error.DBOSMaxStepRetriesExceeded
) -> BaseException:
    if isinstance(error, dbos_error.DBOSMaxStepRetriesExceeded):
        reasons = tuple(f"{type(one).__name__}: {one}" for one in error.errors)
        return RetriesExhausted(name, len(reasons), reasons)
    workflow, place, expected, recorded = error.inputs
    return CodeChanged(workflow, place, recorded, expected)
