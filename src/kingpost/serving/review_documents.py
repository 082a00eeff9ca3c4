"""Tasks, found records, reviews, incidents and explanations as JSON, and what asks for them.

The rule: a document is made from what the stores hold by one function, so that the API
says the same of a thing wherever it stands.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from kingpost.contracts import Instant
from kingpost.core import id_text
from kingpost.decisions import Explanation, ExplanationLine
from kingpost.monitoring import Incident
from kingpost.records import RecordLine
from kingpost.tasks import Task

__all__ = [
    "ExplanationDocument",
    "IncidentDocument",
    "IncidentsDocument",
    "IncidentsQuery",
    "LabelDocument",
    "LineDocument",
    "LinesDocument",
    "ModifyDocument",
    "OverrideDocument",
    "ReasonDocument",
    "RecordsQuery",
    "RejectDocument",
    "ReviewDocument",
    "TaskDocument",
    "TasksDocument",
    "TasksQuery",
    "explanation_document",
    "incident_document",
    "label_document",
    "line_document",
    "moment",
    "review_document",
    "task_document",
]

_Limit = Annotated[int, Meta(ge=1, le=200)]
_Text = Annotated[str, Meta(max_length=255)]
_Moment = Annotated[str, Meta(max_length=64, extra_json_schema={"format": "date-time"})]
_Value = dict[str, Annotated[object, Meta(extra_json_schema={"description": "Any JSON value."})]]


class TasksQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Which tasks.

    Attributes:
        mine: Only those that the caller has claimed.
        after: `next` of the page before.
    """

    queue: _Text | UnsetType = UNSET
    kind: Literal["review", "incident", "approval"] | UnsetType = UNSET
    state: Literal["open", "claimed", "closed"] | UnsetType = UNSET
    mine: bool = False
    overdue: bool = False
    after: _Text = ""
    limit: _Limit = 50


class RecordsQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Which records.

    Attributes:
        text: A record's id, event key, session or trace id, whole.
        model: SHA-256 of a bundle or a model, 64 hex digits: only what it has answered.
        principal: Only what this API key or user has asked.
        mistaken: Only those whose label contradicts the answer that stands.
        since: Only events from this time on.
        until: Only events before this time.
        before: `next` of the page before.
    """

    decision: Annotated[str, Meta(min_length=1, max_length=64)]
    text: _Text = ""
    outcome: Literal["decided", "fallback", "review", "refused", "failed"] | UnsetType = UNSET
    review: Literal["approved", "overridden", "none"] | UnsetType = UNSET
    model: Annotated[str, Meta(pattern=r"^([0-9a-f]{64})?$")] = ""
    principal: _Text = ""
    mistaken: bool = False
    since: _Moment | UnsetType = UNSET
    until: _Moment | UnsetType = UNSET
    before: Annotated[str, Meta(pattern=r"^(-?[0-9]{1,18}:[0-9]{1,18})?$")] = ""
    limit: _Limit = 50


class IncidentsQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Which incidents.

    Attributes:
        open: Leaves out those that have ended.
        before: `next` of the page before.
    """

    decision: _Text | UnsetType = UNSET
    open: bool = False
    before: Annotated[str, Meta(pattern=r"^(-?[0-9]{1,18}:[0-9a-f-]{36})?$")] = ""
    limit: _Limit = 100


class ReasonDocument(msgspec.Struct, forbid_unknown_fields=True):
    """What approves a review or an approval, or acknowledges an incident."""

    reason: Annotated[str, Meta(max_length=2000)] = ""


class OverrideDocument(msgspec.Struct, forbid_unknown_fields=True):
    """What overrides an answer."""

    positive: bool
    reason: Annotated[str, Meta(min_length=1, max_length=2000)]


class RejectDocument(msgspec.Struct, forbid_unknown_fields=True):
    """What says no to a workflow."""

    reason: Annotated[str, Meta(min_length=1, max_length=2000)]


class ModifyDocument(msgspec.Struct, forbid_unknown_fields=True):
    """What a workflow goes on with instead of what it asked about."""

    value: _Value
    reason: Annotated[str, Meta(max_length=2000)] = ""


class TaskDocument(msgspec.Struct):
    """Something that waits for a person; `subject` is a record's or an incident's id.

    An approval has the id of the `workflow` that waits, what it asks `about` and, when
    somebody modified that, their `answer`; lists leave both out.
    """

    id: str
    kind: str
    queue: str
    decision: str
    subject: str
    title: str
    state: str
    created: str
    event_time: str
    due: str | None
    is_overdue: bool
    escalated: str | None
    claimed_by: str | None
    claimed: str | None
    closed_by: str | None
    closed: str | None
    verdict: str | None
    reason: str | None
    workflow: str | None
    about: _Value | None
    answer: _Value | None


class TasksDocument(msgspec.Struct):
    """A page of tasks; `next` asks for the page after it."""

    tasks: list[TaskDocument]
    next: str | None


class ReviewDocument(msgspec.Struct):
    """What a person said of a decision; `positive` is the answer that stands."""

    verdict: str
    positive: bool
    by: str
    reason: str
    at: str


