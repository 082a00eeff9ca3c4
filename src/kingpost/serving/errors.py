"""Why a request is not answered as asked; the statuses are in `problems`."""

from kingpost.core import KingpostError

__all__ = [
    "BadAddress",
    "BadBody",
    "BadHeader",
    "BadParameter",
    "BadReason",
    "BodyTimeout",
    "BodyTooLarge",
    "DecisionFailed",
    "DecisionNotFound",
    "EntityNotFound",
    "EventNotFound",
    "EventRetracted",
    "ExtractionBudgetSpent",
    "ExtractionStoreFailed",
    "FeatureNotFound",
    "FeaturesUnavailable",
    "HttpWorkersNotReady",
    "IncidentNotFound",
    "InternalError",
    "LogPieceNotFound",
    "MalformedRequest",
    "MethodNotAllowed",
    "NotConfigured",
    "NotReady",
    "Overloaded",
    "PortInUse",
    "RawScoreWithheld",
    "RecordNotFound",
    "RequestHeadTooLarge",
    "RequestTooLate",
    "RouteNotFound",
    "StreamNotFound",
    "TlsUnusable",
    "TooManyEvents",
    "UnknownWorkflow",
    "UnsupportedMediaType",
    "WrongTaskKind",
]


class BadHeader(KingpostError):
    """A header that cannot be what it has to be."""

    code = "bad_header"

    def __init__(self, header: str, expected: str) -> None:
        super().__init__(header, expected)
        self.header, self.expected = header, expected

    def __str__(self) -> str:
        return f"the header {self.header} must be {self.expected}; correct it or leave it out"


class MalformedRequest(KingpostError):
    """Bytes that are no HTTP request."""

    code = "malformed_request"

    def __str__(self) -> str:
        return "this is not a valid HTTP/1.1 request; nothing was done"


class RequestHeadTooLarge(KingpostError):
    """A request line and headers over the limit, or too slow to arrive."""

    code = "request_head_too_large"

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(limit_bytes)
        self.limit_bytes = limit_bytes

    def __str__(self) -> str:
        return f"the request line and headers take more than {self.limit_bytes:,} bytes"


class RouteNotFound(KingpostError):
    """A path where nothing is."""

    code = "not_found"

    def __str__(self) -> str:
        return "there is nothing at this path; GET /openapi.json lists what there is"


class MethodNotAllowed(KingpostError):
    """A path that does not take this method."""

    code = "method_not_allowed"

    def __init__(self, allowed: str) -> None:
        super().__init__(allowed)
        self.allowed = allowed

    def __str__(self) -> str:
        return f"this path takes {self.allowed}"


class DecisionNotFound(KingpostError):
    """A decision that is not served here."""

    code = "decision_not_found"

    def __str__(self) -> str:
        return "no decision of this name is served here; GET /v1/decisions lists them"


class StreamNotFound(KingpostError):
    """A stream that the application does not declare."""

    code = "stream_not_found"

    def __str__(self) -> str:
        return "the application declares no stream of this name; GET /openapi.json lists them"


class EntityNotFound(KingpostError):
    """A field that names no entity of any stream."""

    code = "entity_not_found"

    def __init__(self, fields: str) -> None:
        super().__init__(fields)
        self.fields = fields

    def __str__(self) -> str:
        return f"no stream has such a field that names entities; name one of {self.fields}"


class EventNotFound(KingpostError):
    """A correction of an event that this tenant does not have."""

    code = "event_not_found"

    def __str__(self) -> str:
        return (
            "no event of this key was taken yet, so there is nothing to correct; "
            "send it with POST to the stream"
        )


class EventRetracted(KingpostError):
    """A correction of an event that was taken back."""

    code = "event_retracted"

    def __str__(self) -> str:
        return (
            "the event of this key was retracted, and that is not undone; "
            "send what happened as an event under a key of its own"
        )


class RecordNotFound(KingpostError):
    """A record that this tenant does not have."""

    code = "record_not_found"

    def __str__(self) -> str:
        return "there is no record with this id"


class NotConfigured(KingpostError):
    """A part of the API that this server was started without."""

    code = "not_configured"

    def __init__(self, part: str) -> None:
        super().__init__(part)
        self.part = part

    def __str__(self) -> str:
        return f"this server was started without {self.part}; `kingpost run` starts it with it"


