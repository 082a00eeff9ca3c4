"""What was done about incidents is kept, and told in order with what the monitors found."""

import sqlite3
from dataclasses import replace

import pytest

from kingpost.monitoring import IncidentLog, IncidentLogFailed, LogLine, timeline_of
from kingpost.tasks import Task
from tests.review_house import memory_incident_log
from tests.unit.monitoring.test_affected import INCIDENT, OPENED_US

TOLD = LogLine(OPENED_US + 2, "told", "webhook", "")
NOTED = LogLine(OPENED_US + 3, "noted", "ann", "the gateway sends cents")
TASK = Task(
    id=INCIDENT.id,
    tenant="acme",
    kind="incident",
    queue="operations",
    decision="fraud",
    subject=INCIDENT.id,
    title=INCIDENT.title,
    created_us=OPENED_US + 1,
    event_time_us=OPENED_US,
    closed_us=OPENED_US + 5,
    closed_by="bob",
    verdict="acknowledged",
    reason="told them",
)


def test_a_log_keeps_the_lines_of_each_incident_in_their_order() -> None:
    log = memory_incident_log()
    log.add("acme", "one", TOLD)
    log.add("acme", "one", NOTED)
    log.add("acme", "other", TOLD)

    assert log.lines("acme", "one") == [TOLD, NOTED]
    assert log.lines("umbrella", "one") == []


def test_a_log_that_cannot_be_reached_says_so() -> None:
    connection = sqlite3.connect(":memory:")
    log = IncidentLog(connection)

    with pytest.raises(IncidentLogFailed, match="no such table"):
        log.add("acme", "one", TOLD)
    connection.close()
    with pytest.raises(IncidentLogFailed):
        log.lines("acme", "one")


def test_a_timeline_has_everything_in_the_order_of_time() -> None:
    incident = replace(
        INCIDENT,
        columns=("amount", "share"),
        joined=((OPENED_US + 4, "share"),),
        ended_us=OPENED_US + 9,
    )

    lines = timeline_of(incident, TASK, [TOLD, NOTED])

    assert [(line.kind, line.by) for line in lines] == [
        ("began", "monitors"),
        ("opened", "monitors"),
        ("told", "webhook"),
        ("noted", "ann"),
        ("joined", "monitors"),
        ("acknowledged", "bob"),
        ("ended", "monitors"),
    ]
    assert [line.text for line in lines if line.text] == [
        "amount has drifted",
        "the gateway sends cents",
        "share",
        "told them",
    ]


def test_what_nobody_answered_is_not_acknowledged() -> None:
    waiting = replace(TASK, closed_us=None, closed_by="", verdict="", reason="")

    assert [line.kind for line in timeline_of(INCIDENT, waiting, [])] == ["began", "opened"]