class LabelDocument(msgspec.Struct):
    """What turned out to be true, and when it was known."""

    value: bool
    known_at: str | None


class LineDocument(msgspec.Struct):
    """A record as it is found; `stands` is the answer after review."""

    id: str
    at: str
    event_time: str
    decision: str
    event_key: str
    session: str | None
    trace_id: str
    outcome: str
    positive: bool | None
    score: float | None
    confidence: float | None
    stands: bool | None
    label: LabelDocument | None
    review: str | None
    bundle: str
    model: str
    principal: str


class LinesDocument(msgspec.Struct):
    """A page of records, the newest event first; `next` asks for the page after it."""

    records: list[LineDocument]
    next: str | None


class IncidentDocument(msgspec.Struct):
    """A monitor's alarm; `columns` has the worst first, `records` are examples."""

    id: str
    decision: str
    kind: str
    title: str
    columns: list[str]
    opened: str
    breach_since: str
    ended: str | None
    value: float
    limit: float
    window: str
    rows: int
    bundle: str
    records: list[str]
    facts: list[str]
    runbook: str


class IncidentsDocument(msgspec.Struct):
    """A page of incidents, the newest first; `next` asks for the page after it."""

    incidents: list[IncidentDocument]
    next: str | None


class ExplanationDocument(msgspec.Struct):
    """Why a score is what it is: contributions add up to `score` less `base`.

    They are an estimate from `reference_rows` rows of the training; `percentile` says which
    share of the training lies below a value.
    """

    record: str
    base: float
    score: float
    contributions: tuple[ExplanationLine, ...]
    reference_rows: int
    period: str


def task_document(task: Task, now_us: int, *, is_listed: bool = False) -> TaskDocument:
    """Render a task as it is at a time; a list has no values."""
    has_values = task.kind == "approval" and not is_listed
    return TaskDocument(
        id=task.id,
        kind=task.kind,
        queue=task.queue,
        decision=task.decision,
        subject=task.subject,
        title=task.title,
        state=task.state,
        created=moment(task.created_us),
        event_time=moment(task.event_time_us),
        due=_moment_or_none(task.due_us),
        is_overdue=task.is_overdue(now_us),
        escalated=_moment_or_none(task.escalated_us),
        claimed_by=task.claimed_by or None,
        claimed=_moment_or_none(task.claimed_us),
        closed_by=task.closed_by or None,
        closed=_moment_or_none(task.closed_us),
        verdict=task.verdict or None,
        reason=task.reason or None,
        workflow=task.workflow or None,
        about=dict(task.about) if has_values else None,
        answer=dict(task.answer) if has_values and task.verdict == "modified" else None,
    )


def line_document(line: RecordLine, score: float | None, confidence: float | None) -> LineDocument:
    """Render a record as the search has it, with score and confidence as its reader sees them."""
    return LineDocument(
        id=id_text(line.id),
        at=moment(line.at_us),
        event_time=moment(line.event_time_us),
        decision=line.decision,
        event_key=line.event_key,
        session=line.session,
        trace_id=line.trace_id,
        outcome=line.outcome,
        positive=line.positive,
        score=score,
        confidence=confidence,
        stands=line.stands,
        label=label_document(line),
        review=line.review,
        bundle=line.bundle.hex(),
        model=line.model.hex(),
        principal=line.principal,
    )


def review_document(line: RecordLine | None) -> ReviewDocument | None:
    """Render what a person said of a record; None while nobody did."""
    if line is None or line.review is None or line.reviewed_us is None:
        return None
    return ReviewDocument(
        verdict=line.review,
        positive=bool(line.review_positive),
        by=line.reviewed_by,
        reason=line.review_reason,
        at=moment(line.reviewed_us),
    )


def label_document(line: RecordLine | None) -> LabelDocument | None:
    """Render what turned out to be true; None while it is not known."""
    if line is None or line.label is None:
        return None
    return LabelDocument(line.label, _moment_or_none(line.label_known_us))


def incident_document(incident: Incident) -> IncidentDocument:
    """Render an incident."""
    return IncidentDocument(
        id=incident.id,
        decision=incident.decision,
        kind=incident.kind,
        title=incident.title,
        columns=list(incident.columns),
        opened=moment(incident.opened_us),
        breach_since=moment(incident.breach_since_us),
        ended=_moment_or_none(incident.ended_us),
        value=incident.value,
        limit=incident.limit,
        window=incident.window,
        rows=incident.rows,
        bundle=incident.bundle,
        records=[id_text(bytes.fromhex(one)) for one in incident.records],
        facts=list(incident.facts),
        runbook=incident.runbook,
    )


def explanation_document(record: bytes, explanation: Explanation) -> ExplanationDocument:
    """Render why a record's score is what it is."""
    return ExplanationDocument(
        record=id_text(record),
        base=explanation.base,
        score=explanation.score,
        contributions=explanation.lines,
        reference_rows=explanation.reference_rows,
        period=explanation.period,
    )


def moment(at_us: int) -> str:
    """Write a time as all documents have it."""
    return Instant(at_us).isoformat()


def _moment_or_none(at_us: int | None) -> str | None:
    return None if at_us is None else moment(at_us)
