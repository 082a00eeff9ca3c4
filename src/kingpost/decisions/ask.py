"""What the engine is asked, and what it says at once."""

from enum import Enum
from typing import NamedTuple

import msgspec

from kingpost.contracts import Event
from kingpost.core import KingpostError
from kingpost.records import DecisionRecord

__all__ = ["Ask", "Change", "Ingested", "Reply"]


class Ask(msgspec.Struct, frozen=True):
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


class Reply(msgspec.Struct, frozen=True):
    """What became of a request: its record, where an earlier record lies, or an error."""

    record: DecisionRecord | None = None
    repeats: int | None = None
    error: KingpostError | None = None


class Ingested(NamedTuple):
    """What became of a list of events.

    Attributes:
        accepted: Events recorded, those among them that were retracted before they came.
    """

    accepted: int
    duplicates: int


class Change(Enum):
    """What became of a retraction or a correction."""

    RETRACTED = "retracted"
    CORRECTED = "corrected"
    HELD = "held"
    """No event of that key has come; when one does, it will not count."""
    UNCHANGED = "unchanged"
    """It was retracted before, or is as the correction says."""
    NO_EVENT = "no_event"
    """A correction of what never came; nothing was written."""
    WAS_RETRACTED = "was_retracted"
    """A correction of what was retracted; nothing was written."""
    NOT_YET = "not_yet"
    """What is held is not durable yet: ask again when all that was written is."""
