"""One record: what was answered and why, what stands now, and how to correct it."""

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from kingpost.console.error_pages import status_of
from kingpost.console.errors import BadField, PageNotFound
from kingpost.console.forms import form_of
from kingpost.console.record_view import Explained, RecordView, explained, record_view
from kingpost.console.visit import Console, Visit
from kingpost.core import KingpostError, parse_id
from kingpost.records import RecordLine
from kingpost.tasks import Task

__all__ = ["answer_of_form", "line_of", "record_routes"]


@dataclass(frozen=True)
class _Record:
    shown: RecordView
    task: Task | None
    explained: Explained | None
    may_correct: bool
    is_proved: bool
    done: bool
    problem: str
    reason: str


@dataclass(frozen=True)
class _Part:
    shown: RecordView
    explained: Explained


def record_routes(console: Console) -> Sequence[Route]:
    """Return the page of a record, its explanation, and what its form does."""

    def record(request: Request) -> Response:
        visit = console.visit(request)
        return _page(visit, request.path_params["record"])

    def explanation(request: Request) -> Response:
        visit = console.visit(request, "records", "review")
        shown = record_view(visit, line_of(visit, request.path_params["record"]))
        task = visit.tasks.get(visit.tenant, shown.id)
        if not visit.may_see(task.queue if task else None):
            raise PageNotFound("record")
        return visit.fragment("explanation.html", _Part(shown, explained(visit, shown)))

    def proof(request: Request) -> Response:
        visit = console.visit(request)
        line = line_of(visit, request.path_params["record"])
        if visit.sources.prove is None:
            raise PageNotFound("proof")
        made = visit.sources.prove(line.id)
        if made is None:
            problem = (
                b'{"detail": "the record is not in a signed log yet; ask again in some seconds"}'
            )
            return Response(problem, 409, media_type="application/json")
        return Response(made, media_type="application/json")

    async def correct(request: Request) -> Response:
        form = form_of(await request.body())
        identifier = request.path_params["record"]
        visit = await run_in_threadpool(console.visit, request)
        try:
            await visit.sources.desk.correct(
                visit.principal,
                identifier,
                positive=answer_of_form(form.get("positive", "")),
                reason=form.get("reason", ""),
            )
        except KingpostError as error:
            said, status, reason = str(error), status_of(error), form.get("reason", "")
            if status in (403, 404, 500):
                raise
            return await run_in_threadpool(
                lambda: _page(visit, identifier, problem=said, status=status, reason=reason)
            )
        return RedirectResponse(f"/records/{identifier}?done=corrected", 303)

    return [
        Route("/records/{record}", record),
        Route("/records/{record}/explanation", explanation),
        Route("/records/{record}/proof", proof),
        Route("/records/{record}/correct", correct, methods=["POST"]),
    ]


def line_of(visit: Visit, identifier: str) -> RecordLine:
    """Find a record of the tenant's.

    Raises:
        PageNotFound: There is none of this id.
    """
    parsed = parse_id(identifier)
    line = None if parsed is None else visit.records.get(visit.tenant, parsed)
    if line is None:
        raise PageNotFound("record")
    return line


def answer_of_form(text: str) -> bool:
    """Read which answer somebody chose.

    Raises:
        BadField: None.
    """
    if text not in ("yes", "no"):
        raise BadField("Answer", "choose the one that should stand")
    return text == "yes"


def _page(
    visit: Visit, identifier: str, *, problem: str = "", status: int = 200, reason: str = ""
) -> Response:
    line = line_of(visit, identifier)
    shown = record_view(visit, line)
    task = visit.tasks.get(visit.tenant, shown.id)
    view = _Record(
        shown=shown,
        task=task,
        explained=explained(visit, shown) if visit.asked("explain") else None,
        may_correct=visit.may_review(task.queue) if task else visit.principal.may("review"),
        is_proved=visit.sources.prove is not None,
        done=visit.asked("done") == "corrected",
        problem=problem,
        reason=reason,
    )
    title = f"Record {line.event_key}"
    return visit.page("record.html", view, title=title, section="records", status=status)
