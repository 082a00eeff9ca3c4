"""What follows from a part of the journal: for the search, the monitors, and for others.

The rule: everything is told in the order of the journal, with the offset where it lies, so
that what comes of it does not depend on how the journal was cut.
"""

from collections.abc import Sequence
from typing import NamedTuple

from kingpost.core import id_text
from kingpost.decisions import Application
from kingpost.monitoring import (
    RUNBOOKS,
    Incident,
    LabelledDecision,
    ReviewedDecision,
    Watch,
    incident_id,
)
from kingpost.records import DecisionRecord, KnownLabel, RecordLine, RecordSearch
from kingpost.serving.extraction import SuspicionDocument
from kingpost.serving.observed import Gathered, ReviewAt, observations_of
from kingpost.serving.observer_store import NewTask, Opened, Owed, Settled
from kingpost.serving.tasks_of import task_of_incident, task_of_review

__all__ = ["Consequences", "Noted"]


class Noted(NamedTuple):
    """What came of it.

    Attributes:
        labels: How many were joined to a record.
    """

    labels: int
    incidents: Sequence[Incident]


def extraction_incident(tenant: str, decision: str, found: SuspicionDocument) -> Incident:
    """Make the incident of a caller who asks as one does to rebuild the model."""
    return Incident(
        id=incident_id(tenant, f"{decision}\0{found.principal}", "extraction", found.at_us),
        tenant=tenant,
        decision=decision,
        kind="extraction",
        title=f"{found.principal} asks as if to rebuild the model: {found.pattern}",
        columns=(),
        opened_us=found.at_us,
        breach_since_us=found.at_us,
        ended_us=found.at_us,
        value=1.0,
        limit=0.0,
        window="",
        rows=0,
        bundle="",
        last_at_us=found.at_us,
        facts=(found.fact,),
        runbook=RUNBOOKS["extraction"],
    )


class Consequences:
    """Tells the search and the monitors; for one application.

    Args:
        records: The search; its calls belong to the caller's transaction.
    """

    def __init__(self, application: Application, records: RecordSearch) -> None:
        self._application, self._records = application, records
        self._widths: dict[bytes, int] = {}

    def note(self, gathered: Gathered, watch: Watch) -> Noted:
        """Write what was gathered, and return the incidents that it opened."""
        for tenant, decision, one in gathered.suspicions:
            watch.report(extraction_incident(tenant, decision, one))
        if not (gathered.lines or gathered.labels or gathered.reviews or gathered.suspicions):
            return Noted(0, ())
        self._records.add(gathered.lines)
        for (tenant, decision, bundle), records in gathered.records.items():
            width = self._width(decision, bundle, records)
            watch.observe(tenant, decision, bundle, observations_of(records, width))
        for (tenant, decision), alarms in gathered.alarms.items():
            watch.alarmed(tenant, decision, alarms)
        joined = sum(
            self._learn(tenant, decision, labels, watch)
            for (tenant, decision), labels in gathered.labels.items()
        )
        for (tenant, decision), reviews in gathered.reviews.items():
            self._hear(tenant, decision, reviews, watch)
        return Noted(joined, watch.flush())

    def owed(
        self, gathered: Gathered, incidents: Sequence[Incident], now_us: int
    ) -> Sequence[Owed]:
        """Say what others are to be told: the inbox of tasks, people of incidents."""
        decisions = self._application.decisions
        owed: list[Owed] = [
            NewTask(task_of_review(record, decisions.get(record.decision)))
            for record in gathered.to_review
        ]
        owed += [
            Settled(
                tenant,
                id_text(review.record),
                review.by,
                review.verdict,
                review.reason,
                review.at_us,
            )
            for (tenant, _), reviews in gathered.reviews.items()
            for _, review in reviews
        ]
        for incident in incidents:
            owed += [NewTask(task_of_incident(incident, now_us)), Opened(incident)]
        return owed

    def _learn(self, tenant: str, decision: str, labels: Sequence[KnownLabel], watch: Watch) -> int:
        joined = self._records.label(tenant, decision, labels)
        lines = [
            LabelledDecision(
                label.offset, event_time_us, bundle, positive, label.positive, outcome, was
            )
            for label, _, bundle, event_time_us, outcome, positive, was in joined
        ]
        if lines:
            watch.labelled(tenant, decision, lines)
        return len(lines)

    def _hear(self, tenant: str, decision: str, reviews: Sequence[ReviewAt], watch: Watch) -> None:
        known = self._records.review(tenant, [review for _, review in reviews])
        line_of = {line.id: line for line in known}
        lines = [
            ReviewedDecision(
                offset=offset,
                event_time_us=line.event_time_us,
                bundle=line.bundle,
                overridden=review.verdict == "overridden",
                asked=bool(review.task),
            )
            for offset, review in reviews
            for line in [line_of.get(review.record)]
            if line is not None
        ]
        if lines:
            watch.reviewed(tenant, decision, lines)

    def _width(
        self, decision: str, bundle: bytes, records: Sequence[tuple[DecisionRecord, RecordLine]]
    ) -> int:
        """Count the features of a bundle, from the first record that has any."""
        found = self._widths.get(bundle)
        if found is None:
            sizes = (len(record.features) // 8 for record, _ in records)
            found = next(filter(None, sizes), None)
            if found is not None:
                self._widths[bundle] = found
        if found is not None:
            return found
        declared = self._application.decisions.get(decision)
        return len(declared.features) if declared is not None else 0
