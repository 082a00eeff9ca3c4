"""An answer is its record's, byte for byte, also after a journey through the journal."""

import json
from array import array

from kingpost.records import (
    RECORD_FORMAT,
    DecisionRecord,
    Outcome,
    Stages,
    decode_record,
    encode_record,
)
from kingpost.serving import render_answer, render_record

RECORD = DecisionRecord(
    format=RECORD_FORMAT,
    id=bytes.fromhex("0199f2a07c007000800000000000002a"),
    at_us=1_533_124_800_250_000,
    decision="fraud",
    bundle=b"b" * 32,
    model=b"m" * 32,
    principal="k1",
    tenant="acme",
    trace_id="0" * 32,
    session=None,
    idempotency_key=None,
    request_digest=b"d" * 32,
    event_key="p1",
    event_offset=7,
    position="data:7",
    features=array("d", [1.5, float("nan")]).tobytes(),
    unavailable=("limit",),
    answer=b'{"fraud":true,"score":0.1}',
    confidence=0.1 + 0.2,
    outcome=Outcome.REVIEW,
    reason="confidence below 0.75",
    stages=Stages(1, 2, 3, 4),
)


def test_an_answer_is_the_same_bytes_after_the_journal() -> None:
    before = render_answer(RECORD)

    assert render_answer(decode_record(encode_record(RECORD))) == before
    assert json.loads(before) == {
        "id": "0199f2a0-7c00-7000-8000-00000000002a",
        "decision": "fraud",
        "outcome": "review",
        "answer": {"fraud": True, "score": 0.1},
        "confidence": 0.1 + 0.2,
        "reason": "confidence below 0.75",
        "position": "data:7",
        "bundle": "62" * 32,
    }


def test_a_record_names_its_features_and_shows_what_was_missing() -> None:
    record = json.loads(render_record(RECORD, ["amount", "limit"], b'{"id":"p1"}'))

    assert record["at"] == "2018-08-01T12:00:00.250000Z"
    assert record["features"] == {"amount": 1.5, "limit": None}
    assert record["unavailable"] == ["limit"]
    assert record["event"] == {
        "key": "p1",
        "position": "data:7",
        "digest": "64" * 32,
        "body": {"id": "p1"},
    }
    assert record["stages_us"] == {"queue": 1, "features": 2, "model": 3, "gate": 4}


def test_a_record_of_an_unknown_bundle_numbers_its_features() -> None:
    for names in (None, ["only one"]):
        record = json.loads(render_record(RECORD, names, None))
        assert record["features"] == {"0": 1.5, "1": None}
        assert record["event"]["body"] is None
