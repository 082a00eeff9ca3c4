"""What a window shows beside its reference: every measure, its limit, and the verdict.

The rule: nothing is drift that chance alone does more often than the stated rate. The rate
is that of a false alarm anywhere, over all columns, all tests of each, and all windows that
are looked at. Four things are tested of each column, each exactly or in a way that errs to
the quiet side: whether rows are spread over the bins as in the reference (chi-square),
whether they lie as far apart as any (Kolmogorov-Smirnov, numbers only), whether other rows
are missing, and whether there is more of what the reference never had. The other measures
are told with the value that chance exceeds at the same rate.

Chance is that of rows drawn alike and apart from one another. Rows that come in clusters,
as the requests of one busy hour do, differ by more.
"""

from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from kingpost.monitoring.drift.columns import CategoryColumn, NumberColumn, WatchedColumn
from kingpost.monitoring.drift.counts import DriftCounts
from kingpost.monitoring.drift.reference import DriftReference, sampled_rows
from kingpost.stats import (
    BadTest,
    BinMismatch,
    chi_square,
    chi_square_limit,
    chi_square_tail,
    common_rows,
    jensen_shannon,
    kolmogorov_limit,
    kolmogorov_smirnov,
    kolmogorov_tail,
    kullback_leibler,
    population_stability_index,
    shares_tail,
    step_down_rate,
    total_variation,
    wasserstein,
)

__all__ = ["ColumnDrift", "DriftReport", "DriftTest", "Measures", "compare"]

DriftTest = Literal["chi_square", "kolmogorov_smirnov", "missing", "new"]
_FEWEST_EXPECTED = 5.0


class Measures(msgspec.Struct, frozen=True):
    """How far apart both sides are, or the values that chance exceeds at the rate.

    Attributes:
        psi, kullback_leibler, jensen_shannon: Over the bins, smoothed, in nats.
        chi_square: Over bins that both sides fill, what is new counted to the bin beside it.
        kolmogorov_smirnov: Over the cells; None for categories.
    """

    psi: float
    kullback_leibler: float
    jensen_shannon: float
    chi_square: float
    kolmogorov_smirnov: float | None = None


class ColumnDrift(msgspec.Struct, frozen=True, kw_only=True):
    """One column of a window.

    Attributes:
        rows, reference_rows: Those that have a value.
        measures, limits: None where a side has no values.
        moved: The share of the rows that lie in another bin than they should.
        distance_error: By how much the Kolmogorov-Smirnov distance of the values themselves
            may be greater than that of the cells, at most.
        wasserstein: How far values have moved on average, in their own unit, taken at the
            edges of the cells.
        wasserstein_error: How far it may be from that of the values themselves, at most.
        missing, reference_missing: Shares of all rows.
        new, reference_new: Shares of the rows with a value that lie beyond the reference's
            range, or have a text it does not have.
        lowest, highest: Of the window's finite values.
        tail: How often chance alone does as much in this column, all its tests together.
        found: The tests beyond their limit.
    """

    column: str
    rows: int
    reference_rows: int
    measures: Measures | None
    limits: Measures | None
    moved: float | None
    distance_error: float | None
    wasserstein: float | None
    wasserstein_error: float | None
    missing: float
    reference_missing: float
    new: float
    reference_new: float
    lowest: float | None
    highest: float | None
    tail: float
    found: tuple[DriftTest, ...]

    @property
    def drifted(self) -> bool:
        """Whether anything was found."""
        return bool(self.found)


class DriftReport(msgspec.Struct, frozen=True, kw_only=True):
    """All columns of a window, those that drifted first, the least probable first.

    Attributes:
        false_alarm_rate: The chance that anything is called drift where nothing is, over
            all windows.
        windows: How many windows share the rate.
        column_rate: What of it each column that has not drifted was judged at.
    """

    rows: int
    reference_rows: int
    false_alarm_rate: float
    windows: int
    column_rate: float
    columns: tuple[ColumnDrift, ...]

    @property
    def drifted(self) -> tuple[str, ...]:
        """The columns that have drifted."""
        return tuple(one.column for one in self.columns if one.drifted)


