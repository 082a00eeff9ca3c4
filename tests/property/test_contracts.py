"""One row has one verdict, one by one or by the column; what is stored stays readable."""

import json
import math
from collections.abc import Callable, Mapping
from datetime import UTC
from typing import Annotated, Literal, cast

import msgspec
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from kingpost.contracts import (
    Contract,
    ContractViolation,
    Event,
    EventTime,
    IncompatibleContract,
    Instant,
    Key,
    Length,
    Range,
    Resolution,
    batch_of,
    check_columns,
    check_evolution,
    contract_of,
    decode_batch,
    events_of,
    join_batches,
)

Row = Mapping[str, object]
Verdict = Event | str
"""The event, or the field at fault."""


class Payment(Event):
    id: Key[int]
    at: EventTime
    amount: Annotated[float, Range(ge=0, lt=1e6), Resolution("0.01")]
    count: Annotated[int, Range(gt=-3, le=300)] = 1
    ratio: float | None = None
    card: Literal["debit", "credit"] | None = None
    shop: Annotated[str, Length(at_least=1, at_most=4)] = "-"
    note: str | None = None
    online: bool = False


PAYMENT = contract_of(Payment)

INT64 = st.integers(-(2**63), 2**63 - 1)
EDGES = st.sampled_from([-3, -2, 0, 1, 300, 301, 2**53, 2**53 + 1, -(2**53) - 1, 2**63, -(2**63)])
FLOATS = st.floats() | st.sampled_from([0.0, -0.0, 0.1, 1e6, 999_999.99, 2.0**53, 9.0072e13])
TEXTS = st.text(max_size=6) | st.sampled_from(["debit", "credit", "null", "true", "1", "\ud800"])
TIMES = st.datetimes(timezones=st.just(UTC)).map(lambda moment: moment.isoformat())
ANYTHING = st.one_of(
    st.none(), st.booleans(), INT64 | EDGES, FLOATS, TEXTS, TIMES, st.just([]), st.just({"a": 1})
)
FIELDS = [*PAYMENT.by_name, "unknown"]


def verdict_of(read: Callable[[], Event]) -> Verdict:
    try:
        return read()
    except ContractViolation as violation:
        return violation.field


def column_verdict(columns: Mapping[str, NDArray[np.generic]]) -> list[Verdict]:
    batch, bad = check_columns(PAYMENT, columns)
    rows = len(next(iter(columns.values())))
    verdicts: list[Verdict] = [""] * rows
    refused = {row.row: row.violation.field for row in bad}
    sound = events_of(PAYMENT, batch)
    for row in range(rows):
        verdicts[row] = refused[row] if row in refused else next(sound)
    assert next(sound, None) is None
    return verdicts


def objects(values: list[object]) -> NDArray[np.generic]:
    array = np.empty(len(values), object)
    for at, value in enumerate(values):
        array[at] = value
    return array


def writable(value: object) -> bool:
    """Say whether JSON has the value: it has no NaN, and half a surrogate pair is no text."""
    if isinstance(value, float):
        return math.isfinite(value)
    return not isinstance(value, str) or "\ud800" not in value


@st.composite
def nearly_right(draw: st.DrawFn) -> dict[str, object]:
    row: dict[str, object] = {
        "id": draw(st.integers(0, 9)),
        "at": draw(TIMES),
        "amount": draw(st.floats(0, 100)),
    }
    for name in draw(st.lists(st.sampled_from(FIELDS), max_size=3)):
        row[name] = draw(ANYTHING)
    return row


@given(row=nearly_right())
def test_json_and_named_values_get_the_same_verdict(row: Row) -> None:
    assume(all(map(writable, row.values())))
    body = json.dumps(row).encode()

    assert verdict_of(lambda: PAYMENT.decode(body)) == verdict_of(lambda: PAYMENT.convert(row))


