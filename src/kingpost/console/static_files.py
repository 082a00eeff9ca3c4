"""What the pages load: styles, scripts, a picture; all from this package.

The rule: a file's address holds the digest of its content, so that a browser may keep it
for ever and never has an old one.
"""

import hashlib
from functools import cache
from importlib import resources
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kingpost.models import card_style

__all__ = ["static_route", "static_url"]

_TYPES = {
    "card.css": "text/css; charset=utf-8",
    "console.css": "text/css; charset=utf-8",
    "console.js": "text/javascript; charset=utf-8",
    "htmx-4.0.1.min.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
    "proof.js": "text/javascript; charset=utf-8",
    "uPlot-1.6.32.iife.min.js": "text/javascript; charset=utf-8",
    "uPlot-1.6.32.min.css": "text/css; charset=utf-8",
}
_HEADERS = {"cache-control": "public, max-age=31536000, immutable"}
_DIGITS = 12


class _File(NamedTuple):
    body: bytes
    digest: str


@cache
def _file(name: str) -> _File:
    if name == "card.css":
        body = card_style().encode()
    else:
        body = resources.files("kingpost.console").joinpath("static", name).read_bytes()
    return _File(body, hashlib.sha256(body).hexdigest()[:_DIGITS])


def static_url(name: str) -> str:
    """Return the address of a file."""
    return f"/static/{_file(name).digest}/{name}"


async def _serve(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in _TYPES or _file(name).digest != request.path_params["digest"]:
        return Response(status_code=404)
    return Response(_file(name).body, headers=_HEADERS, media_type=_TYPES[name])


def static_route() -> Route:
    """Return the route of all files; it needs nobody to be signed in."""
    return Route("/static/{digest}/{name}", _serve)
