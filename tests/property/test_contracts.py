"""One row has one verdict, one by one or by the column; what is stored stays readable."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC
from functools import partial
from types import new_class
from typing import Annotated, Literal, Optional, cast

import msgspec
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from kingpost.contracts import (
    Contract,
    ContractViolation,
    Dimension,
    Event,
    EventTime,
    IncompatibleContract,
    Instant,
    Key,
    Length,
    Range,
    Resolution,
    Vector,
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
    taste: Annotated[Vector | None, Dimension(2)] = None


PAYMENT = contract_of(Payment)

INT64 = st.integers(-(2**63), 2**63 - 1)
EDGES = st.sampled_from([-3, -2, 0, 1, 300, 301, 2**53, 2**53 + 1, -(2**53) - 1, 2**63, -(2**63)])
FLOATS = st.floats() | st.sampled_from([0.0, -0.0, 0.1, 1e6, 999_999.99, 2.0**53, 9.0072e13])
TEXTS = st.text(max_size=6) | st.sampled_from(["debit", "credit", "null", "true", "1", "\ud800"])
TIMES = st.datetimes(timezones=st.just(UTC)).map(lambda moment: moment.isoformat())
NUMBERS = st.lists(INT64 | FLOATS | st.none() | st.booleans() | TEXTS, max_size=3) | st.lists(
    FLOATS | st.sampled_from([3.5e38, -3.4e38, 1e-46, 2**63, 2**200]), min_size=2, max_size=2
)
ANYTHING = st.one_of(
    NUMBERS,
    st.none(),
    st.booleans(),
    INT64 | EDGES,
    FLOATS,
    TEXTS,
    TIMES,
    st.just([]),
    st.just({"a": 1}),
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
    if isinstance(value, list):
        return all(map(writable, cast("list[object]", value)))
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
    [
        "i1",
        "i2",
        "i4",
        "i8",
        "u1",
        "u2",
        "u4",
        "u8",
        "f2",
        "f4",
        "f8",
        "?",
        "U3",
        "M8[s]",
        "M8[ms]",
        "M8[us]",
        "M8[ns]",
        "M8[D]",
    ]
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
        elif dtype.kind == "b":
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
        return None if us == -(2**63) else Instant(us)
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
    taste=st.none() | st.tuples(*[st.floats(width=32, allow_nan=False, allow_infinity=False)] * 2),
)


def is_plain(value: object) -> bool:
    """Say whether an array holds a value as it is."""
    return type(value) is float or (type(value) is int and abs(value) < 2**63)


@given(values=st.lists(NUMBERS | st.none(), min_size=1, max_size=6), data=st.data())
def test_vectors_as_arrays_get_the_verdicts_of_their_lists(
    values: list[list[object] | None], data: st.DataObject
) -> None:
    rows: list[object] = []
    for value in values:
        fits = value is not None and all(map(is_plain, value))
        rows.append(np.array(value) if fits and data.draw(st.booleans()) else value)
    columns = {
        "id": np.arange(len(rows)),
        "at": np.arange(len(rows)).astype("M8[us]"),
        "amount": np.ones(len(rows)),
        "taste": objects(rows),
    }

    assert column_verdict(columns) == [
        verdict_of(
            lambda row=row, value=value: PAYMENT.convert(
                {"id": row, "at": Instant(row), "amount": 1.0, "taste": value}
            )
        )
        for row, value in enumerate(values)
    ]


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


@dataclass(frozen=True)
class Declared:
    """The field of a contract in the making."""

    kind: type[int | float | str | bool]
    low: int | None
    high: int | None
    step: str | None
    texts: object
    is_optional: bool
    has_default: bool
    is_none: bool

    @property
    def hint(self) -> object:
        hint: object = self.texts if self.kind is str else self.kind
        if self.kind in (int, float) and (self.low, self.high) != (None, None):
            hint = Annotated[hint, Range(ge=self.low, lt=self.high)]
        if self.kind is float and self.step:
            hint = Annotated[hint, Resolution(self.step)]
        return Optional[hint] if self.is_optional else hint  # noqa: UP045 an object

    @property
    def default(self) -> object:
        if not self.has_default:
            return msgspec.NODEFAULT
        if self.is_optional and self.is_none:
            return None
        return {int: 2, float: 2.0, str: "x", bool: True}[self.kind]


ASPECTS: Mapping[str, st.SearchStrategy[object]] = {
    "kind": st.sampled_from([int, float, str, bool]),
    "low": st.sampled_from([None, 0, 1]),
    "high": st.sampled_from([None, 5, 10**14]),
    "step": st.sampled_from([None, "0.1", "0.01"]),
    "texts": st.sampled_from(
        [
            str,
            Literal["x"],
            Literal["x", "y"],
            Annotated[str, Length(at_most=3)],
            Annotated[str, Length(at_least=1, at_most=5)],
        ]
    ),
    "is_optional": st.booleans(),
    "has_default": st.booleans(),
    "is_none": st.booleans(),
}
DECLARED = st.builds(Declared, **ASPECTS)
CHANGES = st.lists(st.sampled_from([*ASPECTS]), max_size=3)


def note_with(field: Declared | None) -> Contract[Event]:
    namespace: dict[str, object] = {"__annotations__": {"id": Key[int], "at": EventTime}}
    namespace["__module__"] = __name__
    if field is not None:
        namespace["__annotations__"] = {"id": Key[int], "at": EventTime, "a": field.hint}
        if field.default is not msgspec.NODEFAULT:
            namespace["a"] = field.default
    kind: type[Event] = new_class("Note", (Event,), {}, lambda filled: filled.update(namespace))
    return contract_of(kind)


VALUES: Mapping[str, st.SearchStrategy[object]] = {
    "integer": st.sampled_from([0, 1, 2, 5, 2**53]),
    "number": st.sampled_from([0.0, 0.5, 1.0, 2.0, 5.0, 1e13, 1e14, 2.0**53]),
    "text": st.sampled_from(["", "x", "y", "xyz", "1234"]),
    "boolean": st.booleans(),
}


def stored_body(data: st.DataObject, contract: Contract[Event]) -> bytes:
    row: dict[str, object] = {"id": 1, "at": "2018-08-01T00:00:00Z"}
    for field in contract.fields[2:]:
        if field.required or data.draw(st.booleans()):
            none = st.none() if field.optional else st.nothing()
            row[field.name] = data.draw(VALUES[field.kind] | none)
    return json.dumps(row).encode()


@settings(max_examples=400)
@given(before=st.none() | DECLARED, changes=CHANGES, data=st.data())
def test_a_compatible_change_reads_every_stored_event_and_another_is_refused_by_name(
    before: Declared | None, changes: list[str], data: st.DataObject
) -> None:
    changed = {aspect: data.draw(ASPECTS[aspect]) for aspect in changes}
    after = replace(before, **changed) if before else data.draw(st.none() | DECLARED)
    old, new = note_with(before), note_with(after)
    drawn = [stored_body(data, old) for _ in range(5)]
    bodies = [body for body in drawn if not isinstance(verdict_of(partial(old.decode, body)), str)]
    accepted = [old.decode(body) for body in bodies]

    try:
        check_evolution(old.description, new)
    except IncompatibleContract as error:
        assert error.field == "a"
        return

    one_by_one = [new.decode_stored(body) for body in bodies]
    by_column = list(events_of(new, decode_batch(batch_of(old, accepted).encode(), new)))
    assert one_by_one == by_column
    for earlier, event in zip(accepted, one_by_one, strict=True):
        assert new.convert({name: getattr(event, name) for name in new.by_name}) == event
        for name in old.by_name.keys() & new.by_name.keys():
            assert getattr(earlier, name) == getattr(event, name)
