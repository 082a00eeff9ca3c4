"""Errors as answers: RFC 9457 problem documents, from one table of codes.

The rule: an answer says what is wrong, by a stable code, and what to do; never a stack
trace, a path of ours or a value of the caller's. A code that is not in the table is an
internal error, and is logged.
"""

import logging
import sqlite3
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from kingpost.access import RateLimited, TokenKeysMissing, TokenRefused
from kingpost.contracts import ContractViolation
from kingpost.core import KingpostError
from kingpost.jobs import JobsFull
from kingpost.journal import JournalFull, JournalReadOnly
from kingpost.serving.errors import (
    DecisionFailed,
    ExtractionBudgetSpent,
    FeaturesUnavailable,
    InternalError,
    MethodNotAllowed,
    NotReady,
    Overloaded,
    RequestTooLate,
)
from kingpost.serving.http import HttpAnswer
from kingpost.storage import storage_error

__all__ = ["PROBLEMS", "Problem", "ProblemDocument", "code_of", "problem_answer"]

_TYPE = "urn:kingpost:problem:"
_LONGEST_FIELD = 100
_RETRY_AFTER_S = 5
_MEDIA_TYPE = (b"content-type", b"application/problem+json")
_CLOSE = (b"connection", b"close")
_encode = msgspec.json.Encoder().encode
_log = logging.getLogger(__name__)


class Problem(NamedTuple):
    """How a code is answered.

    Attributes:
        title: What the caller reads first; the same for every problem of this code.
        detail: Said instead of the error's own message, where that speaks to operators.
    """

    status: int
    title: str
    detail: str = ""


_STOPPED = "nothing can be recorded, so nothing is decided; an operator has to look at the server"
_STORE = "nothing was changed; an operator has to look at the server's disk"
_RETRY = "retry; nothing was changed"
_WAITS = "nothing can be recorded, so nothing is decided until the server's disk takes it; retry"

PROBLEMS: Mapping[str, Problem] = {
    "malformed_request": Problem(400, "Not a valid HTTP request"),
    "bad_header": Problem(400, "A header is not valid"),
    "api_key_missing": Problem(401, "No API key"),
    "api_key_refused": Problem(401, "API key not valid"),
    "token_refused": Problem(401, "Token not valid"),
    "missing_scope": Problem(403, "Not allowed"),
    "raw_score_withheld": Problem(403, "Not shown in full"),
    "not_found": Problem(404, "Not found"),
    "decision_not_found": Problem(404, "Unknown decision"),
    "stream_not_found": Problem(404, "Unknown stream"),
    "entity_not_found": Problem(404, "Unknown entity"),
    "event_not_found": Problem(404, "Unknown event"),
    "record_not_found": Problem(404, "Unknown record"),
    "task_not_found": Problem(404, "Unknown task"),
    "incident_not_found": Problem(404, "Unknown incident"),
    "feature_not_found": Problem(404, "Unknown feature"),
    "log_piece_not_found": Problem(404, "Not in this log"),
    "workflow_not_found": Problem(404, "No such workflow was started"),
    "job_not_found": Problem(404, "No such job"),
    "workflow_unknown": Problem(404, "Unknown workflow"),
    "model_not_found": Problem(404, "Unknown model"),
    "model_version_not_found": Problem(404, "Unknown version of a model"),
    "not_configured": Problem(404, "Not part of this server"),
    "method_not_allowed": Problem(405, "Method not allowed"),
    "body_timeout": Problem(408, "Body too slow"),
    "event_conflict": Problem(409, "Another event has this key"),
    "event_retracted": Problem(409, "The event was retracted"),
    "idempotency_key_reused": Problem(409, "Idempotency key used for another body"),
    "job_ended": Problem(409, "The job has ended"),
    "job_key_reused": Problem(409, "Idempotency key used for another job"),
    "job_not_dead": Problem(409, "The job is not dead"),
    "not_explainable": Problem(409, "The record cannot be explained"),
    "bundle_not_approved": Problem(409, "The bundle was not approved"),
    "nothing_released": Problem(409, "Nothing to promote or to go back to"),
    "under_legal_hold": Problem(409, "Under a legal hold"),
    "task_claimed": Problem(409, "Somebody else has this task"),
    "task_closed": Problem(409, "This task is closed"),
    "task_not_claimed": Problem(409, "You do not hold this task"),
    "workflow_not_running": Problem(409, "Not possible in the state of this workflow"),
    "wrong_task_kind": Problem(409, "A task of another kind"),
    "segment_archived": Problem(410, "The record was archived", "ask the operator to fetch it"),
    "body_too_large": Problem(413, "Body too large"),
    "too_many_events": Problem(413, "Too many events"),
    "too_many_rows": Problem(413, "Too many rows"),
    "unsupported_media_type": Problem(415, "Unsupported media type"),
    "contract_violation": Problem(422, "The body breaks its contract"),
    "bad_inference": Problem(422, "The request is no inference"),
    "bad_tensor": Problem(422, "A tensor does not fit"),
    "bad_body": Problem(422, "The body is not what this path takes"),
    "ambiguous_digest": Problem(422, "Several bundles begin so"),
    "incomplete_approval": Problem(422, "It does not say why"),
    "unknown_bundle": Problem(422, "No such bundle"),
    "bad_parameter": Problem(422, "A query parameter is not valid"),
    "bad_reason": Problem(422, "The reason cannot be kept"),
    "bad_task_value": Problem(422, "The value cannot be kept"),
    "request_too_late": Problem(422, "The request comes too late"),
    "rate_limited": Problem(429, "Too many requests"),
    "extraction_budget_spent": Problem(429, "Too many answers collected"),
    "request_head_too_large": Problem(431, "Request head too large"),
    "internal_error": Problem(500, "Internal error"),
    "model_failed": Problem(500, "The model failed"),
    "database_newer": Problem(503, "The store cannot be read", _STORE),
    "database_unreadable": Problem(503, "The store cannot be opened", _STORE),
    "decision_failed": Problem(503, "The decision failed"),
    "engine_stopped": Problem(503, "The server has stopped deciding", _STOPPED),
    "erasure_failed": Problem(503, "Nothing was erased"),
    "event_unreadable": Problem(503, "The event cannot be read back"),
    "extraction_store_failed": Problem(
        503, "Answers cannot be counted", "retry; nothing was decided"
    ),
    "features_unavailable": Problem(503, "The features cannot be read"),
    "journal_closed": Problem(503, "The server is shutting down", "retry on another server"),
    "journal_failed": Problem(503, "The journal failed", _STOPPED),
    "journal_full": Problem(503, "The journal is full", _WAITS),
    "journal_in_use": Problem(503, "The control log is busy", _RETRY),
    "journal_read_only": Problem(503, "The journal cannot be written", _WAITS),
    "keys_not_kept": Problem(503, "A subject's key cannot be kept", "retry; nothing was taken"),
    "content_damaged": Problem(500, "Personal content was altered"),
    "key_store_failed": Problem(503, "Keys cannot be checked", "retry; nobody was let in"),
    "not_ready": Problem(503, "Not ready"),
    "job_store_failed": Problem(503, "The jobs cannot be reached", _RETRY),
    "jobs_full": Problem(503, "Too many jobs waiting"),
    "overloaded": Problem(503, "Too many requests waiting"),
    "monitor_store_failed": Problem(503, "The monitors cannot be reached", _RETRY),
    "record_search_failed": Problem(503, "The search cannot be reached", _RETRY),
    "token_keys_missing": Problem(503, "Tokens cannot be checked yet"),
    "incident_log_failed": Problem(503, "The log of incidents cannot be reached", _RETRY),
    "task_store_failed": Problem(503, "The inbox cannot be reached", _RETRY),
    "workflow_store_failed": Problem(503, "The workflows cannot be reached", _RETRY),
    "storage_busy": Problem(503, "The store is busy", "nothing was changed; retry"),
    "storage_failed": Problem(503, "The store cannot be used", _STORE),
    "storage_full": Problem(503, "The store is full", _STORE),
}


