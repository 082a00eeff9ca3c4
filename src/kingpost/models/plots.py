"""The plots of a model card, each as one `<svg>`.

The rule: a plot shows numbers that the card also has as a table, the same numbers give the
same bytes, and no plot is drawn of nothing: it is then empty.
"""

import math
from collections.abc import Sequence

from kingpost.models.markup import Html, joined, tag
from kingpost.models.measured import Slice
from kingpost.models.measures import CostOutcome, CurvePoint, ReliabilityBin
from kingpost.models.plot_frame import FIRST, SECOND, WIDTH, Axis, Frame, label, plot, root
from kingpost.stats import wilson_interval

__all__ = [
    "importance_plot",
    "precision_recall_plot",
    "reliability_plot",
    "score_plot",
    "slice_plot",
]

_LEFT, _RIGHT = 40, 18
_ROW = 19
_SHORTEST_BAR = 1.0
_WIDEST_NAME = 24
_MOST_BARS = 15
_LETTER = 6.8  # a letter's width in the widest of usual fonts, on average

_QUARTERS = tuple((at / 4, f"{at / 4:.0%}") for at in range(5))
_SHARES = ((0.0, "0"), *((at, f"{at:.0%}") for at in (0.01, 0.1, 0.25, 0.5, 0.75, 1.0)))


def precision_recall_plot(
    points: Sequence[CurvePoint], positive_share: float, found: CostOutcome | None
) -> Html:
    """Draw precision by recall.

    Args:
        positive_share: What a guess would be right by.
        found: What the threshold gave, drawn as a point; None draws none.
    """
    if not points:
        return Html()
    percent = Axis("recall: share of the positive rows that is found", _QUARTERS, _as_is)
    upright = Axis("precision: share of the alarms that is right", _QUARTERS, _as_is)
    frame = Frame(_LEFT, 26, WIDTH - _LEFT - _RIGHT, 210, percent, upright)
    marks = [_dashes(frame, (0.0, positive_share), (1.0, positive_share))]
    path = [frame.at(0.0, points[0].precision), *(frame.at(p.recall, p.precision) for p in points)]
    marks.append(_line(path))
    told = f"Precision falls from {points[0].precision:.0%} as recall rises to 100%"
    if found is not None and found.caught:
        recall = found.caught / (found.caught + found.missed)
        precision = found.caught / (found.caught + found.false_alarms)
        x, y = frame.at(recall, precision)
        left = recall > 0.55
        text = f"threshold {found.threshold:.3g}"
        marks.append(_dot(x, y, SECOND, 4.5))
        marks.append(
            label(text, x - 9 if left else x + 9, y + 14, anchor="end" if left else "start")
        )
        told += f"; the threshold gives {precision:.0%} precision at {recall:.0%} recall"
    return plot("precision-recall", 280, "Precision and recall", told + ".", frame.drawn(), *marks)


def reliability_plot(bins: Sequence[ReliabilityBin]) -> Html:
    """Draw what happened by what the model said, and on how many rows.

    Both axes go by the square root, so that the small scores of a rare event lie apart. The
    bars are Wilson's intervals of 95%.
    """
    filled = [one for one in bins if one.rows]
    if not filled:
        return Html()
    across = Axis("", [(at, "") for at, _ in _SHARES], root)
    frame = Frame(
        _LEFT, 26, WIDTH - _LEFT - _RIGHT, 190, across, Axis("share observed", _SHARES, root)
    )
    marks = [_dashes(frame, (0.0, 0.0), (1.0, 1.0))]
    for one in filled:
        interval = wilson_interval(one.positives, one.rows)
        x, low = frame.at(one.mean_score, interval[0])
        _, high = frame.at(one.mean_score, interval[1])
        _, y = frame.at(one.mean_score, one.observed)
        marks.append(tag("line", x1=x, y1=low, x2=x, y2=high, stroke=FIRST, stroke_width=1.5))
        marks.append(_dot(x, y, FIRST, 4.0))
    most = max(one.rows for one in filled)
    told = (
        f"{len(filled)} bins of scores; on the dashed line a score is the share that was positive. "
        + "; ".join(f"{one.mean_score:.1%} said, {one.observed:.1%} observed" for one in filled)
    )
    below = _counts(filled, most)
    return plot("calibration", 330, "Calibration", told + ".", frame.drawn(), *marks, below)


def _counts(bins: Sequence[ReliabilityBin], most: int) -> Html:
    decades = max(1, math.ceil(math.log10(most)))
    step = 1 if decades <= 3 else 2
    ticks = [(10.0**power, _power(power)) for power in range(0, decades + 1, step)]
    rows = Axis("rows", ticks, lambda value: math.log10(value) / decades)
    frame = Frame(
        _LEFT, 244, WIDTH - _LEFT - _RIGHT, 46, Axis("score, mean of the bin", _SHARES, root), rows
    )
    bars: list[Html] = []
    for one in bins:
        left, top = frame.at(one.low, one.rows)
        right, bottom = frame.at(one.high, 1.0)
        width, height = right - left - 1, max(bottom - top, _SHORTEST_BAR)
        bars.append(tag("rect", x=left + 0.5, y=bottom - height, width=width, height=height))
    return joined([frame.drawn(), tag("g", *bars, fill=FIRST, fill_opacity=0.55)])


