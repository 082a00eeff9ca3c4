"""Errors as the inference protocols answer them: `{"error": …}`, with our codes beside it."""

import msgspec

from kingpost.serving.http import HttpAnswer
from kingpost.serving.problems import ProblemDocument, problem_answer

__all__ = ["ErrorDocument", "error_answer", "status_of"]

_JSON = (b"content-type", b"application/json")
_problem_from = msgspec.json.Decoder(ProblemDocument).decode
_encode = msgspec.json.Encoder().encode


class ErrorDocument(msgspec.Struct, omit_defaults=True):
    """An error.

    Attributes:
        error: What is wrong and what to do, for people.
        code: The same for programs; stable.
        row: The row at fault, from 0; None where it is none, or not known.
        record: The id of the record that says so, where there is one.
    """

    error: str
    code: str
    trace_id: str
    row: int | None = None
    record: str | None = None


def status_of(status: int) -> int:
    """Return the status that these protocols have for one of ours: a bad request is 400."""
    return 400 if status == 422 else status


def error_answer(error: Exception, trace_id: str, row: int | None = None) -> HttpAnswer:
    """Render an error."""
    problem = problem_answer(error, trace_id)
    document = _problem_from(problem.body)
    headers = tuple(one for one in problem.headers if one[0] != b"content-type")
    body = _encode(ErrorDocument(document.detail, document.code, trace_id, row, document.record))
    return HttpAnswer(status_of(problem.status), (_JSON, *headers), body)
