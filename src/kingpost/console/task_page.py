"""One task: all that is needed to decide it on one page, then on to the next.

The rule: what somebody wrote is never lost: when another was faster, the page says so and
keeps the words.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from kingpost.console.approval_page import approval_page, check_unchanged, value_of_form
from kingpost.console.error_pages import status_of
from kingpost.console.errors import PageNotFound
from kingpost.console.forms import Refusal, form_of
from kingpost.console.record_page import answer_of_form, line_of
from kingpost.console.record_view import Explained, RecordView, explained, record_view
from kingpost.console.visit import Console, Visit
from kingpost.core import KingpostError
from kingpost.tasks import Task, TaskQuery

__all__ = ["task_routes"]

_Action = Callable[[Visit, str, Mapping[str, str]], Awaitable[Task]]


@dataclass(frozen=True)
class _TaskView:
    task: Task
    shown: RecordView
    explained: Explained | None
    may_answer: bool
    is_mine: bool
    is_others: bool
    is_overdue: bool
    waiting: int
    done: str
    problem: str
    reason: str


def task_routes(console: Console) -> Sequence[Route]:
    """Return the page of a task and what its forms do."""

    def task(request: Request) -> Response:
        visit = console.visit(request, "records", "review")
        return _page(visit, request.path_params["task"])

    def acting(action: _Action, *, is_answer: bool) -> Callable[[Request], Awaitable[Response]]:
        async def act(request: Request) -> Response:
            form = form_of(await request.body())
            identifier = request.path_params["task"]
            visit = await run_in_threadpool(console.visit, request, "review")
            try:
                done = await action(visit, identifier, form)
            except KingpostError as error:
                refusal = Refusal(str(error), error.code, status_of(error), form)
                if refusal.status in (403, 404, 500):
                    raise
                return await run_in_threadpool(_page, visit, identifier, refusal)
            if not is_answer:
                return RedirectResponse(_path_of(done), 303)
            return RedirectResponse(await run_in_threadpool(_next_after, visit, done), 303)

        return act

    return [
        Route("/inbox/{task}", task),
        Route("/inbox/{task}/claim", acting(_claim, is_answer=False), methods=["POST"]),
        Route("/inbox/{task}/release", acting(_release, is_answer=False), methods=["POST"]),
        Route("/inbox/{task}/approve", acting(_approve, is_answer=True), methods=["POST"]),
        Route("/inbox/{task}/reject", acting(_reject, is_answer=True), methods=["POST"]),
        Route("/inbox/{task}/modify", acting(_modify, is_answer=True), methods=["POST"]),
        Route("/inbox/{task}/override", acting(_override, is_answer=True), methods=["POST"]),
    ]


async def _claim(visit: Visit, identifier: str, _: Mapping[str, str]) -> Task:
    return await visit.sources.desk.claim(visit.principal, identifier)


async def _release(visit: Visit, identifier: str, _: Mapping[str, str]) -> Task:
    return await visit.sources.desk.release(visit.principal, identifier)


async def _approve(visit: Visit, identifier: str, form: Mapping[str, str]) -> Task:
    if "value" in form:
        await check_unchanged(visit, identifier, form["value"])
    reason = form.get("reason", "")
    return await visit.sources.desk.approve(visit.principal, identifier, reason)


async def _reject(visit: Visit, identifier: str, form: Mapping[str, str]) -> Task:
    reason = form.get("reason", "")
    return await visit.sources.desk.reject(visit.principal, identifier, reason=reason)


async def _modify(visit: Visit, identifier: str, form: Mapping[str, str]) -> Task:
    value, reason = value_of_form(form.get("value", "")), form.get("reason", "")
    return await visit.sources.desk.modify(visit.principal, identifier, value=value, reason=reason)


async def _override(visit: Visit, identifier: str, form: Mapping[str, str]) -> Task:
    return await visit.sources.desk.override(
        visit.principal,
        identifier,
        positive=answer_of_form(form.get("positive", "")),
        reason=form.get("reason", ""),
    )


def _next_after(visit: Visit, done: Task) -> str:
    """Return where to go after an answer: the next open task of the queue, or the list."""
    waiting = visit.tasks.find(
        TaskQuery(tenant=visit.tenant, queue=done.queue, kind=done.kind, state="open", limit=1)
    )
    if waiting:
        return f"{_path_of(waiting[0])}?done={done.verdict}"
    tab = "tab=approvals&" if done.kind == "approval" else ""
    return f"/inbox?{tab}done={done.verdict}"


def _path_of(task: Task) -> str:
    return f"/inbox/{quote(task.id, safe='')}"


def _page(visit: Visit, identifier: str, refusal: Refusal | None = None) -> Response:
    task = visit.tasks.get(visit.tenant, identifier)
    if task is None or not visit.may_see(task.queue):
        raise PageNotFound("task")
    if task.kind == "incident":
        return RedirectResponse(f"/incidents/{task.subject}", 303)
    if task.kind == "approval":
        return approval_page(visit, task, refusal)
    shown = record_view(visit, line_of(visit, task.subject))
    is_mine = task.is_held(visit.now_us) and task.claimed_by == visit.principal.by
    counts = visit.tasks.counts(visit.tenant, visit.now_us)
    view = _TaskView(
        task=task,
        shown=shown,
        explained=explained(visit, shown) if visit.asked("explain") else None,
        may_answer=visit.may_review(task.queue) and task.closed_us is None,
        is_mine=is_mine,
        is_others=task.is_held(visit.now_us) and not is_mine,
        is_overdue=task.is_overdue(visit.now_us),
        waiting=sum(one.open for one in counts if one.kind == "review" and one.queue == task.queue),
        done=visit.asked("done"),
        problem=refusal.problem if refusal else "",
        reason=refusal.form.get("reason", "") if refusal else "",
    )
    title = f"Review {shown.line.event_key}"
    status = refusal.status if refusal else 200
    return visit.page("task.html", view, title=title, section="inbox", status=status)
