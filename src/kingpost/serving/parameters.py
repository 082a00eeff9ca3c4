"""Query parameters and small JSON bodies, checked against the types that describe them.

The rule: what is unknown, given twice or of another kind is refused, never ignored; a
schema in the API's description is the one that is enforced here.
"""

from typing import TypeVar

import msgspec
from starlette.requests import Request

from kingpost.contracts import Instant, NaiveTime
from kingpost.serving.errors import BadBody, BadParameter

__all__ = ["moment_us", "read_body", "read_parameters"]

_LONGEST = 200
T = TypeVar("T")


def read_parameters(request: Request, kind: type[T]) -> T:
    """Read the query of a request.

    Raises:
        BadParameter: It does not fit.
    """
    found: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name in found:
            raise BadParameter(f"{name[:_LONGEST]!r} is given twice")
        found[name] = value
    try:
        return msgspec.convert(found, kind, strict=False)
    except msgspec.ValidationError as error:
        raise BadParameter(_said(error, "the query")) from error


def read_body(body: bytes, kind: type[T]) -> T:
    """Read a JSON object; an empty body is an object without fields.

    Raises:
        BadBody: It does not fit.
    """
    try:
        return msgspec.json.decode(body or b"{}", type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadBody(_said(error, "the body")) from error


def moment_us(name: str, text: str) -> int:
    """Read a time with an offset, as microseconds UTC.

    Raises:
        BadParameter: It is none.
    """
    try:
        return Instant.parse(text).us
    except (ValueError, NaiveTime) as error:
        raise BadParameter(
            f"{name} is no ISO 8601 time with an offset, as 2026-11-21T09:00:00Z"
        ) from error


def _said(error: Exception, what: str) -> str:
    text = str(error).replace("`$.", "`").replace("`$`", what).replace("Object", what)
    return text[:_LONGEST] if text.isprintable() else f"{what} is not as described"
