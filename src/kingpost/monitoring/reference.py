"""Making a profile: bins, limits and the quality promised, from the rows of a training."""

from collections.abc import Sequence

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from kingpost.contracts import Instant
from kingpost.monitoring.binning import bin_codes, bin_edges, model_values
from kingpost.monitoring.calibration import CALIBRATED_US, Extremes, chance, extremes
from kingpost.monitoring.comparison import Comparison
from kingpost.monitoring.errors import BadProfile
from kingpost.monitoring.profile import ColumnKind, ColumnProfile, Profile
from kingpost.monitoring.tally import column_codes
from kingpost.monitoring.window import WINDOWS
from kingpost.records import Outcome

__all__ = ["build_profile"]

_SMALLEST_LIMIT = 0.25
_SMALLEST_MISSING_LIMIT = 0.05
_MARGIN = 1.75
_FEWEST_SCORED = 100
_BACKGROUND_ROWS = 100
_SCORE_STEP = 0.01
"""Scores are compared in hundredths: those of a rare event lie close above 0, and another
model, as that of every fold is, puts them elsewhere there, which matters to nobody."""
_EXACT: tuple[ColumnKind, ...] = ("feature", "positive")
_Column = tuple[str, ColumnKind, NDArray[np.floating]]


def build_profile(
    decision: str,
    feature_names: Sequence[str],
    x: NDArray[np.floating],
    event_time_us: NDArray[np.int64],
    *,
    scores: NDArray[np.float64],
    labels: NDArray[np.float64],
    threshold: float,
    min_confidence: float,
    below_gate: Outcome = Outcome.REVIEW,
    fallback_positive: bool = False,
    inputs: Sequence[str] = (),
) -> Profile:
    """Describe the rows that a model was trained on, and find the limits of its monitors.

    Args:
        x: The features as the model sees them, shape (rows, features), in any order of time.
        scores: Shape (rows,); NaN where the model learned from the row.
        labels: 1, 0, or NaN where it is not known, shape (rows,).
        below_gate: What happens to answers below `min_confidence`: reviewed answers stand
            as proposals, refused ones have no score, those of a fallback are
            `fallback_positive`.
        inputs: Features that are fields of the request as they are; when they drift, they
            are named before what is computed from them.

    Raises:
        BadProfile: There are no rows, or the columns do not fit together.
    """
    rows = len(x)
    if not rows or x.ndim != 2:
        raise BadProfile("there are no rows; train on some")
    if x.shape[1] != len(feature_names) or {len(event_time_us), len(scores), len(labels)} != {rows}:
        raise BadProfile(
            f"features of shape {x.shape} with {len(feature_names)} names, {len(event_time_us)} "
            f"times, {len(scores)} scores and {len(labels)} labels do not fit together"
        )
    order = np.argsort(event_time_us, kind="stable")
    x, times = model_values(x)[order], event_time_us[order]
    scores, labels = scores[order], labels[order]
    confidence = np.maximum(scores, 1 - scores)
    is_low = confidence < min_confidence
    answers = (scores >= threshold).astype(np.float64)
    if below_gate is Outcome.FALLBACK:
        answers[is_low] = float(fallback_positive)
    answered = ~np.isnan(scores) & (below_gate is not Outcome.REFUSED or ~is_low)
    features: list[_Column] = [(name, "feature", x[:, at]) for at, name in enumerate(feature_names)]
    columns, day_hours = _columns(features, times)
    positive_share = None
    if np.count_nonzero(answered) >= _FEWEST_SCORED:
        outputs: list[_Column] = [
            ("score", "score", scores[answered]),
            ("confidence", "confidence", confidence[answered]),
            ("positive", "positive", answers[answered]),
        ]
        columns += _columns(outputs, times[answered])[0]
        positive_share = float(np.mean(answers[answered]))
    # what the model itself says, whatever the gate does with it
    is_known = ~np.isnan(scores) & ~np.isnan(labels)
    said, true = scores[is_known] >= threshold, labels[is_known] == 1
    return Profile(
        decision=decision,
        columns=tuple(columns),
        inputs=tuple(inputs),
        rows=rows,
        threshold=threshold,
        min_confidence=min_confidence,
        positive_share=positive_share,
        precision=_share(true[said]),
        recall=_share(said[true]),
        precision_rows=int(np.count_nonzero(said)),
        recall_rows=int(np.count_nonzero(true)),
        review_wrong_share=_share((said != true)[is_low[is_known]]),
        background=_background(x),
        day_hours=day_hours,
        period=f"{_day(times[0])} to {_day(times[-1])}",
    )


def _columns(
    columns: Sequence[_Column], times: NDArray[np.int64]
) -> tuple[list[ColumnProfile], int]:
    bare = [_bare(*column) for column in columns]
    comparison = Comparison(bare)
    first = int(np.searchsorted(times, int(times[-1]) - CALIBRATED_US))
    late = slice(first, None)
    codes = column_codes(comparison, [values[late] for _, _, values in columns], len(times[late]))
    found = extremes(comparison, codes, times[late])
    return [_limited(column, at, found) for at, column in enumerate(bare)], found.day_hours


def _bare(name: str, kind: ColumnKind, values: NDArray[np.floating]) -> ColumnProfile:
    edges = bin_edges(model_values(values), step=0.0 if kind in _EXACT else _SCORE_STEP)
    counts = np.bincount(bin_codes(edges, values), minlength=len(edges) + 2)
    return ColumnProfile(name, kind, edges, tuple(counts.tolist()), {}, 1.0, _mean(values))


def _limited(column: ColumnProfile, at: int, found: Extremes) -> ColumnProfile:
    present = column.counts[:-1]
    rows, bins = sum(present), sum(count > 0 for count in present)
    limits = {
        window.name: max(
            _SMALLEST_LIMIT,
            _MARGIN * float(found.psi[window.name][at]),
            chance(bins, rows, window),
        )
        for window in WINDOWS
        if found.windows[window.name] and rows
    }
    usual = max(float(found.missing[at]), column.counts[-1] / column.rows)
    missing_limit = max(_SMALLEST_MISSING_LIMIT, _MARGIN * usual)
    return structs.replace(column, limits=limits, missing_limit=missing_limit)


def _mean(values: NDArray[np.floating]) -> float | None:
    finite = values[np.isfinite(values)]
    return float(np.mean(finite, dtype=np.float64)) if len(finite) else None


def _share(hits: NDArray[np.bool_]) -> float | None:
    return float(np.mean(hits)) if len(hits) else None


def _background(x: NDArray[np.float32]) -> tuple[tuple[float | None, ...], ...]:
    """Take rows at even distances of time's order."""
    at_most = min(len(x), _BACKGROUND_ROWS)
    places = np.arange(at_most) * len(x) // at_most
    return tuple(
        tuple(value if np.isfinite(value) else None for value in row) for row in x[places].tolist()
    )


def _day(time_us: np.int64) -> str:
    return Instant(int(time_us)).isoformat()[:10]
