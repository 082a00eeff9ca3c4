"""The console as one ASGI application: pages behind a door.

    pages = build_console(sources, clock, door=sign_in)

The routes are thin: a page's module makes its view from the stores, a template shows it.
Few pages are made at a time: they share the interpreter with the decisions.
"""

import inspect
import threading
from collections.abc import Sequence
from functools import wraps

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kingpost.console.approvals_page import approvals_routes
from kingpost.console.audit_page import audit_routes
from kingpost.console.catalogue_page import catalogue_routes
from kingpost.console.decision_page import decision_routes
from kingpost.console.door import Door
from kingpost.console.error_pages import answer_error, answer_http_error, answer_unexpected
from kingpost.console.feature_page import feature_routes
from kingpost.console.inbox_page import inbox_routes
from kingpost.console.incidents_page import incidents_routes
from kingpost.console.models_page import models_routes
from kingpost.console.overview_page import overview_routes
from kingpost.console.record_page import record_routes
from kingpost.console.records_page import records_routes
from kingpost.console.sources import ConsoleSources
from kingpost.console.static_files import static_route
from kingpost.console.task_page import task_routes
from kingpost.console.templating import templates
from kingpost.console.theme import theme_route
from kingpost.console.visit import Console
from kingpost.console.workflow_page import workflow_routes
from kingpost.console.workflows_page import workflows_routes
from kingpost.core import Clock, KingpostError

__all__ = ["build_console"]

PAGES_AT_ONCE = 3


def build_console(sources: ConsoleSources, clock: Clock, *, door: Door) -> ASGIApp:
    """Build the console.

    Args:
        door: Lets people in; see `Door`.
    """
    templates()  # read and compiled before anybody asks
    console = Console(sources, clock)
    made: Sequence[Route] = [
        *overview_routes(console),
        *decision_routes(console),
        *feature_routes(console),
        *records_routes(console),
        *record_routes(console),
        *inbox_routes(console),
        *task_routes(console),
        *incidents_routes(console),
        *workflows_routes(console),
        *workflow_routes(console),
        *models_routes(console),
        *catalogue_routes(console),
        *approvals_routes(console),
        *audit_routes(console),
    ]
    turns = threading.Semaphore(PAGES_AT_ONCE)
    routes: list[BaseRoute] = [
        *(_by_turns(route, turns) for route in made),
        theme_route(),
        static_route(),
        *door.routes(),
    ]
    pages = Starlette(
        routes=routes,
        exception_handlers={
            KingpostError: answer_error,
            HTTPException: answer_http_error,
            Exception: answer_unexpected,
        },
    )
    pages.router.redirect_slashes = False
    return _timed(door.guard(pages), clock)


def _by_turns(route: Route, turns: threading.Semaphore) -> Route:
    """Let a page that is made in a thread of the pool wait for its turn."""
    make = route.endpoint
    if inspect.iscoroutinefunction(make):
        return route

    @wraps(make)
    def in_turn(request: Request) -> Response:
        with turns:
            return make(request)

    return Route(route.path, in_turn, methods=list(route.methods or ()), name=route.name)


def _timed(app: ASGIApp, clock: Clock) -> ASGIApp:
    """Say in each answer how long it took the server, in `Server-Timing`."""

    async def timed(scope: Scope, receive: Receive, send: Send) -> None:
        begun_ns = clock.monotonic_ns()

        async def send_timed(message: Message) -> None:
            if message["type"] == "http.response.start":
                took_ms = (clock.monotonic_ns() - begun_ns) / 1e6
                value = f"total;dur={took_ms:.1f}".encode()
                message["headers"] = [*message.get("headers", []), (b"server-timing", value)]
            await send(message)

        await app(scope, receive, send_timed)

    return timed