def compare(
    reference: DriftReference,
    live: DriftCounts,
    *,
    false_alarm_rate: float = 0.01,
    windows: int = 1,
    least_moved: float = 0.01,
) -> DriftReport:
    """Compare a window with the reference it was counted by.

    Args:
        false_alarm_rate: As in `DriftReport`, between 0 and 1.
        windows: How many windows will be looked at, for the rate to hold over all of them.
        least_moved: Rows that must have moved, as a share, for a change of the distribution
            to matter; with enough rows everything is found to have changed.

    Raises:
        BinMismatch: The window was counted by another reference.
        BadTest: The rate or the number of windows is out of range.
    """
    if not 0 < false_alarm_rate < 1:
        raise BadTest("false alarm rate", false_alarm_rate, "between 0 and 1")
    if windows < 1:
        raise BadTest("number of windows", windows, "at 1 or more")
    if live.widths != reference.counts.widths:
        raise BinMismatch(reference.counts.widths, live.widths)
    sides = [_Side(reference, live, at) for at in range(len(reference.columns))]
    tests = [side.tails(least_moved) for side in sides]
    tails = [min(1.0, len(found) * min(found.values())) for found in tests]
    rate = step_down_rate(tails, false_alarm_rate / windows)
    columns = [
        side.told(
            tail, tuple(name for name, one in found.items() if one * len(found) <= rate), rate
        )
        for side, found, tail in zip(sides, tests, tails, strict=True)
    ]
    return DriftReport(
        rows=live.rows,
        reference_rows=reference.counts.rows,
        false_alarm_rate=false_alarm_rate,
        windows=windows,
        column_rate=rate,
        columns=tuple(sorted(columns, key=lambda one: (one.tail, one.column))),
    )


