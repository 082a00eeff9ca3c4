"""The tokens that a decision used: what its model asked of other models, such as language models.

A journal entry of its own, kind `usage`, with the decision's name as its topic, durable with
the record that it belongs to. A decision that used none has none, and takes no byte more.
"""

from typing import Literal

import msgspec

from kingpost.records.record import NewerRecord

__all__ = ["ModelTokens", "RecordUsage", "decode_usage", "encode_usage"]


class ModelTokens(msgspec.Struct, array_like=True, frozen=True):
    """Tokens that a model read and wrote."""

    model: str
    input_tokens: int
    output_tokens: int


class RecordUsage(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """What one record used; a batch shares its tokens among its requests.

    Attributes:
        record: Id of the decision's record, 16 bytes.
        at_us: When it was decided, as in the record.
    """

    format: Literal[1] = 1
    record: bytes
    at_us: int
    tokens: tuple[ModelTokens, ...]


encode_usage = msgspec.msgpack.Encoder().encode
"""Write a usage as a MessagePack array."""

_decoder = msgspec.msgpack.Decoder(RecordUsage)


def decode_usage(body: bytes) -> RecordUsage:
    """Read a usage.

    Raises:
        NewerRecord: Its format is not known here.
    """
    try:
        return _decoder.decode(body)
    except msgspec.ValidationError as error:
        raise NewerRecord(str(error)) from error
