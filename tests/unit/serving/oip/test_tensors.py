"""Tensors: read from every door, refused when they do not fit themselves."""

import struct
from collections.abc import Sequence

import numpy as np
import pytest

from kingpost.serving.oip import (
    DATATYPES,
    BadTensor,
    tensor_from_json,
    tensor_from_raw,
    tensor_from_values,
)
from kingpost.serving.oip.tensors import MOST_TEXTS, MOST_TEXTS_TOGETHER, taken_together

BYTES = b"\x02\x00\x00\x00hi\x00\x00\x00\x00"


@pytest.mark.parametrize("datatype", DATATYPES)
def test_numbers_come_back_from_json_and_from_bytes(datatype: str) -> None:
    values = [True, False, True] if datatype == "BOOL" else [0, 1, 100]
    from_json = tensor_from_json("x", datatype, [3], str(values).lower().encode())
    from_raw = tensor_from_raw("x", datatype, [3], memoryview(from_json.raw()))

    assert from_json.tolist() == from_raw.tolist() == values
    assert len(from_json.raw()) == 3 * np.dtype(DATATYPES[datatype]).itemsize


def test_texts_come_back_from_json_and_from_bytes() -> None:
    from_json = tensor_from_json("x", "BYTES", [2], b'["hi", ""]')

    assert from_json.raw() == BYTES
    assert tensor_from_raw("x", "BYTES", [2], memoryview(BYTES)).tolist() == ["hi", ""]


def test_bf16_is_the_upper_half_of_a_float() -> None:
    raw = struct.pack("<f", 1.5)[2:] + struct.pack("<f", -2.0)[2:]

    assert tensor_from_raw("x", "BF16", [2], memoryview(raw)).tolist() == [1.5, -2.0]


@pytest.mark.parametrize("data", [b"[1,2,3,4]", b"[[1,2],[3,4]]", b" [ [1, 2],\n[3, 4]]"])
def test_json_is_flat_or_nested_as_the_shape(data: bytes) -> None:
    assert tensor_from_json("x", "FP32", [2, 2], data).tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("datatype", "shape", "data"),
    [
        ("FP32", [2, 2], b"[[1,2,3],[4]]"),
        ("FP32", [2, 2], b"[[[1,2],[3,4]]]"),
        ("FP32", [2], b"[1]"),
        ("FP32", [2], b"[1,2,3]"),
        ("FP32", [1], b'["1"]'),
        ("FP32", [1], b"[NaN]"),
        ("FP32", [1], b"[null]"),
        ("FP32", [1], b"[1e39]"),
        ("FP16", [1], b"[70000]"),
        ("FP64", [1], b"[1e999]"),
        ("FP32", [1], b"1"),
        ("FP32", [1], b""),
        ("FP32", [1], b"[1"),
        ("FP32", [1], b"[" * 100_000),
        ("INT8", [1], b"[128]"),
        ("UINT8", [1], b"[-1]"),
        ("UINT64", [1], b"[18446744073709551616]"),
        ("INT64", [1], b"[1.5]"),
        ("INT64", [1], b"[true]"),
        ("BOOL", [1], b"[1]"),
        ("BYTES", [1], b"[1]"),
        ("BYTES", [2], b'["a"]'),
        ("BYTES", [1], b'["\\ud800"]'),
        ("BF16", [1], b"[1]"),
        ("FP128", [1], b"[1]"),
        ("FP32", [-1], b"[1]"),
        ("FP32", [1] * 9, b"[1]"),
        ("FP32", [1 << 40, 1 << 40], b"[1]"),
    ],
)
def test_json_that_does_not_fit_is_refused(datatype: str, shape: list[int], data: bytes) -> None:
    with pytest.raises(BadTensor):
        tensor_from_json("x", datatype, shape, data)


@pytest.mark.parametrize(
    ("datatype", "shape", "raw"),
    [
        ("FP32", [2], b"\0" * 7),
        ("FP32", [2], b"\0" * 9),
        ("BOOL", [2], b"\x01\x02"),
        ("BYTES", [2], BYTES[:-1]),
        ("BYTES", [1], BYTES),
        ("BYTES", [1], b"\xff\xff\xff\xff"),
        ("BYTES", [1 << 21], b"\0" * 8),
        ("FP32", [1 << 62, 4], b""),
        ("x", [1], b"\0"),
    ],
)
def test_bytes_that_do_not_fit_are_refused(datatype: str, shape: list[int], raw: bytes) -> None:
    with pytest.raises(BadTensor):
        tensor_from_raw("x", datatype, shape, memoryview(raw))


@pytest.mark.parametrize(
    ("datatype", "values"), [("INT8", [300]), ("UINT32", [-1]), ("BYTES", [1]), ("BF16", [1.0])]
)
def test_values_outside_their_datatype_are_refused(datatype: str, values: Sequence[object]) -> None:
    with pytest.raises(BadTensor):
        tensor_from_values("x", datatype, [1], values)


def test_nan_and_infinity_stay_what_they_are() -> None:
    read = tensor_from_values("x", "FP32", [2], [float("nan"), float("-inf")]).tolist()

    assert np.isnan(np.array(read[0], float))
    assert read[1] == float("-inf")


def test_the_name_in_a_message_is_cut() -> None:
    with pytest.raises(BadTensor) as caught:
        tensor_from_json("n" * 10_000, "FP32", [1], b"[]")

    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("door", ["raw", "json", "values"])
def test_more_texts_than_are_taken_at_a_time_are_refused_before_they_are_read(door: str) -> None:
    number = MOST_TEXTS + 1
    with pytest.raises(BadTensor, match="more than 8,192 elements of BYTES") as refused:
        match door:
            case "raw":
                tensor_from_raw("x", "BYTES", [number], memoryview(bytes(4 * number)))
            case "json":
                tensor_from_json("x", "BYTES", [number], b"not even JSON")
            case _:
                tensor_from_values("x", "BYTES", [number], [b""] * number)

    assert refused.value.code == "bad_tensor"
    assert len(tensor_from_raw("x", "BYTES", [MOST_TEXTS], memoryview(bytes(4 * MOST_TEXTS))).raw())


def test_many_tensors_of_texts_are_taken_up_to_a_number_together() -> None:
    full = tensor_from_values("x", "BYTES", [MOST_TEXTS], [b""] * MOST_TEXTS)
    many = MOST_TEXTS_TOGETHER // MOST_TEXTS
    read = iter([full] * (many + 2))

    assert len(taken_together([full] * many)) == many
    with pytest.raises(BadTensor, match="the request holds more than 262,144 elements of BYTES"):
        taken_together(read)
    assert next(read) is full, "what comes after it is not read"