def score_plot(bins: Sequence[ReliabilityBin], positive: str) -> Html:
    """Draw how the scores of each class are spread over the bins.

    Args:
        positive: What a positive row is.
    """
    positives = sum(one.positives for one in bins)
    others = sum(one.rows for one in bins) - positives
    if not (positives and others):
        return Html()
    edges = [bins[0].low, *(one.high for one in bins)]
    across = Axis(
        "score, in steps of unequal width",
        [(float(at), f"{edge:g}") for at, edge in enumerate(edges)],
        lambda step: step / len(bins),
    )
    upright = Axis("", _QUARTERS, _as_is)
    frame = Frame(_LEFT, 30, WIDTH - _LEFT - _RIGHT, 206, across, upright)
    series = (
        (f"not {positive}", FIRST, [(one.rows - one.positives) / others for one in bins]),
        (positive, SECOND, [one.positives / positives for one in bins]),
    )
    step = frame.width / len(bins)
    marks: list[Html] = []
    for at, (name, colour, shares) in enumerate(series):
        bars: list[Html] = []
        for bin_at, share in enumerate(shares):
            height = max(share * frame.height, _SHORTEST_BAR if share else 0.0)
            x = frame.left + bin_at * step + 3 + at * (step - 6) / 2
            y = frame.top + frame.height - height
            bars.append(tag("rect", x=x, y=y, width=(step - 6) / 2 - 0.5, height=height))
        marks.append(tag("g", *bars, fill=colour))
        marks.append(tag("rect", x=_LEFT + at * 150, y=5, width=10, height=10, fill=colour))
        marks.append(label(_short(name, 20), _LEFT + at * 150 + 15, 14))
    told = (
        f"Of the rows that are {positive}, {series[1][2][-1]:.0%} score {bins[-1].low:g} or more; "
        f"of the others {series[0][2][0]:.0%} score below {bins[0].high:g}."
    )
    return plot("scores", 280, "Scores by class", told, frame.drawn(), *marks)


def importance_plot(importance: Sequence[tuple[str, float]]) -> Html:
    """Draw each feature's share of the gain."""
    told = "The most important: " + ", ".join(f"{name} {at:.1%}" for name, at in importance[:5])
    bars = [(name, share, f"{share:.1%}") for name, share in importance[:_MOST_BARS]]
    if rest := importance[_MOST_BARS:]:
        share = sum(share for _, share in rest)
        bars.append((f"{len(rest)} others together", share, f"{share:.1%}"))
    return _bars("importance", "Importance of the features", told + ".", bars)


def slice_plot(slices: Sequence[Slice]) -> Html:
    """Draw the average precision of each slice, with its rows."""
    bars = [
        (
            one.name,
            one.average_precision or 0.0,
            "not defined" if one.average_precision is None else f"{one.average_precision:.3f}",
        )
        for one in slices
    ]
    told = "; ".join(
        f"{name}: {text} on {one.rows:,} rows"
        for (name, _, text), one in zip(bars, slices, strict=True)
    )
    notes = [f"{one.rows:,} rows, {one.positives:,} positive" for one in slices]
    return _bars("slices", "Average precision by slice", told + ".", bars, notes, most=1.0)


def _bars(
    kind: str,
    title: str,
    told: str,
    bars: Sequence[tuple[str, float, str]],
    notes: Sequence[str] = (),
    *,
    most: float | None = None,
) -> Html:
    if not bars:
        return Html()
    widest = max(len(_short(name, _WIDEST_NAME)) for name, _, _ in bars)
    left = widest * _LETTER + 8
    room = WIDTH - left - max(len(text) for _, _, text in bars) * _LETTER - 10
    longest = most or max(value for _, value, _ in bars) or 1.0
    row = _ROW + (17 if notes else 0)
    parts: list[Html] = []
    for at, (name, value, text) in enumerate(bars):
        top = at * row + 4
        length = max(room * value / longest, _SHORTEST_BAR)
        parts.append(label(_short(name, _WIDEST_NAME), left - 8, top + 11, anchor="end"))
        parts.append(tag("rect", x=left, y=top + 1, width=length, height=13, rx=1, fill=FIRST))
        parts.append(label(text, left + length + 5, top + 11))
        if notes:
            parts.append(label(notes[at], left, top + 26))
    return plot(kind, len(bars) * row + 8, title, told, *parts)


def _power(power: int) -> str:
    """Write a power of ten in four letters at the most."""
    unit, letter = power // 3, ("", "k", "M", "G")[min(power // 3, 3)]
    return f"{10 ** (power - 3 * min(unit, 3))}{letter}"


def _short(name: str, most: int) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"


def _as_is(value: float) -> float:
    return value


def _line(places: Sequence[tuple[float, float]]) -> Html:
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    return tag(
        "polyline",
        points=points,
        fill="none",
        stroke=FIRST,
        stroke_width=2,
        stroke_linejoin="round",
    )


def _dashes(frame: Frame, start: tuple[float, float], end: tuple[float, float]) -> Html:
    (x1, y1), (x2, y2) = frame.at(*start), frame.at(*end)
    return tag(
        "line",
        x1=x1,
        y1=y1,
        x2=x2,
        y2=y2,
        stroke="currentColor",
        stroke_opacity=0.55,
        stroke_dasharray="4 4",
    )


def _dot(x: float, y: float, colour: str, radius: float) -> Html:
    return tag("circle", cx=x, cy=y, r=radius, fill=colour)
