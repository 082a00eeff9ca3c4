"""The rows of an export: a record with its request, its review, an erasure.

Personal content stands in `personal`, apart from the event: `[encrypted]` unless it is asked for in
the clear, and what is erased says so then, too.
"""

from collections.abc import Callable, Mapping
from typing import cast

import msgspec
import numpy as np

from kingpost.contracts import Instant, Vault, Withheld, split_body
from kingpost.core import id_text
from kingpost.features import Erasure
from kingpost.journal import Entry
from kingpost.records import DecisionRecord, Review

__all__ = ["COLUMNS", "ErasureRow", "RecordRow", "ReviewRow", "Rows"]

FeatureNames = Callable[[str, bytes], tuple[str, ...] | None]


class RecordRow(msgspec.Struct, frozen=True):
    """A record; times are ISO 8601, digests hex.

    Attributes:
        position: Where in the journal the record lies.
        event: The request without its personal fields; null when it is not kept.
        personal: Its personal fields.
    """

    id: str
    at: str
    event_time: str
    tenant: str
    decision: str
    bundle: str
    model: str
    role: str
    outcome: str
    answer: msgspec.Raw
    confidence: float | None
    reason: str
    principal: str
    trace_id: str
    session: str | None
    idempotency_key: str | None
    position: str
    features_as_of: str
    event_key: str
    event_position: str
    request_digest: str
    event: msgspec.Raw
    personal: dict[str, str | None]
    features: dict[str, float | None]
    unavailable: tuple[str, ...]
    no_consent: tuple[str, ...]
    is_cached: bool


COLUMNS: Mapping[str, str] = {
    name: {"confidence": "DOUBLE", "is_cached": "BOOLEAN", "at": "TIMESTAMP",
           "event_time": "TIMESTAMP", "unavailable": "VARCHAR[]", "no_consent": "VARCHAR[]",
           "answer": "JSON", "event": "JSON", "personal": "JSON", "features": "JSON"}.get(
        name, "VARCHAR"
    )
    for name in RecordRow.__struct_fields__
}  # fmt: skip
"""The columns of the Parquet file, with their types in DuckDB; JSON is text there."""


class ReviewRow(msgspec.Struct, frozen=True):
    """What a person said of an exported record."""

    record: str
    decision: str
    verdict: str
    positive: bool
    reason: str
    by: str
    at: str


class ErasureRow(msgspec.Struct, frozen=True):
    """Whose content was erased, whenever that was."""

    tenant: str
    entity: str
    key: str
    position: str
    at: str
    by: str
    reason: str


class Rows:
    """Makes rows of a partition.

    Args:
        names: Gives the features' names of a bundle; None when it is not known here.
        vault: Opens personal content; None leaves it encrypted.
    """

    def __init__(self, partition: str, names: FeatureNames, vault: Vault | None) -> None:
        self._partition, self._names, self._vault = partition, names, vault

    def record(self, record: DecisionRecord, offset: int, asked: Entry | None) -> RecordRow:
        """Make the row of a record.

        Raises:
            KingpostError: Personal content was altered.
        """
        clear, personal = b"null", dict[str, str | None]()
        if asked is not None:
            clear, personal = self._request(asked)
        values = cast("list[float]", np.frombuffer(record.features, "<f8").tolist())
        names = self._names(record.decision, record.bundle)
        if names is None or len(names) != len(values):
            names = tuple(str(at) for at in range(len(values)))
        return RecordRow(
            id=id_text(record.id),
            at=_moment(record.at_us),
            event_time=_moment(record.event_time_us),
            tenant=record.tenant,
            decision=record.decision,
            bundle=record.bundle.hex(),
            model=record.model.hex(),
            role=record.role.value,
            outcome=record.outcome.value,
            answer=msgspec.Raw(record.answer),
            confidence=record.confidence,
            reason=record.reason,
            principal=record.principal,
            trace_id=record.trace_id,
            session=record.session,
            idempotency_key=record.idempotency_key,
            position=f"{self._partition}:{offset}",
            features_as_of=record.position,
            event_key=record.event_key,
            event_position=f"{self._partition}:{record.event_offset}",
            request_digest=record.request_digest.hex(),
            event=msgspec.Raw(clear),
            personal=personal,
            features={
                name: None if np.isnan(value) else value
                for name, value in zip(names, values, strict=True)
            },
            unavailable=record.unavailable,
            no_consent=record.no_consent,
            is_cached=record.is_cached,
        )

    def review(self, review: Review) -> ReviewRow:
        """Make the row of a review."""
        return ReviewRow(
            id_text(review.record),
            review.decision,
            review.verdict,
            review.positive,
            review.reason,
            review.by,
            _moment(review.at_us),
        )

    def erasure(self, tenant: str, one: Erasure) -> ErasureRow:
        """Make the row of an erasure."""
        position = f"{self._partition}:{one.offset}"
        return ErasureRow(
            tenant, one.entity, one.key, position, _moment(one.at_us), one.by, one.reason
        )

    def _request(self, asked: Entry) -> tuple[bytes, dict[str, str | None]]:
        clear, part = split_body(asked.body)
        if part is None:
            return clear, {}
        if self._vault is not None:
            opened = self._vault.open(asked.topic, clear, part).items()
            return clear, {name: None if one is None else str(one) for name, one in opened}
        return clear, dict.fromkeys(
            (*part.fields, *part.digests, *part.dropped), str(Withheld.ENCRYPTED)
        )


def _moment(at_us: int) -> str:
    return Instant(at_us).isoformat()
