"""Checks of inferences that go well: in JSON, and with binary tensors."""

import json
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import cast

from kingpost.serving.conformance.asserted import (
    answered,
    binary_request,
    data_of,
    expect,
    need_binary,
    need_model,
    outputs_of,
)
from kingpost.serving.conformance.suite import Check, LeftOut
from kingpost.serving.conformance.target import Answered, Document, Target, tensors
from kingpost.serving.oip import tensor_from_json, tensor_from_raw

__all__ = ["INFER_CHECKS", "example_in_bytes"]

_HEADER = "inference-header-content-length"
_AT_ONCE = 16
_CLOSE = 1e-5


def _infer(target: Target) -> None:
    need_model(target)
    found = answered(target.infer(target.example))
    expect(found.get("model_name") == target.model, f"model_name: {found.get('model_name')!r}")
    outputs_of(found)


def _content_type(target: Target) -> None:
    need_model(target)
    found = target.infer(target.example)
    answered(found)
    kind = found.headers.get("content-type", "")
    expect(kind.startswith("application/json"), f"content-type: {kind!r}")


def _version_told(target: Target) -> None:
    need_model(target)
    found = answered(target.infer(target.example)).get("model_version")
    versions = target.metadata.get("versions")
    if found is None or not isinstance(versions, list):
        raise LeftOut("the server has no versions")
    expect(found in versions, f"model_version: {found!r}")


def _as_described(target: Target) -> None:
    need_model(target)
    outputs = outputs_of(answered(target.infer(target.example)))
    described = {str(one["name"]): one for one in tensors(target.metadata, "outputs")}
    for name, one in outputs.items():
        expect(name in described, f"{name!r} is not in the metadata")
        expected = described[name]
        expect(one["datatype"] == expected["datatype"], f"{name}: {one['datatype']}")
        shape, sizes = cast("list[int]", one["shape"]), cast("list[int]", expected["shape"])
        fits = len(shape) == len(sizes) and all(
            size in (-1, found) for size, found in zip(sizes, shape, strict=True)
        )
        expect(fits, f"{name}: shape {shape} where the metadata have {sizes}")


def _all_outputs(target: Target) -> None:
    need_model(target)
    found = set(outputs_of(answered(target.infer(target.example))))
    described = {str(one["name"]) for one in tensors(target.metadata, "outputs")}
    expect(found == described, f"{sorted(found)} of {sorted(described)}")


def _asked_outputs(target: Target) -> None:
    need_model(target)
    name = str(tensors(target.metadata, "outputs")[-1]["name"])
    found = outputs_of(answered(target.infer({**target.example, "outputs": [{"name": name}]})))
    expect(list(found) == [name], f"{list(found)} where {name!r} was asked for")


def _id(target: Target) -> None:
    need_model(target)
    for text in ("42", "a b/ü"):
        found = answered(target.infer({**target.example, "id": text})).get("id")
        expect(found == text, f"id: {found!r} for {text!r}")


def _own_ids(target: Target) -> None:
    need_model(target)
    body = target.example

    def ask(number: int) -> Answered:
        return target.infer({**body, "id": f"n{number}"})

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for number, found in enumerate(pool.map(ask, range(_AT_ONCE))):
            told = answered(found).get("id")
            expect(told == f"n{number}", f"id {told!r} for n{number}")


def _nested(target: Target) -> None:
    need_model(target)
    inputs = [
        {**one, "data": _nest(cast("list[object]", one["data"]), cast("list[int]", one["shape"]))}
        for one in tensors(target.example, "inputs")
    ]
    if inputs == target.example["inputs"]:
        raise LeftOut("no input has more than one dimension")
    _same(target.infer({"inputs": inputs}), target.infer(target.example))


def _version(target: Target) -> None:
    need_model(target)
    versions = target.metadata.get("versions")
    if not isinstance(versions, list) or not versions:
        raise LeftOut("the model has no versions")
    found = target.post(f"{target.path}/versions/{versions[0]}/infer", target.example)
    _same(found, target.infer(target.example))


def _binary_inputs(target: Target) -> None:
    need_binary(target)
    _same(_ask_in_bytes(target), target.infer(target.example))


def _binary_bytes_empty_tail(target: Target) -> None:
    need_binary(target)
    body = json.dumps(target.example).encode()
    found = target.infer(body, **{_HEADER: str(len(body))})
    _same(found, target.infer(target.example))


def _binary_outputs(target: Target) -> None:
    need_binary(target)
    found = target.infer({**target.example, "parameters": {"binary_data_output": True}})
    expected = outputs_of(answered(target.infer(target.example)))
    for name, (document, raw) in _split(found).items():
        expect(raw is not None, f"{name} is not binary")
        _same_data(name, _read(document, raw or b""), data_of(expected[name]))


def _binary_asked(target: Target) -> None:
    need_binary(target)
    name = str(tensors(target.metadata, "outputs")[0]["name"])
    asked = {"name": name, "parameters": {"binary_data": True}}
    ((document, raw),) = _split(target.infer({**target.example, "outputs": [asked]})).values()
    expect(raw is not None, f"{name} is not binary")
    expected = outputs_of(answered(target.infer(target.example)))[name]
    _same_data(name, _read(document, raw or b""), data_of(expected))


