"""Threshold and gate, at their edges: what becomes of a score."""

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kingpost.decisions import Gate, Otherwise, Verdict, fallback, gate, judge, refuse, review
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
