"""Which decisions are alarms: what a positive answer opens an incident about, and how often.

    kp.decision(…, alarm=kp.alarm("series", every="24h"))

The rule: an alarm is for people and changes no answer. What is positive again while its
incident goes on joins it.
"""

from dataclasses import dataclass
from datetime import timedelta

from kingpost.contracts import Contract, Event
from kingpost.core import BadDuration, Place, caller_place, duration_us
from kingpost.decisions.errors import WrongDecision

__all__ = ["Alarm", "alarm", "check_alarm"]


@dataclass(frozen=True)
class Alarm:
    """What a positive answer is an alarm about.

    Attributes:
        entity: The field of the request that names it.
        every_us: How long one incident of an entity covers, stream time.
        runbook: Path of what to do, in the application's documentation; empty for Kingpost's own.
    """

    entity: str
    every_us: int
    runbook: str = ""


def alarm(entity: str, *, every: str | timedelta = "24h", runbook: str = "") -> Alarm:
    """Let positive answers open incidents, one of each entity at a time.

    Args:
        entity: The field of the request that names what it is about, as a machine. It is
            kept in the clear, so it may not be personal.
        every: The least time between two incidents of one entity.
        runbook: Path or address of what to do when it comes.

    Raises:
        WrongDecision: The length is none.
    """
    place = caller_place()
    try:
        every_us = duration_us(every)
    except BadDuration as error:
        raise WrongDecision(str(error), "write it so", place) from error
    return Alarm(entity, every_us, runbook)


def check_alarm(alarm: Alarm, request: Contract[Event], place: Place) -> None:
    """Check that the entity can be one.

    Raises:
        WrongDecision: The request has no such field, or it is personal.
    """
    field = request.by_name.get(alarm.entity)
    if field is None:
        raise WrongDecision(
            f"the alarm is about {alarm.entity!r}, which is no field of the request",
            f"name one of {', '.join(request.by_name)}",
            place,
        )
    if field.personal is not None or field.is_subject:
        raise WrongDecision(
            f"the alarm is about {alarm.entity!r}, which is personal",
            "name a field that is not: incidents keep it in the clear",
            place,
        )
