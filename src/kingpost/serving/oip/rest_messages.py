"""The protocol's REST form: JSON, and behind it the binary data of the tensors that ask for it.

Source: Open Inference Protocol v2 (REST) and Triton's binary tensor extension.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from kingpost.serving.errors import BadHeader
from kingpost.serving.oip.errors import BadInference, BadTensor
from kingpost.serving.oip.messages import (
    InferRequest,
    InferResponse,
    ModelMetadata,
    Parameter,
    TensorMetadata,
)
from kingpost.serving.oip.tensors import Tensor, taken_together, tensor_from_json, tensor_from_raw

__all__ = [
    "HEADER_LENGTH",
    "InferRequestDocument",
    "InferResponseDocument",
    "ModelMetadataDocument",
    "RestRequest",
    "model_document",
    "read_request",
    "write_response",
]

HEADER_LENGTH = b"inference-header-content-length"
_JSON = (b"content-type", b"application/json")
_BYTES = (b"content-type", b"application/octet-stream")
_LONGEST = 200

Parameters = dict[str, Parameter]


class InputDocument(msgspec.Struct):
    """A tensor of a request; `data` is flat or nested as the shape says, or comes as bytes."""

    name: str
    shape: list[Annotated[int, Meta(ge=0)]]
    datatype: str
    parameters: Parameters | None = None
    data: msgspec.Raw = msgspec.field(default_factory=msgspec.Raw)


class OutputAskedDocument(msgspec.Struct):
    """An output that is asked for; `binary_data` asks for its bytes."""

    name: str
    parameters: Parameters | None = None


class InferRequestDocument(msgspec.Struct):
    """An inference; `binary_data_output` asks for all outputs as bytes."""

    inputs: list[InputDocument]
    id: str | None = None
    parameters: Parameters | None = None
    outputs: list[OutputAskedDocument] | None = None


class OutputDocument(msgspec.Struct, omit_defaults=True):
    """A tensor of an answer; null in `data` is a number that JSON cannot write, or no answer."""

    name: str
    datatype: str
    shape: list[int]
    parameters: Parameters | None = None
    data: list[bool | int | float | str | None] | None = None


class InferResponseDocument(msgspec.Struct, omit_defaults=True):
    """What came of an inference."""

    model_name: str
    model_version: str
    outputs: list[OutputDocument]
    id: str | None = None
    parameters: Parameters | None = None


class TensorMetadataDocument(msgspec.Struct):
    """A tensor that a model takes or gives; -1 is as many rows as are sent."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadataDocument(msgspec.Struct):
    """A model."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadataDocument]
    outputs: list[TensorMetadataDocument]
    properties: dict[str, str]


class RestRequest(NamedTuple):
    """A request as it came over REST.

    Attributes:
        binary: The outputs that are asked for as bytes, and those that are not.
        all_binary: Whether the others are.
    """

    request: InferRequest
    binary: Mapping[str, bool]
    all_binary: bool


_request_from = msgspec.json.Decoder(InferRequestDocument).decode
_encode = msgspec.json.Encoder().encode


def read_request(headers: Mapping[bytes, bytes], body: bytes) -> RestRequest:
    """Read a request.

    Raises:
        BadHeader: The length of the JSON is no number, or more than came.
        BadInference: The JSON is not what the protocol has.
        BadTensor: A tensor does not fit itself.
    """
    json, tail = _parts(headers.get(HEADER_LENGTH), body)
    try:
        document = _request_from(json)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadInference(_said(error)) from None
    inputs = taken_together(_read(document.inputs, tail))
    asked = document.outputs or ()
    for output in asked:
        _refuse_unsupported(output)
    return RestRequest(
        InferRequest(inputs, [one.name for one in asked], document.id),
        {
            one.name: wants
            for one in asked
            if (wants := _flag(one.name, one.parameters, "binary_data")) is not None
        },
        bool(_flag("", document.parameters, "binary_data_output")),
    )


def _read(inputs: Sequence[InputDocument], tail: memoryview) -> Iterator[Tensor]:
    at = 0
    for one in inputs:
        size = _size_of(one)
        if size is None:
            yield tensor_from_json(one.name, one.datatype, one.shape, bytes(one.data))
            continue
        if size > len(tail) - at:
            raise BadTensor(one.name, f"{size} bytes of data; {len(tail) - at} are left")
        yield tensor_from_raw(one.name, one.datatype, one.shape, tail[at : at + size])
        at += size
    if at != len(tail):
        raise BadInference(f"{len(tail) - at} bytes of binary data belong to no input")


def write_response(
    response: InferResponse, asked: RestRequest
) -> tuple[tuple[tuple[bytes, bytes], ...], bytes]:
    """Write an answer; return its headers and its body."""
    outputs: list[OutputDocument] = []
    tail: list[bytes] = []
    for one in response.outputs:
        document = OutputDocument(one.name, one.datatype, list(one.shape))
        if asked.binary.get(one.name, asked.all_binary):
            raw = one.raw()
            tail.append(raw)
            document.parameters = {"binary_data_size": len(raw)}
        else:
            document.data = one.tolist()  # pyright: ignore[reportAttributeAccessIssue]  of what a tensor holds
        outputs.append(document)
    json = _encode(InferResponseDocument(response.model, response.version, outputs, response.id))
    if not tail:
        return (_JSON,), json
    headers = (_BYTES, (HEADER_LENGTH, b"%d" % len(json)))
    return headers, b"".join((json, *tail))


def model_document(model: ModelMetadata) -> ModelMetadataDocument:
    """Write down what a model is."""
    return ModelMetadataDocument(
        model.name,
        list(model.versions),
        model.platform,
        _tensors(model.inputs),
        _tensors(model.outputs),
        dict(model.properties),
    )


def _tensors(some: Sequence[TensorMetadata]) -> list[TensorMetadataDocument]:
    return [TensorMetadataDocument(one.name, one.datatype, list(one.shape)) for one in some]


def _parts(length: bytes | None, body: bytes) -> tuple[bytes, memoryview]:
    """Split a body into its JSON and the binary data behind it."""
    if length is None:
        return body, memoryview(b"")
    if not length.isdigit() or len(length) > 12 or int(length) > len(body):
        raise BadHeader(
            "Inference-Header-Content-Length", "how many bytes of the body are JSON, in digits"
        )
    at = int(length)
    return body[:at], memoryview(body)[at:]


def _size_of(one: InputDocument) -> int | None:
    """Return how many bytes of binary data an input has; None when its data are JSON."""
    parameters = one.parameters or {}
    if "shared_memory_region" in parameters:
        raise BadTensor(one.name, "shared memory is not supported; send the data")
    size, has_data = parameters.get("binary_data_size"), bool(bytes(one.data))
    if size is None:
        if not has_data:
            raise BadTensor(one.name, "it has neither `data` nor `binary_data_size`")
        return None
    if type(size) is not int or size < 0:
        raise BadTensor(one.name, "`binary_data_size` is no number of bytes")
    if has_data:
        raise BadTensor(one.name, "it has both `data` and `binary_data_size`; send one")
    return size


def _refuse_unsupported(output: OutputAskedDocument) -> None:
    for name in ("shared_memory_region", "classification"):
        if name in (output.parameters or {}):
            raise BadTensor(output.name, f"the parameter `{name}` is not supported")


def _flag(name: str, parameters: Parameters | None, flag: str) -> bool | None:
    value = (parameters or {}).get(flag)
    if value is None or isinstance(value, bool):
        return value
    problem = f"the parameter `{flag}` is true or false"
    raise BadTensor(name, problem) if name else BadInference(problem)


def _said(error: Exception) -> str:
    text = str(error).replace("`$.", "`").replace("`$`", "the body").replace("Object", "The body")
    return text[:_LONGEST] if text.isprintable() else "the body is not what the protocol has"
