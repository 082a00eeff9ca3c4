"""Signing in and out: by an API key, or by the accounts of an OpenID Connect issuer.

    door = SignIn(sessions, keys, clock, public_url="https://kingpost.example", issuer=issuer)

The rule: whoever is let in gets a new session, whatever they came with; an address to go on
to is one of our own paths or none; and what was wrong with a key is not told.
"""

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from kingpost.access import (
    ApiKeyRefused,
    KeyRing,
    KeyStore,
    NewSession,
    Principal,
    Session,
    SessionOver,
    Sessions,
)
from kingpost.console.cookies import Cookies
from kingpost.console.error_pages import status_of
from kingpost.console.errors import FormRefused, IssuerFailed, NoPages, SignInRefused
from kingpost.console.forms import CSRF_FIELD, body_of, check_token, form_of
from kingpost.console.issuer import Asked, Issuer
from kingpost.console.security import Guard, local_path
from kingpost.console.templating import templates
from kingpost.console.visit import theme_of
from kingpost.core import Clock, KingpostError

__all__ = ["SignIn"]

_OPEN = ("/login", "/static", "/favicon.ico")
_FORM_S = 3600
_ISSUER_S = 600
_LONGEST_KEY = 200
_MOST_ASKING, _MOST_WAITING = 8, 100
"""Threads that an issuer who hangs can hold, of those that all pages are made in."""

T = TypeVar("T")


