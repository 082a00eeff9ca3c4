"""What runs: a decision's bundle, the model in it, who let it run, and its reference.

The rule: a bundle's digest never changes its meaning, so what was read once is kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from kingpost.console.visit import Visit
from kingpost.decisions import Bundle
from kingpost.monitoring import HOUR_US
from kingpost.records import RecordQuery
from kingpost.registry import Approval

__all__ = ["Running", "decision_names", "is_judged", "label_of", "last_event_us", "running"]

AHEAD_US = 24 * HOUR_US


@dataclass(frozen=True)
class Running:
    """What answers a decision now.

    Attributes:
        bundle: Its digest; empty when nothing runs.
        model: Name and number, for a link to its card; None when the bundle cannot be read.
        approval: Who let it run; None when that cannot be found.
        threshold: The score from which an answer is positive.
    """

    decision: str
    bundle: str
    model: tuple[str, int] | None
    approval: Approval | None
    threshold: float | None
    min_confidence: float | None


def decision_names(visit: Visit) -> Sequence[str]:
    """Return the decisions that run here, then those that have records only."""
    found = [*visit.sources.served, *visit.records.decisions(visit.tenant)]
    return list(dict.fromkeys(found))


def running(visit: Visit, decision: str) -> Running:
    """Find what runs."""
    served = visit.sources.served.get(decision)
    if served is None:
        return Running(decision, "", None, None, None, None)
    digest = served.bundle.hex()
    bundle = visit.sources.bundle_of(decision, served.bundle)
    approvals = visit.sources.control.approvals(decision)
    approval = next((one for one in reversed(approvals) if one.bundle == digest), None)
    return Running(
        decision,
        digest,
        (bundle.model_name, bundle.model_number) if bundle else None,
        approval,
        served.threshold,
        served.decision.gate.min_confidence,
    )


def label_of(visit: Visit, decision: str, bundle: Bundle | None = None) -> str:
    """Return what a positive answer is called."""
    if bundle is not None:
        return bundle.label
    served = visit.sources.served.get(decision)
    return served.decision.model.label.field if served else "positive"


def last_event_us(visit: Visit, decision: str) -> int | None:
    """Return when a decision's newest event happened; None when it has no records.

    A time more than a day ahead of the clock is somebody's mistake, and is passed over.
    """
    query = RecordQuery(
        tenant=visit.tenant, decision=decision, until_us=visit.now_us + AHEAD_US, limit=1
    )
    found = visit.records.find(query)
    return found[0].event_time_us if found else None


def is_judged(visit: Visit, decision: str, bundle: str) -> bool:
    """Tell whether the monitors have had enough rows of a bundle to compare any feature."""
    return any(
        one.monitor == "drift" and one.bundle == bundle
        for one in visit.monitors.statuses(visit.tenant, decision)
    )
