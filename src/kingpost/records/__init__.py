"""What was decided, why, with what and by whom: the record of every decision."""

from kingpost.records.index import RecordIndex, StoredRecord
from kingpost.records.record import (
    RECORD_FORMAT,
    DecisionRecord,
    NewerRecord,
    Outcome,
    Stages,
    decode_record,
    encode_record,
)

__all__ = [
    "RECORD_FORMAT",
    "DecisionRecord",
    "NewerRecord",
    "Outcome",
    "RecordIndex",
    "Stages",
    "StoredRecord",
    "decode_record",
    "encode_record",
]
