"""From a score to an answer: the one place where threshold, rules and gate are applied.

Pure, and on the request path: the engine calls it once per decision, replay and
verification call the same function, so an answer is the same bytes in all of them.
"""

from collections.abc import Sequence
from functools import lru_cache
from math import isnan
from typing import NamedTuple

import msgspec

from kingpost.decisions.declare import Gate, Otherwise, Rule
from kingpost.records import Outcome

__all__ = ["PlacedRule", "Verdict", "judge", "matching_rule", "otherwise_of", "placed_rules"]

_encode = msgspec.json.Encoder().encode


class Verdict(msgspec.Struct, frozen=True):
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


class PlacedRule(NamedTuple):
    """A rule with the place of its feature in the row of values."""

    at: int
    rule: Rule


def placed_rules(gate: Gate, names: Sequence[str]) -> tuple[PlacedRule, ...]:
    """Find the features of a gate's rules; empty where it has none.

    Args:
        names: The decision's features, in order.
    """
    return tuple(PlacedRule(names.index(rule.feature), rule) for rule in gate.rules or ())


def matching_rule(
    rules: Sequence[PlacedRule], values: Sequence[float], start: int = 0
) -> Rule | None:
    """Return the first rule that speaks of a request.

    Args:
        values: The request's features from `start` on; NaN, no value, meets no rule.
    """
    for at, rule in rules:
        value, above, below = values[start + at], rule.above, rule.below
        if (above is None or value > above) and (below is None or value < below):
            return rule
    return None


def judge(
    score: float, *, label: str, threshold: float, gate: Gate, rule: Rule | None = None
) -> Verdict:
    """Judge a score.

    Args:
        score: The probability of the positive class, 0 to 1; NaN is no score, and failed.
        label: The field that the model predicts, the answer's name.
        threshold: The score from which the answer is positive.
        rule: The rule of the gate's that speaks of the request; see `matching_rule`.
    """
    confidence = score if score >= 0.5 else 1.0 - score
    if confidence >= gate.min_confidence and rule is None:
        return Verdict(
            _openings(label)[score >= threshold] + _encode(score) + b"}",
            confidence,
            Outcome.DECIDED,
            "",
        )
    if isnan(confidence):
        return _NO_SCORE
    otherwise = gate.otherwise if rule is None else rule.then
    outcome = otherwise.outcome
    reason = _reason(otherwise, _below(gate) if rule is None else _beyond(rule))
    if outcome is Outcome.REFUSED:
        return Verdict(b"null", confidence, outcome, reason)
    positive = score >= threshold if outcome is Outcome.REVIEW else otherwise.positive
    return Verdict(_openings(label)[positive] + _encode(score) + b"}", confidence, outcome, reason)


def otherwise_of(gate: Gate, reason: str) -> Otherwise | None:
    """Return what of a gate gave a record its reason; None when it was another gate's."""
    if reason == _reason(gate.otherwise, _below(gate)):
        return gate.otherwise
    for rule in gate.rules or ():
        if reason == _reason(rule.then, _beyond(rule)):
            return rule.then
    return None


@lru_cache(maxsize=256)
def _openings(label: str) -> tuple[bytes, bytes]:
    name = _encode(label)
    return b"{" + name + b':false,"score":', b"{" + name + b':true,"score":'


def _below(gate: Gate) -> str:
    return f"confidence below {gate.min_confidence:g}"


def _beyond(rule: Rule) -> str:
    bounds = (("above", rule.above), ("below", rule.below))
    said = " and ".join(f"{word} {bound:.12g}" for word, bound in bounds if bound is not None)
    return f"{rule.feature} {said}"


def _reason(otherwise: Otherwise, because: str) -> str:
    match otherwise.outcome:
        case Outcome.REVIEW:
            return f"{because}; review by {otherwise.queue}"
        case Outcome.FALLBACK:
            return f"{because}; fallback"
        case _:
            return f"{because}; refused"
