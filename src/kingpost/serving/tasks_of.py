"""What waits for people: a task for each decision that goes to review, and each incident.

The rule: a record says by its reason what sent it to review, so its task is the same
whenever it is made, and however often.
"""

from kingpost.core import id_text
from kingpost.decisions import Decision, otherwise_of
from kingpost.monitoring import Incident
from kingpost.records import DecisionRecord
from kingpost.serving.proposals import proposal_of
from kingpost.tasks import Task

__all__ = ["OPERATIONS", "task_of_incident", "task_of_review"]

OPERATIONS = "operations"
"""The queue of incidents."""

_DESK = "; review by "


def task_of_review(record: DecisionRecord, decision: Decision | None) -> Task:
    """Make the task of a record whose outcome is `review`.

    Args:
        decision: As it is declared now, whose gate has the deadline. A record of another
            gate, or of a decision that is declared no more, goes to the desk that it
            names itself, without one.
    """
    otherwise = None if decision is None else otherwise_of(decision.gate, record.reason)
    because, _, desk = record.reason.rpartition(_DESK)
    proposal = proposal_of(record)
    identifier = id_text(record.id)
    within_us = (otherwise.within_us or None) if otherwise else None
    return Task(
        id=identifier,
        tenant=record.tenant,
        kind="review",
        queue=desk,
        decision=record.decision,
        subject=identifier,
        title=f"{record.event_key}: {proposal or 'nothing'} proposed, {because}",
        created_us=record.at_us,
        event_time_us=record.event_time_us,
        due_us=None if within_us is None else record.at_us + within_us,
        escalate_to=(otherwise.escalate_to or "") if otherwise else "",
    )


def task_of_incident(incident: Incident, now_us: int) -> Task:
    """Make the task of an incident, for somebody of `OPERATIONS` to acknowledge.

    Args:
        now_us: When it came to be known, by the clock; an incident knows the stream's time.
    """
    return Task(
        id=incident.id,
        tenant=incident.tenant,
        kind="incident",
        queue=OPERATIONS,
        decision=incident.decision,
        subject=incident.id,
        title=incident.title,
        created_us=now_us,
        event_time_us=incident.opened_us,
    )
