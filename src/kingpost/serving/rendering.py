"""Records as JSON: the answer a caller gets, and the whole record for who may read it.

The rule: an answer is rendered from its record alone, by one function, so that a retry,
today or after a restart, gets the same bytes.
"""

from collections.abc import Sequence
from datetime import timedelta
from functools import lru_cache

import msgspec
import numpy as np

from kingpost.contracts import EPOCH
from kingpost.core import id_text
from kingpost.decisions import Exposure, shown_of
from kingpost.records import DecisionRecord, RecordLine
from kingpost.serving.review_documents import (
    LabelDocument,
    ReviewDocument,
    label_document,
    review_document,
)

__all__ = ["AnswerDocument", "RecordDocument", "render_answer", "render_record"]

_encode = msgspec.json.Encoder().encode


class AnswerDocument(msgspec.Struct):
    """What a caller gets; `confidence` is null where the decision does not show it."""

    id: str
    decision: str
    outcome: str
    answer: msgspec.Raw
    confidence: float | None
    reason: str
    position: str
    bundle: str


class EventDocument(msgspec.Struct):
    """The event that asked."""

    key: str
    position: str
    digest: str
    body: msgspec.Raw


class StagesDocument(msgspec.Struct):
    """Microseconds per stage."""

    queue: int
    features: int
    model: int
    gate: int


class RecordDocument(msgspec.Struct):
    """A whole record; `features` maps names to values, null where there was none.

    `answer` is what was answered; where a person reviewed it, `review` has what stands.
    `is_cached` says that its score was computed for an equal row, before or beside it.
    """

    id: str
    at: str
    event_time: str
    decision: str
    outcome: str
    answer: msgspec.Raw
    confidence: float | None
    reason: str
    position: str
    bundle: str
    role: str
    model: str
    principal: str
    tenant: str
    trace_id: str
    session: str | None
    idempotency_key: str | None
    event: EventDocument
    features: dict[str, float | None]
    unavailable: tuple[str, ...]
    no_consent: tuple[str, ...]
    is_cached: bool
    stages_us: StagesDocument
    review: ReviewDocument | None
    label: LabelDocument | None


def render_answer(
    record: DecisionRecord, exposure: Exposure | None = None, *, identifier: str | None = None
) -> bytes:
    """Render the answer that a record stands for.

    Args:
        exposure: What its caller sees of it; all of it when None.
        identifier: The record's id as text, where it is at hand.
    """
    shown = record if exposure is None else shown_of(record, exposure)
    return _encode(
        AnswerDocument(
            identifier or id_text(record.id),
            record.decision,
            record.outcome,
            msgspec.Raw(shown.answer),
            shown.confidence,
            shown.reason,
            record.position,
            _hex(record.bundle),
        )
    )


def render_record(
    record: DecisionRecord,
    names: Sequence[str] | None,
    body: bytes | None,
    line: RecordLine | None = None,
    exposure: Exposure | None = None,
) -> bytes:
    """Render a whole record.

    Args:
        names: The features' names in the order of the record's bundle; None when the
            bundle is not known here, and then they are numbered.
        body: The request that asked; None when it is not kept.
        line: What the search knows of it; None when it knows nothing.
        exposure: What its reader sees of it; all of it when None.
    """
    values = np.frombuffer(record.features, "<f8").tolist()
    if names is None or len(names) != len(values):
        names = [str(at) for at in range(len(values))]
    shown = record if exposure is None else shown_of(record, exposure)
    partition = record.position.partition(":")[0]
    return _encode(
        RecordDocument(
            id=id_text(record.id),
            at=_moment(record.at_us),
            event_time=_moment(record.event_time_us),
            decision=record.decision,
            outcome=record.outcome,
            answer=msgspec.Raw(shown.answer),
            confidence=shown.confidence,
            reason=shown.reason,
            position=record.position,
            bundle=record.bundle.hex(),
            role=record.role,
            model=record.model.hex(),
            principal=record.principal,
            tenant=record.tenant,
            trace_id=record.trace_id,
            session=record.session,
            idempotency_key=record.idempotency_key,
            event=EventDocument(
                record.event_key,
                f"{partition}:{record.event_offset}",
                record.request_digest.hex(),
                msgspec.Raw(body or b"null"),
            ),
            features=dict(zip(names, values, strict=True)),
            unavailable=record.unavailable,
            no_consent=record.no_consent,
            is_cached=record.is_cached,
            stages_us=StagesDocument(*msgspec.structs.astuple(record.stages)),
            review=review_document(line),
            label=label_document(line),
        )
    )


@lru_cache(maxsize=64)
def _hex(digest: bytes) -> str:
    return digest.hex()


def _moment(at_us: int) -> str:
    return (EPOCH + timedelta(microseconds=at_us)).isoformat().replace("+00:00", "Z")
