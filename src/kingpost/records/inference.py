"""The inference record: a model asked directly, without the decision that it belongs to.

Who had scores of which model, for how many rows, and a digest of both ends: enough to hold
an answer against what was given, and to see who asks how much. The values themselves are
not kept.
"""

from typing import Literal

import msgspec

from kingpost.records.record import NewerRecord

__all__ = ["INFERENCE_FORMAT", "InferenceRecord", "decode_inference", "encode_inference"]

INFERENCE_FORMAT = 2


class InferenceRecord(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """One request to a model.

    Attributes:
        id: UUIDv7, 16 bytes.
        at_us: When it was answered, microseconds UTC.
        model: The name it was asked by, such as `fraud.model`.
        bundle: SHA-256 digest of the approved bundle that it belongs to, 32 bytes.
        artefact: SHA-256 digest of the model artefact, 32 bytes.
        principal: Id of the API key or user that asked.
        rows: How many it asked for.
        inputs_digest: SHA-256 of the rows as the model took them: float32, little-endian,
            row by row.
        scores_digest: SHA-256 of what it gave: float64, little-endian.
        cached: Of how many rows the score was not computed for them, but for an equal row of the
            same tenant and model, before or beside them. Format 1 did not have it.
    """

    format: Literal[1, 2]
    id: bytes
    at_us: int
    model: str
    bundle: bytes
    artefact: bytes
    principal: str
    tenant: str
    trace_id: str
    session: str | None
    rows: int
    inputs_digest: bytes
    scores_digest: bytes
    cached: int = 0


encode_inference = msgspec.msgpack.Encoder().encode
"""Write a record as a MessagePack array."""

_decoder = msgspec.msgpack.Decoder(InferenceRecord)


def decode_inference(body: bytes) -> InferenceRecord:
    """Read a record of this format or an earlier one.

    Raises:
        NewerRecord: Its format is not known here.
    """
    try:
        record = _decoder.decode(body)
    except msgspec.ValidationError as error:
        raise NewerRecord(str(error)) from error
    return record if record.format == 2 else msgspec.structs.replace(record, format=2)
