"""From a score to an answer: the one place where threshold and gate are applied.

Pure, and on the request path: the engine calls it once per decision, replay and
verification call the same function, so an answer is the same bytes in all of them.
"""

from functools import lru_cache
from math import isnan
from typing import NamedTuple

import msgspec

from kingpost.decisions.declare import Gate
from kingpost.records import Outcome

__all__ = ["Verdict", "judge"]

_encode = msgspec.json.Encoder().encode


class Verdict(NamedTuple):
    """What becomes of a score.

    Attributes:
        answer: JSON, `{"<label>": bool, "score": number}`, or `null` when there is none.
        confidence: The probability of the likelier class.
        reason: Why the outcome is not `decided`; empty when it is.
    """

    answer: bytes
    confidence: float
    outcome: Outcome
    reason: str


_NO_SCORE = Verdict(b"null", 0.0, Outcome.FAILED, "no_score")


def judge(score: float, *, label: str, threshold: float, gate: Gate) -> Verdict:
    """Judge a score.

    Args:
        score: The probability of the positive class, 0 to 1; NaN is no score, and failed.
        label: The field that the model predicts, the answer's name.
        threshold: The score from which the answer is positive.
    """
    confidence = score if score >= 0.5 else 1.0 - score
    if confidence >= gate.min_confidence:
        return Verdict(
            _openings(label)[score >= threshold] + _encode(score) + b"}",
            confidence,
            Outcome.DECIDED,
            "",
        )
    if isnan(confidence):
        return _NO_SCORE
    otherwise = gate.otherwise
    outcome = otherwise.outcome
    if outcome is Outcome.REFUSED:
        return Verdict(b"null", confidence, outcome, _reason(gate))
    positive = score >= threshold if outcome is Outcome.REVIEW else otherwise.positive
    return Verdict(
        _openings(label)[positive] + _encode(score) + b"}", confidence, outcome, _reason(gate)
    )


@lru_cache(maxsize=256)
def _openings(label: str) -> tuple[bytes, bytes]:
    name = _encode(label)
    return b"{" + name + b':false,"score":', b"{" + name + b':true,"score":'


def _reason(gate: Gate) -> str:
    below = f"confidence below {gate.min_confidence:g}"
    match gate.otherwise.outcome:
        case Outcome.REVIEW:
            return f"{below}; review by {gate.otherwise.queue}"
        case Outcome.FALLBACK:
            return f"{below}; fallback"
        case _:
            return f"{below}; refused"
