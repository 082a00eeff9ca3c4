"""The incidents of one decision's alarms: one of each entity at a time.

The rule: alarms are told in the order of the journal. The first one of an entity opens an
incident, which covers a stretch of stream time from then on; what comes within it, or was late,
joins. So what is opened follows from the journal alone, however it is cut into batches and
whenever the book is made anew over the same store.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from kingpost.monitoring.incident import RUNBOOKS, Incident, incident_id
from kingpost.monitoring.store import MonitorStore

__all__ = ["AlarmBook", "AlarmTerms", "Alarmed"]

_MOST_RECORDS = 20
_PAGE = 500
_MOST_KNOWN = 10_000
"""So many of the last incidents are read when a book is made."""


class AlarmTerms(NamedTuple):
    """How a decision's alarms are told.

    Attributes:
        every_us: How long an incident covers, stream time.
        word: What a positive answer says of the entity: `anomalous`.
        runbook: Path of what to do; empty for the general one.
    """

    every_us: int
    word: str
    runbook: str = ""


class Alarmed(NamedTuple):
    """A positive answer of a decision that is an alarm.

    Attributes:
        event_time_us, at_us: Stream time and wall clock.
        record: The record's id.
    """

    entity: str
    event_time_us: int
    at_us: int
    bundle: bytes
    record: bytes
    score: float


class AlarmBook:
    """Keeps the incidents of one decision. Calls may raise `MonitorStoreFailed`.

    Args:
        store: Where it goes on from; what changes is the caller's to save.
    """

    def __init__(self, tenant: str, decision: str, store: MonitorStore, terms: AlarmTerms) -> None:
        self._tenant, self._decision, self._terms = tenant, decision, terms
        self._last: dict[str, Incident] = {}
        for incident in _alarms(tenant, decision, store):
            self._last.setdefault(incident.columns[0], incident)
        self._changed: dict[str, Incident] = {}
        self._opened: list[str] = []

    def tell(self, alarm: Alarmed) -> None:
        """Take note of an alarm; none before it in the journal is told later."""
        last = self._last.get(alarm.entity)
        if last is None or alarm.event_time_us >= last.opened_us + self._terms.every_us:
            if last is not None:
                self._end(last)
            incident = self._incident(alarm)
            self._opened.append(incident.id)
            self._keep(incident)
        elif len(last.records) < _MOST_RECORDS:
            self._keep(replace(last, records=(*last.records, alarm.record.hex())))

    def pass_to(self, now_us: int) -> None:
        """End what covers no moment from a time on."""
        for incident in list(self._last.values()):
            if incident.opened_us + self._terms.every_us <= now_us:
                self._end(incident)

    def take(self) -> tuple[Sequence[Incident], Sequence[Incident]]:
        """Return what changed since the last time, and what of that is new."""
        changed = list(self._changed.values())
        new = [self._changed[identifier] for identifier in self._opened]
        self._changed, self._opened = {}, []
        return changed, new

    def _end(self, incident: Incident) -> None:
        if incident.is_open:
            self._keep(replace(incident, ended_us=incident.opened_us + self._terms.every_us))

    def _keep(self, incident: Incident) -> None:
        self._last[incident.columns[0]] = self._changed[incident.id] = incident

    def _incident(self, alarm: Alarmed) -> Incident:
        told = f"{alarm.entity} is {self._terms.word}"
        about = f"{self._decision}\0{alarm.entity}"
        return Incident(
            id=incident_id(self._tenant, about, "alarm", alarm.event_time_us),
            tenant=self._tenant,
            decision=self._decision,
            kind="alarm",
            title=f"{self._decision}: {told}",
            columns=(alarm.entity,),
            opened_us=alarm.event_time_us,
            breach_since_us=alarm.event_time_us,
            value=alarm.score,
            limit=0.0,
            window="",
            rows=1,
            bundle=alarm.bundle.hex(),
            records=(alarm.record.hex(),),
            last_at_us=alarm.at_us,
            facts=(f"{told}, with a score of {alarm.score:.3g}",),
            runbook=self._terms.runbook or RUNBOOKS["alarm"],
        )


def _alarms(tenant: str, decision: str, store: MonitorStore) -> Sequence[Incident]:
    """Return the last alarms of a decision, the newest first."""
    found: list[Incident] = []
    before: tuple[int, str] | None = None
    for _ in range(_MOST_KNOWN // _PAGE):
        page = store.incidents(tenant, decision=decision, limit=_PAGE, before=before)
        found += [incident for incident in page if incident.kind == "alarm"]
        if len(page) < _PAGE:
            break
        before = (page[-1].opened_us, page[-1].id)
    return found
