"""How a decision is declared an alarm, and what cannot be one."""

from datetime import timedelta
from typing import Annotated

import pytest

import kingpost as kp
from kingpost.decisions import Alarm, Decision, WrongDecision
from tests.tiny_app import Payment, chargebacks, fraud, spend, train


class Letter(kp.Event):
    """A request that is about a person."""

    id: kp.Key[str]
    at: kp.EventTime
    holder: kp.Subject[str]
    email: Annotated[str, kp.Personal()]
    pages: int


def declared(alarm: Alarm) -> Decision:
    return kp.decision(
        "fraud",
        request=Payment,
        features=[kp.field("amount"), spend],
        model=kp.model("fraud", trainer=train, label=chargebacks.label("fraud")),  # pyright: ignore[reportArgumentType]
        alarm=alarm,
    )


def test_an_alarm_names_what_it_is_about_and_how_often_it_comes() -> None:
    found = declared(kp.alarm("card", every="6h", runbook="docs/cards.md")).alarm

    assert found == Alarm("card", 6 * 3_600_000_000, "docs/cards.md")
    assert kp.alarm("card") == kp.alarm("card", every=timedelta(days=1))
    assert fraud.alarm is None


def test_what_is_no_field_of_the_request_is_an_error_that_names_the_fields() -> None:
    with pytest.raises(WrongDecision, match="'pump', which is no field of the request") as wrong:
        declared(kp.alarm("pump"))

    assert "name one of id, at, card, shop" in str(wrong.value)


@pytest.mark.parametrize("field", ["holder", "email"])
def test_what_is_personal_cannot_be_named_in_the_clear(field: str) -> None:
    with pytest.raises(WrongDecision, match=f"'{field}', which is personal"):
        kp.decision(
            "fraud",
            request=Letter,
            features=[kp.field("pages")],
            model=kp.model("fraud", trainer=train, label=chargebacks.label("fraud")),  # pyright: ignore[reportArgumentType]
            alarm=kp.alarm(field),
        )


def test_a_length_that_is_none_is_an_error() -> None:
    with pytest.raises(WrongDecision, match="write it so"):
        kp.alarm("card", every="often")
