"""What the engine is asked, and what it says at once."""

from typing import NamedTuple

from kingpost.contracts import Event
from kingpost.core import KingpostError
from kingpost.records import DecisionRecord

__all__ = ["Ask", "Ingested", "Reply"]


class Ask(NamedTuple):
    """One request, let in and checked against its contract."""

    decision: str
    tenant: str
    principal: str
    event: Event
    body: bytes
    trace_id: str
    session: str | None
    idempotency_key: str | None
    arrived_ns: int


class Reply(NamedTuple):
    """What became of a request: its record, where an earlier record lies, or an error."""

    record: DecisionRecord | None = None
    repeats: int | None = None
    error: KingpostError | None = None


class Ingested(NamedTuple):
    """What became of a list of events."""

    accepted: int
    duplicates: int