class IncidentNotFound(KingpostError):
    """An incident that this tenant does not have."""

    code = "incident_not_found"

    def __str__(self) -> str:
        return "there is no incident with this id; GET /v1/incidents lists them"


class FeatureNotFound(KingpostError):
    """A feature that nothing declares, and that no bundle ever had."""

    code = "feature_not_found"

    def __str__(self) -> str:
        return "there is no feature of this name; GET /v1/features lists them"


class LogPieceNotFound(KingpostError):
    """A log of another name, or a piece that it does not have, or not yet."""

    code = "log_piece_not_found"

    def __str__(self) -> str:
        return (
            "the log has no such piece, or not yet; GET /v1/logs lists the logs, and the size "
            "in a checkpoint says which tiles there are"
        )


class UnknownWorkflow(KingpostError):
    """A workflow that the application does not declare."""

    code = "workflow_unknown"

    def __init__(self, declared: tuple[str, ...]) -> None:
        super().__init__(declared)
        self.declared = declared

    def __str__(self) -> str:
        names = ", ".join(self.declared) or "none"
        return f"the application declares no workflow of this name; it declares {names}"


class WrongTaskKind(KingpostError):
    """A task that cannot be answered in this way."""

    code = "wrong_task_kind"

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind

    def __str__(self) -> str:
        if self.kind == "incident":
            return "this task is an incident; it is acknowledged, and nothing else"
        if self.kind == "approval":
            return "this task is an approval; it is approved, rejected or modified"
        return "this task is a review; it is approved or overridden"


class BadReason(KingpostError):
    """A person's reason that cannot be kept."""

    code = "bad_reason"

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        return f"the reason cannot be kept: {self.problem}; write 1 to 2,000 printable characters"


class BadParameter(KingpostError):
    """A query parameter that is unknown, or has a value it cannot have."""

    code = "bad_parameter"

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.problem}; GET /openapi.json says what each parameter takes"


class BadBody(KingpostError):
    """A body that is no JSON, or not the object that the path takes."""

    code = "bad_body"

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.problem}; GET /openapi.json says what this path takes"


class BodyTimeout(KingpostError):
    """A body that came too slowly.

    Safe to retry: nothing was done.
    """

    code = "body_timeout"
    retry_safe = True

    def __init__(self, timeout_s: float) -> None:
        super().__init__(timeout_s)
        self.timeout_s = timeout_s

    def __str__(self) -> str:
        return f"the body did not arrive within {self.timeout_s:g} s; send the request again"


class BodyTooLarge(KingpostError):
    """A body over the limit."""

    code = "body_too_large"

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(limit_bytes)
        self.limit_bytes = limit_bytes

    def __str__(self) -> str:
        return f"the body is larger than {self.limit_bytes:,} bytes; send less"


class TooManyEvents(KingpostError):
    """More events in one body than are taken at a time."""

    code = "too_many_events"

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.limit = limit

    def __str__(self) -> str:
        return f"the body holds more than {self.limit:,} events and none was taken; split it"


class UnsupportedMediaType(KingpostError):
    """A body of another kind than the path takes."""

    code = "unsupported_media_type"

    def __init__(self, expected: str) -> None:
        super().__init__(expected)
        self.expected = expected

    def __str__(self) -> str:
        return f"send the body as {self.expected}, without a content encoding"


class Overloaded(KingpostError):
    """More requests than can be held.

    Safe to retry: the request was not looked at.
    """

    code = "overloaded"
    retry_safe = True

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(retry_after_s)
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        return f"too many requests are waiting; retry in {self.retry_after_s} s"


class DecisionFailed(KingpostError):
    """No answer could be given; the record says why.

    Safe to retry: a failed request is decided again.
    """

    code = "decision_failed"
    retry_safe = True

    def __init__(self, record: str, reason: str) -> None:
        super().__init__(record, reason)
        self.record, self.reason = record, reason

    def __str__(self) -> str:
        return f"the decision failed ({self.reason}) and is on record; send the request again"


