"""Checks of requests that are wrong: refused, and the server goes on."""

import json
from collections.abc import Callable
from typing import cast

from kingpost.serving.conformance.asserted import (
    answered,
    binary_request,
    expect,
    first_input,
    need_binary,
    need_model,
    refused,
    with_input,
)
from kingpost.serving.conformance.infer_checks import example_in_bytes
from kingpost.serving.conformance.suite import Check
from kingpost.serving.conformance.target import Document, Target

__all__ = ["ERROR_CHECKS"]

_HEADER = "inference-header-content-length"
Broken = Callable[[Target], Document | bytes]


def _refuses(broken: Broken) -> Callable[[Target], None]:
    """Return a check that a request is refused."""

    def run(target: Target) -> None:
        need_model(target)
        refused(target.infer(broken(target)))

    return run


def _changed(**fields: object) -> Broken:
    """Return how to break the first input."""
    return lambda target: with_input(target, {**first_input(target), **fields})


def _without(name: str) -> Broken:
    def broken(target: Target) -> Document:
        tensor = first_input(target)
        return with_input(target, {key: one for key, one in tensor.items() if key != name})

    return broken


def _too_few(target: Target) -> Document:
    tensor = first_input(target)
    return with_input(target, {**tensor, "data": cast("list[object]", tensor["data"])[:-1]})


def _too_many(target: Target) -> Document:
    tensor = first_input(target)
    data = cast("list[object]", tensor["data"])
    return with_input(target, {**tensor, "data": [*data, data[0]]})


def _texts_for_numbers(target: Target) -> Document:
    tensor = first_input(target, not_of=("BYTES",))
    data = cast("list[object]", tensor["data"])
    return with_input(target, {**tensor, "data": ["x" for _ in data]})


def _bytes_for_numbers(target: Target) -> Document:
    tensor = first_input(target, not_of=("BYTES",))
    data = ["x" for _ in cast("list[object]", tensor["data"])]
    return with_input(target, {**tensor, "datatype": "BYTES", "data": data})


def _nan(target: Target) -> bytes:
    tensor = first_input(target, not_of=("BYTES", "BOOL"))
    data = [float("nan") for _ in cast("list[object]", tensor["data"])]
    return json.dumps(with_input(target, {**tensor, "data": data})).encode()


def _another_rank(target: Target) -> Document:
    tensor = first_input(target)
    shape = [*cast("list[int]", tensor["shape"]), 1, 1]
    return with_input(target, {**tensor, "shape": shape})


def _unknown_output(target: Target) -> Document:
    return {**target.example, "outputs": [{"name": "no-such-output"}]}


def _unknown_input(target: Target) -> Document:
    inputs = cast("list[object]", target.example["inputs"])
    extra = {"name": "no-such-input", "datatype": "FP32", "shape": [1], "data": [0]}
    return {"inputs": [*inputs, extra]}


def _not_post(target: Target) -> None:
    need_model(target)
    found = target.get(f"{target.path}/infer")
    expect(400 <= found.status < 500, f"status {found.status}")


def _unknown_version(target: Target) -> None:
    need_model(target)
    refused(target.post(f"{target.path}/versions/987654321/infer", target.example))


def _binary(target: Target, spoil: Callable[[bytes], bytes], more: int = 0) -> None:
    need_binary(target)
    (tensor, raw), *rest = example_in_bytes(target)
    document, tail = binary_request([(tensor, spoil(raw)), *rest])
    head = json.dumps(document).encode()
    refused(target.infer(head + tail, **{_HEADER: str(len(head) + more)}))


def _header_beyond(target: Target) -> None:
    _binary(target, lambda raw: raw, more=1 << 20)


def _header_no_number(target: Target) -> None:
    need_binary(target)
    refused(target.infer(target.example, **{_HEADER: "many"}))


def _binary_short(target: Target) -> None:
    _binary(target, lambda raw: raw[:-1])


def _binary_long(target: Target) -> None:
    _binary(target, lambda raw: raw + b"\0")


def _binary_cut_off(target: Target) -> None:
    need_binary(target)
    document, tail = binary_request(example_in_bytes(target))
    head = json.dumps(document).encode()
    refused(target.infer(head + tail[:-1], **{_HEADER: str(len(head))}))


def _binary_left_over(target: Target) -> None:
    need_binary(target)
    document, tail = binary_request(example_in_bytes(target))
    head = json.dumps(document).encode()
    refused(target.infer(head + tail + b"\0\0\0\0", **{_HEADER: str(len(head))}))


def _deep(_: Target) -> bytes:
    return b'{"inputs":[{"name":"x","datatype":"FP32","shape":[1],"data":' + b"[" * 50_000


def _still_answers(target: Target) -> None:
    expect(target.get("/v2/health/live").status == 200, "it is not live any more")
    expect(target.get("/v2/health/ready").status == 200, "it is not ready any more")
    if target.model:
        answered(target.infer(target.example))


ERROR_CHECKS = (
    Check("error-no-json", "A body that is no JSON is refused", _refuses(lambda _: b"{")),
    Check("error-empty", "An empty body is refused", _refuses(lambda _: b"")),
    Check("error-no-object", "A body that is no object is refused", _refuses(lambda _: b"[1]")),
    Check("error-not-utf8", "A body that is not UTF-8 is refused", _refuses(lambda _: b'{"\xff')),
    Check("error-deep", "Endless nesting is refused", _refuses(_deep)),
    Check("error-no-inputs", "A request without inputs is refused", _refuses(lambda _: {})),
    Check("error-no-name", "An input without a name is refused", _refuses(_without("name"))),
    Check("error-no-shape", "An input without a shape is refused", _refuses(_without("shape"))),
    Check("error-no-data", "An input without data is refused", _refuses(_without("data"))),
    Check("error-datatype", "An unknown datatype is refused", _refuses(_changed(datatype="FLOAT"))),
    Check(
        "error-negative-shape", "A negative dimension is refused", _refuses(_changed(shape=[-1]))
    ),
    Check(
        "error-huge-shape",
        "A shape beyond all memory is refused",
        _refuses(_changed(shape=[1 << 40, 1 << 40])),
    ),
    Check("error-rank", "A shape that the model does not take is refused", _refuses(_another_rank)),
    Check("error-too-few", "Fewer data than the shape says are refused", _refuses(_too_few)),
    Check("error-too-many", "More data than the shape says are refused", _refuses(_too_many)),
    Check("error-texts", "Texts where numbers belong are refused", _refuses(_texts_for_numbers)),
    Check(
        "error-other-datatype",
        "A datatype that the model does not take is refused",
        _refuses(_bytes_for_numbers),
    ),
    Check("error-nan", "NaN in JSON is refused", _refuses(_nan)),
    Check("error-unknown-input", "An unknown input is refused", _refuses(_unknown_input)),
    Check("error-unknown-output", "An unknown output is refused", _refuses(_unknown_output)),
    Check("error-unknown-version", "An unknown version cannot be asked", _unknown_version),
    Check("error-method", "GET …/infer is refused", _not_post),
    Check("binary-header-beyond", "A JSON length beyond the body is refused", _header_beyond),
    Check("binary-header-text", "A JSON length that is no number is refused", _header_no_number),
    Check("binary-short", "Binary data too short for their shape are refused", _binary_short),
    Check("binary-long", "Binary data too long for their shape are refused", _binary_long),
    Check("binary-cut-off", "Binary data that are cut off are refused", _binary_cut_off),
    Check("binary-left-over", "Bytes that belong to no input are refused", _binary_left_over),
    Check("still-answers", "After all of that the server answers as before", _still_answers),
)
