"""Errors as pages: what happened, what to do, and the trace id to tell whoever helps.

The rule: as in the API, a page says nothing of ours: no stack trace, no path. What is not
foreseen is logged by the server, under the same trace id.
"""

import logging
from http import HTTPStatus
from typing import NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from kingpost.console.templating import templates
from kingpost.console.visit import theme_of
from kingpost.console.wording import sentence
from kingpost.core import KingpostError
from kingpost.serving import PROBLEMS, TRACE_ID

__all__ = ["answer_error", "answer_http_error", "answer_unexpected", "status_of"]

_log = logging.getLogger(__name__)
_STATUSES = {
    "bad_field": 422,
    "foreign_request": 403,
    "form_refused": 403,
    "form_too_large": 413,
    "issuer_failed": 503,
    "no_pages": 403,
    "page_not_found": 404,
    "monitor_store_failed": 503,
    "record_search_failed": 503,
    "session_store_failed": 503,
    "sign_in_refused": 403,
}
_TITLES = {
    403: "Not allowed",
    404: "Not found",
    405: "Not possible here",
    409: "Somebody was faster",
    413: "Too large",
    422: "That cannot be taken",
    500: "Something went wrong",
    503: "Not reachable right now",
}
_UNEXPECTED = (
    "the page could not be made; nothing was changed by it: try again, or tell an operator"
)


class _ErrorView(NamedTuple):
    status: int
    title: str
    said: str
    trace_id: str


def status_of(error: KingpostError) -> int:
    """Return the status of an error's page; 500 when it is not foreseen."""
    if error.code in _STATUSES:
        return _STATUSES[error.code]
    return PROBLEMS[error.code].status if error.code in PROBLEMS else 500


async def answer_error(request: Request, error: Exception) -> Response:
    """Answer an error of ours."""
    assert isinstance(error, KingpostError)  # registered for these alone
    status = status_of(error)
    if status == 500:
        trace_id = request.scope.get(TRACE_ID, "")
        _log.error("unexpected_error", exc_info=error, extra={"trace_id": trace_id})
        return _page(request, 500, _UNEXPECTED)
    problem = PROBLEMS.get(error.code)
    return _page(request, status, (problem.detail if problem else "") or str(error))


async def answer_http_error(request: Request, error: Exception) -> Response:
    """Answer an address that no page has, or that takes no such request."""
    if isinstance(error, HTTPException) and error.status_code == 405:
        return _page(request, 405, "this address does not take such a request; go back")
    return _page(request, 404, "no page has this address; start from the overview")


async def answer_unexpected(request: Request, error: Exception) -> Response:
    """Answer whatever else went wrong; the framework raises it once more."""
    return _page(request, 500, _UNEXPECTED)


def _page(request: Request, status: int, said: str) -> Response:
    title = _TITLES.get(status, HTTPStatus(status).phrase)
    trace_id: str = request.scope.get(TRACE_ID, "")
    view = _ErrorView(status, title, sentence(said), trace_id)
    is_part = request.headers.get("hx-request") == "true"
    made = templates().get_template("error_part.html" if is_part else "error.html")
    body = made.render(view=view, theme=theme_of(request), title=title)
    return HTMLResponse(body, status, {"cache-control": "no-store"})