class FeaturesUnavailable(KingpostError):
    """No answer could be given, because the online store could not give its features.

    Safe to retry: a failed request is decided again.
    """

    code = "features_unavailable"
    retry_safe = True

    def __init__(self, record: str, reason: str) -> None:
        super().__init__(record, reason)
        self.record, self.reason = record, reason

    def __str__(self) -> str:
        return (
            f"the features could not be read ({self.reason}), so nothing was decided, and that is "
            "on record; send the request again"
        )


class RequestTooLate(KingpostError):
    """No answer could be given, because the request looks back to events no longer held."""

    code = "request_too_late"

    def __init__(self, record: str) -> None:
        super().__init__(record)
        self.record = record

    def __str__(self) -> str:
        return (
            "the request lies so far back that events it looks back on are no longer held, so "
            "nothing was decided, and that is on record; sent again it fails again: send requests "
            "as they happen, or declare a longer `retention` for the stream"
        )


class NotReady(KingpostError):
    """The server takes no work now."""

    code = "not_ready"
    retry_safe = True

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"the server is not ready: {self.reason}"


class InternalError(KingpostError):
    """Something that should not happen; the log has it under the trace id."""

    code = "internal_error"

    def __str__(self) -> str:
        return "an unexpected error was logged under this trace id"


class PortInUse(KingpostError):
    """Somebody else listens there."""

    code = "port_in_use"

    def __init__(self, host: str, port: int) -> None:
        super().__init__(host, port)
        self.host, self.port = host, port

    def __str__(self) -> str:
        return (
            f"port {self.port} of {self.host} is in use by another program; stop that one, "
            "choose another port, or 0 for any free one"
        )


class HttpWorkersNotReady(KingpostError):
    """Processes that are to share the port do not listen."""

    code = "http_workers_not_ready"

    def __init__(self, listening: int, expected: int) -> None:
        super().__init__(listening, expected)
        self.listening, self.expected = listening, expected

    def __str__(self) -> str:
        return (
            f"{self.listening} of {self.expected} HTTP workers listen after a minute; the log "
            "says why the others ended. Start with --http-workers 0 to do without"
        )


class BadAddress(KingpostError):
    """An address this machine cannot listen at."""

    code = "bad_address"

    def __init__(self, host: str, port: int, reason: str) -> None:
        super().__init__(host, port, reason)
        self.host, self.port, self.reason = host, port, reason

    def __str__(self) -> str:
        return f"cannot listen at {self.host}, port {self.port}: {self.reason}"


class TlsUnusable(KingpostError):
    """A certificate, key or authority that the server cannot speak TLS with."""

    code = "tls_unusable"

    def __init__(self, file: str, reason: str) -> None:
        super().__init__(file, reason)
        self.file, self.reason = file, reason

    def __str__(self) -> str:
        return (
            f"{self.file} cannot be used for TLS ({self.reason}); give a certificate and its "
            "private key in PEM, without a passphrase, readable by this user"
        )


class ExtractionBudgetSpent(KingpostError):
    """A caller has collected as many answers beyond the ordinary as it may; nothing was decided.

    Safe to retry: after `retry_after_s`.
    """

    code = "extraction_budget_spent"
    retry_safe = True

    def __init__(self, decision: str, retry_after_s: int) -> None:
        super().__init__(decision, retry_after_s)
        self.decision, self.retry_after_s = decision, retry_after_s

    def __str__(self) -> str:
        return (
            f"the budget of answers of decision {self.decision!r} that are not about known "
            f"entities is spent; retry in {self.retry_after_s} s, or ask for a larger one"
        )


class ExtractionStoreFailed(KingpostError):
    """It cannot be written down that somebody has had an answer, so none was given.

    Safe to retry: nothing was decided.
    """

    code = "extraction_store_failed"
    retry_safe = True

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"answers cannot be counted ({self.reason}); check the disk, then try again"


class RawScoreWithheld(KingpostError):
    """Something that would tell a score in full to somebody who may ask for more of them."""

    code = "raw_score_withheld"

    def __init__(self, decision: str) -> None:
        super().__init__(decision)
        self.decision = decision

    def __str__(self) -> str:
        return (
            f"decision {self.decision!r} does not show its scores in full, and an explanation "
            "adds up to one; ask with a key that may not decide it"
        )
