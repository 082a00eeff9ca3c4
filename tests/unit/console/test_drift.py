"""How far columns have moved, and in which order that is told."""

import numpy as np
import pytest

from kingpost.console.drift import bin_names, drift_of, psi_by_step
from kingpost.monitoring import ColumnProfile, Monitor, MonitorStatus
from kingpost.stats import population_stability_index

COLUMN = ColumnProfile("amount", "feature", (1.0, 10.0, 1234.5), (0, 50, 50, 0, 0), {"hour": 1}, 1)


def column(name: str) -> ColumnProfile:
    return ColumnProfile(name, "feature", (1.0,), (1, 1, 0), {}, 1.0)


def status(name: str, value: float, limit: float, *, monitor: Monitor = "drift") -> MonitorStatus:
    return MonitorStatus(
        tenant="acme", decision="fraud", bundle="", monitor=monitor, column=name, window="hour",
        value=value, limit=limit, rows=400, breached=value > limit, at_us=0, detail="",
    )  # fmt: skip


def test_the_worst_column_comes_first_and_the_unjudged_last() -> None:
    statuses = [
        status("calm", 0.1, 1.0),
        status("wild", 3.0, 2.0),
        status("near", 0.9, 1.0),
        status("gone", 0.2, 0.1, monitor="missing"),
    ]
    columns = [column(name) for name in ("calm", "new", "near", "gone", "wild")]

    rows = drift_of(columns, statuses)

    assert [row.name for row in rows] == ["gone", "wild", "near", "calm", "new"]
    assert [row.is_breached for row in rows] == [True, True, False, False, False]
    assert rows[-1].worst < 0


def test_a_full_meter_is_one_and_a_half_limits() -> None:
    [row] = drift_of([column("a")], [status("a", 0.5, 1.0)])
    measure = row.windows[1]

    assert measure is not None
    assert measure.fill == pytest.approx(33.3)
    assert measure._replace(value=9.0).fill == 100.0


def test_a_step_with_too_few_rows_reaches_back() -> None:
    counts = np.array([[0, 10, 10, 0, 0], [0, 5, 5, 0, 0], [0, 0, 0, 0, 0], [0, 0, 40, 0, 0]])

    found = psi_by_step(COLUMN, counts, 25)

    assert found[0] is None
    assert found[1] == population_stability_index(np.array(COLUMN.counts), counts[0] + counts[1])
    assert found[2] is None
    assert found[3] == population_stability_index(np.array(COLUMN.counts), counts[3])


def test_bins_are_named_by_what_lies_in_them() -> None:
    assert bin_names(COLUMN) == ("< 1", "1 – 10", "10 – 1,234", "≥ 1,234", "missing")
    assert bin_names(ColumnProfile("a", "feature", (), (1, 0), {}, 1)) == ("any", "missing")