class _Side:
    """One column of both sides."""

    def __init__(self, reference: DriftReference, live: DriftCounts, at: int) -> None:
        self._column: WatchedColumn = reference.columns[at]
        self._cells = reference.counts.columns[at][:-1], live.columns[at][:-1]
        self._missing = int(reference.counts.columns[at][-1]), int(live.columns[at][-1])
        self._rows = int(self._cells[0].sum()), int(self._cells[1].sum())
        self._range = float(live.lowest[at]), float(live.highest[at])
        self._ends = (
            min(float(reference.counts.lowest[at]), self._range[0]),
            max(float(reference.counts.highest[at]), self._range[1]),
        )
        self._bins, self._new = _binned(self._column, reference.counts.columns[at])
        self._live_bins, self._live_new = _binned(self._column, live.columns[at])
        self._measurable = all(self._rows)
        self._all = max(1, reference.counts.rows)
        self._once = int(np.count_nonzero(reference.counts.columns[at][:-2] == 1))

    def tails(self, least_moved: float) -> dict[DriftTest, float]:
        """Return how often chance alone does as much, test by test."""
        found: dict[DriftTest, float] = {"chi_square": 1.0}
        is_number = isinstance(self._column, NumberColumn)
        if is_number:
            found["kolmogorov_smirnov"] = 1.0
        if self._measurable and total_variation(self._bins, self._live_bins) >= least_moved:
            value, freedom = chi_square(*self._pooled())
            found["chi_square"] = chi_square_tail(value, freedom)
            if is_number:
                distance = kolmogorov_smirnov(*self._cells)
                found["kolmogorov_smirnov"] = kolmogorov_tail(distance, common_rows(*self._rows))
        rows, live_rows = self._rows
        missing, live_missing = self._missing
        found["missing"] = shares_tail(
            missing, missing + rows, live_missing, live_missing + live_rows, only_more=False
        )
        found["new"] = self._new_tail()
        return found

    def _new_tail(self) -> float:
        """Return how often chance alone brings at least so much that the reference never had.

        Whatever the reference happened not to have is new, so its own rows are none by choice.
        Of texts, those that it has once are what it would not have had without that row (Good
        1953). Of numbers, the edges were chosen on some of its rows, which say nothing more;
        and what lies beyond may lie at either end, in as many ways as there are rows, and one.
        """
        rows, live_rows = self._rows
        if isinstance(self._column, CategoryColumn):
            return shares_tail(self._once, rows, self._live_new, live_rows, only_more=True)
        judged = rows - rows * sampled_rows(self._all) // self._all
        judged = max(judged or rows, self._new)
        tail = shares_tail(self._new, judged, self._live_new, live_rows, only_more=True)
        return min(1.0, (self._live_new + 1) * tail)

    def told(self, tail: float, found: tuple[DriftTest, ...], rate: float) -> ColumnDrift:
        """Put everything that is known into a report."""
        rows, live_rows = self._rows
        missing, live_missing = self._missing
        is_number = isinstance(self._column, NumberColumn) and self._measurable
        low, high = self._range
        tests = 4 if isinstance(self._column, NumberColumn) else 3
        return ColumnDrift(
            column=self._column.name,
            rows=live_rows,
            reference_rows=rows,
            measures=self._measures() if self._measurable else None,
            limits=self._limits(rate / tests) if self._measurable else None,
            moved=total_variation(self._bins, self._live_bins) if self._measurable else None,
            distance_error=self._distance_error() if is_number else None,
            wasserstein=self._wasserstein() if is_number else None,
            wasserstein_error=self._wasserstein_error() if is_number else None,
            missing=_share(live_missing, live_missing + live_rows),
            reference_missing=_share(missing, missing + rows),
            new=_share(self._live_new, live_rows),
            reference_new=_share(self._new, rows),
            lowest=low if low <= high else None,
            highest=high if low <= high else None,
            tail=tail,
            found=found,
        )

    def _measures(self) -> Measures:
        bins = self._bins, self._live_bins
        return Measures(
            population_stability_index(*bins),
            kullback_leibler(*bins),
            jensen_shannon(*bins),
            chi_square(*self._pooled())[0],
            kolmogorov_smirnov(*self._cells) if isinstance(self._column, NumberColumn) else None,
        )

    def _limits(self, rate: float) -> Measures:
        """Return what chance exceeds at a rate.

        Source: with few enough differences each divergence is a multiple of chi-square over
            `common_rows`: the index once, Kullback-Leibler half, Jensen-Shannon an eighth of
            it (Kullback 1959; Lin 1991; Yurdakul & Naranjo 2020).
        """
        rows = common_rows(*self._rows)
        filled = int(np.count_nonzero(self._bins + self._live_bins)) - 1
        spread = chi_square_limit(rate, max(filled, 1)) / rows
        pooled = len(self._pooled()[0]) - 1
        return Measures(
            spread,
            spread / 2,
            spread / 8,
            chi_square_limit(rate, max(pooled, 1)),
            kolmogorov_limit(rate, rows) if isinstance(self._column, NumberColumn) else None,
        )

    def _pooled(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the bins for chi-square: none is there because of what the reference lacks."""
        is_number = isinstance(self._column, NumberColumn)
        return _pooled(
            _folded(self._bins, both_ends=is_number),
            _folded(self._live_bins, both_ends=is_number),
        )

    def _distance_error(self) -> float | None:
        if not isinstance(self._column, NumberColumn):
            return None
        inside = self._column.grid.widths(*self._ends) > 0
        return float(np.max(np.maximum(*self._shares())[inside], initial=0.0))

    def _wasserstein(self) -> float | None:
        if not isinstance(self._column, NumberColumn):
            return None
        return wasserstein(*self._cells, self._column.grid.positions())

    def _wasserstein_error(self) -> float | None:
        if not isinstance(self._column, NumberColumn):
            return None
        widths = self._column.grid.widths(*self._ends)
        share, live_share = self._shares()
        return float(np.sum((share + live_share) * widths))

    def _shares(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        (cells, live_cells), (rows, live_rows) = self._cells, self._rows
        return cells / rows, live_cells / live_rows


def _binned(column: WatchedColumn, counts: NDArray[np.int64]) -> tuple[NDArray[np.int64], int]:
    """Return the rows per bin, and those that the reference should not have."""
    if isinstance(column, CategoryColumn):
        return column.binned(counts), int(counts[-2])
    return column.grid.binned(counts), column.grid.beyond(counts)


def _folded(bins: NDArray[np.int64], *, both_ends: bool) -> NDArray[np.int64]:
    """Put what is new, the last bin and of numbers the first too, into the bin beside it."""
    starts = np.arange(len(bins))
    starts = starts[starts != len(bins) - 1] if len(bins) > 1 else starts
    starts = starts[starts != 1] if both_ends and len(starts) > 1 else starts
    return np.add.reduceat(bins, starts)


def _pooled(
    reference: NDArray[np.int64], live: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Put neighbouring bins together until each is expected to have five rows on both sides.

    Source: Cochran (1954), for chi-square to be a good approximation.
    """
    both = reference + live
    smaller = min(int(reference.sum()), int(live.sum())) / int(both.sum())
    starts: list[int] = [0]
    gathered = 0
    for at, rows in enumerate(both.tolist()):
        if gathered * smaller >= _FEWEST_EXPECTED:
            starts.append(at)
            gathered = 0
        gathered += rows
    if gathered * smaller < _FEWEST_EXPECTED and len(starts) > 1:
        starts.pop()
    return np.add.reduceat(reference, starts), np.add.reduceat(live, starts)


def _share(rows: int, of: int) -> float:
    return rows / of if of else 0.0
