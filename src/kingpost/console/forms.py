"""Forms as they arrive: small, urlencoded, and sent from our own pages.

The rule: what changes anything is believed only when the browser does not say that another
site sent it (`Sec-Fetch-Site`, `Origin`), and when it brings the secret of its session
along, in the field `csrf` or the header `X-CSRF-Token`.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from hmac import compare_digest
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import HTTPConnection, Request
from starlette.types import Message, Receive

from kingpost.console.errors import ForeignRequest, FormRefused, FormTooLarge

__all__ = [
    "CSRF_FIELD",
    "CSRF_HEADER",
    "LARGEST_ANSWER",
    "Refusal",
    "body_of",
    "check_origin",
    "check_token",
    "form_of",
    "replayed",
]

CSRF_FIELD = "csrf"
CSRF_HEADER = "x-csrf-token"

_LARGEST = 64 * 1024
LARGEST_ANSWER = 1024 * 1024
"""An answer to a task may be so large: it has room for the largest value, as browsers write it."""

_MOST_FIELDS = 200
_SLOWEST_S = 10.0


@dataclass(frozen=True)
class Refusal:
    """Why a form was not taken, and what was in it, so that nothing written is lost."""

    problem: str
    code: str
    status: int
    form: Mapping[str, str]


def check_origin(request: HTTPConnection, public_url: str) -> None:
    """Refuse what another site's page sent; a caller that is no browser says nothing.

    Raises:
        ForeignRequest: It is not from a page of ours.
    """
    site = request.headers.get("sec-fetch-site")
    if site not in (None, "same-origin", "none"):
        raise ForeignRequest
    origin = request.headers.get("origin")
    ours = (request.headers.get("host", ""), urlsplit(public_url).netloc)
    if origin is not None and (host_of(origin) or "?") not in ours:
        raise ForeignRequest


def host_of(url: str) -> str:
    """Return the host and port that a URL names; empty when it names none."""
    try:
        return urlsplit(url).netloc
    except ValueError:
        return ""


def check_token(found: str | None, expected: str) -> None:
    """Compare what a form brought along with what its page was given.

    Raises:
        FormRefused: It is another, or there is none.
    """
    if not found or not expected or not compare_digest(found.encode(), expected.encode()):
        raise FormRefused


async def body_of(request: Request, largest: int = _LARGEST) -> bytes:
    """Read a form's body, which is small and takes seconds at most.

    Args:
        largest: The most bytes it may have.

    Raises:
        FormTooLarge: It is not, or it is no urlencoded form.
    """
    kind = request.headers.get("content-type", "application/x-www-form-urlencoded")
    if kind.partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        raise FormTooLarge
    body = bytearray()
    try:
        async with asyncio.timeout(_SLOWEST_S):
            async for part in request.stream():
                body += part
                if len(body) > largest:
                    raise FormTooLarge
    except TimeoutError:
        raise FormTooLarge from None
    return bytes(body)


def form_of(body: bytes) -> Mapping[str, str]:
    """Return a form's fields; of those with one name, the last.

    Raises:
        FormRefused: It cannot be read.
    """
    try:
        return dict(
            parse_qsl(
                body.decode(), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS
            )
        )
    except ValueError:
        raise FormRefused from None


def replayed(body: bytes, receive: Receive) -> Receive:
    """Give a body that was read to whoever reads it next."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def next_message() -> Message:
        return waiting.pop() if waiting else await receive()

    return next_message
