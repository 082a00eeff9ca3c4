"""The decision record: one per decision made, all that can later be asked of it.

Why, with what, by whom, how long it took. Everything that watches, audits or replays is
a reader of these records. A record lies in the journal in the same commit as the event
that asked for it.
"""

from enum import StrEnum
from typing import Literal

import msgspec

from kingpost.core import KingpostError

__all__ = [
    "RECORD_FORMAT",
    "DecisionRecord",
    "NewerRecord",
    "Outcome",
    "Role",
    "Stages",
    "decode_record",
    "encode_record",
]

RECORD_FORMAT = 5


class Outcome(StrEnum):
    """How a decision ended."""

    DECIDED = "decided"
    FALLBACK = "fallback"
    REVIEW = "review"
    REFUSED = "refused"
    FAILED = "failed"


class Role(StrEnum):
    """Which bundle of a release made a record."""

    CHAMPION = "champion"
    CANARY = "canary"
    SHADOW = "shadow"
    """Its answer went to nobody: another record of the same id has the one that did."""


class Stages(msgspec.Struct, array_like=True, frozen=True):
    """Microseconds spent; a batch shares its time among its requests."""

    queue_us: int
    features_us: int
    model_us: int
    gate_us: int


class DecisionRecord(msgspec.Struct, array_like=True, frozen=True):
    """One decision, as made.

    Attributes:
        id: UUIDv7, 16 bytes; greater than every id before it in the journal.
        at_us: When it was decided, microseconds UTC.
        bundle: SHA-256 digest of the approved bundle that ran, 32 bytes.
        model: SHA-256 digest of the model artefact, 32 bytes.
        principal: Id of the API key or user that asked.
        request_digest: SHA-256 of the request body.
        event_key: The key of the request's event, as text.
        event_offset: Where in the data partition the request's body lies.
        position: The position its features were read at, as text.
        features: Their values, float64 little-endian, in the bundle's order.
        unavailable: Names of features that have no value.
        answer: The answer in JSON, exactly as sent.
        reason: Why the outcome is not `decided`; empty when it is.
        event_time_us: When the request's event happened, microseconds UTC. Format 1 did
            not have it; such a record reads as if that was when it was decided.
        no_consent: Purposes that the request's entity did not consent to; the features that
            need it are unavailable. Formats 1 and 2 did not have it.
        role: Which bundle of a release made it. Formats 1 to 3 did not have it.
        is_cached: Its score was not computed for it, but for an equal row of the same tenant
            and model, before or beside it. Formats 1 to 4 did not have it.
    """

    format: Literal[1, 2, 3, 4, 5]
    id: bytes
    at_us: int
    decision: str
    bundle: bytes
    model: bytes
    principal: str
    tenant: str
    trace_id: str
    session: str | None
    idempotency_key: str | None
    request_digest: bytes
    event_key: str
    event_offset: int
    position: str
    features: bytes
    unavailable: tuple[str, ...]
    answer: bytes
    confidence: float
    outcome: Outcome
    reason: str
    stages: Stages
    event_time_us: int = 0
    no_consent: tuple[str, ...] = ()
    role: Role = Role.CHAMPION
    is_cached: bool = False


class NewerRecord(KingpostError):
    """A record that a newer version wrote."""

    code = "newer_record"

    def __init__(self, found: str) -> None:
        super().__init__(found)
        self.found = found

    def __str__(self) -> str:
        return (
            f"a stored decision record cannot be read by this version (format {RECORD_FORMAT}): "
            f"{self.found}; upgrade Kingpost"
        )


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(DecisionRecord)

encode_record = _encoder.encode
"""Write a record as a MessagePack array."""


def decode_record(body: bytes) -> DecisionRecord:
    """Read a record of this format or an earlier one.

    Raises:
        NewerRecord: Its format is not known here.
    """
    try:
        record = _decoder.decode(body)
    except msgspec.ValidationError as error:
        raise NewerRecord(str(error)) from error
    if record.format == 1:
        return msgspec.structs.replace(record, format=5, event_time_us=record.at_us)
    return record if record.format == 5 else msgspec.structs.replace(record, format=5)
