from types import new_class
from typing import Annotated, Literal

import pytest

from kingpost.contracts import (
    Event,
    EventTime,
    IncompatibleContract,
    Instant,
    Key,
    KnownTime,
    Length,
    Range,
    Resolution,
    batch_of,
    check_evolution,
    contract_of,
    decode_batch,
    events_of,
)


class First:
    class Payment(Event):
        id: Key[int]
        at: EventTime
        amount: Annotated[float, Range(ge=0, le=100), Resolution("0.01")]
        count: Annotated[int, Range(ge=0, le=9)]
        card: Literal["debit", "credit"]
        shop: Annotated[str, Length(at_least=1, at_most=4)] = "-"
        note: str | None = None


STORED = contract_of(First.Payment).description


def refusal_of(event: type[Event]) -> tuple[str, str]:
    with pytest.raises(IncompatibleContract) as caught:
        check_evolution(STORED, contract_of(event))
    error = caught.value
    assert str(error).startswith(f"payment.{error.field}: ")
    return error.field, error.problem


def test_a_contract_that_did_not_change_is_compatible() -> None:
    check_evolution(STORED, contract_of(First.Payment))


def test_a_compatible_change_reads_the_events_stored_before() -> None:
    class Payment(Event):
        id: Key[int]
        at: EventTime
        amount: Annotated[float, Range(ge=-1, le=200), Resolution("0.01")]
        count: float | None
        card: Literal["debit", "credit", "gift"] = "debit"
        shop: Annotated[str, Length(at_most=8)] = "-"
        country: str = "IT"

    contract = contract_of(Payment)
    earlier = First.Payment(
        id=1, at=Instant(0), amount=1.5, count=3, card="credit", shop="x", note="n"
    )

    check_evolution(STORED, contract)
    batch = decode_batch(batch_of(contract_of(First.Payment), [earlier]).encode(), contract)

    assert list(events_of(contract, batch)) == [
        Payment(id=1, at=Instant(0), amount=1.5, count=3.0, card="credit", shop="x", country="IT")
    ]


def test_a_new_field_needs_a_default() -> None:
    class Payment(First.Payment):
        country: str

    assert refusal_of(Payment) == (
        "country",
        "is new, required, and absent from the events already stored",
    )


def test_the_key_and_the_times_stay_what_they_are() -> None:
    class Payment(Event):
        number: Key[int]
        id: int = 0
        at: EventTime

    with pytest.raises(IncompatibleContract) as caught:
        check_evolution(STORED, contract_of(Payment))

    assert caught.value.field in ("id", "number")


def test_a_role_that_is_gone_is_missed() -> None:
    class Verdict(Event):
        id: Key[int]
        at: EventTime
        known_at: KnownTime

    class Later:
        class Verdict(Event):
            id: Key[int]
            at: EventTime

    with pytest.raises(IncompatibleContract, match="was the known_time and is gone"):
        check_evolution(contract_of(Verdict).description, contract_of(Later.Verdict))


def with_field(name: str, hint: object, default: object = ...) -> type[Event]:
    kept = {
        field: annotation
        for field, annotation in First.Payment.__annotations__.items()
        if field != name
    }
    namespace: dict[str, object] = {
        "__annotations__": kept | {name: hint},
        "__module__": __name__,
        "shop": "-",
        "note": None,
    }
    namespace.pop(name, None)
    if default is not ...:
        namespace[name] = default
    return new_class("Payment", (Event,), {}, lambda filled: filled.update(namespace))


@pytest.mark.parametrize(
    ("name", "event", "problem"),
    [
        ("count", with_field("count", str), "was integer and is now text"),
        ("amount", with_field("amount", int), "was number and is now integer"),
        (
            "amount",
            with_field("amount", Annotated[float, Range(ge=0, le=100), Resolution("0.1")]),
            "had resolution 0.01 and now has 0.1: sums would differ",
        ),
        (
            "amount",
            with_field("amount", Annotated[float, Range(gt=0, le=100), Resolution("0.01")]),
            "has narrower bounds than the events already stored",
        ),
        (
            "amount",
            with_field("amount", Annotated[float, Range(ge=0, lt=100), Resolution("0.01")]),
            "has narrower bounds than the events already stored",
        ),
        (
            "card",
            with_field("card", Literal["debit"]),
            "no longer allows a choice that stored events may hold",
        ),
        (
            "note",
            with_field("note", Literal["x"] | None, None),
            "no longer allows a choice that stored events may hold",
        ),
        (
            "shop",
            with_field("shop", Annotated[str, Length(at_least=1, at_most=3)], "-"),
            "allows fewer characters than stored events may hold",
        ),
        (
            "shop",
            with_field("shop", Annotated[str, Length(at_least=2, at_most=4)], "--"),
            "had default '-' and now has '--': stored events without a value would change",
        ),
        (
            "shop",
            with_field("shop", Annotated[str, Length(at_least=1, at_most=4)]),
            "had a default that stored events rely on",
        ),
        ("note", with_field("note", str, ""), "had default None and now has ''"),
    ],
)
def test_an_incompatible_change_is_refused_by_name(
    name: str, event: type[Event], problem: str
) -> None:
    field, why = refusal_of(event)

    assert field == name
    assert why.startswith(problem)


def test_fewer_missing_values_or_longer_texts_than_stored_are_refused() -> None:
    class Note(Event):
        id: Key[int]
        at: EventTime
        text: str
        more: str | None

    class Longer:
        class Note(Event):
            id: Key[int]
            at: EventTime
            text: Annotated[str, Length(at_least=1, at_most=10**9)]
            more: str | None

    class Present:
        class Note(Event):
            id: Key[int]
            at: EventTime
            text: str
            more: str

    stored = contract_of(Note).description

    with pytest.raises(IncompatibleContract, match="note.text: asks for more characters"):
        check_evolution(stored, contract_of(Longer.Note))
    with pytest.raises(IncompatibleContract, match="note.more: may be missing in stored events"):
        check_evolution(stored, contract_of(Present.Note))


def test_a_whole_number_becomes_a_number_as_far_as_its_resolution_reaches() -> None:
    class Count(Event):
        id: Key[int]
        at: EventTime
        free: int
        bounded: Annotated[int, Range(ge=0, le=10**6)]

    class Number:
        class Count(Event):
            id: Key[int]
            at: EventTime
            free: float
            bounded: Annotated[float, Resolution("0.01")]

    class Fine:
        class Count(Event):
            id: Key[int]
            at: EventTime
            free: Annotated[float, Resolution("0.01")]
            bounded: float

    stored = contract_of(Count).description

    check_evolution(stored, contract_of(Number.Count))
    with pytest.raises(IncompatibleContract, match="count.free: has narrower bounds"):
        check_evolution(stored, contract_of(Fine.Count))
