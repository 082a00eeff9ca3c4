"""Incidents: what the monitors found, what it touches, who has looked at it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from kingpost.console.charts import Chart
from kingpost.console.decision_charts import incident_marks, series_charts
from kingpost.console.decision_page import Chosen
from kingpost.console.error_pages import status_of
from kingpost.console.errors import PageNotFound
from kingpost.console.feature_page import column_charts
from kingpost.console.forms import form_of
from kingpost.console.running import decision_names, label_of, last_event_us
from kingpost.console.series import SPANS, read_series
from kingpost.console.visit import Console, Visit
from kingpost.core import KingpostError, id_text
from kingpost.monitoring import HOUR_US, Incident, Monitor, TimelineLine
from kingpost.records import RecordLine
from kingpost.serving import OPERATIONS, markdown_of
from kingpost.tasks import Task

__all__ = ["incidents_routes"]

_PAGE = 50
_LONGEST_ID = 64
_MOST_SHOWN = 20
_MOST_SENT = 1_000
_PRIVATE = {"cache-control": "no-store"}
_CHART_OF: Mapping[Monitor, str] = {
    "positive_rate": "positives",
    "latency": "latency",
    "failures": "volume",
    "overrides": "overrides",
    "quality": "quality",
}
_UNDRAWN: frozenset[Monitor] = frozenset({"stale", "extraction", "release", "alarm", "cost", "slo"})
_STEPS: Mapping[Monitor, Sequence[str]] = {
    "drift": (
        "Open the worst feature below and see where its values have gone.",
        "Ask whoever sends it: a changed unit, a new source and a broken field look like this.",
        "If the input is wrong, have it mended; decisions made from it can be corrected here.",
        "If the world has changed, train a new model on recent data and approve it.",
    ),
    "missing": (
        "See which sender leaves the field out, and since when.",
        "Have it mended; decisions made without it can be corrected here.",
    ),
    "latency": (
        "See which stage takes longer below.",
        "Compare it with the load of the server at that time.",
    ),
    "failures": (
        "Open a failed record below: it says why.",
        "Look at the server's log under its trace id.",
    ),
    "overrides": (
        "Read the reasons that reviewers gave: search the overridden records.",
        "If they are right, the model or its gate needs another look.",
    ),
    "stale": (
        "See below whether its last run failed, and with what error.",
        "If it failed, mend the connection or the file: it is tried again by itself.",
        "If it did not, ask the owner of the source why it brings nothing new.",
        "If it has never run, start kingpost pipelines follow, or the job that refreshes it.",
    ),
    "extraction": (
        "Ask whose key it is: kingpost keys list names the holder.",
        "If nobody ought to ask so, revoke the key: kingpost keys revoke.",
        "If it is right to, as for a test of the model: kingpost exposure forgive.",
    ),
    "alarm": (
        "Look at what it is about: the decision has said what its label means.",
        "Open the records below: they say with what features it was answered.",
        "Send what you find as a label of the record: false alarms are then found as mistakes.",
    ),
    "cost": (
        "See below which decision spends most: kingpost cost says on which days, and on what.",
        "Nothing is refused for money: a limit on cost is one of an API key.",
        "If it is right so, raise the budget in the application: its new 80% is told of too.",
    ),
    "slo": (
        "Open the records below: the outcome says whether they failed or were slow.",
        "See by kingpost slo how much of the budget is left, and how fast it burns.",
        "If a release began it, roll it back; if load did, look at the stages' times.",
    ),
    "release": (
        "The champion answers all requests: nothing has to be done at once.",
        "See below by which measure the bundle was worse, or why it could not be run.",
        "Open records of that bundle, and of the champion at that time, and compare them.",
    ),
    "quality": (
        "See in the model card whether a slice has grown on which the model is weak.",
        "Train a new model on recent data, and compare before you approve it.",
    ),
}


class _Row(NamedTuple):
    incident: Incident
    task: Task | None


@dataclass(frozen=True)
class _List:
    rows: Sequence[_Row]
    decisions: Sequence[str]
    decision: str
    is_open_only: bool
    more: str


class _Touched(NamedTuple):
    id: str
    line: RecordLine


@dataclass(frozen=True)
class _IncidentView:
    incident: Incident
    task: Task | None
    may_acknowledge: bool
    may_act: bool
    is_others: bool
    charts: Sequence[Chart]
    timeline: Sequence[TimelineLine]
    affected: Sequence[_Touched]
    steps: Sequence[str]
    label: str
    is_column: bool
    is_drawn: bool
    is_decision: bool
    done: str
    problem: str
    reason: str


def incidents_routes(console: Console) -> Sequence[Route]:
    """Return the list of incidents, the page of one, and what its form does."""

    def incidents(request: Request) -> Response:
        visit = console.visit(request)
        return visit.page("incidents.html", _list(visit), title="Incidents", section="incidents")

    def incident(request: Request) -> Response:
        visit = console.visit(request, "records", "review")
        return _page(visit, request.path_params["incident"])

    async def act(request: Request) -> Response:
        form = form_of(await request.body())
        identifier, reason = request.path_params["incident"], form.get("reason", "")
        visit = await run_in_threadpool(console.visit, request, "review")
        try:
            done = await _act(visit, identifier, request.path_params["action"], reason)
        except KingpostError as error:
            said, status = str(error), status_of(error)
            if status in (403, 404, 500):
                raise
            return await run_in_threadpool(
                lambda: _page(visit, identifier, problem=said, status=status, reason=reason)
            )
        return RedirectResponse(f"/incidents/{identifier}?done={done}", 303)

    def report(request: Request) -> Response:
        visit = console.visit(request)
        desk = visit.sources.desk.incidents
        found = desk.report(desk.incident(visit.tenant, request.path_params["incident"]))
        return Response(markdown_of(found), media_type="text/markdown", headers=_PRIVATE)

    return [
        Route("/incidents", incidents),
        Route("/incidents/{incident}", incident),
        Route("/incidents/{incident}/report.md", report),
        Route("/incidents/{incident}/{action}", act, methods=["POST"]),
    ]


async def _act(visit: Visit, identifier: str, action: str, reason: str) -> str:
    """Do what a form says, and return what was done."""
    desk = visit.sources.desk
    match action:
        case "acknowledge":
            await desk.acknowledge(visit.principal, identifier, reason)
            return "acknowledged"
        case "note":
            await run_in_threadpool(
                lambda: desk.incidents.note(
                    visit.principal, desk.incidents.incident(visit.tenant, identifier), reason
                )
            )
            return "noted"
        case "review":
            sent = await run_in_threadpool(
                lambda: desk.incidents.send_to_review(
                    visit.principal,
                    desk.incidents.incident(visit.tenant, identifier),
                    queue="",
                    reason=reason,
                    limit=_MOST_SENT,
                )
            )
            return f"sent:{sent.sent}"
        case _:
            raise PageNotFound("incident")


def _list(visit: Visit) -> _List:
    names = decision_names(visit)
    decision = visit.asked("decision")
    is_open_only = visit.asked("state") == "open"
    found = visit.monitors.incidents(
        visit.tenant,
        open_only=is_open_only,
        decision=decision if decision in names else None,
        limit=_PAGE + 1,
        before=_place(visit.asked("before")),
    )
    narrowed = {
        **({"decision": decision} if decision in names else {}),
        **({"state": "open"} if is_open_only else {}),
    }
    more = ""
    if len(found) > _PAGE:
        last = found[_PAGE - 1]
        more = f"/incidents?{urlencode({**narrowed, 'before': f'{last.opened_us}:{last.id}'})}"
    return _List(
        [_Row(one, visit.tasks.get(visit.tenant, one.id)) for one in found[:_PAGE]],
        names,
        decision if decision in names else "",
        is_open_only,
        more,
    )


def _place(text: str) -> tuple[int, str] | None:
    opened_us, _, identifier = text.partition(":")
    if not opened_us.isascii() or not opened_us.isdigit() or len(opened_us) > 18:
        return None
    return int(opened_us), identifier[:_LONGEST_ID]


def _page(
    visit: Visit, identifier: str, *, problem: str = "", status: int = 200, reason: str = ""
) -> Response:
    incident = visit.monitors.incident(visit.tenant, identifier[:_LONGEST_ID])
    task = None if incident is None else visit.tasks.get(visit.tenant, incident.id)
    if incident is None or not visit.may_see(task.queue if task else None):
        raise PageNotFound("incident")
    waits = task is not None and task.closed_us is None
    is_others = (
        task is not None and task.is_held(visit.now_us) and task.claimed_by != visit.principal.by
    )
    is_column = incident.kind not in _CHART_OF and incident.kind not in ("alarm", "slo")
    view = _IncidentView(
        incident=incident,
        task=task,
        may_acknowledge=waits and task is not None and visit.may_review(task.queue),
        may_act=visit.may_review(OPERATIONS),
        is_others=is_others,
        charts=_charts(visit, incident),
        timeline=visit.sources.desk.incidents.timeline(incident),
        affected=_affected(visit, incident),
        steps=_STEPS.get(incident.kind, _STEPS["drift"]),
        label=label_of(visit, incident.decision),
        is_column=is_column,
        is_drawn=incident.kind not in _UNDRAWN,
        is_decision=incident.kind not in ("stale", "cost"),
        done=_done(visit.asked("done")),
        problem=problem,
        reason=reason,
    )
    return visit.page(
        "incident.html", view, title=incident.title, section="incidents", status=status
    )


def _affected(visit: Visit, incident: Incident) -> Sequence[_Touched]:
    found = visit.sources.desk.incidents.affected(incident, limit=_MOST_SHOWN)
    return [_Touched(id_text(line.id), line) for line in found]


def _done(asked: str) -> str:
    """Say what was done by what the address has of it."""
    what, _, count = asked.partition(":")
    if what == "sent" and count.isascii() and count.isdigit() and len(count) < 6:
        return f"{int(count):,} decisions wait for a review."
    return "Noted." if what == "noted" else "acknowledged" if what == "acknowledged" else ""


def _charts(visit: Visit, incident: Incident) -> Sequence[Chart]:
    """Draw what was beyond its limit, from half a day before it began."""
    if incident.kind in _UNDRAWN:
        return ()
    last = last_event_us(visit, incident.decision) or incident.opened_us
    end_us = min(last, incident.opened_us + 12 * HOUR_US)
    is_recent = last - incident.breach_since_us < 2 * HOUR_US
    span = SPANS[0] if is_recent else SPANS[1]
    series = read_series(visit.monitors, visit.tenant, incident.decision, span, end_us)
    bundle = bytes.fromhex(incident.bundle)
    profile = visit.sources.profile_of(incident.decision, bundle)
    chosen = Chosen(incident.decision, span, series, bundle, "", (), profile, last)
    if incident.kind in _CHART_OF:
        marks = incident_marks([incident], series)
        drawn = series_charts(series, profile, label_of(visit, incident.decision), marks)
        return [one for one in drawn if one.id == _CHART_OF[incident.kind]]
    try:
        name = incident.columns[0] if incident.columns else incident.kind
        index, distribution, missing = column_charts(chosen, name, [incident])
    except PageNotFound:
        return ()
    return [missing] if incident.kind == "missing" else [index, distribution]
