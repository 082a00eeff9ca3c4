"""`/v1/holds`: who must not be erased, since what is kept of them is needed."""

from collections.abc import Callable
from typing import Annotated

import msgspec
from fastapi import FastAPI, Request, Response
from msgspec import Meta

from kingpost.access import Principal
from kingpost.features import Hold
from kingpost.serving.http import BodyReader, check_media_type
from kingpost.serving.parameters import read_body
from kingpost.serving.review_documents import moment
from kingpost.serving.shell import Shell

__all__ = ["HoldAskedDocument", "HoldDocument", "HoldRoutes", "HoldsDocument"]

MAX_BODY_BYTES = 65_536
_HEADERS = {"content-type": "application/json", "cache-control": "no-store"}
_encode = msgspec.json.Encoder().encode


class HoldAskedDocument(msgspec.Struct, forbid_unknown_fields=True):
    """Whom to hold, or with `is_released` to let go.

    Attributes:
        entity: The field of events that names it, as `customer`.
        key: Its value there; a whole number as text.
    """

    entity: Annotated[str, Meta(min_length=1, max_length=255)]
    key: Annotated[str, Meta(min_length=1, max_length=4096)]
    reason: Annotated[str, Meta(max_length=2000)] = ""
    is_released: bool = False


class HoldDocument(msgspec.Struct):
    """A hold, or the end of one, as it is recorded.

    Attributes:
        position: Where the journal says so.
        by: Id of the API key or user that said so.
    """

    entity: str
    key: str
    position: str
    at: str
    by: str
    reason: str
    is_released: bool


class HoldsDocument(msgspec.Struct):
    """The holds of a tenant and their ends, the latest first."""

    holds: list[HoldDocument]


class HoldRoutes:
    """Adds the routes to an application.

    Args:
        let_in: Says who asks.
        check: Refuses an entity that no stream has.
    """

    def __init__(
        self,
        shell: Shell,
        let_in: Callable[[Request], Principal],
        bodies: BodyReader,
        check: Callable[[str], None],
    ) -> None:
        self._shell, self._let_in, self._bodies, self._check = shell, let_in, bodies, check

    def add_to(self, api: FastAPI) -> None:
        """Add them: one route, so that what it allows is told as a whole."""
        api.api_route("/v1/holds", methods=["GET", "POST"])(self.answer)

    async def answer(self, request: Request) -> Response:
        principal = self._let_in(request)
        principal.require("erase")
        if request.method == "GET":
            found = reversed(self._shell.engine.legal_holds(principal.tenant))
            return _response(HoldsDocument([self._document(one) for one in found]))
        headers: dict[bytes, bytes] = dict(request.scope["headers"])
        check_media_type(headers, b"application/json")
        body = await self._bodies.read(headers, request.receive, MAX_BODY_BYTES)
        asked = read_body(body, HoldAskedDocument)
        self._check(asked.entity)
        hold = await self._shell.hold(
            principal.tenant,
            asked.entity,
            asked.key,
            by=principal.id,
            reason=asked.reason,
            is_released=asked.is_released,
        )
        return _response(self._document(hold))

    def _document(self, one: Hold) -> HoldDocument:
        position = f"{self._shell.engine.partition}:{one.offset}"
        return HoldDocument(
            one.entity, one.key, position, moment(one.at_us), one.by, one.reason, one.is_released
        )


def _response(document: msgspec.Struct) -> Response:
    return Response(_encode(document), headers=_HEADERS)
