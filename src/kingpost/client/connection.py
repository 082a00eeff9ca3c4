"""A server as a client sees it: how it may be called, and what its answers mean.

The rule: no I/O; what both clients do with an answer is here. No secret is part of a
`repr`, an error or a log line.
"""

from typing import TypeVar, cast

import msgspec

from kingpost.calls import (
    Auth,
    Bearer,
    CallAnswer,
    CallFailed,
    OutcomeUnknown,
    Retries,
    Service,
    Tls,
    retry_after_s,
)
from kingpost.client.documents import Answer, Ingested, Problem, Rejected
from kingpost.client.errors import ApiError, BadAnswer
from kingpost.client.operations import Operation
from kingpost.core import KingpostError

__all__ = ["DEADLINE", "HTTPS", "RETRIES", "added", "failure_of", "read_answer", "service_of"]

T = TypeVar("T")
DEADLINE = "30s"
HTTPS = Tls()
RETRIES = Retries(attempts=50, longest_wait="2s", attempt="10s", budget=1.0, reserve=1_000)
"""The deadline ends them, so that they ride out a restart; waits are drawn anew each time, so that clients do not come at once."""

_KEY_HEADER = "Idempotency-Key"
_LONGEST_DIFFERENCE = 200
_FOREIGN = "status_"


def service_of(
    url: str,
    key: str | Auth | None,
    *,
    deadline: str,
    retries: Retries,
    connections: int,
    tls: Tls | None,
) -> Service:
    """Declare a server as a service that is called.

    Raises:
        BadService: What is given cannot work, or would send a key in the open.
    """
    auth = Bearer(key) if isinstance(key, str) else key
    return Service(
        "kingpost",
        url.rstrip("/"),
        deadline=deadline,
        retries=retries,
        breaker=None,
        bulkhead=connections,
        idempotency=_KEY_HEADER,
        auth=auth,
        tls=tls,
    )


def read_answer(operation: Operation[T], answer: CallAnswer, now_s: float) -> T:
    """Read what the server answered.

    Raises:
        ApiError: It is a problem.
        BadAnswer: It is a success of another form.
    """
    if not answer.is_success:
        wait_s = retry_after_s(answer.headers, now_s) or 0.0
        raise ApiError(_problem(answer), wait_s, operation.call.idempotency_key)
    try:
        read: object = msgspec.json.decode(answer.body, type=operation.answer)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        told = str(error)[:_LONGEST_DIFFERENCE]
        raise BadAnswer(operation.call.path, answer.status, told) from error
    if isinstance(read, Answer) and answer.headers.get("idempotency-replayed") == "true":
        return cast("T", msgspec.structs.replace(cast("Answer[object]", read), is_replayed=True))
    return cast("T", read)


def failure_of(
    error: CallFailed | OutcomeUnknown, operation: Operation[T], now_s: float
) -> KingpostError:
    """Return what a failed call is raised as: the server's own words, where there are any.

    A problem of the server's own with 503 says that nothing was changed; any other failure of a
    call that may not be sent twice stays unknown.
    """
    if error.answer is None:
        return error
    problem = _problem(error.answer)
    if isinstance(error, OutcomeUnknown) and (problem.status != 503 or _is_foreign(problem)):
        return error
    wait_s = retry_after_s(error.answer.headers, now_s) or 0.0
    return ApiError(problem, wait_s, operation.call.idempotency_key)


def added(before: Ingested, more: Ingested, lines_before: int) -> Ingested:
    """Join what became of two bodies of events."""
    rejected = [
        Rejected(one.line + lines_before, one.code, one.field, one.expected, one.found)
        for one in more.rejected
    ]
    return Ingested(
        before.accepted + more.accepted,
        before.duplicates + more.duplicates,
        (*before.rejected, *rejected),
    )


def _problem(answer: CallAnswer) -> Problem:
    try:
        return msgspec.json.decode(answer.body, type=Problem)
    except (msgspec.MsgspecError, UnicodeDecodeError):  # what answered is no Kingpost
        return Problem(answer.status, f"{_FOREIGN}{answer.status}")


def _is_foreign(problem: Problem) -> bool:
    return problem.code.startswith(_FOREIGN)