def _binary_not_asked(target: Target) -> None:
    need_binary(target)
    name = str(tensors(target.metadata, "outputs")[0]["name"])
    body = {
        **target.example,
        "outputs": [{"name": name, "parameters": {"binary_data": False}}],
        "parameters": {"binary_data_output": True},
    }
    found = outputs_of(answered(target.infer(body)))
    expect("data" in found[name], f"{name} is binary, though binary_data is false")


def example_in_bytes(target: Target) -> list[tuple[Document, bytes]]:
    """Return the inputs of the example, each with its data as bytes."""
    found: list[tuple[Document, bytes]] = []
    for one in tensors(target.example, "inputs"):
        shape = cast("list[int]", one["shape"])
        data = json.dumps(one["data"]).encode()
        read = tensor_from_json(str(one["name"]), str(one["datatype"]), shape, data)
        found.append((one, read.raw()))
    return found


def _ask_in_bytes(target: Target) -> Answered:
    document, tail = binary_request(example_in_bytes(target))
    head = json.dumps(document).encode()
    return target.infer(head + tail, content_type="application/octet-stream",
                        **{_HEADER: str(len(head))})  # fmt: skip


def _split(answer: Answered) -> dict[str, tuple[Document, bytes | None]]:
    """Split an answer into its outputs and their bytes; None where the data are JSON."""
    expect(answer.status == 200, f"status {answer.status}: {answer.body[:200]!r}")
    length = answer.headers.get(_HEADER, "")
    expect(length.isdigit(), f"Inference-Header-Content-Length: {length!r}")
    at = int(length)
    document = answer._replace(body=answer.body[:at]).document
    found: dict[str, tuple[Document, bytes | None]] = {}
    for name, output in outputs_of(document).items():
        parameters = output.get("parameters")
        size = (
            cast("Document", parameters).get("binary_data_size")
            if isinstance(parameters, dict)
            else None
        )
        raw = None
        if isinstance(size, int):
            raw = answer.body[at : at + size]
            at += size
        found[name] = (output, raw)
    expect(at == len(answer.body), f"{len(answer.body) - at} bytes belong to no output")
    return found


def _read(output: Document, raw: bytes) -> list[object]:
    shape = cast("list[int]", output["shape"])
    name, datatype = str(output["name"]), str(output["datatype"])
    return tensor_from_raw(name, datatype, shape, memoryview(raw)).tolist()


def _same(found: Answered, expected: Answered) -> None:
    outputs, others = outputs_of(answered(found)), outputs_of(answered(expected))
    expect(outputs.keys() == others.keys(), f"{list(outputs)} and {list(others)}")
    for name, one in outputs.items():
        expect(one["shape"] == others[name]["shape"], f"{name}: another shape")
        _same_data(name, data_of(one), data_of(others[name]))


def _same_data(name: str, found: Sequence[object], expected: Sequence[object]) -> None:
    expect(len(found) == len(expected), f"{name}: {len(found)} and {len(expected)} data")
    for one, other in zip(found, expected, strict=True):
        expect(_is_same(one, other), f"{name}: {one!r} and {other!r}")


def _is_same(one: object, other: object) -> bool:
    if isinstance(one, float) and math.isnan(one) and other is None:
        return True  # JSON has no NaN
    if isinstance(one, int | float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=_CLOSE, abs_tol=_CLOSE)
    return one == other


def _nest(data: list[object], shape: Sequence[int]) -> list[object]:
    if len(shape) < 2:
        return data
    size = len(data) // shape[0] if shape[0] else 0
    return [_nest(data[at * size : (at + 1) * size], shape[1:]) for at in range(shape[0])]


INFER_CHECKS = (
    Check("infer", "POST …/infer answers with the model's name and outputs", _infer),
    Check("infer-content-type", "An answer in JSON says so", _content_type),
    Check("infer-version-told", "The version that answered is one of the model's", _version_told),
    Check("infer-as-described", "Outputs are as the metadata describe them", _as_described),
    Check("infer-all-outputs", "Without `outputs`, all are answered", _all_outputs),
    Check("infer-asked-outputs", "Of `outputs`, those alone are answered", _asked_outputs),
    Check("infer-id", "`id` comes back", _id),
    Check("infer-own-ids", "Requests at the same time get their own answers", _own_ids),
    Check("infer-nested", "Data nested as their shape mean what flat data mean", _nested),
    Check("infer-version", "A version answers as the model does", _version),
    Check("binary-inputs", "Binary inputs mean what JSON means", _binary_inputs),
    Check("binary-no-data", "A JSON length without binary data is taken", _binary_bytes_empty_tail),
    Check("binary-outputs", "`binary_data_output` gives all outputs as bytes", _binary_outputs),
    Check("binary-asked", "`binary_data` gives one output as bytes", _binary_asked),
    Check("binary-not-asked", "`binary_data` false goes before the request's", _binary_not_asked),
)
