"""What a server answers, as types.

The rule: each has the fields of the document that the server sends; a test holds both
against each other. A field that a later server adds is passed over.
"""

from typing import Generic, Literal, TypeVar

import msgspec

__all__ = [
    "Answer",
    "Change",
    "Contribution",
    "DecidingEvent",
    "Explanation",
    "Incident",
    "Ingested",
    "Label",
    "Problem",
    "Record",
    "RecordLine",
    "Rejected",
    "Review",
    "Run",
    "RunLine",
    "ServedDecision",
    "Shown",
    "Stages",
    "Step",
    "Task",
    "Wait",
]

T = TypeVar("T")
Object = dict[str, object]


class Answer(msgspec.Struct, Generic[T], frozen=True):
    """The answer of a decision.

    Attributes:
        id: Of its record.
        outcome: `decided`, `fallback`, `review` or `refused`; one that failed is an error.
        answer: None where there is none, as when it was refused.
        confidence: None where the decision does not show it.
        reason: Why the outcome is not `decided`.
        is_replayed: The server had answered this request before: it is that answer.
    """

    id: str
    decision: str
    outcome: str
    answer: T | None
    confidence: float | None
    reason: str
    position: str
    bundle: str
    is_replayed: bool = False


class ServedDecision(msgspec.Struct, frozen=True):
    """A decision that runs, and the bundle that answers it."""

    name: str
    request: str
    features: tuple[str, ...]
    bundle: str
    model: str
    threshold: float
    min_confidence: float


class Rejected(msgspec.Struct, frozen=True):
    """An event that was not taken; `line` counts all that were sent, from 1."""

    line: int
    code: str
    field: str
    expected: str
    found: str


class Ingested(msgspec.Struct, frozen=True):
    """What became of events that were sent; all of it is durable."""

    accepted: int
    duplicates: int
    rejected: tuple[Rejected, ...]


class Change(msgspec.Struct, frozen=True):
    """What became of a correction or a retraction.

    Attributes:
        status: `held`: no such event has come; when it does, it will not count.
    """

    status: Literal["retracted", "corrected", "unchanged", "held"]


class Review(msgspec.Struct, frozen=True):
    """What a person said of a decision; `positive` is the answer that stands."""

    verdict: str
    positive: bool
    by: str
    reason: str
    at: str


class Label(msgspec.Struct, frozen=True):
    """What turned out to be true, and when it was known."""

    value: bool
    known_at: str | None


class DecidingEvent(msgspec.Struct, frozen=True):
    """The event that asked for a decision; `body` is None where it is not kept."""

    key: str
    position: str
    digest: str
    body: Object | None


class Stages(msgspec.Struct, frozen=True):
    """Microseconds per stage."""

    queue: int
    features: int
    model: int
    gate: int


class Record(msgspec.Struct, frozen=True):
    """A decision record; `features` maps names to values, None where there was none.

    `is_cached` says that its score was computed for an equal row, before or beside it.
    """

    id: str
    at: str
    event_time: str
    decision: str
    outcome: str
    answer: Object | None
    confidence: float | None
    reason: str
    position: str
    bundle: str
    model: str
    principal: str
    tenant: str
    trace_id: str
    session: str | None
    idempotency_key: str | None
    event: DecidingEvent
    features: dict[str, float | None]
    unavailable: tuple[str, ...]
    no_consent: tuple[str, ...]
    stages_us: Stages
    role: str
    review: Review | None
    label: Label | None
    is_cached: bool = False


class RecordLine(msgspec.Struct, frozen=True):
    """A record as a search finds it; `stands` is the answer after review."""

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
    label: Label | None
    review: str | None
    bundle: str
    model: str = ""
    principal: str = ""


class Contribution(msgspec.Struct, frozen=True):
    """What one feature added to a score; negative where it lowered it."""

    feature: str
    value: float | None
    contribution: float
    standard_error: float | None
    percentile: float | None


class Explanation(msgspec.Struct, frozen=True):
    """Why a score is what it is: the contributions add up to `score` less `base`."""

    record: str
    base: float
    score: float
    contributions: tuple[Contribution, ...]
    reference_rows: int
    period: str


class Task(msgspec.Struct, frozen=True):
    """Something that waits for a person; `subject` is a record's or an incident's id."""

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
    about: Object | None
    answer: Object | None


class Incident(msgspec.Struct, frozen=True):
    """A monitor's alarm; `columns` has the worst first, `records` are examples."""

    id: str
    decision: str
    kind: str
    title: str
    columns: tuple[str, ...]
    opened: str
    breach_since: str
    ended: str | None
    value: float
    limit: float
    window: str
    rows: int
    bundle: str
    records: tuple[str, ...]
    facts: tuple[str, ...]
    runbook: str


class RunLine(msgspec.Struct, frozen=True):
    """A workflow that was started."""

    id: str
    workflow: str
    state: str
    queue: str
    priority: int
    created: str
    started: str | None
    ended: str | None
    due: str | None
    attempts: int
    parent: str | None
    forked_from: str | None
    reason: str | None


class Shown(msgspec.Struct, frozen=True):
    """A value of a workflow, or why it is not shown (`kind`)."""

    kind: Literal["json", "none", "hidden", "too_large", "no_json"]
    value: object = None
    type: str = ""
    size_bytes: int = 0


class Wait(msgspec.Struct, frozen=True):
    """What a workflow waits for; `about` is a task's, a workflow's or a queue's name."""

    kind: str
    about: str
    until: str | None


class Step(msgspec.Struct, frozen=True):
    """A step of a workflow; `failed` is what it ended with."""

    place: int
    name: str
    started: str | None
    ended: str | None
    failed: str | None
    failures: int
    child: str | None
    output: Shown


class Run(RunLine, frozen=True, kw_only=True):
    """A workflow with its steps; `next` is the place to ask for more of them after."""

    input: Shown
    output: Shown
    waits_for: tuple[Wait, ...]
    steps: tuple[Step, ...]
    next: int | None


class Problem(msgspec.Struct, frozen=True):
    """A problem as a server says it (RFC 9457).

    Attributes:
        code: Stable; `status_<number>` where what answered is no Kingpost.
        record: Of a decision that failed: it is on record.
    """

    status: int
    code: str
    title: str = ""
    detail: str = ""
    type: str = "about:blank"
    trace_id: str = ""
    field: str | None = None
    expected: str | None = None
    found: str | None = None
    record: str | None = None


class TasksPage(msgspec.Struct, frozen=True):
    """A page of tasks."""

    tasks: tuple[Task, ...]
    next: str | None


class LinesPage(msgspec.Struct, frozen=True):
    """A page of found records."""

    records: tuple[RecordLine, ...]
    next: str | None


class IncidentsPage(msgspec.Struct, frozen=True):
    """A page of incidents."""

    incidents: tuple[Incident, ...]
    next: str | None


class RunsPage(msgspec.Struct, frozen=True):
    """A page of workflows."""

    workflows: tuple[RunLine, ...]
    next: str | None


class DecisionsPage(msgspec.Struct, frozen=True):
    """What runs."""

    decisions: tuple[ServedDecision, ...]


class Health(msgspec.Struct, frozen=True):
    """An answer of the health routes; `decisions` are those that are answered, and by which bundle."""

    status: str
    decisions: dict[str, str] = {}
