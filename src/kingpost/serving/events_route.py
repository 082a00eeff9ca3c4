"""`/v1/events/{stream}`: many events in one body; `…/{key}`: one taken back or corrected.

The rule: the answer leaves when every event in it is durable, or was before; so with a
retraction and a correction. Of many events each is judged by itself, and wrong rows go into
the quarantine with their reason. A body is worked through in short turns, so that decisions
are not kept waiting behind it.
"""

import asyncio
from collections.abc import Mapping
from hashlib import sha256
from operator import attrgetter
from typing import Literal

import msgspec

from kingpost.access import KeyRing, Principal
from kingpost.contracts import Contract, ContractViolation, Event, EventKey
from kingpost.decisions import Change
from kingpost.integrations import quarantine_entry, refused_line, without_content
from kingpost.journal import Entry
from kingpost.serving.errors import EventNotFound, EventRetracted, RouteNotFound, StreamNotFound
from kingpost.serving.event_bodies import (
    JSON_TYPE,
    NDJSON_TYPES,
    Rejected,
    judge_rows,
    rows_of,
)
from kingpost.serving.http import BodyReader, HttpAnswer, Receive, check_media_type
from kingpost.serving.metrics import Metrics
from kingpost.serving.settings import ServingSettings
from kingpost.serving.shell import Shell

__all__ = ["ChangeDocument", "EventsDocument", "EventsRoute", "RejectedDocument"]

ROWS_PER_TURN = 256
REFUSALS_REMEMBERED = 100_000
_JSON = ((b"content-type", b"application/json"),)
_encode = msgspec.json.Encoder().encode


class RejectedDocument(msgspec.Struct):
    """A row that was not taken, and why."""

    line: int
    code: str
    field: str
    expected: str
    found: str


class EventsDocument(msgspec.Struct):
    """What became of the events of one body."""

    accepted: int
    duplicates: int
    rejected: list[RejectedDocument]


class ChangeDocument(msgspec.Struct):
    """What became of a retraction or a correction."""

    status: Literal["retracted", "corrected", "unchanged", "held"]


class EventsRoute:
    """Takes the events of every stream, and what is said of them later."""

    def __init__(
        self,
        streams: Mapping[str, Contract[Event]],
        shell: Shell,
        bodies: BodyReader,
        metrics: Metrics,
        settings: ServingSettings,
        keys: KeyRing,
    ) -> None:
        self._streams, self._shell, self._bodies, self._keys = streams, shell, bodies, keys
        self._metrics, self._settings = metrics, settings
        self._turns = asyncio.Semaphore(settings.max_event_uploads)
        self._refused: set[bytes] = set()

    async def take(
        self,
        principal: Principal,
        stream: str,
        headers: Mapping[bytes, bytes],
        receive: Receive,
    ) -> HttpAnswer:
        """Take the events of one request.

        Raises:
            StreamNotFound: There is no such stream.
            TooManyEvents, ContractViolation: The body as a whole cannot be taken.
            RateLimited: It has more rows than the principal may send now.
            KingpostError: See `BodyReader.read` and `Shell.ingest`.
        """
        contract = self._contract(stream)
        check_media_type(headers, JSON_TYPE, *NDJSON_TYPES)
        async with self._turns:
            body = await self._bodies.read(headers, receive, self._settings.max_events_bytes)
            kind = headers.get(b"content-type", JSON_TYPE).partition(b";")[0].strip().lower()
            rows = rows_of(
                body, contract, is_lines=kind in NDJSON_TYPES, limit=self._settings.max_events
            )
            self._keys.charge(principal, requests=0, rows=len(rows), cost=0)
            document = EventsDocument(0, 0, [])
            for start in range(0, len(rows), ROWS_PER_TURN):
                sound, rejected = judge_rows(contract, rows[start : start + ROWS_PER_TURN])
                beside = self._quarantine(principal.tenant, stream, rejected)
                ingested = await self._shell.ingest(principal.tenant, stream, sound, beside)
                document.accepted += ingested.accepted
                document.duplicates += ingested.duplicates
                document.rejected.extend(map(_document, rejected))
        for verdict, number in (
            ("accepted", document.accepted),
            ("duplicate", document.duplicates),
            ("rejected", len(document.rejected)),
        ):
            self._metrics.count_events(stream, verdict, number)
        return HttpAnswer(200, _JSON, _encode(document))

    async def retract(self, principal: Principal, stream: str, key: str) -> HttpAnswer:
        """Take one event back.

        Raises:
            StreamNotFound, RouteNotFound: There is no such stream, or the key is empty.
            ContractViolation: No event of the stream can have this key.
            KingpostError: See `Shell.retract`.
        """
        wanted = _key_from(key, self._contract(stream))
        change = await self._shell.retract(principal.tenant, stream, wanted)
        return self._changed(stream, change)

    async def correct(
        self,
        principal: Principal,
        stream: str,
        key: str,
        headers: Mapping[bytes, bytes],
        receive: Receive,
    ) -> HttpAnswer:
        """Put the event of a request's body in the place of the one that is held.

        Raises:
            StreamNotFound, RouteNotFound: There is no such stream, or the key is empty.
            EventNotFound: No event of this key was taken yet.
            EventRetracted: It was retracted.
            ContractViolation: The body breaks the contract, or has another key.
            KingpostError: See `BodyReader.read` and `Shell.correct`.
        """
        contract = self._contract(stream)
        check_media_type(headers, JSON_TYPE)
        wanted = _key_from(key, contract)
        body = await self._bodies.read(headers, receive, self._settings.max_body_bytes)
        event = contract.decode(body)
        if attrgetter(contract.key.name)(event) != wanted:
            raise ContractViolation(
                stream, contract.key.name, "the key that is in the path", "another one"
            )
        change = await self._shell.correct(principal.tenant, stream, event, body)
        if change is Change.NO_EVENT:
            raise EventNotFound
        if change is Change.WAS_RETRACTED:
            raise EventRetracted
        return self._changed(stream, change)

    def _contract(self, stream: str) -> Contract[Event]:
        contract = self._streams.get(stream)
        if contract is None:
            raise StreamNotFound
        return contract

    def _changed(self, stream: str, change: Change) -> HttpAnswer:
        self._metrics.count_events(stream, change.value, 1)
        status = 202 if change is Change.HELD else 200
        return HttpAnswer(status, _JSON, _encode({"status": change.value}))

    def _quarantine(self, tenant: str, stream: str, rejected: list[Rejected]) -> list[Entry]:
        """Make an entry per refused row; one that came before, as in a retry, is not repeated."""
        source = f"POST /v1/events/{stream}"
        entries: list[Entry] = []
        for row, violation in rejected:
            digest = sha256(f"{tenant}\0{stream}\0".encode() + row.body).digest()
            if digest in self._refused:
                continue
            if len(self._refused) >= REFUSALS_REMEMBERED:
                self._refused.clear()
            self._refused.add(digest)
            refused = refused_line(row.line, row.body, violation)
            if self._streams[stream].subject is not None:
                refused = without_content(refused)
            entries.append(quarantine_entry(tenant, stream, source, refused))
        return entries


def _key_from(path: str, contract: Contract[Event]) -> EventKey:
    if not path:
        raise RouteNotFound  # a key was left out, not meant to be empty
    return contract.key_from_text(path)


def _document(rejected: Rejected) -> RejectedDocument:
    violation = rejected.violation
    return RejectedDocument(
        rejected.row.line,
        violation.code,
        violation.field[:100],
        violation.expected,
        violation.found,
    )
