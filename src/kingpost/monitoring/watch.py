"""The watch over all decisions of all tenants: what the observer tells, and when it asks.

The rule: what is found follows from the journal alone. However it is cut into batches, and
whenever the watch is made anew over the same store, the same summaries, statuses and
incidents come out. All writing is done in `flush`, so that the caller can make one
transaction of it and of its own progress; when that fails, this object is thrown away and
made anew.
"""

from collections.abc import Callable, Sequence

from kingpost.monitoring.alarm_book import Alarmed
from kingpost.monitoring.decision_watch import DecisionWatch
from kingpost.monitoring.incident import Incident
from kingpost.monitoring.limits import Limits
from kingpost.monitoring.observations import LabelledDecision, Observations, ReviewedDecision
from kingpost.monitoring.profile import Profile
from kingpost.monitoring.store import MonitorStore

__all__ = ["Watch"]


def _no_limits(decision: str) -> Limits:
    return Limits()


class Watch:
    """Watches decisions as the journal tells of them; for one thread.

    Args:
        store: Where it goes on from, and writes to.
        profile_of: Finds the profile of a decision's bundle; None when it has none, and
            then the shape of its data is not judged.
        limits_of: Finds a decision's budget.
    """

    def __init__(
        self,
        store: MonitorStore,
        profile_of: Callable[[str, bytes], Profile | None],
        limits_of: Callable[[str], Limits] = _no_limits,
    ) -> None:
        self._store, self._profile_of, self._limits_of = store, profile_of, limits_of
        self._states = {(tenant, name): state for tenant, name, state in store.states()}
        self._watches: dict[tuple[str, str], DecisionWatch] = {}
        self._reported: list[Incident] = []

    def observe(self, tenant: str, decision: str, bundle: bytes, rows: Observations) -> None:
        """Take note of decisions of one bundle, in the order of the journal."""
        self._of(tenant, decision).observe(bundle, rows)

    def labelled(self, tenant: str, decision: str, lines: Sequence[LabelledDecision]) -> None:
        """Take note of labels of decisions that were observed, in the order of the journal."""
        self._of(tenant, decision).labelled(lines)

    def reviewed(self, tenant: str, decision: str, lines: Sequence[ReviewedDecision]) -> None:
        """Take note of reviews, in the order of the journal."""
        self._of(tenant, decision).reviewed(lines)

    def alarmed(self, tenant: str, decision: str, alarms: Sequence[Alarmed]) -> None:
        """Take note of alarms among decisions that were observed, in the order of the journal."""
        self._of(tenant, decision).alarmed(alarms)

    def report(self, incident: Incident) -> None:
        """Take note of an incident that somebody else found in the journal."""
        self._reported.append(incident)

    def flush(self) -> Sequence[Incident]:
        """Judge what was noted, save what changed, and return the incidents that it opened.

        Everything of the journal up to where it was read must have been noted.

        Raises:
            MonitorStoreFailed: The store could not be read or written; make a new watch.
        """
        opened, self._reported = self._reported, []
        for incident in opened:
            self._store.save_incident(incident)
        for watch in self._watches.values():
            if watch.has_news:
                opened += watch.flush()
        return sorted(opened, key=lambda one: (one.opened_us, one.id))

    def _of(self, tenant: str, decision: str) -> DecisionWatch:
        place = (tenant, decision)
        found = self._watches.get(place)
        if found is None:
            found = self._watches[place] = DecisionWatch(
                tenant,
                decision,
                self._store,
                self._profile_of,
                self._limits_of(decision),
                self._states.pop(place, None),
            )
        return found
