"""What callers see of an answer, and how that is declared."""

from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import kingpost as kp
from kingpost.core import rate_of
from kingpost.decisions import Exposure, WrongDecision, shown_of
from kingpost.records import Outcome
from tests.decision_records import RECORD
from tests.tiny_app import fraud


def test_without_a_word_everything_is_shown() -> None:
    shown = shown_of(RECORD, kp.exposure())

    assert shown == (RECORD.answer, RECORD.confidence, RECORD.reason)


def test_scores_are_rounded_and_the_record_is_not_changed() -> None:
    shown = shown_of(RECORD, kp.exposure(score_digits=2))

    assert shown == (b'{"fraud":true,"score":0.88}', 0.88, RECORD.reason)
    assert RECORD.answer == b'{"fraud":true,"score":0.876543}'


def test_what_is_not_shown_is_left_out() -> None:
    assert shown_of(RECORD, kp.exposure(show=())) == (b'{"fraud":true}', None, "")
    assert shown_of(RECORD, kp.exposure(show=["score", "reason"])).confidence is None
    refused = msgspec.structs.replace(RECORD, answer=b"null", outcome=Outcome.REFUSED)
    assert shown_of(refused, kp.exposure(show=(), score_digits=0)).answer == b"null"


@given(score=st.floats(0, 1), digits=st.integers(0, 6))
def test_what_is_shown_tells_no_more_than_its_digits(score: float, digits: int) -> None:
    answer = msgspec.json.encode({"fraud": score >= 0.5, "score": score})
    record = msgspec.structs.replace(RECORD, answer=answer, confidence=max(score, 1 - score))

    shown = shown_of(record, kp.exposure(score_digits=digits))

    seen = msgspec.json.decode(shown.answer)["score"]
    assert seen == round(score, digits)
    assert seen == round(seen, digits)
    assert shown == shown_of(record, kp.exposure(score_digits=digits)), "a retry sees the same"


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"score_digits": -1}, "score_digits is -1"),
        ({"show": ["label"]}, "show names 'label'"),
        ({"show": ["confidence"]}, "would tell the score"),
        ({"budget": "many"}, "not a rate"),
        ({"per_entity": "0/d"}, "not a rate"),
        ({"patterns": ["luck"]}, "patterns names 'luck'"),
    ],
)
def test_a_wrong_exposure_is_an_error_that_names_the_line(
    said: dict[str, object], problem: str
) -> None:
    with pytest.raises(WrongDecision, match=problem) as caught:
        kp.exposure(**said)  # pyright: ignore[reportArgumentType]

    assert "test_exposing.py" in str(caught.value)


def declared(exposure: Exposure | None) -> Exposure | None:
    return kp.decision(
        "fraud",
        request=fraud.request.type,
        features=[slot.view for slot in fraud.features.windows][:1] or [kp.field("amount")],
        model=fraud.model,
        exposure=exposure,
    ).exposure


def test_the_entity_is_what_windows_over_the_requests_are_grouped_by() -> None:
    assert declared(None) is None
    found = declared(kp.exposure(budget="10/d"))
    assert found is not None
    assert (found.entity, found.budget) == ("card", rate_of("10/d"))
    assert declared(kp.exposure(entity="shop")) == replace(kp.exposure(entity="shop"))
    with pytest.raises(WrongDecision, match="no field of the request"):
        declared(kp.exposure(entity="customer"))


def test_a_cost_must_be_a_number_from_nought() -> None:
    for cost in (-1.0, float("inf"), float("nan")):
        with pytest.raises(WrongDecision, match="the cost is"):
            kp.decision(
                "fraud",
                request=fraud.request.type,
                features=[kp.field("amount")],
                model=fraud.model,
                cost=cost,
            )
