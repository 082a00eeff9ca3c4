"""The report of an incident in Markdown, for people to hand on.

The rule: it holds what the API shows to who reads records, and nothing that a line of it
quotes can change how the rest is read.
"""

import re
from collections.abc import Iterable, Sequence

from kingpost.contracts import Instant
from kingpost.core import id_text
from kingpost.monitoring import TimelineKind, TimelineLine
from kingpost.serving.incident_desk import IncidentReport

__all__ = ["markdown_of"]

_SPECIAL = re.compile(r"[\\`*_\[\]<>|#]")
_WORDS: dict[TimelineKind, str] = {
    "began": "it began",
    "opened": "the incident was opened",
    "joined": "joined it",
    "ended": "it was over",
    "told": "people were told",
    "not_told": "nobody could be told",
    "noted": "noted",
    "acknowledged": "acknowledged",
    "sent_to_review": "sent to review",
    "retraining": "retraining",
}


def markdown_of(report: IncidentReport) -> str:
    """Write a report."""
    return "\n".join(
        [
            f"# {_text(report.incident.title)}",
            "",
            *_facts(report),
            "",
            "## What was found",
            "",
            *(f"- {_text(fact)}" for fact in report.incident.facts),
            "",
            "## What happened",
            "",
            *_table(("time", "what", "by", ""), map(_happened, report.timeline)),
            "",
            "## Decisions affected",
            "",
            *_affected(report),
            "",
        ]
    )


def _facts(report: IncidentReport) -> Sequence[str]:
    incident, task = report.incident, report.task
    ended = "not yet" if incident.ended_us is None else _time(incident.ended_us)
    answered = "nobody yet"
    if task is not None and task.closed_us is not None:
        answered = f"{task.closed_by}, {_time(task.closed_us)}"
    facts = (
        ("Decision", incident.decision),
        ("Kind", incident.kind),
        ("Began", _time(incident.breach_since_us)),
        ("Opened", _time(incident.opened_us)),
        ("Ended", ended),
        ("Acknowledged by", answered),
        ("Runbook", incident.runbook),
        ("Id", incident.id),
    )
    return [f"- {name}: {_text(value)}" for name, value in facts]


def _happened(line: TimelineLine) -> tuple[str, str, str, str]:
    return _time(line.at_us), _WORDS[line.kind], line.by, line.text


def _affected(report: IncidentReport) -> Sequence[str]:
    some = "" if report.is_all else "more than "
    answered = f"people reviewed {report.reviewed:,}, and answered {report.overridden:,} otherwise"
    lines = [f"{some}{report.affected:,} decisions; {answered}."]
    if not report.newest:
        return lines
    rows = (
        (id_text(line.id), _time(line.event_time_us), line.outcome.value, line.review or "")
        for line in report.newest
    )
    return [*lines, "", *_table(("record", "event time", "outcome", "review"), rows)]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [
        f"| {' | '.join(head)} |",
        f"|{' --- |' * len(head)}",
        *(f"| {' | '.join(map(_text, row))} |" for row in rows),
    ]


def _text(text: str) -> str:
    """Quote a text, on one line."""
    return _SPECIAL.sub(r"\\\g<0>", " ".join(text.split()))


def _time(time_us: int) -> str:
    return Instant(time_us).isoformat()
