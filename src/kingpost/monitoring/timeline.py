"""What happened around an incident, in the order of time.

The rule: what the monitors found stands at its time of the stream, what people and channels
did at that of the clock. The two agree where requests are decided as they happen; of a
history that was replayed, all of the first comes before all of the second.
"""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from kingpost.monitoring.incident import Incident
from kingpost.monitoring.incident_log import LogLine, LogLineKind
from kingpost.tasks import Task

__all__ = ["TimelineKind", "TimelineLine", "timeline_of"]

TimelineKind = (
    Literal["began", "opened", "joined", "ended", "acknowledged", "retraining"] | LogLineKind
)
_MONITORS = "monitors"


class TimelineLine(NamedTuple):
    """One thing that happened.

    Attributes:
        by: The person or the channel; `monitors` of what they found.
    """

    at_us: int
    kind: TimelineKind
    by: str
    text: str


def timeline_of(
    incident: Incident,
    task: Task | None,
    log: Sequence[LogLine],
    others: Iterable[TimelineLine] = (),
) -> Sequence[TimelineLine]:
    """Put in order what is known of an incident.

    Args:
        task: Its task in the inbox, which knows who acknowledged it.
        log: What was done about it.
        others: What else happened because of it.
    """
    lines = [
        TimelineLine(incident.breach_since_us, "began", _MONITORS, ""),
        TimelineLine(incident.opened_us, "opened", _MONITORS, incident.title),
        *(TimelineLine(at_us, "joined", _MONITORS, name) for at_us, name in incident.joined),
    ]
    if incident.ended_us is not None:
        lines.append(TimelineLine(incident.ended_us, "ended", _MONITORS, ""))
    if task is not None and task.closed_us is not None:
        lines.append(TimelineLine(task.closed_us, "acknowledged", task.closed_by, task.reason))
    lines += [TimelineLine(*line) for line in log]
    lines += others
    return sorted(lines, key=lambda line: line.at_us)
