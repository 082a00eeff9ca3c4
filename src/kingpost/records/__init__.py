"""What was decided, why, with what and by whom: the record of every decision."""

from kingpost.records.errors import RecordSearchFailed
from kingpost.records.identifiers import id_in
from kingpost.records.index import RecordIndex, StoredRecord
from kingpost.records.inference import (
    INFERENCE_FORMAT,
    InferenceRecord,
    decode_inference,
    encode_inference,
)
from kingpost.records.record import (
    RECORD_FORMAT,
    DecisionRecord,
    NewerRecord,
    Outcome,
    Role,
    Stages,
    decode_record,
    encode_record,
)
from kingpost.records.review import (
    NewerReview,
    Review,
    ReviewVerdict,
    decode_review,
    encode_review,
)
from kingpost.records.search import (
    JoinedLabel,
    KnownLabel,
    RecordLine,
    RecordQuery,
    RecordSearch,
)
from kingpost.records.store_memory import MemoryRecords
from kingpost.records.store_sqlite import RECORD_MIGRATIONS, SqliteRecords
from kingpost.records.usage import ModelTokens, RecordUsage, decode_usage, encode_usage

__all__ = [
    "INFERENCE_FORMAT",
    "RECORD_FORMAT",
    "RECORD_MIGRATIONS",
    "DecisionRecord",
    "InferenceRecord",
    "JoinedLabel",
    "KnownLabel",
    "MemoryRecords",
    "ModelTokens",
    "NewerRecord",
    "NewerReview",
    "Outcome",
    "RecordIndex",
    "RecordLine",
    "RecordQuery",
    "RecordSearch",
    "RecordSearchFailed",
    "RecordUsage",
    "Review",
    "ReviewVerdict",
    "Role",
    "SqliteRecords",
    "Stages",
    "StoredRecord",
    "decode_inference",
    "decode_record",
    "decode_review",
    "decode_usage",
    "encode_inference",
    "encode_record",
    "encode_review",
    "encode_usage",
    "id_in",
]
