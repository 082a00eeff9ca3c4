"""Wrong declarations are errors at import that name the line and the mend."""

from collections.abc import Callable
from typing import Annotated, Literal

import pytest

from kingpost.contracts import (
    BadContract,
    BadResolution,
    Event,
    EventTime,
    Instant,
    Key,
    KnownTime,
    Length,
    Range,
    Resolution,
    contract_of,
)


def error_of(event: type[Event]) -> str:
    with pytest.raises(BadContract) as caught:
        contract_of(event)
    text = str(caught.value)
    assert text.startswith(f"{__file__}:"), "the error names the file and the line"
    assert f"class {event.__name__}(Event)" in text.splitlines()[0]
    return text


def test_an_event_without_a_key_is_refused() -> None:
    class Payment(Event):
        at: EventTime

    text = error_of(Payment)

    assert "needs exactly one field marked kp.Key, has none" in text
    assert "id: kp.Key[str]" in text


def test_an_event_with_two_keys_is_refused() -> None:
    class Payment(Event):
        id: Key[str]
        number: Key[int]
        at: EventTime

    assert "needs exactly one field marked kp.Key, has id, number" in error_of(Payment)


def test_an_event_without_an_event_time_is_refused() -> None:
    class Payment(Event):
        id: Key[str]

    assert "needs exactly one kp.EventTime field, has none" in error_of(Payment)


def test_an_event_with_two_known_times_is_refused() -> None:
    class Payment(Event):
        id: Key[str]
        at: EventTime
        known_at: KnownTime
        told_at: KnownTime

    assert "one kp.KnownTime field, or none, has known_at, told_at" in error_of(Payment)


def test_a_union_of_two_types_is_refused() -> None:
    class Payment(Event):
        id: Key[str]
        at: EventTime
        amount: int | str

    assert "field 'amount' has a union type; use one type, or one type `| None`" in error_of(
        Payment
    )


def test_a_type_that_no_contract_carries_is_refused() -> None:
    class Payment(Event):
        id: Key[str]
        at: EventTime
        parts: list[int]

    assert "field 'parts' has type list" in error_of(Payment)


def test_a_moment_without_a_role_is_refused() -> None:
    class Payment(Event):
        id: Key[str]
        at: EventTime
        until: Instant

    assert "field 'until' is a time without a role; mark it kp.EventTime" in error_of(Payment)


def test_a_key_that_may_be_missing_is_refused() -> None:
    class Payment(Event):
        id: Key[str] | None
        at: EventTime

    assert "field 'id' is the key; a key is a str or an int and never None" in error_of(Payment)


def test_a_key_with_a_default_is_refused() -> None:
    class Payment(Event):
        id: Key[str] = "1"
        at: EventTime

    assert "field 'id' is the key and has a default; every event brings its own" in error_of(
        Payment
    )


def test_a_time_that_may_be_missing_is_refused() -> None:
    class Payment(Event):
        id: Key[str]
        at: EventTime | None

    assert "field 'at' is a time that may be None; leave `| None` away" in error_of(Payment)


def test_a_resolution_on_a_whole_number_is_refused() -> None:
    class Payment(Event):
        id: Key[str]
        at: EventTime
        count: Annotated[int, Resolution("0.01")]

    assert "field 'count' is integer and has a resolution; only a float takes" in error_of(Payment)


def test_a_bound_of_another_type_is_refused() -> None:
    class Payment(Event):
        id: Key[str]
        at: EventTime
        shop: Annotated[str, Range(ge=0)]

    text = error_of(Payment)

    assert "field 'shop' has a bound it cannot have: Can only set `ge` on a numeric type" in text
    assert "a text Length" in text


def test_a_default_that_breaks_its_own_declaration_is_refused() -> None:
    class Payment(Event):
        id: Key[str]
        at: EventTime
        amount: Annotated[float, Range(ge=0)] = -1.0

    assert "field 'amount' has a default that breaks its own declaration" in error_of(Payment)


