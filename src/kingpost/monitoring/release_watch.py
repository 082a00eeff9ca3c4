"""Incidents of releases: one for each that was rolled back by itself, or that cannot be run.

The rule: what is told makes the incident, under an id that follows from it, so that it is
opened once however often the log is read. It ends by itself an hour later: what was worse no
longer runs.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from kingpost.monitoring.incident import RUNBOOKS, Incident, incident_id
from kingpost.monitoring.store import MonitorStore
from kingpost.monitoring.window import HOUR_US

__all__ = ["FailedRelease", "ReleaseWatch"]

_MOST_OPEN = 1_000


@dataclass(frozen=True, kw_only=True)
class FailedRelease:
    """A release that was rolled back by itself, or a champion that a process cannot run.

    Attributes:
        bundle: Digest of the bundle, in hex.
        measures: By which it was worse; none where it could not be run.
        value, limit: What the first of them was, and what it should not have exceeded.
        facts: Lines for people.
    """

    decision: str
    bundle: str
    at_us: int
    title: str
    measures: tuple[str, ...] = ()
    value: float = 0.0
    limit: float = 0.0
    rows: int = 0
    facts: tuple[str, ...] = ()


class ReleaseWatch:
    """Keeps the incidents of a tenant's releases. Calls may raise `MonitorStoreFailed`."""

    def __init__(self, store: MonitorStore, tenant: str) -> None:
        self._store, self._tenant = store, tenant

    def judge(self, found: Sequence[FailedRelease], now_us: int) -> Sequence[Incident]:
        """Open incidents, end those that are an hour old, and return those that were opened."""
        opened: list[Incident] = []
        for one in found:
            incident = self._incident(one)
            if self._store.incident(self._tenant, incident.id) is None:
                self._store.save_incident(incident)
                opened.append(incident)
        for incident in self._store.incidents(self._tenant, open_only=True, limit=_MOST_OPEN):
            ended_us = incident.opened_us + HOUR_US
            if incident.kind == "release" and ended_us < now_us:
                self._store.save_incident(replace(incident, ended_us=ended_us))
        return opened

    def _incident(self, one: FailedRelease) -> Incident:
        return Incident(
            id=incident_id(self._tenant, one.decision, "release", one.at_us),
            tenant=self._tenant,
            decision=one.decision,
            kind="release",
            title=one.title,
            columns=one.measures,
            opened_us=one.at_us,
            breach_since_us=one.at_us,
            value=one.value,
            limit=one.limit,
            window="",
            rows=one.rows,
            bundle=one.bundle,
            last_at_us=one.at_us,
            facts=one.facts,
            runbook=RUNBOOKS["release"],
        )
