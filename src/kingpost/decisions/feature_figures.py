"""What the training reference and the monitors know of a feature, put side by side.

The rule: nothing is measured here. The reference was made at training, the counts and the
indices by the observer; this reads them. A median is by bins: the middle of the bin that
half of the rows reach, so the two sides can be compared, and neither is exact.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import accumulate
from typing import Literal

from kingpost.monitoring import (
    HOUR_US,
    ColumnProfile,
    MonitorStatus,
    MonitorStore,
    Profile,
    Summary,
)
from kingpost.records import RecordQuery, RecordSearch

__all__ = ["DriftState", "FeatureStatistics", "Spread", "drift_states", "feature_statistics"]

_DAY_US = 24 * HOUR_US
DriftState = Literal["within", "beyond", "not_judged"]


@dataclass(frozen=True)
class Spread:
    """The values of a feature on one side.

    Attributes:
        missing_share: None where there are no rows.
        median: By bins; None where nothing is there.
        mean: Exact; None where nobody counted it, as on the live side.
    """

    rows: int
    missing_share: float | None
    median: float | None
    mean: float | None


@dataclass(frozen=True)
class FeatureStatistics:
    """A feature of a decision, as trained and as it is live.

    Attributes:
        bundle: Digest of the bundle that it is looked at in, in hex.
        reference: None when the model version has no reference.
        period: When the rows of the reference happened.
        live: The 24 hours of the stream up to its newest event; None when there are none.
        last_event_us: When the newest event of the request's stream happened, as the
            observer has it; None when it has none.
        state: What the monitors say now.
        psi, limit, window: The index that is highest beside its limit; None when not judged.
    """

    decision: str
    bundle: str
    reference: Spread | None
    period: str
    live: Spread | None
    last_event_us: int | None
    state: DriftState
    psi: float | None = None
    limit: float | None = None
    window: str = ""


def feature_statistics(
    name: str,
    decision: str,
    bundle: bytes,
    profile: Profile | None,
    *,
    tenant: str,
    monitors: MonitorStore,
    records: RecordSearch,
    now_us: int,
) -> FeatureStatistics:
    """Read what is known of a feature.

    Args:
        bundle: The one that runs, 32 bytes.
        profile: Its training reference; None when it has none.
        now_us: A record of a time more than a day ahead of it is somebody's mistake.

    Raises:
        MonitorStoreFailed, RecordSearchFailed: A store could not be read.
    """
    query = RecordQuery(tenant=tenant, decision=decision, until_us=now_us + _DAY_US, limit=1)
    newest = records.find(query)
    last_us = newest[0].event_time_us if newest else None
    columns = () if profile is None else profile.columns
    at = next((at for at, one in enumerate(columns) if one.name == name), None)
    if profile is None or at is None:
        return FeatureStatistics(
            decision, bundle.hex(), None, "", None, last_us, state="not_judged"
        )
    column = columns[at]
    live = None
    if last_us is not None:
        summaries = [
            one
            for one in monitors.summaries(tenant, decision, last_us - _DAY_US, last_us + 1, "hour")
            if one.bundle == bundle
        ]
        if summaries:
            whole = reduce(Summary.merge, summaries)
            live = _spread(column, tuple(whole.columns[at].tolist()), None)
    worst = _worst(name, bundle.hex(), monitors.statuses(tenant, decision))
    return FeatureStatistics(
        decision,
        bundle.hex(),
        _spread(column, column.counts, column.mean),
        profile.period,
        live,
        last_us,
        "not_judged" if worst is None else "beyond" if worst.breached else "within",
        None if worst is None else worst.value,
        None if worst is None else worst.limit,
        "" if worst is None else worst.window,
    )


def _worst(name: str, bundle: str, statuses: Sequence[MonitorStatus]) -> MonitorStatus | None:
    """Return the drift status that is farthest beyond its limit, or nearest to it."""
    found = [
        one for one in statuses if (one.monitor, one.column, one.bundle) == ("drift", name, bundle)
    ]
    return max(found, key=lambda one: (one.breached, one.value / (one.limit or 1)), default=None)


def drift_states(bundle: bytes, statuses: Sequence[MonitorStatus]) -> Mapping[str, DriftState]:
    """Return what the drift monitors say of a bundle's features; none that is not judged."""
    found: dict[str, DriftState] = {}
    for one in statuses:
        if one.monitor == "drift" and one.bundle == bundle.hex():
            beyond = one.breached or found.get(one.column) == "beyond"
            found[one.column] = "beyond" if beyond else "within"
    return found


def _spread(column: ColumnProfile, counts: tuple[int, ...], mean: float | None) -> Spread:
    rows = sum(counts)
    return Spread(rows, counts[-1] / rows if rows else None, _median(column, counts), mean)


def _median(column: ColumnProfile, counts: tuple[int, ...]) -> float | None:
    present, edges = counts[:-1], column.edges
    total = sum(present)
    if not total or not edges:
        return None
    at = next(at for at, reached in enumerate(accumulate(present)) if 2 * reached >= total)
    low, high = edges[max(at - 1, 0)], edges[min(at, len(edges) - 1)]
    return (low + high) / 2
