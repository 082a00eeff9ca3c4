"""How far the columns have moved from the training reference, beside their limits.

The rule: what is farthest beyond its limit comes first, whatever its name.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kingpost.console.wording import value
from kingpost.monitoring import ColumnProfile, MonitorStatus
from kingpost.stats import population_stability_index

__all__ = ["ColumnDrift", "Measure", "bin_names", "drift_of", "psi_by_step"]

_LONGEST_REACH = 36
_WINDOWS = ("fast", "hour", "day")


class Measure(NamedTuple):
    """One measure beside its limit; `fill` is how full its meter is, 0 to 100."""

    value: float
    limit: float
    rows: int
    is_breached: bool
    detail: str

    @property
    def ratio(self) -> float:
        """The value in limits; with no limit it is within."""
        if self.limit > 0:
            return self.value / self.limit
        return 2.0 if self.is_breached else 0.0

    @property
    def fill(self) -> float:
        """How full its meter is, in percent: the limit lies at two thirds."""
        return round(min(100.0, max(0.0, self.ratio) * 200 / 3), 1)


class ColumnDrift(NamedTuple):
    """What the monitors say of a column; None where a window was not judged."""

    name: str
    kind: str
    windows: Sequence[Measure | None]
    missing: Measure | None

    @property
    def is_breached(self) -> bool:
        """Whether anything of it is beyond its limit."""
        return any(one.is_breached for one in (*self.windows, self.missing) if one is not None)

    @property
    def worst(self) -> float:
        """Its worst measure in limits."""
        found = [one.ratio for one in (*self.windows, self.missing) if one is not None]
        return max(found, default=-1.0)


def drift_of(
    columns: Sequence[ColumnProfile], statuses: Sequence[MonitorStatus]
) -> Sequence[ColumnDrift]:
    """Put what the monitors say by column, the worst first.

    Args:
        statuses: Of one bundle.
    """
    by_place = {(one.monitor, one.column or one.monitor, one.window): one for one in statuses}

    def measure(monitor: str, column: str, window: str) -> Measure | None:
        found = by_place.get((monitor, column, window))  # pyright: ignore[reportArgumentType, reportCallIssue]  any text is looked up
        if found is None:
            return None
        return Measure(found.value, found.limit, found.rows, found.breached, found.detail)

    rows = [
        ColumnDrift(
            column.name,
            column.kind,
            [
                measure("drift" if column.kind == "feature" else column.kind, column.name, window)
                for window in _WINDOWS
            ],
            next(
                filter(None, (measure("missing", column.name, window) for window in _WINDOWS)),
                None,
            ),
        )
        for column in columns
        if column.kind != "positive"
    ]
    return sorted(rows, key=lambda row: (not row.is_breached, -row.worst, row.name))


def psi_by_step(
    reference: ColumnProfile, counts: NDArray[np.int64], min_rows: int
) -> Sequence[float | None]:
    """Measure each step against the reference.

    A step with too few rows reaches back to those before it, as the monitors do; where
    that does not help, there is no number.

    Args:
        counts: Rows per step and bin, shape (steps, bins).
        min_rows: The least that are judged.
    """
    expected = np.array(reference.counts, np.int64)
    before = np.vstack([np.zeros_like(counts[:1]), np.cumsum(counts, axis=0)])
    rows = before.sum(axis=1)
    found: list[float | None] = []
    for end in range(1, len(before)):
        start = end - 1
        while start and rows[end] - rows[start] < min_rows and end - start < _LONGEST_REACH:
            start -= 1
        is_new = rows[end] > rows[end - 1]
        if not is_new or rows[end] - rows[start] < min_rows:
            found.append(None)
        else:
            found.append(population_stability_index(expected, before[end] - before[start]))
    return found


def bin_names(column: ColumnProfile) -> Sequence[str]:
    """Name the bins of a column: what lies below, between and above its edges, and missing."""
    edges = column.edges
    if not edges:
        return ("any", "missing")
    between = [_between(low, high) for low, high in pairwise(edges)]
    return (f"< {_edge(edges[0])}", *between, f"≥ {_edge(edges[-1])}", "missing")


def _between(low: float, high: float) -> str:
    return f"{_edge(low)} – {_edge(high)}"


def _edge(edge: float) -> str:
    return value(float(f"{edge:.4g}"))
