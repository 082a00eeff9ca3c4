"""One workflow: its history as bars of time, what it waits for, and what can be done to it.

The rule: what may not be seen is not on the page, and says so. What goes wrong with an
action is told where the action was.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import quote

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from kingpost.console.error_pages import status_of
from kingpost.console.errors import BadField, PageNotFound
from kingpost.console.forms import form_of
from kingpost.console.visit import Console, Visit
from kingpost.console.workflows_page import STATE_WORDS, desk_of, path_of
from kingpost.core import KingpostError
from kingpost.serving import (
    Told,
    ValueDocument,
    Wait,
    shown_input,
    shown_value,
    told_steps,
    waits_of,
)
from kingpost.tasks import Task
from kingpost.workflows import Run, StepRun, WorkflowNotFound

__all__ = ["workflow_routes"]

_PAGE = 100
_LONGEST_OUTPUT = 2000
_MOST_DIGITS = 9
_LEAST_WIDTH = 0.8
_Action = Callable[[Visit, str, Mapping[str, str]], Run]


class _Value(NamedTuple):
    """A value as a page shows it; `text` is empty where there is none to show."""

    kind: str
    text: str
    type: str
    size_bytes: int
    is_cut: bool


class _Step(NamedTuple):
    """A step and its bar, in percent of the time that the page spans."""

    step: StepRun
    name: str
    left: float
    width: float
    took_us: int | None
    child_path: str
    output: _Value


class _Waiting(NamedTuple):
    """What is waited for; `path` leads to the task or the workflow, where there is one."""

    wait: Wait
    path: str


@dataclass(frozen=True)
class _Problem:
    action: str
    said: str
    status: int


@dataclass(frozen=True)
class _WorkflowView:
    run: Run
    path: str
    state: str
    is_declared: bool
    waits: Sequence[_Waiting]
    steps: Sequence[_Step]
    all_steps: int
    more: str
    first: str
    input: _Value
    output: _Value
    can_cancel: bool
    can_resume: bool
    parent_path: str
    forked_path: str
    done: str
    problem: _Problem | None


def workflow_routes(console: Console) -> Sequence[Route]:
    """Return the page of a workflow and what its forms do."""

    def workflow(request: Request) -> Response:
        visit = console.visit(request, "workflows")
        return _page(visit, request.path_params["workflow"])

    def acting(name: str, done: str, action: _Action) -> Callable[[Request], Awaitable[Response]]:
        async def act(request: Request) -> Response:
            form = form_of(await request.body())
            identifier = request.path_params["workflow"]
            visit = await run_in_threadpool(console.visit, request, "workflows")
            try:
                run = await run_in_threadpool(action, visit, identifier, form)
            except KingpostError as error:
                problem = _Problem(name, str(error), status_of(error))
                if problem.status in (403, 404, 500):
                    raise
                return await run_in_threadpool(_page, visit, identifier, problem)
            return RedirectResponse(f"{path_of(run.id)}?done={done}", 303)

        return act

    one = "/workflows/{workflow:path}"
    return [
        Route(f"{one}/cancel", acting("cancel", "cancelled", _cancel), methods=["POST"]),
        Route(f"{one}/resume", acting("resume", "resumed", _resume), methods=["POST"]),
        Route(f"{one}/fork", acting("fork", "forked", _fork), methods=["POST"]),
        Route(one, workflow),
    ]


def _cancel(visit: Visit, identifier: str, _: Mapping[str, str]) -> Run:
    return desk_of(visit).cancel(visit.principal, identifier)


def _resume(visit: Visit, identifier: str, _: Mapping[str, str]) -> Run:
    return desk_of(visit).resume(visit.principal, identifier)


def _fork(visit: Visit, identifier: str, form: Mapping[str, str]) -> Run:
    step = form.get("step", "")
    if not (step.isascii() and step.isdigit() and len(step) <= _MOST_DIGITS):
        raise BadField("step", "the number of a step")
    return desk_of(visit).fork(visit.principal, identifier, int(step))


def _page(visit: Visit, identifier: str, problem: _Problem | None = None) -> Response:
    desk = desk_of(visit)
    try:
        run, steps = desk.read(visit.principal, identifier)
    except WorkflowNotFound:
        raise PageNotFound("workflow") from None
    declared = desk.declared.get(run.workflow)
    after = visit.asked("after")
    place = int(after) if after.isascii() and after.isdigit() and len(after) < _MOST_DIGITS else 0
    told = zip(steps, told_steps(steps), strict=True)
    behind = [pair for pair in told if pair[0].place > place]
    view = _WorkflowView(
        run=run,
        path=path_of(run.id),
        state=STATE_WORDS[run.state],
        is_declared=declared is not None,
        waits=[_waiting(visit, one) for one in waits_of(run, steps, visit.now_us // 1000)],
        steps=_bars(behind[:_PAGE], visit.now_us // 1000, is_open=run.is_open),
        all_steps=len(steps),
        more=f"{path_of(run.id)}?after={behind[_PAGE - 1][0].place}" if len(behind) > _PAGE else "",
        first=path_of(run.id) if place else "",
        input=_shown(shown_input(run.input, declared, is_open=run.is_open)),
        output=_shown(shown_value(run.output, is_open=run.is_open)),
        can_cancel=not run.has_ended,
        can_resume=run.state in ("cancelled", "given_up", "delayed"),
        parent_path=path_of(run.parent) if run.parent else "",
        forked_path=path_of(run.forked_from) if run.forked_from else "",
        done=visit.asked("done") if problem is None else "",
        problem=problem,
    )
    status = problem.status if problem else 200
    title = f"Workflow {run.workflow}"
    return visit.page("workflow.html", view, title=title, section="workflows", status=status)


def _waiting(visit: Visit, wait: Wait) -> _Waiting:
    if wait.kind == "workflow":
        return _Waiting(wait, path_of(wait.about))
    if wait.kind != "person":
        return _Waiting(wait, "")
    task: Task | None = visit.tasks.get(visit.tenant, wait.about)
    is_seen = task is not None and task.closed_us is None and visit.may_see(task.queue)
    return _Waiting(wait, f"/inbox/{quote(wait.about, safe='')}" if is_seen else "")


def _bars(told: Sequence[tuple[StepRun, Told]], now_ms: int, *, is_open: bool) -> Sequence[_Step]:
    """Place the steps in the time from the first one's beginning to the last one's end."""
    times = [
        (one.started_ms or 0, min(one.ended_ms or now_ms, max(now_ms, one.started_ms or 0)))
        for one, _ in told
    ]
    first = min((started for started, _ in times), default=0)
    span = max(1, max((ended for _, ended in times), default=0) - first)
    found: list[_Step] = []
    for (one, as_told), (started, ended) in zip(told, times, strict=True):
        width = max(_LEAST_WIDTH, 100 * (ended - started) / span)
        left = min(100 * (started - first) / span, 100 - width)
        took_us = None if one.ended_ms is None else max(0, one.ended_ms - started) * 1000
        found.append(
            _Step(
                one,
                as_told.name,
                round(max(0.0, left), 2),
                round(min(100.0, width), 2),
                took_us,
                path_of(one.child) if one.child else "",
                _shown(shown_value(as_told.output, is_open=is_open), most=_LONGEST_OUTPUT),
            )
        )
    return found


def _shown(value: ValueDocument, most: int | None = None) -> _Value:
    text = ""
    if value.kind == "json":
        text = msgspec.json.format(bytes(value.value or b""), indent=2).decode()
    is_cut = most is not None and len(text) > most
    return _Value(value.kind, text[:most], value.type, value.size_bytes, is_cut)
