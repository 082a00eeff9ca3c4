"""Rows that break a contract: what was expected and found, and never the value itself."""

from typing import Annotated, Literal

import pytest

from kingpost.contracts import (
    Contract,
    ContractViolation,
    Event,
    EventTime,
    Instant,
    Key,
    Length,
    Range,
    Resolution,
    UnknownZone,
    contract_of,
)


class Payment(Event):
    id: Key[int]
    at: EventTime
    amount: Annotated[float, Range(ge=0), Resolution("0.01")] = 0.0
    count: int = 1
    ratio: float | None = None
    card: Literal["debit", "credit"] | None = None
    shop: Annotated[str, Length(at_most=4)] = "-"
    online: bool = False


PAYMENT = contract_of(Payment)
NOON = Instant.parse("2018-08-01T12:00:00Z")
RIGHT: dict[str, object] = {"id": 1, "at": "2018-08-01T12:00:00Z"}


def violation_of(body: bytes, *, zone: str | None = None) -> tuple[str, str, str]:
    with pytest.raises(ContractViolation) as caught:
        PAYMENT.decode(body, zone=zone)
    error = caught.value
    assert str(error).endswith(f": expected {error.expected}, found {error.found}")
    return error.field, error.expected, error.found


def member(text: str) -> bytes:
    return b'{"id":1,"at":"2018-08-01T12:00:00Z",' + text.encode() + b"}"


@pytest.mark.parametrize(
    ("body", "field", "expected", "found"),
    [
        (b"{}", "id", "a value", "nothing"),
        (b"[]", "", "`object`", "`array`"),
        (b"{", "", "valid JSON", "Input data was truncated"),
        (b'{"id":1 "at"}', "", "valid JSON", "malformed: expected ',' or '}' (byte 8)"),
        (b"\xff", "", "valid JSON", "malformed: invalid character (byte 0)"),
        (member('"shop":"\xff"').replace(b"\xc3\xbf", b"\xff"), "", "UTF-8 text", "other bytes"),
        (member('"id":"1"'), "id", "`int`", "`str`"),
        (member('"id":1.0'), "id", "`int`", "`float`"),
        (member('"id":null'), "id", "`int`", "`null`"),
        (
            member('"id":9007199254740993'),
            "id",
            "a finite number within ±9.0072e+15",
            "a larger one",
        ),
        (member('"at":"yesterday"'), "at", "an ISO 8601 time with an offset", "something else"),
        (member('"at":1533124800'), "at", "an ISO 8601 time with an offset", "something else"),
        (
            member('"at":"2018-08-01T12:00:00"'),
            "at",
            "an ISO 8601 time with an offset",
            "a time without one",
        ),
        (
            member('"at":"0001-01-01T00:00:00+01:00"'),
            "at",
            "an ISO 8601 time with an offset",
            "something else",
        ),
        (member('"amount":-1'), "amount", "`float` >= 0", "a value outside it"),
        (
            member('"amount":1e14'),
            "amount",
            "a finite number within ±9.0072e+13",
            "a larger one",
        ),
        (member('"amount":1e999'), "amount", "valid JSON", "Number out of range"),
        (member('"shop":"long name"'), "shop", "`str` of length <= 4", "a value outside it"),
        (member('"card":"gold"'), "card", "one of 'debit', 'credit'", "another text"),
        (member('"online":1'), "online", "`bool`", "`int`"),
        (member('"colour":1'), "colour", "one of id, at, amount", "an unknown field"),
    ],
)
def test_a_violation_names_the_field_and_what_was_expected_and_found(
    body: bytes, field: str, expected: str, found: str
) -> None:
    at_fault, wanted, got = violation_of(body)

    assert (at_fault, got) == (field, found)
    assert wanted.startswith(expected)


def test_a_violation_never_repeats_the_value() -> None:
    for body in (
        member('"card":"4111111111111111"'),
        member('"shop":"4111111111111111"'),
        member('"at":"4111111111111111"'),
        member('"ratio":"4111111111111111"'),
    ):
        assert "4111" not in " ".join(violation_of(body))


def test_an_unknown_field_is_named_no_longer_than_needed() -> None:
    field, _, _ = violation_of(member(f'"{"x" * 1000}":1'))

    assert len(field) == 100


def test_values_nested_too_deep_are_refused() -> None:
    assert violation_of(member('"shop":' + "[" * 100_000))[2] in (
        "values nested too deep",
        "`array`",
    )


def test_a_zone_says_what_a_time_without_an_offset_means() -> None:
    body = b'{"id":1,"at":"2018-08-01T14:00:00"}'

    assert PAYMENT.decode(body, zone="Europe/Rome").at == NOON
    assert PAYMENT.convert({"id": 1, "at": "2018-08-01T14:00:00"}, zone="Europe/Rome").at == NOON