@given(rows=st.lists(nearly_right(), min_size=1, max_size=8))
def test_columns_of_anything_get_the_verdicts_of_their_rows(rows: list[Row]) -> None:
    names = sorted({name for row in rows for name in row})
    columns = {name: objects([row.get(name) for row in rows]) for name in names}

    assert column_verdict(columns) == [
        verdict_of(
            lambda row=row: PAYMENT.convert(
                PAYMENT.without_missing({name: row.get(name) for name in names})
            )
        )
        for row in rows
    ]


DTYPES = st.sampled_from(
    ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "?", "U3", "M8[s]", "M8[ms]", "M8[us]", "M8[ns]", "M8[D]"]
)


@st.composite
def typed_columns(draw: st.DrawFn) -> dict[str, NDArray[np.generic]]:
    rows = draw(st.integers(1, 6))
    columns: dict[str, NDArray[np.generic]] = {
        "id": np.arange(rows),
        "at": np.arange(rows).astype("M8[us]"),
        "amount": np.ones(rows),
    }
    for name in draw(st.lists(st.sampled_from([*PAYMENT.by_name]), min_size=1, max_size=4)):
        dtype = np.dtype(draw(DTYPES))
        bits = draw(st.binary(min_size=rows * 8, max_size=rows * 8))
        small = draw(st.booleans())
        if dtype.kind == "U":
            column: NDArray[np.generic] = np.array(
                draw(st.lists(TEXTS.filter(writable), min_size=rows, max_size=rows)), dtype
            )
        elif dtype.kind == "?" or dtype.kind == "b":
            column = np.frombuffer(bits, np.uint8, rows) > 127
        elif small:
            column = np.frombuffer(bits, np.int8, rows).astype(dtype)
        else:
            column = np.frombuffer(bits, dtype, rows)
        if draw(st.booleans()):
            mask = draw(st.lists(st.booleans(), min_size=rows, max_size=rows))
            column = cast("NDArray[np.generic]", np.ma.masked_array(column, mask))
        columns[name] = column
    return columns


def plain(array: NDArray[np.generic], row: int) -> object:
    if bool(np.ma.getmaskarray(array)[row]):
        return None
    value = np.ma.getdata(array)[row]
    if isinstance(value, np.datetime64):
        us = int(value.astype("datetime64[us]").astype(np.int64))
        return None if np.isnat(value) or us == -(2**63) else Instant(us)
    return cast("object", value.item())


@given(columns=typed_columns())
@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")
def test_typed_columns_get_the_verdicts_of_their_rows(
    columns: dict[str, NDArray[np.generic]],
) -> None:
    rows = [
        {name: plain(column, row) for name, column in columns.items()}
        for row in range(len(columns["id"]))
    ]

    assert column_verdict(columns) == [
        verdict_of(lambda row=row: PAYMENT.convert(PAYMENT.without_missing(row))) for row in rows
    ]


PAYMENTS = st.builds(
    Payment,
    id=st.integers(-(2**53), 2**53),
    at=st.integers(-(10**12), 10**12).map(Instant),
    amount=st.floats(0, 999_999),
    count=st.integers(-2, 300),
    ratio=st.none() | st.floats(-1e9, 1e9),
    card=st.sampled_from(["debit", "credit", None]),
    shop=st.text(min_size=1, max_size=4),
    note=st.none() | st.text(max_size=20),
    online=st.booleans(),
)


@given(payments=st.lists(PAYMENTS, max_size=20), data=st.data())
def test_a_batch_is_read_as_it_was_written(payments: list[Payment], data: st.DataObject) -> None:
    batch = batch_of(PAYMENT, payments)
    rows = len(payments)
    kept = data.draw(st.lists(st.booleans(), min_size=rows, max_size=rows))
    mask = np.array(kept, np.bool_)
    expected = [payment for payment, keep in zip(payments, kept, strict=True) if keep]

    stored = batch.take(mask).encode()

    assert list(events_of(PAYMENT, decode_batch(stored, PAYMENT))) == expected
    assert decode_batch(stored, PAYMENT).encode() == stored


