"""Threshold and gate, at their edges: what becomes of a score."""

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kingpost.decisions import (
    Gate,
    Otherwise,
    Verdict,
    fallback,
    gate,
    judge,
    matching_rule,
    otherwise_of,
    placed_rules,
    refuse,
    review,
    rule,
)
from kingpost.records import Outcome

NO_GATE = Gate()


def judged(score: float, otherwise: Otherwise, *, threshold: float = 0.5) -> Verdict:
    strict = gate(min_confidence=0.75, otherwise=otherwise)
    return judge(score, label="fraud", threshold=threshold, gate=strict)


def test_a_confident_score_is_decided() -> None:
    verdict = judged(0.9, refuse())

    assert verdict == Verdict(b'{"fraud":true,"score":0.9}', 0.9, Outcome.DECIDED, "")


def test_the_threshold_itself_is_positive() -> None:
    assert judge(0.2, label="fraud", threshold=0.2, gate=NO_GATE).answer.startswith(
        b'{"fraud":true'
    )
    assert judge(
        math.nextafter(0.2, 0), label="fraud", threshold=0.2, gate=NO_GATE
    ).answer.startswith(b'{"fraud":false')


def test_the_confidence_asked_for_is_enough() -> None:
    assert judged(0.75, refuse()).outcome is Outcome.DECIDED
    assert judged(0.25, refuse()).outcome is Outcome.DECIDED
    assert judged(math.nextafter(0.75, 0), refuse()).outcome is Outcome.REFUSED
    assert judged(0.2501, refuse()).outcome is Outcome.REFUSED


def test_a_review_keeps_the_answer_as_a_proposal_and_names_the_desk() -> None:
    assert judged(0.6, review("fraud-desk")) == Verdict(
        b'{"fraud":true,"score":0.6}',
        0.6,
        Outcome.REVIEW,
        "confidence below 0.75; review by fraud-desk",
    )


def test_a_fallback_answers_its_fixed_value_and_still_shows_the_score() -> None:
    assert judged(0.6, fallback(positive=False)) == Verdict(
        b'{"fraud":false,"score":0.6}', 0.6, Outcome.FALLBACK, "confidence below 0.75; fallback"
    )
    assert judged(0.4, fallback(positive=True)).answer == b'{"fraud":true,"score":0.4}'


def test_a_refusal_answers_null() -> None:
    assert judged(0.6, refuse()) == Verdict(
        b"null", 0.6, Outcome.REFUSED, "confidence below 0.75; refused"
    )


@pytest.mark.parametrize("otherwise", [refuse(), review("desk"), fallback(positive=True)])
def test_no_score_is_a_failure_whatever_the_gate_says(otherwise: Otherwise) -> None:
    assert judged(math.nan, otherwise) == Verdict(b"null", 0.0, Outcome.FAILED, "no_score")
    assert judge(math.nan, label="fraud", threshold=0.5, gate=NO_GATE).outcome is Outcome.FAILED


@given(score=st.floats(0, 1), threshold=st.floats(0, 1))
def test_an_answer_reads_back_as_it_was_judged(score: float, threshold: float) -> None:
    verdict = judge(score, label='f"é', threshold=threshold, gate=NO_GATE)

    assert msgspec.json.decode(verdict.answer) == {'f"é': score >= threshold, "score": score}
    assert verdict.confidence == max(score, 1 - score)
    assert verdict.outcome is Outcome.DECIDED


def test_a_rule_goes_before_the_gate_and_says_why() -> None:
    large = rule("amount", above=1000, then=review("leads"))

    verdict = judge(0.9, label="fraud", threshold=0.5, gate=gate(rules=[large]), rule=large)

    assert verdict == Verdict(
        b'{"fraud":true,"score":0.9}', 0.9, Outcome.REVIEW, "amount above 1000; review by leads"
    )


def test_a_rule_cannot_make_an_answer_of_no_score() -> None:
    large = rule("amount", above=1000, then=fallback(positive=True))

    verdict = judge(math.nan, label="fraud", threshold=0.5, gate=gate(rules=[large]), rule=large)

    assert verdict == Verdict(b"null", 0.0, Outcome.FAILED, "no_score")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1001.0, "above"),
        (math.inf, "above"),
        (1000.0, None),
        (50.0, "between"),
        (10.0, None),
        (100.0, None),
        (-1.0, "below"),
        (-math.inf, "below"),
        (math.nan, None),
    ],
)
def test_the_first_rule_that_speaks_of_a_request_counts(value: float, expected: str | None) -> None:
    rules = placed_rules(
        gate(
            rules=[
                rule("amount", above=1000, then=review("above")),
                rule("amount", above=10, below=100, then=review("between")),
                rule("amount", below=0, then=review("below")),
                rule("amount", above=2000, then=review("never")),
            ]
        ),
        ["count", "amount"],
    )

    found = matching_rule(rules, [9.0, 9.0, 5000.0, value], 2)

    assert (found.then.queue if found else None) == expected
    assert placed_rules(NO_GATE, ["amount"]) == ()


def test_a_reason_tells_what_of_the_gate_gave_it() -> None:
    large = rule("amount", above=1000, then=review("leads", within="1h"))
    middle = rule("amount", above=0.5, below=1e9, then=review("desk", within="4h"))
    whole = gate(min_confidence=0.75, otherwise=review("desk"), rules=[large, middle])

    assert otherwise_of(whole, "amount above 1000; review by leads") == large.then
    assert otherwise_of(whole, "amount above 0.5 and below 1000000000; review by desk") == (
        middle.then
    )
    assert otherwise_of(whole, "confidence below 0.75; review by desk") == whole.otherwise
    assert otherwise_of(whole, "confidence below 0.8; review by desk") is None
