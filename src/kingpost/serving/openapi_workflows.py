"""The routes of workflows, as the API's description has them."""

from kingpost.serving.openapi_review import Described
from kingpost.serving.workflow_documents import (
    ForkDocument,
    RunDocument,
    RunLineDocument,
    RunQueryDocument,
    RunsDocument,
    SendDocument,
    SentDocument,
    StartDocument,
    StepsQuery,
)

__all__ = ["WORKFLOW_DOCUMENTS", "WORKFLOW_OPERATIONS"]

_TAG = "workflows"
_ONE = "/v1/workflows/{id}"
_STORE = ("not_configured", "workflow_store_failed", "internal_error")
_BODY = ("bad_body", "body_timeout", "body_too_large", "unsupported_media_type")
_STEERING = (*_STORE, "workflow_not_found", "workflow_not_running")

WORKFLOW_OPERATIONS = (
    Described(
        "/v1/workflows",
        "get",
        _TAG,
        "List workflows that were started, the newest first",
        RunsDocument,
        (*_STORE, "bad_parameter"),
        query=RunQueryDocument,
    ),
    Described(
        "/v1/workflows",
        "post",
        _TAG,
        "Start a workflow; under the same key it is started once",
        RunLineDocument,
        (
            *_STORE,
            *_BODY,
            "bad_header",
            "contract_violation",
            "idempotency_key_reused",
            "workflow_unknown",
        ),
        body=StartDocument,
        needs_body=True,
        status=202,
        is_keyed=True,
    ),
    Described(
        _ONE,
        "get",
        _TAG,
        "Read a workflow with its steps and what it waits for",
        RunDocument,
        (*_STORE, "bad_parameter", "workflow_not_found"),
        query=StepsQuery,
    ),
    Described(
        f"{_ONE}/events",
        "post",
        _TAG,
        "Send an event to a workflow that waits for it, or will",
        SentDocument,
        (*_STEERING, *_BODY, "bad_header"),
        body=SendDocument,
        needs_body=True,
        status=202,
        is_keyed=True,
    ),
    Described(
        f"{_ONE}/cancel",
        "post",
        _TAG,
        "End a workflow at its next step; what is done stays done",
        RunLineDocument,
        _STEERING,
    ),
    Described(
        f"{_ONE}/resume",
        "post",
        _TAG,
        "Let a workflow that was cancelled or given up go on behind its last step",
        RunLineDocument,
        _STEERING,
    ),
    Described(
        f"{_ONE}/fork",
        "post",
        _TAG,
        "Do a workflow again from a step on, as another one",
        RunLineDocument,
        (*_STEERING, *_BODY),
        body=ForkDocument,
        needs_body=True,
        status=202,
    ),
)

WORKFLOW_DOCUMENTS = tuple(
    dict.fromkeys(
        document
        for one in WORKFLOW_OPERATIONS
        for document in (one.answer, one.body)
        if document is not None
    )
)
"""The types whose schemas they refer to; queries stand with their parameters."""
