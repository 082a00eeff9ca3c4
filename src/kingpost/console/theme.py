"""Light or dark: what somebody chose stays in a cookie of their browser."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from kingpost.console.forms import form_of
from kingpost.console.security import local_path
from kingpost.console.visit import THEME_COOKIE

__all__ = ["theme_route"]

_YEAR_S = 365 * 24 * 3600


async def _choose(request: Request) -> Response:
    form = form_of(await request.body())
    response = RedirectResponse(local_path(form.get("back", "/")), 303)
    chosen = form.get("theme", "")
    if chosen in ("light", "dark"):
        response.set_cookie(THEME_COOKIE, chosen, max_age=_YEAR_S, samesite="lax")
    else:
        response.delete_cookie(THEME_COOKIE, samesite="lax")
    return response


def theme_route() -> Route:
    """Return the route that keeps the choice."""
    return Route("/theme", _choose, methods=["POST"])
