"""An incident: something that people should look at, opened by a monitor.

The rule: one open incident per tenant, decision and kind. What breaches while it is open
joins it; it ends by itself when nothing of its kind has been beyond its limit for an hour
of stream time. One of kind `extraction` is of a moment, and ends in it; of kind `alarm` there
is one per entity, of kind `cost` one per budget, month and share. Its id says what it is, so that the same journal gives the same incidents.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from kingpost.monitoring.status import Monitor

__all__ = ["RUNBOOKS", "Incident", "incident_id"]

_NAMESPACE = uuid.UUID("6f0a3c52-53a4-5d0b-9c2e-6d0c9d2f7a11")
_DRIFT = "docs/how-to/handle-a-drift-incident.md"

RUNBOOKS: Mapping[Monitor, str] = {
    "drift": _DRIFT,
    "missing": _DRIFT,
    "score": _DRIFT,
    "confidence": _DRIFT,
    "positive_rate": _DRIFT,
    "latency": "docs/monitoring.md#latency",
    "failures": "docs/monitoring.md#failures",
    "overrides": "docs/monitoring.md#overrides",
    "quality": "docs/monitoring.md#quality",
    "stale": "docs/pipelines.md#a-stale-pipeline",
    "extraction": "docs/security.md#somebody-is-suspected",
    "release": "docs/release.md#a-release-was-rolled-back",
    "alarm": "docs/monitoring.md#alarms",
    "cost": "docs/cost.md#a-budget-is-spent",
    "slo": "docs/slo.md#a-budget-burns",
}
"""What to read when it happens, by kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """What was found, and since when; times are stream time, microseconds UTC.

    Attributes:
        id: The same for the same tenant, decision, kind and moment.
        decision: Of what is about no decision, what it is about: `pipeline limits`.
        title: One line for people.
        columns: What is beyond its limit, the worst first; more may join while it is open.
        joined: When each of those joined that did so later, and its name.
        opened_us: When the monitor spoke.
        breach_since_us: The first row of the minute, or of the hour, in which it began.
        ended_us: When it had been over for an hour; None while it is open.
        value, limit, window, rows: The worst measure when it was opened; of an alarm, which has
            no limit, its score.
        bundle: Digest of the bundle that ran, in hex.
        records: Ids of up to 20 decisions that were affected first, in hex.
        last_at_us: Wall clock of the newest decision that was known when it was opened.
        facts: Lines for people: each measure beyond its limit when it was opened.
        runbook: Path of what to do, in the documentation.
    """

    id: str
    tenant: str
    decision: str
    kind: Monitor
    title: str
    columns: tuple[str, ...]
    opened_us: int
    breach_since_us: int
    ended_us: int | None = None
    value: float
    limit: float
    window: str
    rows: int
    bundle: str
    records: tuple[str, ...] = ()
    last_at_us: int = 0
    facts: tuple[str, ...] = ()
    runbook: str = ""
    joined: tuple[tuple[int, str], ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether it has not ended."""
        return self.ended_us is None


def incident_id(tenant: str, decision: str, kind: Monitor, opened_us: int) -> str:
    """Return the id of an incident."""
    return str(uuid.uuid5(_NAMESPACE, "\0".join((tenant, decision, kind, str(opened_us)))))
