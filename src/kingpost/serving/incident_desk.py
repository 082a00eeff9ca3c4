"""The desk of incidents: what they affected, what was done about them, and a report of both.

The rule: whatever a person does about an incident is one line of its log. Calls are made in any
thread, with that thread's stores.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from kingpost.access import Principal
from kingpost.core import Clock, id_text
from kingpost.decisions import Application
from kingpost.monitoring import (
    Incident,
    LogLine,
    LogLineKind,
    TimelineLine,
    affected_query,
    timeline_of,
)
from kingpost.records import Outcome, RecordLine
from kingpost.registry import RetrainingEvent
from kingpost.serving.errors import IncidentNotFound
from kingpost.serving.reasons import checked_reason
from kingpost.serving.review_sources import ReviewSources
from kingpost.serving.tasks_of import OPERATIONS
from kingpost.tasks import Task

__all__ = ["IncidentDesk", "IncidentReport", "SentToReview"]

_PAGE = 500
_MOST_COUNTED = 10_000
_MOST_LISTED = 100

Place = tuple[int, int]


class SentToReview(NamedTuple):
    """What came of sending decisions to review.

    Attributes:
        sent: How many tasks are new.
        passed_over: How many were reviewed already, or wait for a review.
        is_all: False when there are more than were asked for.
    """

    queue: str
    sent: int
    passed_over: int
    is_all: bool


class IncidentReport(NamedTuple):
    """All there is to say of an incident.

    Attributes:
        task: Its task in the inbox; None where it has none.
        affected: How many decisions, of the newest 10,000.
        is_all: False when there are more.
        reviewed, overridden: Of those, how many people looked at and answered otherwise.
        newest: The newest hundred of them.
    """

    incident: Incident
    task: Task | None
    timeline: Sequence[TimelineLine]
    affected: int
    is_all: bool
    reviewed: int
    overridden: int
    newest: Sequence[RecordLine]


class IncidentDesk:
    """What people may do about incidents."""

    def __init__(self, sources: ReviewSources, application: Application, clock: Clock) -> None:
        self._sources, self._application, self._clock = sources, application, clock

    def incident(self, tenant: str, identifier: str) -> Incident:
        """Return an incident.

        Raises:
            IncidentNotFound: The tenant has none of this id.
            MonitorStoreFailed: It could not be read.
        """
        found = self._sources.monitors().incident(tenant, identifier)
        if found is None:
            raise IncidentNotFound
        return found

    def affected(
        self, incident: Incident, *, limit: int, before: Place | None = None
    ) -> Sequence[RecordLine]:
        """Return a page of the decisions that an incident affected, the newest event first.

        Raises:
            RecordSearchFailed: They could not be read.
        """
        records = self._sources.records()
        query = affected_query(incident, self._promised_us(incident))
        if query is not None:
            return records.find(replace(query, limit=limit, before=before))
        named = (records.get(incident.tenant, bytes.fromhex(one)) for one in incident.records)
        found = sorted(
            (line for line in named if line is not None), key=lambda line: line.place, reverse=True
        )
        return [line for line in found if before is None or line.place < before][:limit]

    def timeline(self, incident: Incident) -> Sequence[TimelineLine]:
        """Return what happened, in the order of time.

        Raises:
            TaskStoreFailed, IncidentLogFailed: It could not be read.
            NewerDocument: A later version of Kingpost wrote what a retraining came to.
        """
        task = self._sources.tasks().get(incident.tenant, incident.id)
        log = self._sources.incident_log().lines(incident.tenant, incident.id)
        runs = self._sources.retrainings(incident.decision)
        because = [run for run in runs if run.asked.incident == incident.id]
        return timeline_of(
            incident, task, log, (_line(event) for run in because for event in run.events)
        )

    def report(self, incident: Incident) -> IncidentReport:
        """Return all there is to say of it.

        Raises:
            TaskStoreFailed, IncidentLogFailed, RecordSearchFailed: It could not be read.
        """
        lines = self.affected(incident, limit=_MOST_COUNTED + 1)
        counted = lines[:_MOST_COUNTED]
        return IncidentReport(
            incident,
            self._sources.tasks().get(incident.tenant, incident.id),
            self.timeline(incident),
            len(counted),
            len(lines) == len(counted),
            sum(line.review is not None for line in counted),
            sum(line.review == "overridden" for line in counted),
            counted[:_MOST_LISTED],
        )

    def note(self, principal: Principal, incident: Incident, text: str) -> TimelineLine:
        """Write down what a person has to say, and return it as it is kept.

        Raises:
            MissingScope: They may not acknowledge incidents.
            BadReason: The text cannot be kept.
            IncidentLogFailed: It could not be written.
        """
        principal.require("review", OPERATIONS)
        return self._add(principal, incident, "noted", checked_reason(text, is_required=True))

    def send_to_review(
        self, principal: Principal, incident: Incident, *, queue: str, reason: str, limit: int
    ) -> SentToReview:
        """Have people look at what an incident affected, the newest first.

        A decision that was reviewed, or waits for it, stays as it is.

        Args:
            queue: Whose people; empty for those to whom the decision sends what it is unsure of,
                and of one that sends nobody anything, those of `operations`.
            limit: So many decisions are looked at, at the most.

        Raises:
            MissingScope: They may not answer the queue's tasks, or acknowledge incidents.
            BadReason: The reason cannot be kept.
            RecordSearchFailed, TaskStoreFailed, IncidentLogFailed: See the stores; it may be
                repeated.
        """
        reason, desk = checked_reason(reason), queue or self._desk_of(incident.decision)
        principal.require("review", OPERATIONS)
        principal.require("review", desk)
        seen = sent = 0
        now_us = self._clock.now_us()
        for lines in self._pages(incident, limit + 1):
            some = lines[: limit - seen]
            tasks = [_task(line, incident, desk, now_us) for line in some if line.review is None]
            sent += self._sources.tasks().add(tasks)
            seen += len(lines)
        passed_over = min(seen, limit) - sent
        told = f"{sent:,} decisions to {desk}, {passed_over:,} passed over"
        self._add(principal, incident, "sent_to_review", f"{told}: {reason}" if reason else told)
        return SentToReview(desk, sent, passed_over, seen <= limit)

    def _pages(self, incident: Incident, limit: int) -> Iterator[Sequence[RecordLine]]:
        before: Place | None = None
        while limit > 0:
            lines = self.affected(incident, limit=min(limit, _PAGE), before=before)
            if not lines:
                return
            yield lines
            limit -= len(lines)
            before = lines[-1].place

    def _add(
        self, principal: Principal, incident: Incident, kind: LogLineKind, text: str
    ) -> TimelineLine:
        line = LogLine(self._clock.now_us(), kind, principal.by, text)
        self._sources.incident_log().add(incident.tenant, incident.id, line)
        return TimelineLine(*line)

    def _promised_us(self, incident: Incident) -> int | None:
        """Return the shortest time that an objective promises which an incident is about."""
        declared = self._application.decisions.get(incident.decision)
        if incident.kind != "slo" or declared is None:
            return None
        promised = (one.within_us for one in declared.slos if one.name in incident.columns)
        return min((one for one in promised if one is not None), default=None)

    def _desk_of(self, decision: str) -> str:
        declared = self._application.decisions.get(decision)
        if declared is None or declared.gate.otherwise.outcome is not Outcome.REVIEW:
            return OPERATIONS
        return declared.gate.otherwise.queue


def _task(line: RecordLine, incident: Incident, queue: str, now_us: int) -> Task:
    identifier = id_text(line.id)
    return Task(
        id=identifier,
        tenant=line.tenant,
        kind="review",
        queue=queue,
        decision=line.decision,
        subject=identifier,
        title=f"{line.event_key}: again, since {incident.title}",
        created_us=now_us,
        event_time_us=line.event_time_us,
    )


def _line(event: RetrainingEvent) -> TimelineLine:
    what = f"{event.stage} {event.step}".strip().replace("_", " ")
    text = f"{what}: {event.reason}" if event.reason else what
    return TimelineLine(event.at_us, "retraining", event.by, text)