def test_a_default_of_another_type_is_refused() -> None:
    class Payment(Event):
        id: Key[str]
        at: EventTime
        amount: float = "much"  # pyright: ignore[reportAssignmentType]: the mistake under test

    assert "Expected `float`, got `str`" in error_of(Payment)


@pytest.mark.parametrize("step", ["0.05", "-0.01", "100", "cents", "0", "1e-10", ""])
def test_a_resolution_that_is_no_power_of_ten_is_refused(step: str) -> None:
    with pytest.raises(BadResolution, match="write the last digit that counts") as caught:
        Resolution(step)

    assert str(caught.value).startswith(f"{__file__}:")
    assert repr(step) in str(caught.value)


@pytest.mark.parametrize(("step", "digits"), [("1", 0), ("0.1", 1), ("0.010", None), ("1e-9", 9)])
def test_a_resolution_counts_its_digits(step: str, digits: int | None) -> None:
    if digits is None:
        with pytest.raises(BadResolution):
            Resolution(step)
    else:
        assert Resolution(step).digits == digits


def test_the_contract_tells_the_fields_and_their_roles() -> None:
    class CardPaymentV2(Event):
        """A card is used."""

        known_at: KnownTime
        note: Annotated[str, Length(at_most=9)] | None = None
        id: Key[int]
        at: EventTime
        amount: Annotated[float, Range(ge=0), Resolution("0.01")]
        kind: Literal["debit", "credit"] = "debit"
        online: bool = False

    contract = contract_of(CardPaymentV2)

    assert contract.name == "card_payment_v2"
    assert contract.key.name == "id"
    assert contract.event_time.name == "at"
    assert contract.known_time is not None
    assert contract.known_time.name == "known_at"
    fields = contract.by_name
    assert (fields["amount"].scale, fields["amount"].is_exact) == (100, True)
    assert (fields["note"].optional, fields["note"].required) == (True, False)
    assert fields["note"].bounds == {"min_length": 0, "max_length": 9}
    assert fields["kind"].choices == ("debit", "credit")
    assert (fields["online"].default, fields["online"].is_exact) == (False, True)


def test_the_contract_of_a_type_is_made_once() -> None:
    class Payment(Event):
        id: Key[int]
        at: EventTime

    class Refund(Payment):
        reason: str = ""

    assert contract_of(Payment) is contract_of(Payment)
    assert contract_of(Refund).name == "refund"


def test_the_json_schema_says_what_the_contract_checks() -> None:
    class Payment(Event):
        """A card is used."""

        id: Key[int]
        at: EventTime
        amount: Annotated[float, Range(ge=0, lt=1000), Resolution("0.01")]
        shop: Annotated[str, Length(at_least=1, at_most=4)] = "-"
        card: Literal["debit", "credit"] | None = None

    assert contract_of(Payment).json_schema() == {
        "type": "object",
        "title": "Payment",
        "description": "A card is used.",
        "properties": {
            "id": {"type": "integer", "minimum": -(2**53), "maximum": 2**53},
            "at": {"type": "string", "format": "date-time"},
            "amount": {
                "type": "number",
                "minimum": 0,
                "exclusiveMaximum": 1000,
                "x-resolution": "0.01",
            },
            "shop": {"type": "string", "minLength": 1, "maxLength": 4, "default": "-"},
            "card": {
                "type": ["string", "null"],
                "enum": ["debit", "credit", None],
                "default": None,
            },
        },
        "required": ["id", "at", "amount"],
        "additionalProperties": False,
    }


def test_an_event_cannot_be_changed() -> None:
    class Payment(Event):
        id: Key[int]
        at: EventTime

    payment = Payment(id=1, at=Instant(0))

    with pytest.raises(AttributeError):
        payment.id = 2  # pyright: ignore[reportAttributeAccessIssue]: frozen, as type checkers see too


def test_wrong_declarations_survive_pickling(copy_of: Callable[[object], object]) -> None:
    class Payment(Event):
        at: EventTime

    with pytest.raises(BadContract) as caught:
        contract_of(Payment)

    assert str(copy_of(caught.value)) == str(caught.value)
