"""A decision record, for tests of what is made of one."""

from kingpost.records import DecisionRecord, Outcome, Stages

__all__ = ["RECORD"]

RECORD = DecisionRecord(
    format=3, id=bytes(16), at_us=1, decision="fraud", bundle=bytes(32), model=bytes(32),
    principal="a1", tenant="acme", trace_id="", session=None, idempotency_key=None,
    request_digest=bytes(32), event_key="p1", event_offset=0, position="data:0", features=b"",
    unavailable=(), answer=b'{"fraud":true,"score":0.876543}', confidence=0.876543,
    outcome=Outcome.DECIDED, reason="amount above 3000; review by desk", stages=Stages(0, 0, 0, 0),
)  # fmt: skip
