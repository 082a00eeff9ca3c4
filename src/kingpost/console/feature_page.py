"""One feature of a decision: how far it has moved, since when, and where to."""

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kingpost.console.charts import Chart, Plotted
from kingpost.console.decision_charts import distribution_chart, incident_marks
from kingpost.console.decision_page import Chosen, chosen_of
from kingpost.console.drift import ColumnDrift, drift_of, psi_by_step
from kingpost.console.errors import PageNotFound
from kingpost.console.series import SPANS, Span
from kingpost.console.visit import Console, Visit
from kingpost.console.wording import psi, ratio, share
from kingpost.monitoring import WINDOWS, ColumnProfile, Incident

__all__ = ["column_charts", "feature_routes"]

_FEWEST_ROWS = {window.name: window.min_rows for window in WINDOWS}


@dataclass(frozen=True)
class _FeatureView:
    chosen: Chosen
    spans: Sequence[Span]
    column: ColumnProfile
    drift: ColumnDrift
    charts: Sequence[Chart]
    incidents: Sequence[Incident]


def feature_routes(console: Console) -> Sequence[Route]:
    """Return the page of a feature."""

    def feature(request: Request) -> Response:
        visit = console.visit(request)
        name = request.path_params["feature"]
        view = _view(visit, request.path_params["decision"], name)
        return visit.page("feature.html", view, title=name, section="overview")

    return [Route("/decisions/{decision}/features/{feature}", feature)]


def column_charts(chosen: Chosen, name: str, incidents: Sequence[Incident]) -> Sequence[Chart]:
    """Draw a column's index, its missing share and its distribution over a span.

    Raises:
        PageNotFound: The chosen bundle's reference has no such column.
    """
    profile, bundle, series = chosen.profile, chosen.bundle, chosen.series
    if profile is None or bundle is None:
        raise PageNotFound("feature, or its reference,")
    at = next((at for at, one in enumerate(profile.columns) if one.name == name), None)
    if at is None or profile.columns[at].kind == "positive":
        raise PageNotFound("feature")
    column, counts = profile.columns[at], series.column(bundle, at)
    marks = incident_marks(incidents, series)
    found: Sequence[float | None] = []
    missing: Sequence[float | None] = []
    total = [0] * (len(column.edges) + 2)
    if counts is not None:
        found = psi_by_step(column, counts, _FEWEST_ROWS[series.span.window])
        missing = [ratio(float(row[-1]), float(row.sum())) for row in counts]
        total = counts.sum(axis=0).tolist()
    limit = column.limits.get(series.span.window)
    known = [one for one in found if one is not None]
    beyond = sum(limit is not None and one > limit for one in known)
    said = (
        f"At most {psi(max(known, default=None))}; beyond {psi(limit)} in {beyond} of "
        f"{len(known)} steps."
    )
    limits = (
        [Plotted(f"limit ({series.span.window})", [limit] * len(found), "limit", 5)]
        if limit is not None
        else []
    )
    usual = ratio(column.counts[-1], column.rows) or 0.0
    most = max((one for one in missing if one is not None), default=0.0)
    return (
        Chart(
            id="psi",
            title=f"Population stability index of {name}",
            unit="psi",
            series=[Plotted("index", found), *limits],
            summary=said,
            starts_us=series.starts_us,
            step_us=series.span.step_us,
            marks=marks,
            empty="Too few decisions in this stretch of time to compare.",
        ),
        distribution_chart(
            column, total, title=f"{name}, reference and now", identifier="distribution"
        ),
        Chart(
            id="missing",
            title=f"Share of rows without {name}",
            unit="share",
            series=[
                Plotted("missing", missing, tone=2),
                Plotted("limit", [column.missing_limit] * len(missing), "limit", 5),
            ],
            summary=f"At most {share(most)}; {share(usual)} in training, and the limit is "
            f"{share(column.missing_limit)}.",
            starts_us=series.starts_us,
            step_us=series.span.step_us,
            marks=marks,
            empty="No decisions in this stretch of time.",
        ),
    )


def _view(visit: Visit, decision: str, name: str) -> _FeatureView:
    chosen = chosen_of(visit, decision)
    incidents = [
        one
        for one in visit.monitors.incidents(visit.tenant, decision=decision)
        if name in one.columns
    ]
    charts = column_charts(chosen, name, incidents)
    assert chosen.profile is not None and chosen.bundle is not None  # it has charts
    column = next(one for one in chosen.profile.columns if one.name == name)
    statuses = [
        one
        for one in visit.monitors.statuses(visit.tenant, decision)
        if one.bundle == chosen.bundle.hex()
    ]
    return _FeatureView(chosen, SPANS, column, drift_of([column], statuses)[0], charts, incidents)
