"""Which decisions an incident affected.

The rule: those from the beginning of what was measured until nothing of its kind was beyond a
limit any more, and of them those that its kind is about. What is of a moment, or of one entity,
names them itself.
"""

from dataclasses import replace

from kingpost.monitoring.incident import Incident
from kingpost.monitoring.incident_book import QUIET_US
from kingpost.monitoring.window import HOUR_US
from kingpost.records import Outcome, RecordQuery

__all__ = ["affected_query"]

_NAMED = ("alarm", "extraction", "release", "stale")
_REACH_US = {"hour": HOUR_US, "day": 24 * HOUR_US, "week": 7 * 24 * HOUR_US}
"""How long before it was opened the first decision lies that it was measured on."""

_OF_THE_BUNDLE = ("confidence", "overrides", "positive_rate", "quality", "score")


def affected_query(incident: Incident, within_us: int | None = None) -> RecordQuery | None:
    """Write the question that finds them, the newest first; None where `records` are all.

    Args:
        within_us: The time that an objective promises, if the incident is about one; without,
            a burning budget is about what failed.
    """
    if incident.kind in _NAMED:
        return None
    query = RecordQuery(tenant=incident.tenant, decision=incident.decision)
    reach_us = _REACH_US.get(incident.window, 0)
    since_us = min(incident.breach_since_us, incident.opened_us - reach_us)
    until_us = None if incident.ended_us is None else incident.ended_us - QUIET_US
    if incident.kind == "slo":
        query = replace(query, decided_since_us=since_us, decided_until_us=until_us)
        if within_us is None:
            return replace(query, outcome=Outcome.FAILED)
        return replace(query, missed_us=within_us)
    query = replace(query, since_us=since_us, until_us=until_us)
    if incident.kind in _OF_THE_BUNDLE:
        query = replace(query, model=bytes.fromhex(incident.bundle))
    match incident.kind:
        case "failures":
            return replace(query, outcome=Outcome.FAILED)
        case "latency" if incident.columns[0] == "total":
            return replace(query, missed_us=int(incident.limit))
        case "overrides":
            return replace(query, review="overridden")
        case "quality":
            return replace(query, mistaken=True)
        case _:
            return query
