"""What checks say of what they found: one helper for each kind of sentence."""

import math
from collections.abc import Collection, Sequence
from typing import cast

from kingpost.serving.conformance.suite import LeftOut, NotConform
from kingpost.serving.conformance.target import Answered, Document, Target, tensors

__all__ = [
    "answered",
    "binary_request",
    "data_of",
    "expect",
    "first_input",
    "need_binary",
    "need_model",
    "outputs_of",
    "refused",
    "with_input",
]


def expect(holds: bool, found: object) -> None:
    """Fail a check with what was found, unless something holds."""
    if not holds:
        raise NotConform(str(found)[:300])


def need_model(target: Target) -> None:
    """Leave a check out where no model is known."""
    if not target.model:
        raise LeftOut("no model to ask: name one with --model")


def need_binary(target: Target) -> None:
    """Leave a check out where the server does not offer binary tensors."""
    need_model(target)
    if "binary_tensor_data" not in target.extensions:
        raise LeftOut("the server does not list the extension binary_tensor_data")


def answered(answer: Answered) -> Document:
    """Return the document of an answer that went well."""
    expect(answer.status == 200, f"status {answer.status}: {answer.body[:200]!r}")
    return answer.document


def refused(answer: Answered, *statuses: int) -> None:
    """Expect an error of the caller's, told as the protocol tells it."""
    is_one = answer.status in statuses if statuses else 400 <= answer.status < 500
    expect(is_one, f"status {answer.status}: {answer.body[:200]!r}")
    expect(
        isinstance(answer.document.get("error"), str), f"no `error` text in {answer.body[:200]!r}"
    )


def outputs_of(document: Document) -> dict[str, Document]:
    """Return the outputs of an inference by name, each with as many data as its shape says."""
    found = tensors(document, "outputs")
    expect(bool(found), f"no outputs in {str(document)[:200]}")
    for one in found:
        expect(isinstance(one.get("name"), str) and isinstance(one.get("datatype"), str), str(one))
        shape = _shape(one)
        if "data" in one:
            expect(
                len(_flat(one["data"])) == math.prod(shape),
                f"{one['name']}: {len(_flat(one['data']))} data for shape {list(shape)}",
            )
    return {str(one["name"]): one for one in found}


def data_of(output: Document) -> list[object]:
    """Return the data of an output, flat."""
    return _flat(output.get("data"))


def first_input(target: Target, *, not_of: Collection[str] = ()) -> Document:
    """Return an input of the example; leave the check out where there is none.

    Args:
        not_of: Datatypes that it must not have.
    """
    for one in tensors(target.example, "inputs"):
        if one["datatype"] not in not_of:
            return one
    raise LeftOut("the model has no input of such a datatype")


def with_input(target: Target, changed: Document) -> Document:
    """Return the example with another tensor in the place of the one of the same name.

    One without a name takes the place of the first.
    """
    name = changed.get("name", first_input(target)["name"])
    inputs = [changed if one["name"] == name else one for one in tensors(target.example, "inputs")]
    return {"inputs": inputs}


def binary_request(
    inputs: Sequence[tuple[Document, bytes]], **fields: object
) -> tuple[Document, bytes]:
    """Return the JSON of a request whose tensors are bytes, and the bytes."""
    described = [
        {
            "name": one["name"],
            "datatype": one["datatype"],
            "shape": one["shape"],
            "parameters": {"binary_data_size": len(raw)},
        }
        for one, raw in inputs
    ]
    return {"inputs": described, **fields}, b"".join(raw for _, raw in inputs)


def _shape(output: Document) -> tuple[int, ...]:
    shape = output.get("shape")
    sizes = cast("list[object]", shape) if isinstance(shape, list) else [None]
    expect(
        all(isinstance(size, int) and size >= 0 for size in sizes),
        f"{output.get('name')}: its shape is {shape}",
    )
    return tuple(int(str(size)) for size in sizes)


def _flat(data: object) -> list[object]:
    if not isinstance(data, list):
        return [data]
    flat: list[object] = []
    for one in cast("list[object]", data):
        flat += _flat(one)
    return flat
