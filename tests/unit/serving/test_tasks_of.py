"""A record or an incident always gives the same task, with what a person must know first."""

from dataclasses import replace

import msgspec

import kingpost as kp
from kingpost.core import id_text
from kingpost.records import RECORD_FORMAT, DecisionRecord, Outcome, Stages
from kingpost.serving import task_of_incident, task_of_review
from kingpost.tasks import Task
from tests.review_house import INCIDENT
from tests.tiny_app import BUNDLE, MODEL, fraud

HOUR = 3_600_000_000
NOW = 1_533_124_800_000_000
RECORD = DecisionRecord(
    format=RECORD_FORMAT,
    id=bytes.fromhex("0199f2a07c007000800000000000002a"),
    at_us=NOW,
    decision="fraud",
    bundle=BUNDLE,
    model=MODEL,
    principal="k",
    tenant="acme",
    trace_id="0" * 32,
    session=None,
    idempotency_key=None,
    request_digest=b"",
    event_key="p1",
    event_offset=0,
    position="data:0",
    features=b"",
    unavailable=(),
    answer=b'{"fraud":false,"score":0.4}',
    confidence=0.6,
    outcome=Outcome.REVIEW,
    reason="confidence below 0.75; review by fraud-desk",
    stages=Stages(0, 0, 0, 0),
    event_time_us=NOW - HOUR,
)
GATED = replace(
    fraud,
    gate=kp.gate(
        min_confidence=0.75,
        otherwise=kp.review("fraud-desk", within="4h", escalate_to="leads"),
        rules=[kp.rule("amount", above=1000, then=kp.review("leads", within="1h"))],
    ),
)


def test_a_review_has_its_desk_and_its_deadline_from_the_gate() -> None:
    assert task_of_review(RECORD, GATED) == Task(
        id=id_text(RECORD.id),
        tenant="acme",
        kind="review",
        queue="fraud-desk",
        decision="fraud",
        subject=id_text(RECORD.id),
        title="p1: not fraud proposed, confidence below 0.75",
        created_us=NOW,
        event_time_us=NOW - HOUR,
        due_us=NOW + 4 * HOUR,
        escalate_to="leads",
    )


def test_a_rule_has_a_desk_and_a_deadline_of_its_own() -> None:
    large = msgspec.structs.replace(RECORD, reason="amount above 1000; review by leads")

    task = task_of_review(large, GATED)

    assert (task.queue, task.due_us, task.escalate_to) == ("leads", NOW + HOUR, "")
    assert task.title == "p1: not fraud proposed, amount above 1000"


def test_a_record_of_another_gate_goes_to_the_desk_it_names() -> None:
    for decision in (replace(GATED, gate=kp.gate()), None):
        task = task_of_review(RECORD, decision)

        assert (task.queue, task.due_us, task.escalate_to) == ("fraud-desk", None, "")


def test_an_incident_waits_in_operations() -> None:
    task = task_of_incident(INCIDENT, NOW)

    assert (task.id, task.kind, task.queue) == (INCIDENT.id, "incident", "operations")
    assert (task.subject, task.title) == (INCIDENT.id, "amount has drifted")
    assert (task.created_us, task.event_time_us) == (NOW, INCIDENT.opened_us)
