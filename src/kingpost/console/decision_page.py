"""One decision: what runs, how it goes, how far its inputs have moved."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kingpost.console.charts import Chart
from kingpost.console.decision_charts import (
    distribution_chart,
    incident_marks,
    live_charts,
    series_charts,
)
from kingpost.console.drift import ColumnDrift, drift_of
from kingpost.console.errors import PageNotFound
from kingpost.console.overview_page import (
    LiveFigures,
    OutcomeShare,
    live_figures,
    outcome_shares,
)
from kingpost.console.running import Running, decision_names, label_of, last_event_us, running
from kingpost.console.series import SPANS, Series, Span, read_series, span_named
from kingpost.console.visit import Console, Visit
from kingpost.console.wording import ratio
from kingpost.monitoring import Incident, MonitorStatus, Profile, SloStatus, slo_statuses

__all__ = ["Chosen", "chosen_of", "decision_routes"]

_LIVE_US = 30 * 60 * 1_000_000
_COLUMN_MONITORS = ("drift", "missing", "score", "confidence")


class Chosen(NamedTuple):
    """What of a decision is looked at.

    Attributes:
        bundle: The one whose columns are compared with their reference; None when none ran.
        only: Set when nothing but this bundle's decisions are looked at.
        bundles: Those that ran lately, the newest first.
    """

    decision: str
    span: Span
    series: Series
    bundle: bytes | None
    only: str
    bundles: Sequence[str]
    profile: Profile | None
    last_event_us: int | None


@dataclass(frozen=True)
class _Figures:
    decided: int
    positive_share: float | None
    confidence: float | None
    review_share: float | None
    reviews: int
    override_share: float | None
    labelled: int
    precision: float | None
    recall: float | None


@dataclass(frozen=True)
class _Live:
    decision: str
    charts: Sequence[Chart]
    figures: LiveFigures


@dataclass(frozen=True)
class _Decision:
    chosen: Chosen
    spans: Sequence[Span]
    runs: Running
    label: str
    figures: _Figures
    outcomes: Sequence[OutcomeShare]
    live: _Live
    charts: Sequence[Chart]
    distributions: Sequence[Chart]
    drift: Sequence[ColumnDrift]
    monitors: Sequence[MonitorStatus]
    slos: Sequence[SloStatus]
    incidents: Sequence[Incident]
    total: int

    @property
    def is_judged(self) -> bool:
        """Whether any feature could be compared with its reference."""
        return any(one.kind == "feature" and one.worst >= 0 for one in self.drift)


def decision_routes(console: Console) -> Sequence[Route]:
    """Return the page of a decision and the part of it that is live."""

    def decision(request: Request) -> Response:
        visit = console.visit(request)
        name = request.path_params["decision"]
        view = _view(visit, name)
        return visit.page("decision.html", view, title=name, section="overview")

    def live(request: Request) -> Response:
        visit = console.visit(request)
        name = _known(visit, request.path_params["decision"])
        return visit.fragment("decision_live.html", _live(visit, name))

    return [
        Route("/decisions/{decision}", decision),
        Route("/decisions/{decision}/live", live),
    ]


def chosen_of(visit: Visit, decision: str) -> Chosen:
    """Read what the address asks to look at.

    Raises:
        PageNotFound: The tenant has no such decision.
    """
    _known(visit, decision)
    span, only = span_named(visit.asked("span")), visit.asked("bundle")
    last = last_event_us(visit, decision)
    series = read_series(visit.monitors, visit.tenant, decision, span, last or 0)
    ran = {bundle: step.start_us for step in series.steps for bundle in step.parts}
    newest = sorted(ran, key=lambda one: ran[one], reverse=True)
    served = visit.sources.served.get(decision)
    wanted = bytes.fromhex(only) if _is_digest(only) else b""
    bundle: bytes | None = None
    if wanted in ran:
        bundle = wanted
        series = read_series(visit.monitors, visit.tenant, decision, span, last or 0, bundle=wanted)
    elif served is not None and (served.bundle in ran or not newest):
        bundle = served.bundle
    elif newest:
        bundle = newest[0]
    profile = None if bundle is None else visit.sources.profile_of(decision, bundle)
    return Chosen(
        decision,
        span,
        series,
        bundle,
        only if wanted in ran else "",
        [one.hex() for one in newest],
        profile,
        last,
    )


def _known(visit: Visit, decision: str) -> str:
    if decision not in decision_names(visit):
        raise PageNotFound("decision")
    return decision


def _is_digest(text: str) -> bool:
    try:
        return len(bytes.fromhex(text)) == 32
    except ValueError:
        return False


def _view(visit: Visit, decision: str) -> _Decision:
    chosen = chosen_of(visit, decision)
    label = label_of(visit, decision)
    incidents = visit.monitors.incidents(visit.tenant, decision=decision, limit=50)
    statuses = _statuses(visit, chosen)
    marks = incident_marks(incidents, chosen.series)
    return _Decision(
        chosen=chosen,
        spans=SPANS,
        runs=running(visit, decision),
        label=label,
        figures=_figures(chosen.series),
        outcomes=outcome_shares(chosen.series),
        live=_live(visit, decision),
        charts=series_charts(chosen.series, chosen.profile, label, marks),
        distributions=list(_distributions(chosen)),
        drift=drift_of(chosen.profile.columns, statuses) if chosen.profile else (),
        monitors=[one for one in statuses if one.monitor not in _COLUMN_MONITORS],
        slos=_slos(visit, decision),
        incidents=[one for one in incidents if one.is_open],
        total=visit.records.count(visit.tenant, decision),
    )


def _statuses(visit: Visit, chosen: Chosen) -> Sequence[MonitorStatus]:
    """Return what the monitors of the chosen bundle last said."""
    found = visit.monitors.statuses(visit.tenant, chosen.decision)
    wanted = chosen.bundle.hex() if chosen.bundle else ""
    return [one for one in found if one.bundle == wanted]


def _slos(visit: Visit, decision: str) -> Sequence[SloStatus]:
    """Return how the objectives of a decision stand."""
    served = visit.sources.served.get(decision)
    promised = () if served is None else served.decision.slos
    if not promised:
        return ()
    found = slo_statuses(
        visit.monitors, lambda name: promised if name == decision else (), visit.now_us
    )
    return [one for one in found if one.tenant == visit.tenant]


def _live(visit: Visit, decision: str) -> _Live:
    buckets = visit.monitors.live(visit.tenant, decision, visit.now_us - _LIVE_US)
    return _Live(decision, live_charts(buckets, visit.now_us), live_figures(visit, decision))


def _figures(series: Series) -> _Figures:
    whole = series.whole
    approved, overridden = whole.reviews
    right, wrong, _, missed = whole.labelled
    asked = next(one for one in outcome_shares(series) if one.name == "review")
    return _Figures(
        decided=whole.rows,
        positive_share=ratio(whole.positives, whole.answered),
        confidence=ratio(whole.confidence_sum, whole.scored),
        review_share=ratio(asked.rows, whole.rows),
        reviews=approved + overridden,
        override_share=ratio(overridden, approved + overridden),
        labelled=sum(whole.labelled),
        precision=ratio(right, right + wrong),
        recall=ratio(right, right + missed),
    )


def _distributions(chosen: Chosen) -> Sequence[Chart]:
    """Draw the distributions of what the model said, beside the reference."""
    if chosen.profile is None or chosen.bundle is None:
        return ()
    charts: list[Chart] = []
    for at, column in enumerate(chosen.profile.columns):
        if column.kind in ("score", "confidence"):
            counts = chosen.series.column(chosen.bundle, at)
            live = [0] * (len(column.edges) + 2) if counts is None else counts.sum(axis=0).tolist()
            title = f"{column.name.capitalize()}, reference and now"
            charts.append(
                distribution_chart(column, live, title=title, identifier=f"dist-{column.name}")
            )
    return charts
