"""The protocol's gRPC form: its messages read and written, data as bytes or by their types.

What an input says of itself is read once for the bytes that say it: callers send the same
again and again, with other data.

Source: Open Inference Protocol v2 (gRPC), package `inference`.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from kingpost.serving.oip.errors import BadInference, BadTensor
from kingpost.serving.oip.messages import (
    InferRequest,
    InferResponse,
    ModelMetadata,
    ServerMetadata,
    TensorMetadata,
)
from kingpost.serving.oip.protobuf import (
    Budget,
    Part,
    bytes_field,
    number_field,
    parts_of,
    read_numbers,
    text_field,
    texts_field,
    write_numbers,
)
from kingpost.serving.oip.tensors import Tensor, taken_together, tensor_from_raw, tensor_from_values

__all__ = [
    "GrpcRequest",
    "NamedModel",
    "read_infer",
    "read_model",
    "write_flag",
    "write_infer",
    "write_model",
    "write_server",
]

_CONTENTS = {
    "BOOL": 1,
    "INT8": 2,
    "INT16": 2,
    "INT32": 2,
    "INT64": 3,
    "UINT8": 4,
    "UINT16": 4,
    "UINT32": 4,
    "UINT64": 5,
    "FP32": 6,
    "FP64": 7,
    "BYTES": 8,
}
"""The field of the typed contents that holds data of a type; FP16 and BF16 have none."""
_FORMS = {1: "<u8", 2: "<i8", 3: "<i8", 4: "<u8", 5: "<u8", 6: "<f4", 7: "<f8"}
_NAMES = {
    1: "bool_contents",
    2: "int_contents",
    3: "int64_contents",
    4: "uint_contents",
    5: "uint64_contents",
    6: "fp32_contents",
    7: "fp64_contents",
    8: "bytes_contents",
}
_NOT_TAKEN = ("shared_memory_region", "classification")
_KEPT_BYTES = 256


class NamedModel(NamedTuple):
    """A model, as it is asked for; an empty version is the one that runs."""

    name: str
    version: str


class GrpcRequest(NamedTuple):
    """An inference as it came over gRPC.

    Attributes:
        is_raw: Whether its data are bytes; then those of the answer are, too.
    """

    model: NamedModel
    request: InferRequest
    is_raw: bool


class _Described(NamedTuple):
    """An input without its data, unless they are typed contents."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    contents: bytes | None


def read_model(message: bytes) -> NamedModel:
    """Read a request that names a model.

    Raises:
        BadInference: It cannot be read.
    """
    name = version = ""
    for part in parts_of(memoryview(message), Budget()):
        if part.field == 1:
            name = part.text()
        elif part.field == 2:
            version = part.text()
    return NamedModel(name, version)


def read_infer(message: bytes) -> GrpcRequest:
    """Read an inference.

    Raises:
        BadInference: It cannot be read, or has its data neither one way nor the other.
        BadTensor: A tensor does not fit itself.
    """
    name = version = asked_as = ""
    described: list[_Described] = []
    outputs: list[str] = []
    raws: list[memoryview] = []
    budget = Budget()
    for part in parts_of(memoryview(message), budget):
        match part.field:
            case 1:
                name = part.text()
            case 2:
                version = part.text()
            case 3:
                asked_as = part.text()
            case 5:
                described.append(_described(part.bytes(), budget))
            case 6:
                outputs.append(_output(part.bytes(), budget))
            case 7:
                raws.append(part.bytes())
            case _:
                pass
    request = InferRequest(_tensors(described, raws, budget), outputs, asked_as or None)
    return GrpcRequest(NamedModel(name, version), request, bool(raws))


def write_infer(response: InferResponse, *, is_raw: bool) -> bytes:
    """Write what came of an inference."""
    parts = [_answered_by(response.model, response.version)]
    if response.id is not None:
        parts.append(text_field(3, response.id))
    if response.record is not None:
        parts.append(_text_parameter(4, "kingpost-record", response.record))
    raws: list[bytes] = []
    for one in response.outputs:
        described = _output_described(one.name, one.datatype, one.shape)
        if is_raw or one.datatype not in _CONTENTS:
            parts.append(bytes_field(5, described))
            raws.append(bytes_field(6, one.raw()))
        else:
            parts.append(bytes_field(5, described + bytes_field(5, _contents_of(one))))
    return b"".join((*parts, *raws))


def write_flag(*, flag: bool) -> bytes:
    """Write an answer of one field that is true or false."""
    return number_field(1, int(flag))


def write_server(server: ServerMetadata) -> bytes:
    """Write down what a server is."""
    return b"".join(
        (
            text_field(1, server.name),
            text_field(2, server.version),
            texts_field(3, server.extensions),
        )
    )


