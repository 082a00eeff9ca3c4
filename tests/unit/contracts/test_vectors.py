"""Fields that are vectors: one dimension, finite numbers, float32 from the door on."""

import json
import math
from collections.abc import Callable
from types import new_class
from typing import Annotated

import numpy as np
import pytest

from kingpost.contracts import (
    BadContract,
    BadDimension,
    ContractViolation,
    Dimension,
    Event,
    EventTime,
    IncompatibleContract,
    Key,
    Length,
    Range,
    Vector,
    batch_of,
    check_columns,
    check_evolution,
    contract_of,
    decode_batch,
    events_of,
)


class Item(Event):
    id: Key[int]
    at: EventTime
    embedding: Annotated[Vector, Dimension(3)]
    style: Annotated[Vector | None, Dimension(2)] = None


ITEM = contract_of(Item)
AT = "2018-08-01T12:00:00Z"


def row(embedding: object, **more: object) -> dict[str, object]:
    return {"id": 1, "at": AT, "embedding": embedding, **more}


def read(embedding: object, **more: object) -> Item:
    return ITEM.decode(json.dumps(row(embedding, **more)).encode())


def test_a_vector_is_rounded_to_float32_when_it_is_read() -> None:
    expected = (float(np.float32(0.1)), 2.0, -0.0)

    assert read([0.1, 2, -0.0]).embedding == expected
    assert ITEM.convert(row((0.1, 2, -0.0))).embedding == expected
    assert ITEM.decode_stored(json.dumps(row([0.1, 2, -0.0])).encode()).embedding == expected


@pytest.mark.parametrize(
    ("value", "field", "expected", "found"),
    [
        ([1.0, 2.0], "embedding", "3 numbers", "2 of them"),
        ([1.0] * 4, "embedding", "3 numbers", "4 of them"),
        ([1.0, "2", 3.0], "embedding[1]", "`float`", "`str`"),
        ([1.0, 2.0, None], "embedding[2]", "`float`", "`null`"),
        ([1.0, True, 2.0], "embedding[1]", "`float`", "`bool`"),
        ([1.0, 1e39, 2.0], "embedding[1]", "a finite number", "a larger one"),
        ("[1, 2, 3]", "embedding", "`array`", "`str`"),
        (None, "embedding", "`array`", "`null`"),
    ],
)
def test_what_is_no_such_vector_is_refused_with_its_place(
    value: object, field: str, expected: str, found: str
) -> None:
    for refuse in (lambda: read(value), lambda: ITEM.convert(row(value))):
        with pytest.raises(ContractViolation) as caught:
            refuse()
        assert (caught.value.field, caught.value.found) == (field, found)
        assert caught.value.expected.startswith(expected)


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_refused(odd: float) -> None:
    with pytest.raises(ContractViolation, match=r"embedding\[2\]: expected a finite number"):
        ITEM.convert(row([1.0, 2.0, odd]))


def test_a_cell_holds_a_vector_as_a_json_array() -> None:
    cells = {"id": "1", "at": AT, "embedding": "[0.5, 2, 3]", "style": ""}

    assert ITEM.convert(cells, text=True) == read([0.5, 2, 3])


@pytest.mark.parametrize("cell", ["0.5", "0.5 2 3", '["1", 2, 3]', "[1, NaN, 2]", "\ud800"])
def test_a_cell_that_holds_no_array_is_refused(cell: str) -> None:
    with pytest.raises(ContractViolation, match="3 numbers as a JSON array, found another text"):
        ITEM.convert({"id": "1", "at": AT, "embedding": cell}, text=True)


def test_columns_of_vectors_are_checked_like_rows() -> None:
    given = np.empty(6, object)
    given[:] = [
        np.array([0.1, 2, 3]),
        np.array([1, 2, 3], np.int8),
        np.array([1.0, 2.0]),
        np.ma.masked_array([1.0, 2.0, 3.0], [False, True, False]),
        [1.0, 2.0, 3.0],
        None,
    ]

    batch, bad = check_columns(
        ITEM,
        {"id": np.arange(6), "at": np.arange(6).astype("M8[us]"), "embedding": given},
    )

    assert [one.row for one in bad] == [2, 3, 5]
    assert batch.numbers("embedding").dtype == np.float32
    assert batch.numbers("embedding").tolist()[0] == [float(np.float32(0.1)), 2.0, 3.0]
    assert [event.embedding for event in events_of(ITEM, batch)][1:] == [(1.0, 2.0, 3.0)] * 2


