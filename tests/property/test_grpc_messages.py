"""Messages of the inference protocol against the code that Google's tools made of them."""

import contextlib
import struct
from importlib import import_module
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kingpost.serving.oip import (
    DATATYPES,
    BadInference,
    BadTensor,
    InferResponse,
    ModelMetadata,
    ServerMetadata,
    TensorMetadata,
    tensor_from_values,
)
from kingpost.serving.oip.grpc_messages import (
    read_infer,
    read_model,
    write_infer,
    write_model,
    write_server,
)

pb: Any = import_module("tritonclient.grpc.service_pb2")  # it has no types
CONTENTS = {
    "BOOL": ("bool_contents", st.booleans()),
    "INT8": ("int_contents", st.integers(-128, 127)),
    "INT16": ("int_contents", st.integers(-(1 << 15), (1 << 15) - 1)),
    "INT32": ("int_contents", st.integers(-(1 << 31), (1 << 31) - 1)),
    "INT64": ("int64_contents", st.integers(-(1 << 63), (1 << 63) - 1)),
    "UINT8": ("uint_contents", st.integers(0, 255)),
    "UINT16": ("uint_contents", st.integers(0, (1 << 16) - 1)),
    "UINT32": ("uint_contents", st.integers(0, (1 << 32) - 1)),
    "UINT64": ("uint64_contents", st.integers(0, (1 << 64) - 1)),
    "FP32": ("fp32_contents", st.floats(width=32, allow_nan=False)),
    "FP64": ("fp64_contents", st.floats(allow_nan=False)),
    "BYTES": ("bytes_contents", st.binary(max_size=300)),
}
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
typed = st.sampled_from(sorted(CONTENTS)).flatmap(
    lambda datatype: st.tuples(
        st.just(datatype), words, st.lists(CONTENTS[datatype][1], max_size=20)
    )
)


@given(words, words, words, st.lists(typed, max_size=4), st.lists(words, max_size=3))
def test_typed_contents_are_read_as_they_were_written(
    model: str, version: str, asked_as: str, inputs: list[Any], outputs: list[str]
) -> None:
    message = pb.ModelInferRequest(model_name=model, model_version=version, id=asked_as)
    for datatype, name, values in inputs:
        made = message.inputs.add(name=name, datatype=datatype, shape=[len(values)])
        getattr(made.contents, CONTENTS[datatype][0]).extend(values)
    for name in outputs:
        message.outputs.add(name=name)

    read = read_infer(message.SerializeToString())

    assert read.model == (model, version)
    assert read.request.id == (asked_as or None)
    assert read.request.outputs == outputs
    assert not read.is_raw
    for tensor, (datatype, name, values) in zip(read.request.inputs, inputs, strict=True):
        assert (tensor.name, tensor.datatype, tensor.shape) == (name, datatype, (len(values),))
        assert list(tensor.values) == values


@given(st.lists(st.tuples(words, st.sampled_from(sorted(DATATYPES)), st.integers(0, 9))))
def test_raw_contents_are_read_as_they_were_written(some: list[tuple[str, str, int]]) -> None:
    message = pb.ModelInferRequest(model_name="m")
    raws: list[bytes] = []
    for name, datatype, rows in some:
        raws.append(np.arange(rows * 2).astype(DATATYPES[datatype]).tobytes())
        message.inputs.add(name=name, datatype=datatype, shape=[rows, 2])
        message.raw_input_contents.append(raws[-1])

    read = read_infer(message.SerializeToString())

    assert read.is_raw == bool(some)
    assert [one.raw() for one in read.request.inputs] == raws
    assert [one.shape for one in read.request.inputs] == [(rows, 2) for *_, rows in some]


@given(words, st.lists(typed, max_size=4), st.booleans(), st.none() | words)
def test_an_answer_is_read_by_others_as_it_was_meant(
    name: str, outputs: list[Any], is_raw: bool, record: str | None
) -> None:
    tensors = [
        tensor_from_values(each, datatype, [len(values)], values)
        for datatype, each, values in outputs
    ]
    written = write_infer(InferResponse(name, "v1", tensors, "7", record), is_raw=is_raw)

    read = pb.ModelInferResponse.FromString(written)

    assert (read.model_name, read.model_version, read.id) == (name, "v1", "7")
    assert read.parameters["kingpost-record"].string_param == (record or "")
    assert len(read.raw_output_contents) == (len(outputs) if is_raw else 0)
    for place, (datatype, each, values) in enumerate(outputs):
        made = read.outputs[place]
        assert (made.name, made.datatype, list(made.shape)) == (each, datatype, [len(values)])
        if is_raw:
            assert read.raw_output_contents[place] == tensors[place].raw()
        else:
            assert list(getattr(made.contents, CONTENTS[datatype][0])) == values


@given(words, words)
def test_a_request_that_names_a_model_is_read(name: str, version: str) -> None:
    message = pb.ModelMetadataRequest(name=name, version=version).SerializeToString()

    assert read_model(message) == (name, version)


def test_metadata_are_read_by_others() -> None:
    model = ModelMetadata(
        "m",
        ("v1",),
        "onnx_onnxv1",
        (TensorMetadata("x", "FP32", (-1, 30)),),
        (TensorMetadata("y", "FP64", (-1,)), TensorMetadata("z", "BOOL", ())),
        {"features": "a,b"},
    )

    read = pb.ModelMetadataResponse.FromString(write_model(model))
    server = pb.ServerMetadataResponse.FromString(write_server(ServerMetadata("k", "1", ("e",))))

    assert (read.name, list(read.versions), read.platform) == ("m", ["v1"], "onnx_onnxv1")
    assert [(one.name, one.datatype, list(one.shape)) for one in (*read.inputs, *read.outputs)] == [
        ("x", "FP32", [-1, 30]),
        ("y", "FP64", [-1]),
        ("z", "BOOL", []),
    ]
    assert (server.name, server.version, list(server.extensions)) == ("k", "1", ["e"])


@given(st.binary(max_size=200))
def test_bytes_that_are_no_message_are_refused(some: bytes) -> None:
    with contextlib.suppress(BadInference, BadTensor):
        read_infer(some)
    with contextlib.suppress(BadInference):
        read_model(some)


@given(st.data())
def test_messages_that_were_damaged_are_read_or_refused(data: st.DataObject) -> None:
    message = pb.ModelInferRequest(model_name="m", id="1")
    tensor = message.inputs.add(name="x", datatype="INT64", shape=[3, 2])
    tensor.contents.int64_contents.extend([1, 300, -5, 1 << 40, 0, 7])
    tensor.parameters["p"].double_param = 1.5
    message.outputs.add(name="y").parameters["q"].bool_param = True
    whole = bytearray(message.SerializeToString())
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))

    with contextlib.suppress(BadInference, BadTensor):
        read_infer(bytes(whole[: data.draw(st.integers(0, len(whole)))]))


def test_a_message_of_endless_fields_is_refused_early() -> None:
    contents = b"\x42\x00" * (1 << 19)
    tensor = b"\x0a\x01x\x12\x05BYTES" + b"\x2a" + _length(len(contents)) + contents

    with contextlib.suppress(BadTensor):
        try:
            read_infer(b"\x2a" + _length(len(tensor)) + tensor)
        except BadInference as refused:
            assert "fields" in str(refused)
        else:
            raise AssertionError("it was read")


def _length(size: int) -> bytes:
    assert size < 1 << 28
    low = [size >> 7 * place & 0x7F | 0x80 for place in range(4)]
    return struct.pack("4B", low[0], low[1], low[2], low[3] & 0x7F)