@given(parts=st.lists(st.lists(PAYMENTS, max_size=5), min_size=1, max_size=4))
def test_joined_batches_hold_the_events_of_their_parts(parts: list[list[Payment]]) -> None:
    joined = join_batches(PAYMENT, [batch_of(PAYMENT, part) for part in parts])

    assert list(events_of(PAYMENT, joined)) == [event for part in parts for event in part]


@st.composite
def declarations(draw: st.DrawFn) -> list[tuple[str, object, object]]:
    """Draw up to three fields: name, type, default."""
    fields: list[tuple[str, object, object]] = []
    for name in draw(st.sets(st.sampled_from(["a", "b", "c"]), min_size=1)):
        kind = draw(st.sampled_from([int, float, str, bool]))
        hint: object = kind
        if kind in (int, float):
            low = draw(st.sampled_from([None, 0, 1]))
            high = draw(st.sampled_from([None, 5, 10**14]))
            if low is not None or high is not None:
                hint = Annotated[hint, Range(ge=low, lt=high)]
        if kind is float and draw(st.booleans()):
            hint = Annotated[hint, Resolution(draw(st.sampled_from(["0.1", "0.01"])))]
        if kind is str:
            hint = draw(
                st.sampled_from(
                    [
                        str,
                        Literal["x"],
                        Literal["x", "y"],
                        Annotated[str, Length(at_most=3)],
                        Annotated[str, Length(at_least=1, at_most=5)],
                    ]
                )
            )
        default: object = msgspec.NODEFAULT
        if draw(st.booleans()):
            default = {int: 2, float: 2.0, str: "x", bool: True}[kind]
        if draw(st.booleans()):
            hint = hint | None  # pyright: ignore[reportOperatorIssue, reportUnknownVariableType]: a type held as an object
            if default is not msgspec.NODEFAULT and draw(st.booleans()):
                default = None
        fields.append((name, hint, default))
    return fields


def declared(fields: list[tuple[str, object, object]]) -> Contract[Event]:
    namespace: dict[str, object] = {
        "__annotations__": {"id": Key[int], "at": EventTime}
        | {name: hint for name, hint, _ in fields},
        "__module__": __name__,
    }
    namespace |= {name: value for name, _, value in fields if value is not msgspec.NODEFAULT}
    kind = cast("type[Event]", msgspec.StructMeta("Note", (Event,), namespace, kw_only=True))
    return contract_of(kind)


VALUES = st.sampled_from([None, True, 0, 1, 2, 5, 2**53, 0.5, 1e13, "", "x", "y", "xyz", "12345"])


@given(before=declarations(), after=declarations(), data=st.data())
def test_a_compatible_change_reads_every_stored_event_and_another_is_refused_by_name(
    before: list[tuple[str, object, object]],
    after: list[tuple[str, object, object]],
    data: st.DataObject,
) -> None:
    old, new = declared(before), declared(after)
    bodies: list[bytes] = []
    for _ in range(20):
        row: dict[str, object] = {"id": 1, "at": "2018-08-01T00:00:00Z"}
        for name, _, _ in before:
            if data.draw(st.booleans()):
                row[name] = data.draw(VALUES)
        body = json.dumps(row).encode()
        if isinstance(verdict_of(lambda body=body: old.decode(body)), Event):
            bodies.append(body)
    accepted = [old.decode(body) for body in bodies]

    try:
        check_evolution(old.description, new)
    except IncompatibleContract as error:
        assert error.field in {name for name, _, _ in [*before, *after]}
        return

    one_by_one = [new.decode_stored(body) for body in bodies]
    by_column = list(events_of(new, decode_batch(batch_of(old, accepted).encode(), new)))
    assert one_by_one == by_column
    for earlier, event in zip(accepted, one_by_one, strict=True):
        kept = {name: getattr(event, name) for name in new.by_name}
        assert new.convert(kept) == event
        for name in old.by_name.keys() & new.by_name.keys():
            assert getattr(earlier, name) == getattr(event, name)
