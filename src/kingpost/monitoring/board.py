"""A board: every measure of one bundle at several moments, beside its limit.

The rule: what is judged at a moment depends on the counts of its windows alone. Drift is
judged on values that are there, when there are half as many as there should be. While too
many are missing, the same column's drift says nothing more, and is not told; nor is a
confidence that moves with the score.
Of features that drift, those that others are made of are named first.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kingpost.monitoring.comparison import Comparison
from kingpost.monitoring.counts import Count, StageName
from kingpost.monitoring.limits import Limits
from kingpost.monitoring.profile import ColumnKind
from kingpost.monitoring.status import Monitor
from kingpost.monitoring.window import HOUR, Window
from kingpost.stats import LogHistogram

__all__ = ["FAILED_LIMIT", "SLOW_LIMIT", "Board", "Cell", "Part", "columns_part", "service_part"]

SLOW_LIMIT = 0.05
"""When more than this share is beyond a budget, its 95th percentile is."""
FAILED_LIMIT = 0.02

_MONITORS: dict[ColumnKind, Monitor] = {
    "feature": "drift",
    "score": "score",
    "confidence": "confidence",
    "positive": "positive_rate",
}


class Cell(NamedTuple):
    """One measure: which monitor, of what, over which window."""

    monitor: Monitor
    column: str
    window: str


class Part(NamedTuple):
    """Some cells of a board, shapes (moments, cells) but for `limit`, (cells,).

    Attributes:
        minutes: How long the window was at each moment, shape (moments,).
    """

    cells: tuple[Cell, ...]
    value: NDArray[np.float64]
    limit: NDArray[np.float64]
    rows: NDArray[np.int64]
    judged: NDArray[np.bool_]
    breached: NDArray[np.bool_]
    minutes: NDArray[np.int64]


def columns_part(
    comparison: Comparison,
    window: Window,
    live: NDArray[np.int64],
    judged: NDArray[np.bool_],
    minutes: NDArray[np.int64],
) -> Part:
    """Compare the columns of some windows, counts of shape (moments, bins), with the reference."""
    columns = comparison.columns
    found = comparison.measure(live)
    is_feature = np.array([column.kind == "feature" for column in columns], np.bool_)
    limit = np.array([column.limits.get(window.name, np.nan) for column in columns])
    missing_limit = np.array([column.missing_limit for column in columns])[is_feature]
    missing = found.missing[:, is_feature]
    is_missing = judged[:, None] & (missing > missing_limit)
    usual = comparison.present_share * window.min_rows
    enough = judged[:, None] & (found.rows >= np.maximum(usual / 2, 1)) & ~np.isnan(limit)
    beyond = enough & (found.psi > limit)
    beyond[:, is_feature] &= ~is_missing
    kinds = [column.kind for column in columns]
    if "score" in kinds and "confidence" in kinds:
        beyond[:, kinds.index("confidence")] &= ~beyond[:, kinds.index("score")]
    rows = np.add.reduceat(live, comparison.starts, axis=1) if comparison.bins else found.rows
    return Part(
        tuple(Cell(_MONITORS[one.kind], one.name, window.name) for one in columns)
        + tuple(Cell("missing", one.name, window.name) for one in columns if one.kind == "feature"),
        np.concatenate([found.psi, missing], axis=1),
        np.concatenate([limit, missing_limit]),
        np.concatenate([found.rows, rows[:, is_feature]], axis=1),
        np.concatenate([enough, np.repeat(judged[:, None], missing.shape[1], axis=1)], axis=1),
        np.concatenate([beyond, is_missing], axis=1),
        minutes,
    )


def service_part(
    limits: Limits, head: NDArray[np.int64], judged: NDArray[np.bool_], minutes: NDArray[np.int64]
) -> Part:
    """Judge the time and the failures of some hours, single counts of shape (moments, …)."""
    budgets = (
        ("total", limits.total_us, Count.OVER_TOTAL),
        ("features", limits.features_us, Count.OVER_FEATURES),
        ("model", limits.model_us, Count.OVER_MODEL),
    )
    cells = [Cell("failures", "", HOUR.name)]
    places, limit = [Count.FAILED], [FAILED_LIMIT]
    for stage, budget, place in budgets:
        if budget is not None:
            cells.append(Cell("latency", stage, HOUR.name))
            places.append(place)
            limit.append(SLOW_LIMIT)
    rows = np.repeat(head[:, [Count.ROWS]], len(cells), axis=1)
    share = head[:, places] / np.maximum(rows, 1)
    limit = np.array(limit)
    is_judged = np.repeat(judged[:, None], len(cells), axis=1)
    return Part(tuple(cells), share, limit, rows, is_judged, is_judged & (share > limit), minutes)


class Board:
    """All measures of one bundle at some moments.

    Args:
        at_us: When each was taken, stream time, shape (moments,).
        parts: At least one.
        positives: Share of positive answers in a window at a moment, for words.
        stage: Times of an hour's stage at a moment, for words.
        inputs: Features that others are made of.
    """

    def __init__(
        self,
        at_us: NDArray[np.int64],
        parts: Sequence[Part],
        positives: Callable[[str, int], float | None],
        stage: Callable[[StageName, int], LogHistogram],
        inputs: Sequence[str] = (),
    ) -> None:
        self.at_us, self.positives, self.stage = at_us, positives, stage
        self.cells: tuple[Cell, ...] = tuple(cell for part in parts for cell in part.cells)
        self.value = np.concatenate([part.value for part in parts], axis=1)
        self.limit = np.concatenate([part.limit for part in parts])
        self.rows = np.concatenate([part.rows for part in parts], axis=1)
        self.judged = np.concatenate([part.judged for part in parts], axis=1)
        self.breached = np.concatenate([part.breached for part in parts], axis=1)
        self._comes_later = np.array([cell.column not in inputs for cell in self.cells], np.bool_)
        self._minutes = [part.minutes for part in parts for _ in part.cells]

    def minutes(self, moment: int, cell: int) -> int:
        """Return how long a cell's window was."""
        return int(self._minutes[cell][moment])

    def worst(self, moment: int) -> dict[Monitor, list[int]]:
        """Return the cells beyond their limits at a moment, by monitor, the worst first.

        Inputs come before everything else.
        """
        beyond: NDArray[np.int64] = np.flatnonzero(self.breached[moment])
        ratio = self.value[moment, beyond] / self.limit[beyond]
        found: dict[Monitor, list[int]] = {}
        ordered: list[int] = beyond[np.lexsort((-ratio, self._comes_later[beyond]))].tolist()
        for cell in ordered:
            found.setdefault(self.cells[cell].monitor, []).append(cell)
        return found
