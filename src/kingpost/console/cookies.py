"""The console's cookies: which there are, and how they are kept from others.

The rule: no script reads them, no other site's form or frame sends them, and where the
console is reached by https they are bound to that host (`__Host-`, RFC 6265bis 4.1.3.2),
so that no neighbour can set them.
"""

from typing import Literal
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection
from starlette.responses import Response

__all__ = ["CookieName", "Cookies"]

CookieName = Literal["session", "form", "issuer"]
"""Who is signed in; what the form to sign in was given; what was asked of the issuer."""

_NAMES: dict[CookieName, str] = {
    "session": "kingpost",
    "form": "kingpost-form",
    "issuer": "kingpost-issuer",
}


class Cookies:
    """Reads and writes them.

    Args:
        public_url: What browsers call the server; empty when it is as requests say.
    """

    def __init__(self, public_url: str) -> None:
        self._is_public_secure = urlsplit(public_url).scheme == "https"

    def read(self, request: HTTPConnection, name: CookieName) -> str:
        """Return a cookie's value; empty when the request has none."""
        return request.cookies.get(self._full_name(request, name), "")

    def write(
        self,
        request: HTTPConnection,
        response: Response,
        name: CookieName,
        value: str,
        lifetime_s: int,
    ) -> None:
        """Set a cookie; a lifetime of 0 takes it away."""
        response.set_cookie(
            self._full_name(request, name),
            value,
            max_age=lifetime_s,
            path="/",
            secure=self._is_secure(request),
            httponly=True,
            samesite="lax",  # a link to a page of the console opens it
        )

    def _is_secure(self, request: HTTPConnection) -> bool:
        return self._is_public_secure or request.scope.get("scheme") == "https"

    def _full_name(self, request: HTTPConnection, name: CookieName) -> str:
        return ("__Host-" if self._is_secure(request) else "") + _NAMES[name]
