"""The routes of people, as the API's description has them.

Only what they are: `openapi` writes it down.
"""

from typing import NamedTuple

import msgspec

from kingpost.serving.incident_documents import (
    AffectedQuery,
    IncidentNoteDocument,
    IncidentReportDocument,
    IncidentReviewDocument,
    SentToReviewDocument,
    TimelineDocument,
)
from kingpost.serving.review_documents import (
    ExplanationDocument,
    IncidentDocument,
    IncidentsDocument,
    IncidentsQuery,
    LinesDocument,
    ModifyDocument,
    OverrideDocument,
    ReasonDocument,
    RecordsQuery,
    RejectDocument,
    ReviewDocument,
    TaskDocument,
    TasksDocument,
    TasksQuery,
)

__all__ = ["REVIEW_DOCUMENTS", "REVIEW_OPERATIONS", "Described"]


class Described(NamedTuple):
    """One operation.

    Attributes:
        answer: The document it answers with.
        codes: Problems beside those that every operation has.
        query: What its query parameters are; None where it takes none.
        body: What its JSON body is; None where it takes none.
        status: What it answers with when all is well.
        is_keyed: Whether it takes the header `Idempotency-Key`.
    """

    path: str
    method: str
    tag: str
    summary: str
    answer: type[msgspec.Struct]
    codes: tuple[str, ...] = ()
    query: type[msgspec.Struct] | None = None
    body: type[msgspec.Struct] | None = None
    needs_body: bool = False
    status: int = 200
    is_keyed: bool = False


_READING = ("not_configured", "internal_error")
_TASK = (*_READING, "task_not_found", "task_store_failed")
_HOLDING = (
    *_TASK,
    "task_closed",
    "bad_body",
    "body_timeout",
    "body_too_large",
    "unsupported_media_type",
)
_WRITING = (
    "decision_not_found",
    "record_not_found",
    "task_claimed",
    "task_store_failed",
    "bad_reason",
    "engine_stopped",
    "journal_closed",
    "journal_failed",
    "journal_full",
    "journal_read_only",
)
_ANSWERING = (*_HOLDING, "task_claimed", "task_not_claimed", "wrong_task_kind", "bad_reason")
_INCIDENT = (*_READING, "incident_not_found", "monitor_store_failed")
_NOTING = (
    "bad_reason",
    "incident_log_failed",
    "bad_body",
    "body_timeout",
    "body_too_large",
    "unsupported_media_type",
)
_ACTION = "/v1/tasks/{id}/"

REVIEW_OPERATIONS = (
    Described(
        "/v1/tasks",
        "get",
        "tasks",
        "List what waits for people, the most urgent first; closed tasks come last",
        TasksDocument,
        (*_READING, "bad_parameter", "task_store_failed"),
        query=TasksQuery,
    ),
    Described("/v1/tasks/{id}", "get", "tasks", "Read a task", TaskDocument, _TASK),
    Described(
        _ACTION + "claim",
        "post",
        "tasks",
        "Take a task for 30 minutes",
        TaskDocument,
        (*_HOLDING, "task_claimed"),
        body=ReasonDocument,
    ),
    Described(
        _ACTION + "release",
        "post",
        "tasks",
        "Give a task back",
        TaskDocument,
        (*_HOLDING, "task_not_claimed"),
        body=ReasonDocument,
    ),
    Described(
        _ACTION + "approve",
        "post",
        "tasks",
        "Let a proposed answer stand, or a workflow go on",
        TaskDocument,
        (*_HOLDING, *_WRITING, "wrong_task_kind", "task_not_claimed"),
        body=ReasonDocument,
    ),
    Described(
        _ACTION + "reject",
        "post",
        "tasks",
        "Say no to a workflow, with the reason",
        TaskDocument,
        _ANSWERING,
        body=RejectDocument,
        needs_body=True,
    ),
    Described(
        _ACTION + "modify",
        "post",
        "tasks",
        "Let a workflow go on with another value",
        TaskDocument,
        (*_ANSWERING, "bad_task_value"),
        body=ModifyDocument,
        needs_body=True,
    ),
    Described(
        _ACTION + "override",
        "post",
        "tasks",
        "Answer otherwise than proposed, with the reason",
        TaskDocument,
        (*_HOLDING, *_WRITING, "wrong_task_kind"),
        body=OverrideDocument,
        needs_body=True,
    ),
    Described(
        _ACTION + "acknowledge",
        "post",
        "tasks",
        "Say that an incident was seen",
        TaskDocument,
        _ANSWERING,
        body=ReasonDocument,
    ),
    Described(
        "/v1/records",
        "get",
        "records",
        "Search the records of a decision, the newest event first",
        LinesDocument,
        (*_READING, "bad_parameter", "record_search_failed"),
        query=RecordsQuery,
    ),
    Described(
        "/v1/records/{id}/override",
        "post",
        "records",
        "Override the answer of any record, with the reason",
        ReviewDocument,
        (
            *_READING,
            *_WRITING,
            "task_closed",
            "bad_body",
            "body_timeout",
            "body_too_large",
            "unsupported_media_type",
        ),
        body=OverrideDocument,
        needs_body=True,
    ),
    Described(
        "/v1/records/{id}/explanation",
        "get",
        "records",
        "How much each feature moved a record's score",
        ExplanationDocument,
        (*_READING, "record_not_found", "not_explainable"),
    ),
    Described(
        "/v1/incidents",
        "get",
        "incidents",
        "List incidents, the newest first",
        IncidentsDocument,
        (*_READING, "bad_parameter", "monitor_store_failed"),
        query=IncidentsQuery,
    ),
    Described(
        "/v1/incidents/{id}",
        "get",
        "incidents",
        "Read an incident",
        IncidentDocument,
        _INCIDENT,
    ),
    Described(
        "/v1/incidents/{id}/records",
        "get",
        "incidents",
        "List the records that an incident affected, the newest event first",
        LinesDocument,
        (*_INCIDENT, "bad_parameter", "record_search_failed"),
        query=AffectedQuery,
    ),
    Described(
        "/v1/incidents/{id}/report",
        "get",
        "incidents",
        "Report what happened, what was affected and what was done",
        IncidentReportDocument,
        (*_INCIDENT, "record_search_failed", "task_store_failed", "incident_log_failed"),
    ),
    Described(
        "/v1/incidents/{id}/review",
        "post",
        "incidents",
        "Have the decisions that an incident affected reviewed again",
        SentToReviewDocument,
        (*_INCIDENT, *_NOTING, "record_search_failed", "task_store_failed"),
        body=IncidentReviewDocument,
    ),
    Described(
        "/v1/incidents/{id}/notes",
        "post",
        "incidents",
        "Write down what there is to say of an incident",
        TimelineDocument,
        (*_INCIDENT, *_NOTING),
        body=IncidentNoteDocument,
        needs_body=True,
    ),
)

REVIEW_DOCUMENTS = tuple(
    dict.fromkeys(
        document
        for one in REVIEW_OPERATIONS
        for document in (one.answer, one.body)
        if document is not None
    )
)
"""The types whose schemas they refer to; queries stand with their parameters."""
