"""Workflows as JSON, and what asks for them, starts them and sends to them."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from kingpost.serving.review_documents import moment
from kingpost.serving.workflow_values import ValueDocument, shown_input, shown_value
from kingpost.serving.workflow_waits import Told, WaitKind, WorkflowState, told_steps, waits_of
from kingpost.workflows import Run, StepRun, Workflow

__all__ = [
    "ForkDocument",
    "RunDocument",
    "RunLineDocument",
    "RunQueryDocument",
    "RunsDocument",
    "SendDocument",
    "SentDocument",
    "StartDocument",
    "StepDocument",
    "StepsQuery",
    "WaitDocument",
    "run_document",
    "run_line",
]

_Name = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")]
_Key = Annotated[str, Meta(max_length=128, pattern=r"^[A-Za-z0-9._~-]*$")]


class RunQueryDocument(msgspec.Struct, forbid_unknown_fields=True):
    """Which workflows.

    Attributes:
        after: `next` of the page before.
    """

    workflow: _Name | UnsetType = UNSET
    state: WorkflowState | UnsetType = UNSET
    after: Annotated[str, Meta(pattern=r"^([0-9]{1,13}:[0-9]{1,9})?$")] = ""
    limit: Annotated[int, Meta(ge=1, le=200)] = 50


class StepsQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Which steps of a workflow.

    Attributes:
        after: Those behind this place.
    """

    after: Annotated[int, Meta(ge=0, le=1_000_000_000)] = 0
    limit: Annotated[int, Meta(ge=1, le=1000)] = 200


class StartDocument(msgspec.Struct, forbid_unknown_fields=True):
    """What starts a workflow.

    Attributes:
        input: A value for each of its parameters that has no default, by name.
        key: A second start with the same key starts nothing and answers with the first one.
        priority: A lower number goes first; 0 before all others.
        at: When it is due, with an offset.
        after: How long from now it is due, as `10m`.
    """

    workflow: _Name
    input: dict[str, Any] = {}
    key: _Key = ""
    priority: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    at: Annotated[str, Meta(max_length=64)] = ""
    after: Annotated[str, Meta(max_length=20, pattern=r"^([0-9]+(us|ms|s|m|h|d|w))?$")] = ""


class SendDocument(msgspec.Struct, forbid_unknown_fields=True):
    """What is sent to a workflow.

    Attributes:
        key: A second event of the same key is dropped.
    """

    topic: _Name
    value: Any = None
    key: _Key = ""


class ForkDocument(msgspec.Struct, forbid_unknown_fields=True):
    """From which step on a workflow is done again, from 1 on."""

    step: Annotated[int, Meta(ge=1, le=1_000_000_000)]


class SentDocument(msgspec.Struct):
    """What became of an event: it is kept for the workflow."""

    status: Literal["sent"] = "sent"


class RunLineDocument(msgspec.Struct):
    """A workflow that was started.

    Attributes:
        reason: Why it failed, or what code it waits for; a list tells the former where
            it is of those that failed.
    """

    id: str
    workflow: str
    state: str
    queue: str
    priority: int
    created: str
    started: str | None
    ended: str | None
    due: str | None
    attempts: int
    parent: str | None
    forked_from: str | None
    reason: str | None


class RunsDocument(msgspec.Struct):
    """A page of workflows, the newest first; `next` asks for the page after it."""

    workflows: list[RunLineDocument]
    next: str | None


class WaitDocument(msgspec.Struct):
    """What a workflow waits for; `about` is a task's, a workflow's or a queue's name."""

    kind: WaitKind
    about: str
    until: str | None


class StepDocument(msgspec.Struct):
    """A step of a workflow.

    Attributes:
        failed: What it ended with.
        failures: How many attempts failed.
        child: A workflow that it was.
    """

    place: int
    name: str
    started: str | None
    ended: str | None
    failed: str | None
    failures: int
    child: str | None
    output: ValueDocument


class RunDocument(RunLineDocument):
    """A workflow with its steps; `next` is the place to ask for more of them after."""

    input: ValueDocument
    output: ValueDocument
    waits_for: list[WaitDocument]
    steps: list[StepDocument]
    next: int | None


def run_line(run: Run) -> RunLineDocument:
    """Render a run as lists have it."""
    return RunLineDocument(*_line(run))


def run_document(
    run: Run,
    steps: Sequence[StepRun],
    workflow: Workflow[..., Any] | None,
    now_ms: int,
    asked: StepsQuery,
) -> RunDocument:
    """Render a run with its steps.

    Args:
        workflow: What it declares; None where the application declares it no more.
    """
    told = zip(steps, told_steps(steps), strict=True)
    behind = [pair for pair in told if pair[0].place > asked.after]
    shown = behind[: asked.limit]
    return RunDocument(
        *_line(run),
        input=shown_input(run.input, workflow, is_open=run.is_open),
        output=shown_value(run.output, is_open=run.is_open),
        waits_for=[
            WaitDocument(one.kind, one.about, _moment(one.until_ms))
            for one in waits_of(run, steps, now_ms)
        ],
        steps=[_step(*pair, is_open=run.is_open) for pair in shown],
        next=shown[-1][0].place if len(behind) > len(shown) else None,
    )


def _step(step: StepRun, told: Told, *, is_open: bool) -> StepDocument:
    return StepDocument(
        place=step.place,
        name=told.name,
        started=_moment(step.started_ms),
        ended=_moment(step.ended_ms),
        failed=step.failed or None,
        failures=step.failures,
        child=step.child,
        output=shown_value(told.output, is_open=is_open),
    )


def _line(
    run: Run,
) -> tuple[
    str, str, str, str, int, str, str | None, str | None, str | None, int, str | None,
    str | None, str | None,
]:  # fmt: skip
    return (
        run.id,
        run.workflow,
        run.state,
        run.queue,
        run.priority,
        moment(run.created_ms * 1000),
        _moment(run.started_ms),
        _moment(run.ended_ms),
        _moment(run.due_ms),
        run.attempts,
        run.parent,
        run.forked_from,
        run.reason or None,
    )


def _moment(at_ms: int | None) -> str | None:
    return None if at_ms is None else moment(at_ms * 1000)
