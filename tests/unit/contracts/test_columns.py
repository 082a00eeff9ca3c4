from typing import Annotated

import numpy as np
import pytest

from kingpost.contracts import (
    Event,
    EventTime,
    Instant,
    Key,
    Range,
    Texts,
    UnreadableBatch,
    batch_of,
    check_columns,
    contract_of,
    decode_batch,
    events_of,
)


class Payment(Event):
    id: Key[int]
    at: EventTime
    amount: Annotated[float, Range(le=0.1)] = 0.0
    shop: str = "-"
    ratio: float | None = 0.5


PAYMENT = contract_of(Payment)


def objects(*values: object) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
    array = np.empty(len(values), object)
    for at, value in enumerate(values):
        array[at] = value
    return array


def test_rows_that_keep_the_contract_and_rows_that_do_not_are_told_apart() -> None:
    batch, bad = check_columns(
        PAYMENT,
        {
            "id": np.array([1, 2, 3]),
            "at": np.array(["2018-08-01", "NaT", "2018-08-03"], "M8[us]"),
            "amount": np.array([0.1, 0.1, 7.0]),
        },
        first_row=10,
    )

    assert batch.values("id") == [1]
    assert [(row.row, row.violation.field) for row in bad] == [(11, "at"), (12, "amount")]
    assert bad[0].values == {"id": 2, "at": None, "amount": 0.1}
    assert bad[1].values["at"] == Instant.parse("2018-08-03T00:00:00Z")


def test_a_bound_is_compared_as_the_number_a_narrow_column_holds() -> None:
    # 0.1 as float32 is 0.10000000149
    batch, bad = check_columns(
        PAYMENT,
        {
            "id": np.array([1]),
            "at": np.array([0], "M8[us]"),
            "amount": np.array([0.1], np.float32),
        },
    )

    assert batch.rows == 0
    assert bad[0].violation.field == "amount"


@pytest.mark.parametrize("year", [10_000, 290_000, -1])
def test_a_time_outside_the_years_1_to_9999_is_refused(year: int) -> None:
    at = np.datetime64(year - 1970, "Y").astype("M8[us]")

    _, bad = check_columns(PAYMENT, {"id": np.array([1]), "at": np.array([at])})

    assert bad[0].violation.field == "at"


def test_values_that_cannot_be_hashed_are_refused_like_others() -> None:
    _, bad = check_columns(
        PAYMENT,
        {
            "id": np.array([1, 2]),
            "at": np.array([0, 0], "M8[us]"),
            "shop": objects(["a"], {"b": 1}),
        },
    )

    assert [row.violation.found for row in bad] == ["`array`", "`object`"]


def test_a_missing_value_is_none_where_that_is_allowed_else_the_default() -> None:
    batch, bad = check_columns(
        PAYMENT,
        {
            "id": np.array([1, 2]),
            "at": np.array([0, 0], "M8[us]"),
            "shop": objects(None, "x"),
            "ratio": np.ma.masked_array([9.0, 1.0], [True, False]),
        },
    )

    assert not bad
    assert batch.values("shop") == ["-", "x"]
    assert batch.values("ratio") == [None, 1.0]


def test_a_column_that_is_not_there_takes_the_default() -> None:
    batch, bad = check_columns(PAYMENT, {"id": np.array([1]), "at": np.array([0], "M8[us]")})

    assert not bad
    assert list(events_of(PAYMENT, batch)) == [Payment(id=1, at=Instant(0))]


def test_columns_that_are_no_field_refuse_every_row() -> None:
    _, bad = check_columns(
        PAYMENT,
        {"id": np.array([1]), "at": np.array([0], "M8[us]"), "colour": np.array([3])},
    )

    assert [row.violation.field for row in bad] == ["colour"]


def test_no_rows_are_a_batch_of_none() -> None:
    batch, bad = check_columns(
        PAYMENT, {"id": np.empty(0, np.int32), "at": np.empty(0, "M8[us]"), "shop": objects()}
    )

    assert (batch.rows, bad) == (0, [])
    assert decode_batch(batch.encode(), PAYMENT).rows == 0


def test_a_part_of_a_batch_stores_only_the_texts_it_has() -> None:
    payments = [Payment(id=n, at=Instant(n), shop=f"shop {n}") for n in range(1000)]
    batch = batch_of(PAYMENT, payments)

    part = batch.take(np.arange(10))
    stored = part.encode()

    assert len(stored) < len(batch.encode()) / 50
    texts = decode_batch(stored, PAYMENT).texts("shop")
    assert isinstance(texts, Texts)
    assert list(texts.values) == [f"shop {n}" for n in range(10)]
    assert decode_batch(stored, PAYMENT).values("shop") == part.values("shop")


def test_stored_columns_come_back_aligned() -> None:
    for rows in range(1, 9):
        events = [Payment(id=2**40 + n, at=Instant(2**50 + n)) for n in range(rows)]

        batch = decode_batch(batch_of(PAYMENT, events).encode(), PAYMENT)

        assert all(batch.numbers(name).flags.aligned for name in ("id", "at", "amount", "ratio"))
        assert list(events_of(PAYMENT, batch)) == events


def test_a_batch_of_a_later_format_is_refused() -> None:
    stored = bytearray(batch_of(PAYMENT, []).encode())
    stored[5] = 3  # the format, first in the header

    with pytest.raises(UnreadableBatch, match="format 3, this version reads up to 2"):
        decode_batch(bytes(stored), PAYMENT)


def test_a_text_column_is_not_read_as_numbers_nor_the_other_way_round() -> None:
    batch = batch_of(PAYMENT, [])

    with pytest.raises(TypeError, match="holds text"):
        batch.numbers("shop")
    with pytest.raises(TypeError, match="holds no text"):
        batch.texts("id")