def test_a_matrix_is_a_column_of_vectors() -> None:
    matrix = np.ma.masked_array(np.ones((3, 2)), [[False, False], [True, True], [True, False]])
    columns = {
        "id": np.arange(3),
        "at": np.arange(3).astype("M8[us]"),
        "embedding": np.ones((3, 3), np.float32),
        "style": matrix,
    }

    batch, bad = check_columns(ITEM, columns)

    assert [one.row for one in bad] == [2]
    assert list(batch.vectors("style")) == [(1.0, 1.0), None]


def test_a_stored_batch_holds_float32_and_is_read_again() -> None:
    items = [read([0.1, 2, 3], style=[1, 2]), read([4, 5, 6])]
    narrow = batch_of(ITEM, items).encode()
    wide = batch_of(ITEM, items * 1000).encode()

    assert list(events_of(ITEM, decode_batch(narrow, ITEM))) == items
    assert len(wide) - len(narrow) < 1998 * (4 * 5 + 8 + 8 + 1)


def test_a_batch_without_vectors_is_written_as_before() -> None:
    class Plain(Event):
        id: Key[int]
        at: EventTime

    stored = batch_of(contract_of(Plain), [Plain(id=1, at=read([1, 2, 3]).at)]).encode()

    assert stored[5] == 1, "the format that earlier versions read"


def test_vectors_are_not_read_as_single_values() -> None:
    with pytest.raises(TypeError, match="holds vectors"):
        batch_of(ITEM, [read([1, 2, 3])]).values("embedding")


def test_the_json_schema_says_how_many_numbers_there_are() -> None:
    properties = ITEM.json_schema()["properties"]
    assert isinstance(properties, dict)
    style: object = properties["style"]  # pyright: ignore[reportUnknownVariableType]

    greatest = float(np.finfo(np.float32).max)
    assert style == {
        "type": ["array", "null"],
        "items": {"type": "number", "minimum": -greatest, "maximum": greatest},
        "minItems": 2,
        "maxItems": 2,
        "default": None,
    }


@pytest.mark.parametrize("size", [0, -1, 4097, 2.0, True, "3"])
def test_a_dimension_that_no_vector_has_is_refused(
    size: int, copy_of: Callable[[object], object]
) -> None:
    with pytest.raises(BadDimension, match="from 1 to 4,096") as caught:
        Dimension(size)

    assert str(caught.value).startswith(f"{__file__}:")
    assert str(copy_of(caught.value)) == str(caught.value)


def error_of(hint: object, **default: object) -> str:
    names = {"id": Key[int], "at": EventTime, "v": hint}
    body = {"__annotations__": names, "__module__": __name__, **default}
    made: type[Event] = new_class("Made", (Event,), {}, lambda filled: filled.update(body))
    with pytest.raises(BadContract) as caught:
        contract_of(made)
    return str(caught.value)


def test_a_vector_that_is_declared_wrongly_is_refused_with_the_mend() -> None:
    assert "kp.Dimension(384)" in error_of(Vector)
    assert "kp.Dimension(384)" in error_of(Annotated[Vector, Length(at_most=3)])
    assert "kp.Dimension(384)" in error_of(Annotated[Vector, Dimension(3), Range(ge=0)])
    assert "only a kp.Vector takes" in error_of(Annotated[float, Dimension(3)])
    assert "its default is None" in error_of(Annotated[Vector, Dimension(1)], v=(1.0,))
    assert "never None" in error_of(Key[Annotated[Vector, Dimension(3)]])
    assert "or kp.Vector" in error_of(list[float])


def test_another_dimension_is_incompatible_and_an_optional_vector_is_not() -> None:
    class Wider:
        class Item(Event):
            id: Key[int]
            at: EventTime
            embedding: Annotated[Vector, Dimension(4)]

    class Before:
        class Item(Event):
            id: Key[int]
            at: EventTime
            embedding: Annotated[Vector, Dimension(3)]

    before = contract_of(Before.Item)
    check_evolution(before.description, ITEM)
    held = batch_of(before, [Before.Item(id=1, at=read([1, 2, 3]).at, embedding=(1.0, 2.0, 3.0))])
    assert list(events_of(ITEM, decode_batch(held.encode(), ITEM))) == [read([1, 2, 3])]
    with pytest.raises(IncompatibleContract, match="had dimension 3 and now has 4"):
        check_evolution(ITEM.description, contract_of(Wider.Item))