class SignIn:
    """The door of a console; see `Door`.

    Args:
        sessions: Where who signed in is kept.
        keys: Gives this thread's store of API keys.
        public_url: What browsers call the server; empty when it is as requests say.
        issuer: Whose accounts people may use beside API keys; None for nobody's.
    """

    def __init__(
        self,
        sessions: Sessions,
        keys: Callable[[], KeyStore],
        clock: Clock,
        *,
        public_url: str = "",
        issuer: Issuer | None = None,
    ) -> None:
        self._sessions, self._keys, self._clock = sessions, keys, clock
        self._public_url, self._issuer = public_url.rstrip("/"), issuer
        self._cookies = Cookies(public_url)
        self._turns, self._waiting = asyncio.Semaphore(_MOST_ASKING), 0

    def routes(self) -> Sequence[BaseRoute]:
        """Return the pages that let people in and out."""
        routes = [
            Route("/login", self._show, methods=["GET"]),
            Route("/login", self._enter_by_key, methods=["POST"]),
            Route("/logout", self._leave, methods=["POST"]),
        ]
        if self._issuer is not None:
            routes += [
                Route("/login/oidc", self._ask_issuer, methods=["GET"]),
                Route("/login/oidc/callback", self._enter_by_issuer, methods=["GET"]),
            ]
        return routes

    def guard(self, app: ASGIApp) -> ASGIApp:
        """Put the door before an application."""
        return Guard(app, self._session_of, _is_open, self._public_url)

    def _session_of(self, request: Request) -> Session:
        return self._sessions.check(self._cookies.read(request, "session"))

    async def _show(self, request: Request) -> Response:
        wanted = local_path(request.query_params.get("next", "/"))
        try:
            await run_in_threadpool(self._session_of, request)
        except SessionOver:
            return self._form(request, wanted)
        return RedirectResponse(wanted, 303)

    async def _enter_by_key(self, request: Request) -> Response:
        form = form_of(await body_of(request))
        wanted = local_path(form.get("next", "/"))
        try:
            check_token(form.get(CSRF_FIELD), self._cookies.read(request, "form"))
            opened = await run_in_threadpool(self._open_by_key, request, form.get("key", ""))
        except (ApiKeyRefused, NoPages, FormRefused) as error:
            return self._form(request, wanted, error)
        return self._go_on(request, wanted, opened)

    def _open_by_key(self, request: Request, key: str) -> NewSession:
        bearer = f"Bearer {key.strip()[:_LONGEST_KEY]}".encode()
        principal = KeyRing(self._keys(), self._clock).check(bearer)
        try:
            return self._open(request, principal, key=principal.id)
        except SessionOver:  # revoked just now
            raise ApiKeyRefused from None

    def _open(self, request: Request, principal: Principal, *, key: str = "") -> NewSession:
        may_see = any(map(principal.may, ("records", "workflows", "audit")))
        if not may_see and not _may_review(principal):
            raise NoPages
        before = self._cookies.read(request, "session")
        if before:
            self._sessions.close(before)
        return self._sessions.open(principal, key=key)

    async def _leave(self, request: Request) -> Response:
        token = self._cookies.read(request, "session")
        await run_in_threadpool(self._sessions.close, token)
        response = RedirectResponse("/login", 303)
        self._cookies.write(request, response, "session", "", 0)
        return response

    async def _ask_issuer(self, request: Request) -> Response:
        assert self._issuer is not None  # there is no such route without one
        issuer = self._issuer
        wanted = local_path(request.query_params.get("next", "/"))
        try:
            address = self._return_address(request)
            url, asked = await self._in_turn(lambda: issuer.ask(address, wanted))
        except IssuerFailed as error:
            return self._form(request, wanted, error)
        response = RedirectResponse(url, 303)
        self._cookies.write(request, response, "issuer", asked.to_text(), _ISSUER_S)
        return response

    async def _enter_by_issuer(self, request: Request) -> Response:
        assert self._issuer is not None  # as above
        issuer, answer = self._issuer, dict(request.query_params)
        wanted = "/"
        try:
            asked = Asked.from_text(self._cookies.read(request, "issuer"))
            wanted = local_path(asked.wanted)
            address = self._return_address(request)

            def enter() -> NewSession:
                return self._open(request, issuer.person(asked, answer, address))

            opened = await self._in_turn(enter)
        except (IssuerFailed, SignInRefused, NoPages) as error:
            response = self._form(request, wanted, error)
        else:
            response = self._go_on(request, wanted, opened)
        self._cookies.write(request, response, "issuer", "", 0)
        return response

    async def _in_turn(self, question: Callable[[], T]) -> T:
        """Ask the issuer in a thread; it may hang, and the pages need threads as well."""
        assert self._issuer is not None  # as above
        if self._waiting >= _MOST_WAITING:
            raise IssuerFailed(self._issuer.name, "too many people are signing in")
        self._waiting += 1
        try:
            async with self._turns:
                return await run_in_threadpool(question)
        finally:
            self._waiting -= 1

    def _return_address(self, request: Request) -> str:
        host = request.headers.get("host", "")
        here = self._public_url or f"{request.scope['scheme']}://{host}"
        return f"{here}/login/oidc/callback"

    def _go_on(self, request: Request, wanted: str, opened: NewSession) -> Response:
        response = RedirectResponse(wanted, 303)
        session = opened.session
        lifetime_s = (session.expires_us - session.created_us) // 1_000_000
        self._cookies.write(request, response, "session", opened.token, lifetime_s)
        self._cookies.write(request, response, "form", "", 0)
        return response

    def _form(self, request: Request, wanted: str, error: KingpostError | None = None) -> Response:
        token = secrets.token_urlsafe(32)
        view: Mapping[str, object] = {
            "title": "Sign in",
            "theme": theme_of(request),
            "csrf": token,
            "wanted": wanted,
            "issuer": self._issuer.name if self._issuer else "",
            "issuer_path": f"/login/oidc?next={quote(wanted, safe='/')}",
            "refusal": "" if error is None else _said(error),
        }
        body = templates().get_template("login.html").render(view)
        response = HTMLResponse(body, 200 if error is None else status_of(error))
        self._cookies.write(request, response, "form", token, _FORM_S)
        return response


def _may_review(principal: Principal) -> bool:
    return principal.may("review") or bool(principal.narrowed("review"))


def _said(error: KingpostError) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."


def _is_open(path: str) -> bool:
    return any(path == one or path.startswith(f"{one}/") for one in _OPEN)
