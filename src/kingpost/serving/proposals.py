"""What a record answered, read back from its JSON."""

from typing import NamedTuple

import msgspec

from kingpost.records import DecisionRecord

__all__ = ["Proposal", "proposal_of"]

_decode = msgspec.json.Decoder(dict[str, bool | float | None] | None).decode


class Proposal(NamedTuple):
    """An answer: the field it is about, and whether it is positive."""

    label: str
    positive: bool

    def __str__(self) -> str:
        return self.label if self.positive else f"not {self.label}"


def proposal_of(record: DecisionRecord) -> Proposal | None:
    """Return what a record answered; None when it gave no answer."""
    answer = _decode(record.answer)
    if not answer:
        return None
    label, value = next(iter(answer.items()))  # the score is the second
    return Proposal(label, value is True)
