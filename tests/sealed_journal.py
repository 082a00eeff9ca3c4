"""A journal of small segments on the machine's disk, with records, inferences and reviews."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from kingpost.core import Clock, SystemDisk
from kingpost.decisions import DataDirectory
from kingpost.features import Erasure, encode_erasure
from kingpost.journal import Entry, Journal
from kingpost.records import (
    RECORD_FORMAT,
    DecisionRecord,
    InferenceRecord,
    Outcome,
    Review,
    Role,
    Stages,
    encode_inference,
    encode_record,
    encode_review,
)
from tests.stopped_clock import StoppedClock

__all__ = ["NAMES", "START_US", "SealedJournal", "names_of"]

START_US = 1_790_000_000_000_000
NAMES = ("amount", "count_1h")
SEGMENT_BYTES = 64 * 1024
_BUNDLE, _MODEL = b"\x01" * 32, b"\x02" * 32


def names_of(decision: str, bundle: bytes) -> Sequence[str]:
    """Name the features of every bundle."""
    return NAMES


class SealedJournal:
    """Writes a data directory."""

    def __init__(self, root: Path, *, clock: Clock | None = None) -> None:
        self.where, self.disk = DataDirectory(root), SystemDisk()
        self._number = 0
        self._journal = Journal.open(
            self.where.data,
            disk=self.disk,
            clock=clock or StoppedClock(),
            segment_bytes=SEGMENT_BYTES,
        )

    def close(self) -> None:
        """Release the journal."""
        self._journal.close()

    def decide(self, count: int = 1, *, principal: str = "key-1", role: Role | None = None) -> None:
        """Write some requests with their records, every tenth without features."""
        for _ in range(count):
            number = self._number = self._number + 1
            failed = number % 10 == 0
            record = DecisionRecord(
                format=RECORD_FORMAT,
                id=number.to_bytes(16),
                at_us=START_US + number * 1_000_000,
                decision="fraud",
                bundle=_BUNDLE,
                model=_MODEL,
                principal=principal,
                tenant="acme",
                trace_id=f"{number:032x}",
                session=None if number % 2 else f"s-{number}",
                idempotency_key=None,
                request_digest=bytes(32),
                event_key=f"p-{number}",
                event_offset=2 * number,
                position=f"data:{2 * number}",
                features=b"" if failed else np.array([float(number), np.nan], "<f8").tobytes(),
                unavailable=("count_1h",),
                answer=b"null" if failed else b'{"fraud":true}',
                confidence=float("nan") if failed else 0.75,
                outcome=Outcome.FAILED if failed else Outcome.DECIDED,
                reason="no model" if failed else "",
                stages=Stages(1, 2, 3, 4),
                event_time_us=START_US + number,
                role=role or Role.CHAMPION,
            )
            kind = "record" if role is None else "shadow"
            self._journal.append(
                [
                    Entry("events", "acme", "payment", b"x" * 100, 3),
                    Entry(kind, "acme", "fraud", encode_record(record)),
                ]
            )

    def decide_about(self, customer: str, *, key: str, role: Role | None = None) -> bytes:
        """Write a request that names a customer, with its record; return the record's id."""
        self._number += 1
        identifier = self._number.to_bytes(16)
        request = f'{{"id":"{key}","customer":"{customer}","member":7,"amount":2.5}}'.encode()
        offset = self._journal.next_offset
        record = DecisionRecord(
            format=RECORD_FORMAT,
            id=identifier,
            at_us=START_US + self._number * 1_000_000,
            decision="fraud",
            bundle=_BUNDLE,
            model=_MODEL,
            principal="key-1",
            tenant="acme",
            trace_id=f"{self._number:032x}",
            session=f"of {customer}",
            idempotency_key=f"retry of {customer}",
            request_digest=bytes(32),
            event_key=key,
            event_offset=offset,
            position=f"data:{offset}",
            features=np.array([77.25, 3.0], "<f8").tobytes(),
            unavailable=(),
            answer=b'{"fraud":true}',
            confidence=0.75,
            outcome=Outcome.DECIDED,
            reason="",
            stages=Stages(1, 2, 3, 4),
            event_time_us=START_US + self._number,
        )
        self._journal.append(
            [
                Entry("event", "acme", "payment", request),
                Entry("record", "acme", "fraud", encode_record(record)),
            ]
        )
        if role is not None:
            shadow = msgspec.structs.replace(record, role=role)
            self._journal.append([Entry("shadow", "acme", "fraud", encode_record(shadow))])
        return identifier

    def erase(self, customer: str, *, entity: str = "customer", tenant: str = "acme") -> int:
        """Write that a customer was erased; return where."""
        offset = self._journal.next_offset
        erasure = Erasure(offset, entity, customer, START_US, "key-9", "")
        self._journal.append([encode_erasure(tenant, erasure)])
        return offset

    def ask(self) -> None:
        """Write an inference."""
        asked = InferenceRecord(
            format=2,
            id=b"\x09" * 16,
            at_us=START_US,
            model="fraud.model",
            bundle=_BUNDLE,
            artefact=_MODEL,
            principal="key-2",
            tenant="acme",
            trace_id="",
            session=None,
            rows=7,
            inputs_digest=bytes(32),
            scores_digest=bytes(32),
            cached=2,
        )
        self._journal.append([Entry("inference", "acme", "fraud", encode_inference(asked))])

    def review(self, record: bytes = (1).to_bytes(16)) -> None:
        """Write a review of a record, the first one if none is named."""
        said = Review(
            format=1,
            record=record,
            decision="fraud",
            verdict="overridden",
            positive=False,
            reason="I know them",
            by="Ann",
            at_us=START_US,
            task="t",
        )
        self._journal.append([Entry("review", "acme", "fraud", encode_review(said))])
