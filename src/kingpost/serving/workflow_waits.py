"""What a workflow waits for, read from its history.

The rule: the history alone says it. A wait takes its place when it begins, so what is
there without its end, or missing before what came after it, is what is waited for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from kingpost.workflows import Run, StepRun

__all__ = ["Told", "Wait", "WaitKind", "WorkflowState", "told_steps", "waits_of"]

WorkflowState = Literal[
    "queued", "delayed", "running", "waits_for_code", "done", "failed", "cancelled", "given_up"
]
"""As `RunState`, without what asks the database."""

WaitKind = Literal["person", "event", "time", "workflow", "code", "turn"]

_NAMES = {"getResult": "result of workflow"}
"""DBOS' names of what Kingpost calls otherwise."""


@dataclass(frozen=True)
class Wait:
    """One thing that a workflow waits for; several when its branches run beside each other.

    Attributes:
        kind: A person who is asked, an event, the end of a sleep, another workflow, code that
            it fits, or its turn.
        about: The task's id of a person, the workflow's id of a workflow, the reason of code.
        until_ms: When it goes on in any case, where that is known.
    """

    kind: WaitKind
    about: str = ""
    until_ms: int | None = None


class Told(NamedTuple):
    """A step as it is told: its name and output without what the runtime keeps beside."""

    name: str
    output: object


def told_steps(steps: Sequence[StepRun]) -> Sequence[Told]:
    """Say what each step is called, and what it returned to the workflow."""
    by_place = {one.place: one for one in steps}
    return [_told(one, by_place) for one in steps]


def waits_of(run: Run, steps: Sequence[StepRun], now_ms: int) -> Sequence[Wait]:
    """Return what a workflow waits for; nothing when it has ended, or works."""
    if run.has_ended:
        return ()
    if run.state == "waits_for_code":
        return (Wait("code", run.reason),)
    if run.state == "delayed":
        return (Wait("time", until_ms=run.due_ms),)
    if run.state == "queued":
        return (Wait("turn", run.queue),)
    by_place = {one.place: one for one in steps}
    found = [_wait_of(run, one, by_place, now_ms) for one in steps]
    children = {one.child for one in steps if one.child and one.name == "getResult"}
    return [
        *(one for one in found if one is not None),
        *(
            Wait("workflow", one.child)
            for one in steps
            if one.child and one.name != "getResult" and one.child not in children
        ),
    ]


def _told(step: StepRun, by_place: Mapping[int, StepRun]) -> Told:
    match step.name:
        case "recv":
            received: object = step.output
            if isinstance(received, Mapping):
                return Told("event", received.get("value"))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]  of DBOS
            return Told("event", received)
        case "sleep":
            is_limit = _is_events(step, by_place)
            return Told("limit of an event" if is_limit else "sleep", None)
        case "ask":
            return Told("ask", None)
        case name:
            return Told(_NAMES.get(name, name), step.output)


def _wait_of(run: Run, step: StepRun, by_place: Mapping[int, StepRun], now_ms: int) -> Wait | None:
    if step.name == "ask" and not step.failed and step.place + 1 not in by_place:
        return Wait("person", f"{run.id}-{step.place}")
    if step.name != "sleep" or step.ended_ms is None:
        return None
    wakes_ms, has_time_left = _wakes_ms(step), _wakes_ms(step) > now_ms
    if _is_events(step, by_place):
        has_come = step.place - 1 in by_place
        return None if has_come else Wait("event", until_ms=wakes_ms if has_time_left else None)
    return Wait("time", until_ms=wakes_ms) if has_time_left else None


def _wakes_ms(step: StepRun) -> int:
    output = step.output
    return round(output * 1000) if isinstance(output, int | float) else step.ended_ms or 0


def _is_events(step: StepRun, by_place: Mapping[int, StepRun]) -> bool:
    """Tell the limit of a wait for an event, kept as a sleep that ended at once, from a sleep."""
    before = by_place.get(step.place - 1)
    if before is not None or step.place == 1:
        return before is not None and before.name == "recv"
    started_ms, ended_ms = step.started_ms or 0, step.ended_ms or 0
    if step.output is None:
        return ended_ms - started_ms <= 1
    return _wakes_ms(step) > ended_ms + 1
