"""From rows to counts: every row's places in a summary's vector, then all counts at once."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kingpost.monitoring.binning import bin_codes
from kingpost.monitoring.comparison import Comparison
from kingpost.monitoring.counts import COLUMNS_AT, STAGES, STAGES_AT, Count
from kingpost.monitoring.limits import Limits
from kingpost.monitoring.observations import NO_ANSWER, OUTCOMES, Observations
from kingpost.records import Outcome
from kingpost.stats import HISTOGRAM_BINS, duration_bins

__all__ = ["Tally", "column_codes", "stage_times"]


def stage_times(stages: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return the time of each of `STAGES`, shape (rows, 4), from that of the record's."""
    times = stages.astype(np.int64)
    times[:, 3] = times.sum(axis=1)
    return times


def column_codes(
    comparison: Comparison, columns: Sequence[NDArray[np.floating]], rows: int
) -> NDArray[np.int64]:
    """Return the bin of each value among the bins of all columns, shape (rows, columns)."""
    out = np.empty((rows, len(columns)), np.int64)
    for at, (start, column, values) in enumerate(
        zip(comparison.starts.tolist(), comparison.columns, columns, strict=True)
    ):
        out[:, at] = bin_codes(column.edges, values) + start
    return out


class Tally:
    """Rows of one bundle, ready to be counted by any grouping.

    Args:
        comparison: The bundle's columns; the rows have its features.
        limits: What counts as too slow.
    """

    def __init__(self, rows: Observations, comparison: Comparison, limits: Limits) -> None:
        self.width = COLUMNS_AT + comparison.bins
        times = stage_times(rows.stages)
        nowhere = self.width
        has_score = ~np.isnan(rows.score)
        single = (
            np.full(len(rows), Count.ROWS),
            rows.outcome.astype(np.int64) + Count.DECIDED,
            np.where(rows.positive == 1, Count.POSITIVE, nowhere),
            np.where(rows.positive == 0, Count.NEGATIVE, nowhere),
            np.where(has_score, Count.SCORED, nowhere),
            *(
                np.where(times[:, STAGES.index(stage)] > limit, place, nowhere)
                for stage, limit, place in (
                    ("total", limits.total_us, Count.OVER_TOTAL),
                    ("features", limits.features_us, Count.OVER_FEATURES),
                    ("model", limits.model_us, Count.OVER_MODEL),
                )
                if limit is not None
            ),
        )
        stages = duration_bins(times) + STAGES_AT + HISTOGRAM_BINS * np.arange(len(STAGES))
        codes = column_codes(comparison, _columns(rows, comparison), len(rows)) + COLUMNS_AT
        codes[_unread(rows)] = nowhere
        self._places = np.concatenate([np.stack(single, axis=1), stages, codes], axis=1)
        confidence = np.where(has_score, rows.confidence, 0.0)
        self._millionths = np.rint(np.nan_to_num(confidence) * 1e6)

    def by(self, group: NDArray[np.int64], groups: int, rows: slice) -> NDArray[np.int64]:
        """Count some rows by their group, shape (groups, width).

        Args:
            group: The group of each of these rows, from 0.
        """
        width = self.width + 1  # the last place is nowhere
        flat = (self._places[rows] + group[:, None] * width).ravel()
        counts = np.bincount(flat, minlength=groups * width).reshape(groups, width)
        counts = np.ascontiguousarray(counts[:, :-1])
        # whole millionths below 2 ** 53: their sum does not depend on the order
        total = np.bincount(group, self._millionths[rows], groups)
        counts[:, Count.CONFIDENCE_MILLIONTHS] = total.astype(np.int64)
        return counts


def _unread(rows: Observations) -> NDArray[np.bool_]:
    """Mark what failed before its features were read: nothing of it is missing."""
    failed = rows.outcome == OUTCOMES.index(Outcome.FAILED)
    failed[failed] = np.isnan(rows.features[failed]).all(axis=1)
    return failed


def _columns(rows: Observations, comparison: Comparison) -> list[NDArray[np.floating]]:
    positive = np.where(rows.positive == NO_ANSWER, np.nan, rows.positive)
    outputs: dict[str, NDArray[np.floating]] = {
        "score": rows.score,
        "confidence": np.where(np.isnan(rows.score), np.nan, rows.confidence),
        "positive": positive,
    }
    return [
        rows.features[:, at] if column.kind == "feature" else outputs[column.kind]
        for at, column in enumerate(comparison.columns)
    ]