def code_of(error: Exception) -> str:
    """Return the code that an error is answered and counted with."""
    code = getattr(error, "code", "")
    return code if code in PROBLEMS else "internal_error"


class ProblemDocument(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A problem as it is sent (RFC 9457, section 3)."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    trace_id: str
    field: str | None = None
    expected: str | None = None
    found: str | None = None
    record: str | None = None


def problem_answer(error: Exception, trace_id: str) -> HttpAnswer:
    """Render an error.

    Anything that is not in the table is logged here and answered as an internal error.
    """
    if isinstance(error, sqlite3.Error):  # of a store that leaves it to its caller
        _log.error("store_failed", exc_info=error, extra={"trace_id": trace_id})
        error = storage_error(error, "a store")
    if not isinstance(error, KingpostError) or error.code not in PROBLEMS:
        _log.error("unexpected_error", exc_info=error, extra={"trace_id": trace_id})
        error = InternalError()
    problem = PROBLEMS[error.code]
    document = ProblemDocument(
        type=_TYPE + error.code,
        title=problem.title,
        status=problem.status,
        detail=problem.detail or str(error),
        code=error.code,
        trace_id=trace_id,
    )
    if isinstance(error, ContractViolation):
        document.field = error.field[:_LONGEST_FIELD]
        document.expected, document.found = error.expected, error.found
        document.detail = f"{document.field or 'body'}: {_difference(error)}"
    elif isinstance(error, DecisionFailed | FeaturesUnavailable | RequestTooLate):
        document.record = error.record
    return HttpAnswer(problem.status, _headers(error, problem.status), _encode(document))


def _difference(error: ContractViolation) -> str:
    return f"expected {error.expected}, found {error.found}"


def _headers(error: KingpostError, status: int) -> tuple[tuple[bytes, bytes], ...]:
    headers = (_MEDIA_TYPE,)
    match error:
        case MethodNotAllowed():
            headers += ((b"allow", error.allowed.encode()),)
        case Overloaded() | JobsFull() | ExtractionBudgetSpent():
            headers += ((b"retry-after", b"%d" % error.retry_after_s),)
        case RateLimited():
            headers += error.fields
            if error.retry_after_s:
                headers += ((b"retry-after", b"%d" % error.retry_after_s),)
        case TokenKeysMissing():
            headers += ((b"retry-after", b"1"),)
        case JournalFull() | JournalReadOnly() | NotReady():
            headers += ((b"retry-after", b"%d" % _RETRY_AFTER_S),)
        case DecisionFailed() | RequestTooLate():
            headers += ((b"kingpost-record", error.record.encode()),)
        case FeaturesUnavailable():
            headers += (
                (b"kingpost-record", error.record.encode()),
                (b"retry-after", b"%d" % _RETRY_AFTER_S),
            )
        case _:
            pass
    if status == 401:
        is_token = isinstance(error, TokenRefused)
        how = b'Bearer error="invalid_token"' if is_token else b"Bearer"
        headers += ((b"www-authenticate", how),)
    if status in (408, 413):  # the rest of the body is not read
        headers += (_CLOSE,)
    return headers