def test_an_offset_counts_more_than_the_zone() -> None:
    assert PAYMENT.decode(b'{"id":1,"at":"2018-08-01T12:00:00Z"}', zone="Asia/Tokyo").at == NOON


def test_a_zone_that_does_not_exist_is_an_error_of_its_own() -> None:
    with pytest.raises(UnknownZone, match="Europe/Atlantis"):
        PAYMENT.decode(b'{"id":1,"at":"2018-08-01T14:00:00"}', zone="Europe/Atlantis")


def test_texts_are_read_as_the_types_of_their_fields() -> None:
    row = {
        "id": "7",
        "at": "2018-08-01T12:00:00Z",
        "amount": "1.5",
        "ratio": "",
        "shop": "12",
        "online": "TRUE",
    }

    assert PAYMENT.convert(row, text=True) == Payment(
        id=7, at=NOON, amount=1.5, shop="12", online=True
    )


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("amount", "nan"),
        ("amount", "inf"),
        ("amount", "1,5"),
        ("amount", " 1"),
        ("ratio", "null"),
        ("card", "null"),
        ("card", "NULL"),
        ("id", "1.5"),
        ("id", "x"),
        ("online", "yes"),
        ("id", ""),
    ],
)
def test_a_text_that_is_no_value_of_its_field_is_refused(field: str, text: str) -> None:
    row = {"id": "7", "at": "2018-08-01T12:00:00Z", field: text}

    with pytest.raises(ContractViolation) as caught:
        PAYMENT.convert(row, text=True)

    assert caught.value.field == field


def test_half_a_surrogate_pair_is_no_text() -> None:
    for name in ("shop", "card"):
        with pytest.raises(ContractViolation) as caught:
            PAYMENT.convert(RIGHT | {name: "\ud800"})

        assert (caught.value.field, caught.value.found) == (name, "half a surrogate pair")


def test_missing_values_are_none_where_that_is_allowed_and_absent_elsewhere() -> None:
    row = {"id": 1, "amount": None, "ratio": None}

    assert PAYMENT.without_missing(row) == {"id": 1, "ratio": None}


def test_a_stored_event_takes_the_defaults_of_today_and_loses_what_is_gone() -> None:
    stored = b'{"id":1,"at":"2018-08-01T12:00:00Z","colour":"red"}'

    assert PAYMENT.decode_stored(stored) == Payment(id=1, at=NOON)


def test_the_digest_follows_the_description() -> None:
    class Other(Event):
        id: Key[int]
        at: EventTime

    assert len(PAYMENT.digest) == 64
    assert contract_of(Other).digest != PAYMENT.digest
    assert contract_of(Other).description.startswith(b'{"fields":[{')


class Visit(Event):
    name: Annotated[Key[str], Length(at_least=2, at_most=4)]
    at: EventTime


VISIT = contract_of(Visit)


@pytest.mark.parametrize("event", [
    Payment(id=-7, at=Instant(-1), amount=0.07, ratio=1e-300, card="debit", shop="ä\n", online=True),
    Payment(id=2**53, at=Instant.parse("9999-12-31T23:59:59.999999Z")),
    Payment(id=0, at=Instant.parse("0001-01-01T00:00:00Z"), ratio=-0.0),
])  # fmt: skip
def test_an_event_that_is_written_is_read_again(event: Payment) -> None:
    assert PAYMENT.decode(PAYMENT.encode(event)) == event


def test_a_key_is_written_alone_and_read_again() -> None:
    assert PAYMENT.key_from(PAYMENT.key_body(7)) == 7
    assert VISIT.key_from(VISIT.key_body('a"\n')) == 'a"\n'


def test_a_key_is_read_from_plain_text() -> None:
    assert PAYMENT.key_from_text("-12") == -12
    assert VISIT.key_from_text("12") == "12"


@pytest.mark.parametrize(("contract", "text", "field"), [
    (PAYMENT, "x", "id"), (PAYMENT, "1.5", "id"), (PAYMENT, "", "id"),
    (PAYMENT, str(2**53 + 1), "id"), (PAYMENT, str(10**40), "id"),
    (VISIT, "a", "name"), (VISIT, "abcde", "name"), (VISIT, "a\ud800", "name"),
])  # fmt: skip
def test_a_text_that_can_be_no_key_is_refused_by_field(
    contract: Contract[Event], text: str, field: str
) -> None:
    with pytest.raises(ContractViolation) as caught:
        contract.key_from_text(text)

    assert caught.value.field == field


def test_a_contract_of_the_key_alone_keeps_its_bounds() -> None:
    listed = VISIT.key_only

    assert listed.decode(b'{"name":"abc"}') == listed.convert({"name": "abc"}, text=True)
    for body in (b'{"name":"a"}', b"{}", b'{"name":"abc","at":"2018-08-01T12:00:00Z"}'):
        with pytest.raises(ContractViolation):
            listed.decode(body)