def write_model(model: ModelMetadata) -> bytes:
    """Write down what a model is."""
    return b"".join(
        (
            text_field(1, model.name),
            texts_field(2, model.versions),
            text_field(3, model.platform),
            _tensor_fields(4, model.inputs),
            _tensor_fields(5, model.outputs),
            _properties(6, model.properties),
        )
    )


def _tensor_fields(field: int, tensors: Iterable[TensorMetadata]) -> bytes:
    return b"".join(
        bytes_field(field, _output_described(one.name, one.datatype, one.shape)) for one in tensors
    )


def _properties(field: int, properties: Mapping[str, str]) -> bytes:
    return b"".join(
        bytes_field(field, text_field(1, key) + text_field(2, value))
        for key, value in properties.items()
    )


def _text_parameter(field: int, name: str, value: str) -> bytes:
    return bytes_field(field, text_field(1, name) + bytes_field(2, text_field(3, value)))


@lru_cache(256)
def _answered_by(model: str, version: str) -> bytes:
    return text_field(1, model) + text_field(2, version)


@lru_cache(1024)
def _output_described(name: str, datatype: str, shape: tuple[int, ...]) -> bytes:
    sizes = write_numbers(3, np.array(shape, np.int64), "<i8") if shape else b""
    return text_field(1, name) + text_field(2, datatype) + sizes


def _contents_of(tensor: Tensor) -> bytes:
    field = _CONTENTS[tensor.datatype]
    if isinstance(tensor.values, list):
        return b"".join(bytes_field(field, one) for one in tensor.values)
    return write_numbers(field, tensor.values, _FORMS[field]) if tensor.values.size else b""


def _described(data: memoryview, budget: Budget) -> _Described:
    if len(data) <= _KEPT_BYTES:
        return _described_before(bytes(data))
    return _read_described(data, budget)


@lru_cache(1024)
def _described_before(data: bytes) -> _Described:
    return _read_described(memoryview(data), Budget())


def _read_described(data: memoryview, budget: Budget) -> _Described:
    name = datatype = ""
    shape: list[int] = []
    contents: bytes | None = None
    parameters: list[Part] = []
    for part in parts_of(data, budget):
        match part.field:
            case 1:
                name = part.text()
            case 2:
                datatype = part.text()
            case 3:
                shape += read_numbers(part, "<i8").tolist()
            case 4:
                parameters.append(part)
            case 5:
                contents = (contents or b"") + bytes(part.bytes())
            case _:
                pass
    _refuse_unsupported(name, parameters, budget)
    return _Described(name, datatype, tuple(shape), contents)


def _output(data: memoryview, budget: Budget) -> str:
    name = ""
    parameters: list[Part] = []
    for part in parts_of(data, budget):
        if part.field == 1:
            name = part.text()
        elif part.field == 2:
            parameters.append(part)
    _refuse_unsupported(name, parameters, budget)
    return name


def _refuse_unsupported(name: str, parameters: Sequence[Part], budget: Budget) -> None:
    for parameter in parameters:
        for part in parts_of(parameter.bytes(), budget):
            if part.field == 1 and part.text() in _NOT_TAKEN:
                raise BadTensor(name, f"the parameter `{part.text()}` is not supported")


def _tensors(
    described: Sequence[_Described], raws: Sequence[memoryview], budget: Budget
) -> list[Tensor]:
    if not raws:
        return taken_together(_typed(one, budget) for one in described)
    if len(raws) != len(described):
        raise BadInference(
            f"{len(described)} inputs, but {len(raws)} `raw_input_contents`: there is one for each"
        )
    for one in described:
        if one.contents is not None:
            raise BadTensor(one.name, "it has `contents` beside `raw_input_contents`; send one")
    return taken_together(
        tensor_from_raw(one.name, one.datatype, one.shape, raw)
        for one, raw in zip(described, raws, strict=True)
    )


def _typed(one: _Described, budget: Budget) -> Tensor:
    field = _CONTENTS.get(one.datatype)
    values: list[object] = []
    for part in parts_of(memoryview(one.contents or b""), budget):
        if part.field not in _NAMES:
            continue
        if field is None or part.field != field:
            there = _NAMES[field] if field else "`raw_input_contents`"
            raise BadTensor(one.name, f"data of {one.datatype} are sent in {there}")
        if field == _CONTENTS["BYTES"]:
            values.append(bytes(part.bytes()))
        else:
            numbers: list[object] = read_numbers(part, _FORMS[field]).tolist()
            values += [bool(number) for number in numbers] if one.datatype == "BOOL" else numbers
    return tensor_from_values(one.name, one.datatype, one.shape, values)
