"""The guard: nobody passes unknown, nothing is changed from elsewhere, nothing foreign runs.

The rule: every answer carries the headers that keep other hosts' scripts, frames and forms
out; a request without a session is sent to sign in; one that changes something is let pass
only with the secret of its session, and never from another site's page.
"""

from collections.abc import Callable
from urllib.parse import quote, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kingpost.access import Session, SessionOver
from kingpost.console.error_pages import answer_error
from kingpost.console.forms import (
    CSRF_FIELD,
    CSRF_HEADER,
    LARGEST_ANSWER,
    body_of,
    check_origin,
    check_token,
    form_of,
    replayed,
)
from kingpost.core import KingpostError

__all__ = ["HEADERS", "Guard", "local_path"]

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
"""What every answer says, whatever page it is."""

_SAFE = ("GET", "HEAD", "OPTIONS")
_LONGEST_PATH = 2000


class Guard:
    """An ASGI application before another.

    Args:
        app: What only those get to who are signed in. Their requests carry
            `request.state.principal` and `request.state.csrf`.
        session_of: Finds the session of a request; raises `SessionOver` when it has none.
            Called in a thread.
        is_open: Tells of a path whether it needs no session.
        public_url: What browsers call the server; empty when it is as requests say.
    """

    def __init__(
        self,
        app: ASGIApp,
        session_of: Callable[[Request], Session],
        is_open: Callable[[str], bool],
        public_url: str,
    ) -> None:
        self._app, self._session_of = app, session_of
        self._is_open, self._public_url = is_open, public_url

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request, send = Request(scope, receive), _with_headers(send)
        try:
            receive = await self._let_pass(request)
        except ClientDisconnect:
            return
        except SessionOver:
            await _to_sign_in(request)(scope, receive, send)
        except KingpostError as error:
            await (await answer_error(request, error))(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _let_pass(self, request: Request) -> Receive:
        """Check a request, note in it who asks, and return what its body is read from."""
        is_safe = request.method in _SAFE
        if not is_safe:
            check_origin(request, self._public_url)
        if self._is_open(request.scope["path"]):
            return request.receive
        session = await run_in_threadpool(self._session_of, request)
        request.state.principal, request.state.csrf = session.principal, session.csrf
        if is_safe:
            return request.receive
        token = request.headers.get(CSRF_HEADER)
        if token is not None:
            check_token(token, session.csrf)
        is_answer = request.scope["path"].startswith("/inbox/")
        body = await (body_of(request, LARGEST_ANSWER) if is_answer else body_of(request))
        if token is None:
            check_token(form_of(body).get(CSRF_FIELD), session.csrf)
        return replayed(body, request.receive)


def local_path(text: str, default: str = "/") -> str:
    """Return a path of our own, with its query; anything that leads elsewhere is `default`."""
    is_path = text.startswith("/") and not text.startswith(("//", "/\\"))
    if not is_path or "\\" in text or len(text) > _LONGEST_PATH or not text.isprintable():
        return default
    parts = urlsplit(text)
    if parts.scheme or parts.netloc or parts.path.startswith(("/login", "/logout", "//")):
        return default
    return text


def _to_sign_in(request: Request) -> Response:
    """Send somebody to the page to sign in, and from there to the page they wanted."""
    is_part = request.headers.get("hx-request") == "true"
    if is_part or request.method not in _SAFE:  # the page that it was sent from
        page = request.headers.get("hx-current-url", request.headers.get("referer", ""))
        wanted = _path_of(page)
    else:
        query = request.scope["query_string"].decode("latin-1")
        wanted = quote(request.scope["path"]) + (f"?{query}" if query else "")
    wanted = local_path(wanted)
    where = "/login" if wanted == "/" else f"/login?next={quote(wanted, safe='/')}"
    if is_part:
        return Response(status_code=401, headers={"hx-redirect": where})
    return RedirectResponse(where, 303)


def _path_of(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def _with_headers(send: Send) -> Send:
    async def send_with(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("cache-control", "no-store")
        await send(message)

    return send_with
