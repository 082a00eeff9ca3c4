"""Records and reviews come back as they were written, and so do those of format 1."""

import msgspec
import pytest

from kingpost.records import (
    RECORD_FORMAT,
    DecisionRecord,
    NewerRecord,
    NewerReview,
    Outcome,
    Review,
    Stages,
    decode_record,
    decode_review,
    encode_record,
    encode_review,
)

RECORD = DecisionRecord(
    format=RECORD_FORMAT,
    id=bytes(range(16)),
    at_us=1_800_000_000_000_000,
    decision="fraud",
    bundle=b"b" * 32,
    model=b"m" * 32,
    principal="key-1",
    tenant="acme",
    trace_id="0" * 32,
    session="s1",
    idempotency_key=None,
    request_digest=bytes(32),
    event_key="p1",
    event_offset=6,
    position="data:6",
    features=bytes(16),
    unavailable=("mean_1d",),
    answer=b'{"fraud":true,"score":0.9}',
    confidence=0.9,
    outcome=Outcome.DECIDED,
    reason="",
    stages=Stages(1, 2, 3, 4),
    event_time_us=1_533_124_800_000_000,
)
REVIEW = Review(
    format=1,
    record=bytes(range(16)),
    decision="fraud",
    verdict="overridden",
    positive=False,
    reason="I know them",
    by="Ann",
    at_us=1_800_000_000_000_000,
    task="t1",
)


def fields_of(record: DecisionRecord) -> list[object]:
    fields: list[object] = msgspec.msgpack.decode(encode_record(record))
    return fields


def test_a_record_comes_back_as_it_was_written() -> None:
    assert decode_record(encode_record(RECORD)) == RECORD


def test_a_record_of_format_1_happened_when_it_was_decided() -> None:
    before = [1, *fields_of(RECORD)[1:-4]]

    found = decode_record(msgspec.msgpack.encode(before))

    expected = msgspec.structs.replace(RECORD, event_time_us=RECORD.at_us)
    assert (found.format, found) == (5, expected)


def test_a_record_of_format_2_lacked_no_consent() -> None:
    before = [2, *fields_of(RECORD)[1:-3]]

    found = decode_record(msgspec.msgpack.encode(before))

    assert (found.no_consent, found) == ((), RECORD)


def test_a_record_of_format_4_had_its_own_score() -> None:
    before = [4, *fields_of(RECORD)[1:-1]]

    found = decode_record(msgspec.msgpack.encode(before))

    assert (found.is_cached, found) == (False, RECORD)


def test_a_record_of_a_newer_format_is_refused() -> None:
    newer = [6, *fields_of(RECORD)[1:]]

    with pytest.raises(NewerRecord, match="upgrade Kingpost"):
        decode_record(msgspec.msgpack.encode(newer))


def test_a_review_comes_back_as_it_was_written() -> None:
    assert decode_review(encode_review(REVIEW)) == REVIEW


def test_a_review_of_a_newer_format_is_refused() -> None:
    fields: list[object] = msgspec.msgpack.decode(encode_review(REVIEW))

    with pytest.raises(NewerReview, match="upgrade Kingpost"):
        decode_review(msgspec.msgpack.encode([2, *fields[1:]]))
