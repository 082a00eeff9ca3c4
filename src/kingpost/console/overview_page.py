"""The overview: a card for each decision, what needs somebody, what was decided last."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Literal, NamedTuple

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from kingpost.access import Principal
from kingpost.console.running import (
    Running,
    decision_names,
    is_judged,
    label_of,
    last_event_us,
    running,
)
from kingpost.console.series import SPANS, Series, read_series
from kingpost.console.visit import Console, Visit
from kingpost.console.wording import answer_words, ratio
from kingpost.core import id_text
from kingpost.decisions import ServedDecision
from kingpost.monitoring import Incident
from kingpost.records import Outcome, RecordQuery
from kingpost.stats import LogHistogram
from kingpost.tasks import Task, TaskQuery

__all__ = ["LiveFigures", "OutcomeShare", "live_figures", "outcome_shares", "overview_routes"]

_RATE_US = 60_000_000
_LATENCY_US = 300_000_000
_DAY = SPANS[1]
_LATEST, _WAITING = 8, 5
_SPARK_WIDTH, _SPARK_HEIGHT = 120, 26
State = Literal["ok", "bad", "idle"]


class LiveFigures(NamedTuple):
    """How the server does now, by its own clock; None where nothing was asked lately."""

    per_second: float
    p50_us: float | None
    p95_us: float | None
    p99_us: float | None


class OutcomeShare(NamedTuple):
    """One outcome beside the others; `left` and `width` in percent."""

    name: str
    rows: int
    share: float
    left: float
    width: float


@dataclass(frozen=True)
class _Card:
    name: str
    runs: Running
    state: State
    state_text: str
    live: LiveFigures
    total: int
    day_rows: int
    positive_share: float | None
    label: str
    outcomes: Sequence[OutcomeShare]
    spark: str
    last_event_us: int | None
    open_reviews: int
    overdue: int
    queue: str
    open_incidents: int


class _Decided(NamedTuple):
    """A decision just made."""

    id: str
    decision: str
    event_time_us: int
    event_key: str
    outcome: str
    answer: str
    score: float | None


@dataclass(frozen=True)
class _Overview:
    cards: Sequence[_Card]
    incidents: Sequence[Incident]
    waiting: Sequence[Task]
    latest: Sequence[_Decided]
    may_review: bool


def overview_routes(console: Console) -> Sequence[Route]:
    """Return the overview, and the part of it that is fetched again and again."""

    def overview(request: Request) -> Response:
        principal: Principal = request.state.principal
        if not principal.may("records"):
            may_review = principal.may("review") or principal.narrowed("review")
            return RedirectResponse("/inbox" if may_review else "/workflows", 303)
        visit = console.visit(request)
        return visit.page("overview.html", _view(visit), title="Overview", section="overview")

    def refreshed(request: Request) -> Response:
        visit = console.visit(request)
        return visit.fragment("overview_part.html", _view(visit))

    return [Route("/", overview), Route("/parts/overview", refreshed)]


def live_figures(visit: Visit, decision: str) -> LiveFigures:
    """Measure the last minute's rate and the last five minutes' latency."""
    buckets = visit.monitors.live(visit.tenant, decision, visit.now_us - _LATENCY_US)
    since_us = visit.now_us - _RATE_US
    rows = sum(one.rows for one in buckets if one.start_us >= since_us)
    times = reduce(LogHistogram.merge, (one.total for one in buckets), LogHistogram.empty())
    p50, p95, p99 = (times.percentile(at) for at in (0.5, 0.95, 0.99))
    return LiveFigures(rows / (_RATE_US / 1e6), p50, p95, p99)


def outcome_shares(series: Series) -> Sequence[OutcomeShare]:
    """Count the outcomes of a span, in the order in which they are always shown."""
    whole = series.whole
    counts = [(outcome, whole.outcome(outcome)) for outcome in Outcome]
    total = sum(count for _, count in counts)
    shown: list[OutcomeShare] = []
    left = 0.0
    for outcome, count in counts:
        part = ratio(count, total) or 0.0
        shown.append(OutcomeShare(outcome.value, count, part, round(left, 3), round(part * 100, 3)))
        left += part * 100
    return shown


def _view(visit: Visit) -> _Overview:
    names = decision_names(visit)
    incidents = visit.monitors.incidents(visit.tenant, open_only=True)
    reviews: Sequence[Task] = ()
    may_review = visit.may_review()
    if may_review:
        seen = None if visit.principal.may("review") else visit.principal.narrowed("review")
        query = TaskQuery(tenant=visit.tenant, kind="review", queues=seen, state="open", limit=5)
        reviews = visit.tasks.find(query)
    return _Overview(
        cards=[_card(visit, name, incidents) for name in names],
        incidents=incidents[:_WAITING],
        waiting=reviews,
        latest=_latest(visit, names),
        may_review=may_review,
    )


def _card(visit: Visit, name: str, incidents: Sequence[Incident]) -> _Card:
    last = last_event_us(visit, name)
    series = read_series(visit.monitors, visit.tenant, name, _DAY, last or 0)
    whole = series.whole
    served = visit.sources.served.get(name)
    queues = _queues(served)
    counts = [
        one
        for one in visit.tasks.counts(visit.tenant, visit.now_us)
        if one.kind == "review" and one.queue in queues
    ]
    opened = sum(one.decision == name for one in incidents)
    state, state_text = _state(visit, served, last, opened)
    return _Card(
        name=name,
        runs=running(visit, name),
        state=state,
        state_text=state_text,
        live=live_figures(visit, name),
        total=visit.records.count(visit.tenant, name),
        day_rows=whole.rows,
        positive_share=ratio(whole.positives, whole.answered),
        label=label_of(visit, name),
        outcomes=outcome_shares(series),
        spark=_spark([step.rows for step in series.steps]),
        last_event_us=last,
        open_reviews=sum(one.open + one.claimed for one in counts),
        overdue=sum(one.overdue for one in counts),
        queue=queues[0] if len(queues) == 1 else "",
        open_incidents=opened,
    )


def _state(
    visit: Visit, served: ServedDecision | None, last: int | None, opened: int
) -> tuple[State, str]:
    if opened:
        return "bad", "1 open incident" if opened == 1 else f"{opened} open incidents"
    if served is None:
        return "idle", "Not running here"
    if last is None:
        return "idle", "Waiting for its first request"
    if not is_judged(visit, served.decision.name, served.bundle.hex()):
        return "idle", "Too few decisions to judge"
    return "ok", "Healthy"


def _queues(served: ServedDecision | None) -> Sequence[str]:
    """Return the desks that a decision sends reviews to."""
    if served is None:
        return ()
    gate = served.decision.gate
    found = [gate.otherwise, *(rule.then for rule in gate.rules or ())]
    names = [name for one in found for name in (one.queue, one.escalate_to or "") if name]
    return list(dict.fromkeys(names))


def _latest(visit: Visit, names: Sequence[str]) -> Sequence[_Decided]:
    lines = [
        line
        for name in names
        for line in visit.records.find(
            RecordQuery(tenant=visit.tenant, decision=name, limit=_LATEST)
        )
    ]
    lines.sort(key=lambda line: line.place, reverse=True)
    return [
        _Decided(
            id_text(line.id),
            line.decision,
            line.event_time_us,
            line.event_key,
            line.outcome.value,
            answer_words(label_of(visit, line.decision), line.stands),
            line.score,
        )
        for line in lines[:_LATEST]
    ]


def _spark(counts: Sequence[int]) -> str:
    """Return the points of a line through some counts, for `<polyline>`."""
    highest = max(counts, default=0) or 1
    across = _SPARK_WIDTH / max(len(counts) - 1, 1)
    up = _SPARK_HEIGHT - 2
    return " ".join(
        f"{at * across:.1f},{_SPARK_HEIGHT - 1 - count / highest * up:.1f}"
        for at, count in enumerate(counts)
    )
