"""The id of a stored record without decoding it."""

import msgspec
import pytest

from kingpost.records import InferenceRecord, encode_inference, encode_record, id_in
from tests.decision_records import RECORD


def test_it_is_the_id_of_the_record_that_was_stored() -> None:
    asked = InferenceRecord(
        format=2,
        id=bytes(range(16)),
        at_us=1,
        model="fraud.model",
        bundle=bytes(32),
        artefact=bytes(32),
        principal="ann",
        tenant="acme",
        trace_id="",
        session=None,
        rows=1,
        inputs_digest=bytes(32),
        scores_digest=bytes(32),
    )

    assert id_in("record", encode_record(RECORD)) == RECORD.id
    assert id_in("inference", encode_inference(asked)) == asked.id


def test_a_long_and_a_short_array_say_it_too() -> None:
    encode = msgspec.msgpack.encode

    assert id_in("record", encode([1, bytes(range(16))])) == bytes(range(16))
    assert id_in("record", encode([1, bytes(range(16)), *range(70_000)])) == bytes(range(16))


@pytest.mark.parametrize("body", [b"", b"\x92", b"{}", b"\xdc\x00\x1a\x05\xc4\x10short"])
def test_anything_else_has_none(body: bytes) -> None:
    assert id_in("record", body) is None
    assert id_in("event", encode_record(RECORD)) is None
