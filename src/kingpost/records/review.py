"""A review: what a person said of a decision, for good.

A journal entry of its own, kind `review`, with the decision's name as its topic. The record
stays what was answered; of several reviews of one record the last one stands.
"""

from typing import Literal

import msgspec

from kingpost.core import KingpostError

__all__ = ["NewerReview", "Review", "ReviewVerdict", "decode_review", "encode_review"]

ReviewVerdict = Literal["approved", "overridden"]


class Review(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """One person's word on one decision.

    Attributes:
        record: Id of the decision's record, 16 bytes.
        verdict: Whether the model's answer was let stand.
        positive: The answer that stands from now on.
        reason: In the person's own words; may be empty for an approval.
        by: Who said it.
        at_us: When, by the wall clock, microseconds UTC.
        task: Id of the task that asked for it; empty when nobody had asked.
    """

    format: Literal[1]
    record: bytes
    decision: str
    verdict: ReviewVerdict
    positive: bool
    reason: str
    by: str
    at_us: int
    task: str


class NewerReview(KingpostError):
    """A review that a newer version wrote."""

    code = "newer_review"

    def __init__(self, found: str) -> None:
        super().__init__(found)
        self.found = found

    def __str__(self) -> str:
        return f"a stored review cannot be read by this version: {self.found}; upgrade Kingpost"


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Review)


def encode_review(review: Review) -> bytes:
    """Write a review as a MessagePack array."""
    return _encoder.encode(review)


def decode_review(body: bytes) -> Review:
    """Read a review.

    Raises:
        NewerReview: Its format is not known here.
    """
    try:
        return _decoder.decode(body)
    except msgspec.ValidationError as error:
        raise NewerReview(str(error)) from error
