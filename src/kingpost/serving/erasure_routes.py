"""`/v1/erasures`: people who ask to be forgotten, and the record that they were.

The rule: the answer leaves when the erasure is durable; from then on no feature that is
grouped by the field sees an earlier event of the entity, also after a restart.
"""

from collections.abc import Callable
from typing import Annotated

import msgspec
from fastapi import FastAPI, Request, Response
from msgspec import Meta

from kingpost.access import Principal
from kingpost.features import Erasure, entity_field
from kingpost.serving.errors import EntityNotFound
from kingpost.serving.http import BodyReader, check_media_type
from kingpost.serving.parameters import read_body
from kingpost.serving.review_documents import moment
from kingpost.serving.shell import Shell

__all__ = [
    "EraseDocument",
    "ErasedDocument",
    "ErasureDocument",
    "ErasureRoutes",
    "ErasuresDocument",
]

MAX_BODY_BYTES = 65_536
_HEADERS = {"content-type": "application/json", "cache-control": "no-store"}
_encode = msgspec.json.Encoder().encode


class EraseDocument(msgspec.Struct, forbid_unknown_fields=True):
    """Whom to erase.

    Attributes:
        entity: The field of events that names it, as `customer`.
        key: Its value there; a whole number as text.
    """

    entity: Annotated[str, Meta(min_length=1, max_length=255)]
    key: Annotated[str, Meta(min_length=1, max_length=4096)]
    reason: Annotated[str, Meta(max_length=2000)] = ""


class ErasureDocument(msgspec.Struct):
    """An erasure as it is recorded.

    Attributes:
        position: Where the journal says so; events before it are erased.
        by: Id of the API key or user that asked.
    """

    entity: str
    key: str
    position: str
    at: str
    by: str
    reason: str


class ErasedDocument(ErasureDocument):
    """An erasure that was just done.

    Attributes:
        forgotten: How many keys of windows and consents were dropped from memory; those in a
            shared store follow at once.
        other_partitions: Those of the servers that share the store: each erases what came to
            its own partition, so ask them too.
    """

    forgotten: int
    other_partitions: list[str]


class ErasuresDocument(msgspec.Struct):
    """The erasures of a tenant, the latest first."""

    erasures: list[ErasureDocument]


class ErasureRoutes:
    """Adds the routes to an application.

    Args:
        let_in: Says who asks.
    """

    def __init__(
        self, shell: Shell, let_in: Callable[[Request], Principal], bodies: BodyReader
    ) -> None:
        self._shell, self._let_in, self._bodies = shell, let_in, bodies

    def add_to(self, api: FastAPI) -> None:
        """Add them: one route, so that what it allows is told as a whole."""
        api.api_route("/v1/erasures", methods=["GET", "POST"])(self.answer)

    async def answer(self, request: Request) -> Response:
        principal = self._enter(request)
        if request.method == "GET":
            return self._list(principal.tenant)
        return await self._erase(principal, request)

    async def _erase(self, principal: Principal, request: Request) -> Response:
        headers: dict[bytes, bytes] = dict(request.scope["headers"])
        check_media_type(headers, b"application/json")
        body = await self._bodies.read(headers, request.receive, MAX_BODY_BYTES)
        asked = read_body(body, EraseDocument)
        self.check(asked.entity)
        erasure, forgotten = await self._shell.erase(
            principal.tenant, asked.entity, asked.key, by=principal.id, reason=asked.reason
        )
        others = list(self._shell.engine.other_partitions)
        return _response(ErasedDocument(*self._fields(erasure), forgotten, others))

    def _list(self, tenant: str) -> Response:
        erasures = self._shell.engine.erasures(tenant)
        return _response(
            ErasuresDocument([ErasureDocument(*self._fields(one)) for one in reversed(erasures)])
        )

    def _enter(self, request: Request) -> Principal:
        principal = self._let_in(request)
        principal.require("erase")
        return principal

    def check(self, entity: str) -> None:
        """Refuse an entity that no stream has.

        Raises:
            EntityNotFound: It names the fields that can be one.
        """
        streams = self._shell.engine.application.streams.values()
        if not any(entity_field(contract, entity) for contract in streams):
            fields = {
                field.name
                for contract in streams
                for field in contract.fields
                if entity_field(contract, field.name)
            }
            raise EntityNotFound(", ".join(sorted(fields)))

    def _fields(self, one: Erasure) -> tuple[str, str, str, str, str, str]:
        position = f"{self._shell.engine.partition}:{one.offset}"
        return one.entity, one.key, position, moment(one.at_us), one.by, one.reason


def _response(document: msgspec.Struct) -> Response:
    return Response(_encode(document), headers=_HEADERS)
