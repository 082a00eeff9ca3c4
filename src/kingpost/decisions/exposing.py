"""What callers see of a decision's answers, and how many of them they may collect.

    kp.decision(…, exposure=kp.exposure(score_digits=2, budget="1000/d", entity="customer"))

The rule: the record keeps what was decided in full; who asks sees what is said here. So an
answer can be replayed and audited to the bit, and a model cannot be rebuilt from answers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from typing import Literal, NamedTuple, get_args

import msgspec

from kingpost.core import BadRate, Rate, caller_place, rate_of
from kingpost.decisions.errors import WrongDecision
from kingpost.records import DecisionRecord

__all__ = ["Exposure", "Part", "Pattern", "Shown", "exposed", "exposure", "shown_of"]

Part = Literal["score", "confidence", "reason"]
"""What an answer may show beside what was decided."""

Pattern = Literal["enumeration", "sweep", "boundary"]
"""Ways of asking that serve to rebuild a model."""

_MOST_DIGITS = 15
_answers: msgspec.json.Decoder[dict[str, bool | float | None] | None] = msgspec.json.Decoder(
    dict[str, bool | float | None] | None
)
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class Exposure:
    """What callers see and may collect.

    Attributes:
        score_digits: Decimals of score and confidence; None shows all.
        show: What is shown beside the answer itself.
        budget: How many answers beyond the ordinary a caller may have; None is no bound.
        entity: The field of the request that names whom an answer is about; empty where
            nobody is known, and every answer counts.
        per_entity: How many answers about one known entity are ordinary.
        patterns: Ways of asking that are looked for.
    """

    score_digits: int | None
    show: frozenset[Part]
    budget: Rate | None
    entity: str
    per_entity: Rate
    patterns: frozenset[Pattern]


class Shown(NamedTuple):
    """What of a record its caller sees; `confidence` is None where it is not shown."""

    answer: bytes
    confidence: float | None
    reason: str


def exposure(
    *,
    score_digits: int | None = None,
    show: Sequence[Part] = ("score", "confidence", "reason"),
    budget: str | None = None,
    entity: str = "",
    per_entity: str = "20/d",
    patterns: Sequence[Pattern] = ("enumeration", "sweep", "boundary"),
) -> Exposure:
    """Say what callers see of a decision's answers, and how many they may collect.

    Args:
        score_digits: Decimals of score and confidence, 0 to 15; all of them without.
        show: Of "score", "confidence" and "reason"; what was decided is always shown.
        budget: Answers beyond the ordinary that a caller may have, as `"1000/d"`.
        entity: The field of the request that names whom an answer is about; without, the
            field by which the first windows over the requests are grouped.
        per_entity: How many answers about one entity that was known before are ordinary.
        patterns: Ways of asking that lower the budget when they are found.

    Raises:
        WrongDecision: A value cannot be one, or the confidence would tell a hidden score.
    """
    place = caller_place()
    if score_digits is not None and not 0 <= score_digits <= _MOST_DIGITS:
        raise WrongDecision(f"score_digits is {score_digits}", f"give 0 to {_MOST_DIGITS}", place)
    for name, given, known in (("show", show, Part), ("patterns", patterns, Pattern)):
        unknown = sorted(set(given) - set(get_args(known)))
        if unknown:
            raise WrongDecision(
                f"{name} names {unknown[0]!r}", f"name of {', '.join(get_args(known))}", place
            )
    if "confidence" in show and "score" not in show:
        raise WrongDecision(
            "the confidence would tell the score that is not shown",
            "leave both out of show, or show both",
            place,
        )
    try:
        rates = rate_of(budget) if budget is not None else None, rate_of(per_entity)
    except BadRate as error:
        raise WrongDecision(str(error), "write it so", place) from error
    return Exposure(score_digits, frozenset(show), rates[0], entity, rates[1], frozenset(patterns))


def shown_of(record: DecisionRecord, exposure: Exposure) -> Shown:
    """Return what of a record its caller sees; the same for the same record, always."""
    digits, values = exposure.score_digits, _answers.decode(record.answer)
    if values is not None and "score" in values:
        score = values.pop("score")
        if "score" in exposure.show:
            values["score"] = _rounded(score, digits)
    confidence = _rounded(record.confidence, digits)
    return Shown(
        b"null" if values is None else _encode(values),
        confidence if "confidence" in exposure.show else None,
        record.reason if "reason" in exposure.show else "",
    )


def exposed(record: DecisionRecord, exposure: Exposure | None) -> DecisionRecord:
    """Return a record with what its caller sees in the place of what was decided.

    For answers that are not rendered as JSON; a confidence that is not shown is NaN.
    """
    if exposure is None:
        return record
    answer, confidence, reason = shown_of(record, exposure)
    seen = nan if confidence is None else confidence
    return msgspec.structs.replace(record, answer=answer, confidence=seen, reason=reason)


def _rounded(value: float | None, digits: int | None) -> float | None:
    return value if value is None or digits is None else round(float(value), digits)
