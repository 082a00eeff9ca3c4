"""Workflows: what runs, what waits and for what, what has ended and how."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast, get_args
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kingpost.console.errors import PageNotFound
from kingpost.console.visit import Console, Visit
from kingpost.serving import WorkflowDesk, WorkflowState, next_runs, run_query
from kingpost.workflows import Run

__all__ = ["STATE_WORDS", "desk_of", "path_of", "workflows_routes"]

_PAGE = 50
_LONGEST_NAME = 100
_PLACE = re.compile(r"[0-9]{1,13}:[0-9]{1,9}")

STATE_WORDS: Mapping[WorkflowState, str] = {
    "queued": "queued",
    "delayed": "due later",
    "running": "running",
    "waits_for_code": "waits for code",
    "done": "done",
    "failed": "failed",
    "cancelled": "cancelled",
    "given_up": "given up",
}


class _Count(NamedTuple):
    state: WorkflowState
    title: str
    number: int
    path: str
    about: str


class _Row(NamedTuple):
    run: Run
    path: str


@dataclass(frozen=True)
class _List:
    rows: Sequence[_Row]
    counts: Sequence[_Count]
    waiting_for_code: int
    names: Sequence[str]
    states: Mapping[WorkflowState, str]
    workflow: str
    state: str
    is_narrowed: bool
    here: str
    more: str
    first: str


def workflows_routes(console: Console) -> Sequence[Route]:
    """Return the list of workflows."""

    def workflows(request: Request) -> Response:
        visit = console.visit(request, "workflows")
        return visit.page("workflows.html", _list(visit), title="Workflows", section="workflows")

    return [Route("/workflows", workflows)]


def desk_of(visit: Visit) -> WorkflowDesk:
    """Return what may be done with workflows.

    Raises:
        PageNotFound: The application declares none.
    """
    if visit.sources.workflows is None:
        raise PageNotFound("page: the application declares no workflow")
    return visit.sources.workflows


def path_of(identifier: str) -> str:
    """Return the page of a workflow."""
    return f"/workflows/{quote(identifier, safe='')}"


def _list(visit: Visit) -> _List:
    desk = desk_of(visit)
    workflow, after = visit.asked("workflow")[:_LONGEST_NAME], visit.asked("after")
    asked = visit.asked("state")
    state = cast("WorkflowState", asked) if asked in get_args(WorkflowState) else None
    after = after if _PLACE.fullmatch(after) else ""
    query = run_query(workflow=workflow or None, state=state, limit=_PAGE, after=after)
    found = desk.find(visit.principal, query)
    counts = desk.counts_of(visit.principal)
    following = next_runs(query, found)
    return _List(
        rows=[_Row(one, path_of(one.id)) for one in found],
        counts=_counts(counts),
        waiting_for_code=sum(n for (_, state), n in counts.items() if state == "waits_for_code"),
        names=sorted({*desk.declared, *(name for name, _ in counts), *filter(None, [workflow])}),
        states=STATE_WORDS,
        workflow=workflow,
        state=state or "",
        is_narrowed=bool(workflow or state),
        here=_address(workflow, state, after),
        more=_address(workflow, state, following) if following else "",
        first=_address(workflow, state) if after else "",
    )


def _counts(counts: Mapping[tuple[str, str], int]) -> Sequence[_Count]:
    about: Mapping[WorkflowState, str] = {
        "running": "at work, or waiting for an event, a time or a person",
        "queued": "until their queue has room",
        "delayed": "at a time that was given",
        "waits_for_code": "until a deployment fits them",
    }
    return [
        _Count(
            state,
            STATE_WORDS[state],
            sum(number for (_, found), number in counts.items() if found == state),
            f"/workflows?state={state}",
            text,
        )
        for state, text in about.items()
    ]


def _address(workflow: str, state: str | None, after: str = "") -> str:
    asked = {"workflow": workflow, "state": state or "", "after": after}
    query = urlencode({name: value for name, value in asked.items() if value})
    return f"/workflows?{query}" if query else "/workflows"
