"""The charts of a decision: made of its series, its live buckets and its reference.

The rule: each says its numbers in a sentence too, and says why when it has none.
"""

from collections.abc import Sequence
from functools import reduce

from kingpost.console.charts import Chart, Mark, Plotted
from kingpost.console.drift import bin_names
from kingpost.console.series import Series, Step
from kingpost.console.wording import number, rate, ratio, share, took
from kingpost.monitoring import STAGES, ColumnProfile, Incident, LiveBucket, Profile
from kingpost.records import Outcome
from kingpost.stats import LogHistogram

__all__ = ["distribution_chart", "incident_marks", "live_charts", "series_charts"]

_NOBODY = "No decisions in this stretch of time."
_TONES = {
    Outcome.DECIDED: 1,
    Outcome.REVIEW: 2,
    Outcome.FALLBACK: 3,
    Outcome.REFUSED: 4,
    Outcome.FAILED: 5,
}
_LIVE_STEP_US = 30_000_000
_LIVE_STEPS = 60
_FEWEST = 5


def live_charts(buckets: Sequence[LiveBucket], now_us: int) -> Sequence[Chart]:
    """Draw the rate and the latency of the last half hour, by the server's clock."""
    end_us = (now_us // _LIVE_STEP_US) * _LIVE_STEP_US
    starts = [end_us - at * _LIVE_STEP_US for at in range(_LIVE_STEPS, 0, -1)]
    by_step: dict[int, list[LiveBucket]] = {}
    for one in buckets:
        by_step.setdefault(one.start_us // _LIVE_STEP_US * _LIVE_STEP_US, []).append(one)
    rows = [sum(one.rows for one in by_step.get(start, ())) for start in starts]
    times = [
        reduce(LogHistogram.merge, (one.total for one in by_step.get(start, ())), _no_times())
        for start in starts
    ]
    rates: list[float | None] = [count / (_LIVE_STEP_US / 1e6) for count in rows]
    whole = reduce(LogHistogram.merge, times, _no_times())
    idle = "Nothing was asked in the last half hour."
    is_idle = not any(rows)
    return (
        Chart(
            id="live-rate",
            title="Rate",
            unit="rate",
            series=[Plotted("decisions per second", [None] if is_idle else rates)],
            summary=f"{number(sum(rows))} decisions in half an hour; "
            f"at most {rate(max(rates, key=lambda one: one or 0))}.",
            starts_us=() if is_idle else starts,
            step_us=_LIVE_STEP_US,
            empty=idle,
        ),
        Chart(
            id="live-latency",
            title="Latency",
            unit="us",
            series=[
                Plotted(f"p{name}", [one.percentile(name / 100) for one in times], tone=tone)
                for name, tone in ((50, 1), (95, 2), (99, 5))
            ],
            summary=f"p50 {took(whole.percentile(0.5))}, p95 {took(whole.percentile(0.95))}, "
            f"p99 {took(whole.percentile(0.99))} over half an hour.",
            starts_us=starts,
            step_us=_LIVE_STEP_US,
            empty=idle,
        ),
    )


def series_charts(
    series: Series, profile: Profile | None, label: str, marks: Sequence[Mark]
) -> Sequence[Chart]:
    """Draw what happened over a span of stream time."""
    return [
        _volume(series, marks),
        _positives(series, profile, label, marks),
        _confidence(series, profile, marks),
        _latency(series, marks),
        _reviews(series, profile, marks),
        _quality(series, profile, marks),
    ]


def incident_marks(incidents: Sequence[Incident], series: Series) -> Sequence[Mark]:
    """Return the stretches of incidents that touch a series."""
    found: list[Mark] = []
    for one in sorted(incidents, key=lambda one: one.breach_since_us):
        since_us, until_us = one.breach_since_us, one.ended_us or series.end_us
        if since_us >= series.end_us or until_us <= series.since_us:
            continue
        if found and since_us <= found[-1].until_us:  # shaded once, however many there are
            last = found.pop()
            since_us, until_us = last.since_us, max(until_us, last.until_us)
        found.append(Mark("incident", since_us, until_us))
    return found


def distribution_chart(
    column: ColumnProfile, live: Sequence[int], *, title: str, identifier: str
) -> Chart:
    """Draw a column's distribution in the reference and now, in shares of the rows."""
    names = bin_names(column)
    before, now = column.rows, sum(live)
    kept = [
        at for at in range(len(names)) if column.counts[at] or live[at] or 0 < at < len(names) - 2
    ]
    expected = [ratio(column.counts[at], before) for at in kept]
    found = [ratio(live[at], now) for at in kept]
    moved = max(
        range(len(kept)), key=lambda at: abs((found[at] or 0) - (expected[at] or 0)), default=0
    )
    said = _NOBODY
    if now and kept:
        said = (
            f"{number(now)} rows beside {number(before)} of the reference. The largest "
            f"difference is at {names[kept[moved]]}: {share(found[moved])} now, "
            f"{share(expected[moved])} in the reference."
        )
    return Chart(
        id=identifier,
        title=title,
        unit="share",
        series=[
            Plotted("reference", expected, "bar", 4),
            Plotted("now", found, "bar", 1),
        ]
        if now
        else [],
        summary=said,
        bins=[names[at] for at in kept],
        empty=_NOBODY,
        head="Value",
    )


def _volume(series: Series, marks: Sequence[Mark]) -> Chart:
    whole = series.whole
    rows = [step.rows for step in series.steps]
    shown = [one for one in Outcome if whole.outcome(one)]
    return Chart(
        id="volume",
        title=f"Decisions by outcome, per {series.span.step_title}",
        unit="count",
        series=[
            Plotted(
                one.value, [float(step.outcome(one)) for step in series.steps], "stack", _TONES[one]
            )
            for one in shown
        ],
        summary=f"{number(whole.rows)} decisions; between {number(min(rows))} and "
        f"{number(max(rows))} per {series.span.step_title}.",
        starts_us=series.starts_us,
        step_us=series.span.step_us,
        marks=marks,
        empty=_NOBODY,
    )


def _positives(series: Series, profile: Profile | None, label: str, marks: Sequence[Mark]) -> Chart:
    whole = series.whole
    found = [
        ratio(step.positives, step.answered) if step.answered >= _FEWEST else None
        for step in series.steps
    ]
    usual = profile.positive_share if profile else None
    said = f"{share(ratio(whole.positives, whole.answered))} of the answers are {label}"
    return Chart(
        id="positives",
        title=f"Share of answers that are {label}",
        unit="share",
        series=[Plotted(label, found), *_constant("in training", usual, len(found))],
        summary=f"{said}; {share(usual)} in training." if usual is not None else f"{said}.",
        starts_us=series.starts_us,
        step_us=series.span.step_us,
        marks=marks,
        empty="No answers in this stretch of time.",
    )


def _confidence(series: Series, profile: Profile | None, marks: Sequence[Mark]) -> Chart:
    whole = series.whole
    found = [
        ratio(step.confidence_sum, step.scored) if step.scored >= _FEWEST else None
        for step in series.steps
    ]
    least = profile.min_confidence if profile else None
    mean = ratio(whole.confidence_sum, whole.scored)
    return Chart(
        id="confidence",
        title="Mean confidence",
        unit="share",
        series=[Plotted("mean", found), *_constant("gate", least, len(found))],
        summary=f"{share(mean)} on average; the gate asks for {share(least)}."
        if least is not None
        else f"{share(mean)} on average.",
        starts_us=series.starts_us,
        step_us=series.span.step_us,
        marks=marks,
        empty="No scores in this stretch of time.",
    )


def _latency(series: Series, marks: Sequence[Mark]) -> Chart:
    whole = series.whole
    stages = [
        Plotted(name, [step.stage(name).percentile(0.95) for step in series.steps], tone=tone)
        for name, tone in zip(STAGES, (4, 3, 2, 1), strict=True)
    ]
    parts = [f"{name} {took(whole.stage(name).percentile(0.95))}" for name in STAGES]
    return Chart(
        id="latency",
        title="Latency by stage, p95",
        unit="us",
        series=stages,
        summary=f"p95 over all: {', '.join(parts)}.",
        starts_us=series.starts_us,
        step_us=series.span.step_us,
        marks=marks,
        empty=_NOBODY,
        is_log=True,
    )


def _reviews(series: Series, profile: Profile | None, marks: Sequence[Mark]) -> Chart:
    def overridden(step: Step) -> float | None:
        approved, over = step.reviews
        return ratio(over, approved + over)

    approved, over = series.whole.reviews
    found = [overridden(step) for step in series.steps]
    usual = profile.review_wrong_share if profile else None
    return Chart(
        id="overrides",
        title="Share of reviews that overrode the answer",
        unit="share",
        series=[Plotted("overridden", found, tone=2), *_constant("expected", usual, len(found))],
        summary=f"{number(over)} of {number(approved + over)} reviews overrode the answer, "
        f"{share(ratio(over, approved + over))}.",
        starts_us=series.starts_us,
        step_us=series.span.step_us,
        marks=marks,
        empty="Nobody has reviewed decisions of this stretch of time.",
    )


def _quality(series: Series, profile: Profile | None, marks: Sequence[Mark]) -> Chart:
    def precision(step: Step) -> float | None:
        right, wrong, _, _ = step.labelled
        return ratio(right, right + wrong) if right + wrong >= _FEWEST else None

    def recall(step: Step) -> float | None:
        right, _, _, missed = step.labelled
        return ratio(right, right + missed) if right + missed >= _FEWEST else None

    whole = series.whole
    known = sum(whole.labelled)
    return Chart(
        id="quality",
        title="Quality, as far as labels are known",
        unit="share",
        series=[
            Plotted("precision", [precision(step) for step in series.steps]),
            Plotted("recall", [recall(step) for step in series.steps], tone=2),
            *_constant(
                "precision in training", profile and profile.precision, len(series.steps), 1
            ),
            *_constant("recall in training", profile and profile.recall, len(series.steps), 2),
        ],
        summary=f"Labels are known for {number(known)} decisions: precision "
        f"{share(precision(whole))}, recall {share(recall(whole))}.",
        starts_us=series.starts_us,
        step_us=series.span.step_us,
        marks=marks,
        empty="No labels are known for decisions of this stretch of time."
        if not known
        else "Too few labels are known yet to say.",
    )


def _constant(label: str, value: float | None, length: int, tone: int = 4) -> Sequence[Plotted]:
    if value is None:
        return ()
    return (Plotted(label, [value] * length, "reference", tone),)


def _no_times() -> LogHistogram:
    return LogHistogram.empty()
