"""What the monitors found, in memory, for as long as the process lives."""

from collections.abc import Sequence

from kingpost.monitoring.incident import Incident
from kingpost.monitoring.live import LiveBucket
from kingpost.monitoring.status import MonitorStatus
from kingpost.monitoring.summary import Resolution, Summary

__all__ = ["MemoryMonitors"]


class MemoryMonitors:
    """A `MonitorStore` that forgets."""

    def __init__(self) -> None:
        self._summaries: dict[tuple[str, str, bytes, int, int], Summary] = {}
        self._live: dict[tuple[str, str, int], LiveBucket] = {}
        self._incidents: dict[str, Incident] = {}
        self._statuses: dict[tuple[str, str, str], tuple[MonitorStatus, ...]] = {}
        self._states: dict[tuple[str, str], bytes] = {}

    def save_summaries(self, summaries: Sequence[Summary]) -> None:
        self._summaries |= {summary.place: summary for summary in summaries}

    def summaries(
        self, tenant: str, decision: str, since_us: int, until_us: int, resolution: Resolution
    ) -> Sequence[Summary]:
        found = [
            summary
            for summary in self._summaries.values()
            if (summary.tenant, summary.decision) == (tenant, decision)
            and since_us <= summary.start_us < until_us
            and summary.resolution == resolution
        ]
        return sorted(found, key=lambda summary: (summary.start_us, summary.bundle))

    def save_live(self, buckets: Sequence[LiveBucket]) -> None:
        for bucket in buckets:
            self._live[bucket.tenant, bucket.decision, bucket.start_us] = bucket

    def live(
        self, tenant: str, decision: str, since_us: int, until_us: int | None = None
    ) -> Sequence[LiveBucket]:
        found = [
            bucket
            for bucket in self._live.values()
            if (bucket.tenant, bucket.decision) == (tenant, decision)
            and since_us <= bucket.start_us
            and (until_us is None or bucket.start_us < until_us)
        ]
        return sorted(found, key=lambda bucket: bucket.start_us)

    def save_incident(self, incident: Incident) -> None:
        self._incidents[incident.id] = incident

    def incident(self, tenant: str, identifier: str) -> Incident | None:
        found = self._incidents.get(identifier)
        return found if found is not None and found.tenant == tenant else None

    def incidents(
        self,
        tenant: str,
        *,
        open_only: bool = False,
        decision: str | None = None,
        limit: int = 100,
        before: tuple[int, str] | None = None,
    ) -> Sequence[Incident]:
        found = [
            incident
            for incident in self._incidents.values()
            if incident.tenant == tenant
            and (incident.is_open or not open_only)
            and decision in (None, incident.decision)
            and (before is None or (incident.opened_us, incident.id) < before)
        ]
        found.sort(key=lambda incident: (incident.opened_us, incident.id), reverse=True)
        return found[:limit]

    def save_statuses(
        self, tenant: str, decision: str, bundle: str, statuses: Sequence[MonitorStatus]
    ) -> None:
        self._statuses[tenant, decision, bundle] = tuple(statuses)

    def statuses(self, tenant: str, decision: str) -> Sequence[MonitorStatus]:
        return [
            status
            for (owner, name, _), statuses in sorted(self._statuses.items())
            if (owner, name) == (tenant, decision)
            for status in statuses
        ]

    def save_state(self, tenant: str, decision: str, state: bytes) -> None:
        self._states[tenant, decision] = state

    def states(self) -> Sequence[tuple[str, str, bytes]]:
        return [(*place, state) for place, state in sorted(self._states.items())]

    def purge(
        self, tenant: str, decision: str, *, minutes_before_us: int, live_before_us: int
    ) -> None:
        for place, summary in list(self._summaries.items()):
            if (
                place[:2] == (tenant, decision)
                and summary.resolution == "minute"
                and summary.start_us < minutes_before_us
            ):
                del self._summaries[place]
        for start in [
            place
            for place in self._live
            if place[:2] == (tenant, decision) and place[2] < live_before_us
        ]:
            del self._live[start]
