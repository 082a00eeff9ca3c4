"""Where the monitors keep what they found: what a store of it can do.

Writing is the observer's alone, who joins several calls in one transaction; reading is
for everybody, and takes no part in that. All of it follows from the journal: a store that
is lost is made anew.
"""

from collections.abc import Sequence
from typing import Protocol

from kingpost.monitoring.incident import Incident
from kingpost.monitoring.live import LiveBucket
from kingpost.monitoring.status import MonitorStatus
from kingpost.monitoring.summary import Resolution, Summary

__all__ = ["MonitorStore"]


class MonitorStore(Protocol):
    """Summaries, live buckets, statuses and incidents. Calls may raise `MonitorStoreFailed`."""

    def save_summaries(self, summaries: Sequence[Summary]) -> None:
        """Put summaries in the place of those with the same `place`."""
        ...

    def summaries(
        self, tenant: str, decision: str, since_us: int, until_us: int, resolution: Resolution
    ) -> Sequence[Summary]:
        """Return what starts within `since_us <= start_us < until_us`, oldest first."""
        ...

    def save_live(self, buckets: Sequence[LiveBucket]) -> None:
        """Put buckets in the place of those with the same start."""
        ...

    def live(
        self, tenant: str, decision: str, since_us: int, until_us: int | None = None
    ) -> Sequence[LiveBucket]:
        """Return what starts within `since_us <= start_us < until_us`, oldest first."""
        ...

    def save_incident(self, incident: Incident) -> None:
        """Put an incident in the place of that with the same id, or add it."""
        ...

    def incident(self, tenant: str, identifier: str) -> Incident | None:
        """Return an incident; None when the tenant has none of this id."""
        ...

    def incidents(
        self,
        tenant: str,
        *,
        open_only: bool = False,
        decision: str | None = None,
        limit: int = 100,
        before: tuple[int, str] | None = None,
    ) -> Sequence[Incident]:
        """Return incidents, the last opened first.

        Args:
            before: `opened_us` and `id` of the last one of the page before.
        """
        ...

    def save_statuses(
        self, tenant: str, decision: str, bundle: str, statuses: Sequence[MonitorStatus]
    ) -> None:
        """Put what a bundle's monitors say now in the place of what they said before."""
        ...

    def statuses(self, tenant: str, decision: str) -> Sequence[MonitorStatus]:
        """Return what the monitors last said, of each bundle, by monitor, column and window."""
        ...

    def save_state(self, tenant: str, decision: str, state: bytes) -> None:
        """Keep what the watch needs to go on where it was."""
        ...

    def states(self) -> Sequence[tuple[str, str, bytes]]:
        """Return tenant, decision and state of every decision that was watched."""
        ...

    def purge(
        self, tenant: str, decision: str, *, minutes_before_us: int, live_before_us: int
    ) -> None:
        """Forget minute summaries and live buckets that start before a time."""
        ...
