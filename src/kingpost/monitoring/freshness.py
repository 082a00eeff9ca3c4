"""Incidents of data that has become stale: opened, kept up to date and ended by the clock.

The rule: one incident for each time that a source became stale, however often it is looked
at and whoever looks. It is known by the moment at which it did, so a restart goes on with
it. Unlike other incidents these follow from the wall clock and not from the journal.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from kingpost.monitoring.incident import RUNBOOKS, Incident, incident_id
from kingpost.monitoring.store import MonitorStore

__all__ = ["Freshness", "FreshnessWatch"]

_MOST_OPEN = 1_000


@dataclass(frozen=True, kw_only=True)
class Freshness:
    """How fresh a source of a tenant is.

    Attributes:
        source: What it is called in lists of incidents, as `pipeline limits`.
        until_us: When it becomes stale, or did; microseconds UTC.
        allowed_us: How old its newest event may become.
        title: What is wrong when it is stale: one line for people.
        facts: Lines for people. A line that changes is a change of the incident.
    """

    tenant: str
    source: str
    is_stale: bool
    until_us: int
    allowed_us: int
    title: str
    facts: tuple[str, ...] = ()


class FreshnessWatch:
    """Keeps the incidents of stale sources. Calls may raise `MonitorStoreFailed`."""

    def __init__(self, store: MonitorStore) -> None:
        self._store = store

    def judge(
        self, tenants: Sequence[str], found: Sequence[Freshness], now_us: int
    ) -> Sequence[Incident]:
        """Open, update and end incidents, and return those that were opened.

        Args:
            tenants: All whose sources are in `found`: of these, an open incident of a
                source that is not ends.
            found: Every source there is.
        """
        stale = {(one.tenant, one.source): one for one in found if one.is_stale}
        for incident in self._open(tenants):
            still = stale.pop((incident.tenant, incident.decision), None)
            if still is None:
                self._store.save_incident(replace(incident, ended_us=now_us))
            elif (incident.facts, incident.title) != (still.facts, still.title):
                told = replace(incident, facts=still.facts, title=still.title)
                self._store.save_incident(told)
        opened = [_incident(one, now_us) for one in stale.values()]
        for incident in opened:
            self._store.save_incident(incident)
        return opened

    def _open(self, tenants: Sequence[str]) -> Sequence[Incident]:
        return [
            incident
            for tenant in tenants
            for incident in self._store.incidents(tenant, open_only=True, limit=_MOST_OPEN)
            if incident.kind == "stale"
        ]


def _incident(found: Freshness, now_us: int) -> Incident:
    return Incident(
        id=incident_id(found.tenant, found.source, "stale", found.until_us),
        tenant=found.tenant,
        decision=found.source,
        kind="stale",
        title=found.title,
        columns=(),
        opened_us=now_us,
        breach_since_us=found.until_us,
        value=float(now_us - found.until_us + found.allowed_us),
        limit=float(found.allowed_us),
        window="",
        rows=0,
        bundle="",
        last_at_us=now_us,
        facts=found.facts,
        runbook=RUNBOOKS["stale"],
    )
