"""An ONNX graph in the form that is served: one float32 input, an output `probabilities`.

The rule: nothing is computed otherwise than before; what is added turns the number that the
graph gives into the probabilities of both classes, and what no score needs is left out.
"""

from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import Any

import numpy as np

from kingpost.models.errors import BadModel
from kingpost.models.formats.original import library_of_extra, said_by
from kingpost.models.formats.output import Gives, check_shape
from kingpost.models.onnx import open_session

__all__ = ["chosen_output", "output_of", "served_graph"]

PROBABILITIES = "probabilities"
_PROBED_ROWS = 3
_OWN = "kingpost_"
_OPSET = 13
_NUMBERS = ("tensor(float)", "tensor(double)", "tensor(float16)")

# protocol buffers of the module `onnx`, whose types do not say their fields
_Proto = Any


def output_of(model: bytes, name: str) -> bytes:
    """Return a graph whose only output is a tensor of this name.

    Raises:
        BadModel: The bytes are no ONNX model.
        ExtraMissing: onnx is not installed.
    """
    read = _read(model)
    kept = read.graph.output[:]
    del read.graph.output[:]
    known = [port for port in kept if port.name == name]
    read.graph.output.extend(known or [_helper().make_empty_tensor_value_info(name)])
    _leave_out_unused(read.graph)
    return read.SerializeToString()


def chosen_output(model: bytes, name: str = "") -> str:
    """Choose the tensor that holds the scores.

    Args:
        name: Which output it is; empty chooses `probabilities`, or the only one of numbers.

    Raises:
        BadModel: There is no such output, or it is not clear which one it is.
    """
    graph = _read(model).graph
    mapped = {node.output[0]: node.input[0] for node in graph.node if node.op_type == "ZipMap"}
    outputs = [port.name for port in graph.output]
    if name:
        if name not in outputs:
            raise BadModel(f"it has no output {name!r}, but {outputs}")
        return mapped.get(name, name)
    if PROBABILITIES in outputs:
        return mapped.get(PROBABILITIES, PROBABILITIES)
    numbers = [port.name for port in graph.output if port.name in mapped or _is_float(port)]
    if len(numbers) != 1:
        raise BadModel(
            f"its outputs are {outputs}; say which one holds the scores with --output (output=…)"
        )
    return mapped.get(numbers[0], numbers[0])


def served_graph(
    model: bytes, *, gives: Gives = "probability", output: str = "", features: int | None = None
) -> bytes:
    """Bring an ONNX model into the form that `OnnxScorer` takes.

    Args:
        gives: What the chosen output holds.
        output: As for `chosen_output`.
        features: How many features the model takes, where its graph does not say.

    Raises:
        BadModel: It cannot be: another input, several outputs, or more than two classes.
        ExtraMissing: onnx is not installed.
    """
    chosen = chosen_output(model, output)
    read = _read(output_of(model, chosen))
    graph = read.graph
    width = _prepare_input(graph, features)
    columns, is_float32 = _probe(read.SerializeToString(), width)
    _raise_opset(read)
    _rename(graph, {PROBABILITIES: _OWN + PROBABILITIES})
    last = _OWN + PROBABILITIES if chosen == PROBABILITIES else chosen
    graph.node.extend(_to_probabilities(last, columns, gives, is_float32=is_float32))
    constants = (
        ("shape", np.array([-1, columns or 1], np.int64)),
        ("one", np.ones((1, 1), np.float32)),
    )
    graph.initializer.extend(_from_array(value, _OWN + name) for name, value in constants)
    del graph.output[:]
    graph.output.append(
        _helper().make_tensor_value_info(PROBABILITIES, _float32(), [None, 2]),
    )
    _leave_out_unused(graph)
    # some converters keep them in a set, whose order is another in each process
    read.opset_import.sort(key=attrgetter("domain"))
    return read.SerializeToString()


def _to_probabilities(
    last: str, columns: int, gives: Gives, *, is_float32: bool
) -> Iterator[_Proto]:
    node = _helper().make_node
    if not is_float32:
        yield node("Cast", [last], [f"{_OWN}float"], to=_float32())
        last = f"{_OWN}float"
    yield node("Reshape", [last, f"{_OWN}shape"], [f"{_OWN}columns"])
    if columns > 1:
        made = "Softmax" if gives == "logit" else "Identity"
        extra = {"axis": 1} if gives == "logit" else {}
        yield node(made, [f"{_OWN}columns"], [PROBABILITIES], **extra)
        return
    yield node("Sigmoid" if gives == "logit" else "Identity", [f"{_OWN}columns"], [f"{_OWN}yes"])
    yield node("Sub", [f"{_OWN}one", f"{_OWN}yes"], [f"{_OWN}no"])
    yield node("Concat", [f"{_OWN}no", f"{_OWN}yes"], [PROBABILITIES], axis=1)


def _prepare_input(graph: _Proto, features: int | None) -> int:
    """Make the input float32 with any number of rows; return how many features it takes."""
    constants = {one.name for one in graph.initializer}
    inputs = [port for port in graph.input if port.name not in constants]
    if len(inputs) != 1:
        raise BadModel(f"it takes {len(inputs)} inputs: {[port.name for port in inputs]}")
    tensor = inputs[0].type.tensor_type
    double = library_of_extra("onnx", "train").TensorProto.DOUBLE
    if tensor.elem_type not in (_float32(), double) or len(tensor.shape.dim) != 2:
        raise BadModel(f"its input is {tensor}")
    rows, width = tensor.shape.dim
    rows.Clear()
    rows.dim_param = "rows"
    if not width.dim_value:
        if features is None:
            raise BadModel("it does not say how many features it takes; give rows or features=…")
        width.Clear()
        width.dim_value = features
    if tensor.elem_type == double:
        tensor.elem_type = _float32()
        name = inputs[0].name
        _rename(graph, {name: f"{_OWN}double"}, at="input")
        cast = _helper().make_node("Cast", [name], [f"{_OWN}double"], to=double)
        graph.node.insert(0, cast)
    return int(width.dim_value)


def _probe(model: bytes, width: int) -> tuple[int, bool]:
    """Return how many columns the output has, 0 for none, and whether it is float32."""
    session = open_session(model)
    port = session.get_outputs()[0]
    if port.type not in _NUMBERS:
        raise BadModel(f"its output {port.name!r} holds {port.type}")
    rows = np.zeros((_PROBED_ROWS, width), np.float32)
    try:
        found = session.run([port.name], {session.get_inputs()[0].name: rows})[0]
    except Exception as error:  # the runtime's errors have no common class
        raise BadModel(f"it does not run on {_PROBED_ROWS} rows: {said_by(error)}") from error
    check_shape(found.shape, _PROBED_ROWS)
    return (found.shape[1] if found.ndim > 1 else 0), found.dtype == np.float32


def _raise_opset(model: _Proto) -> None:
    """Bring in the plain operators, where a graph has only those of trees."""
    domains = [one.domain for one in model.opset_import]
    if not {"", "ai.onnx"} & set(domains):
        model.opset_import.append(_helper().make_opsetid("", _OPSET))


def _leave_out_unused(graph: _Proto) -> None:
    needed = {port.name for port in graph.output}
    kept: list[_Proto] = []
    for node in reversed(graph.node):
        if needed & set(node.output):
            kept.append(node)
            needed.update(_read_by(node))
    constants = [one for one in graph.initializer if one.name in needed]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(reversed(kept))
    graph.initializer.extend(constants)
    # shapes of what lies between are only hints, and some converters write wrong ones
    del graph.value_info[:]


def _read_by(node: _Proto) -> Iterator[str]:
    yield from node.input
    for inner in _inner_graphs(node):
        for each in inner.node:
            yield from _read_by(each)
        yield from (port.name for port in inner.output)


def _rename(graph: _Proto, names: dict[str, str], *, at: str = "") -> None:
    for node in graph.node:
        for side in (at,) if at else ("input", "output"):
            found: Sequence[str] = getattr(node, side)
            for place, name in enumerate(list(found)):
                getattr(node, side)[place] = names.get(name, name)
        for inner in _inner_graphs(node):
            _rename(inner, names, at=at)
    for constant in () if at else graph.initializer:
        constant.name = names.get(constant.name, constant.name)


def _inner_graphs(node: _Proto) -> Iterator[_Proto]:
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def _is_float(port: _Proto) -> bool:
    proto = library_of_extra("onnx", "train").TensorProto
    kinds = (proto.FLOAT, proto.DOUBLE, proto.FLOAT16)
    return port.type.HasField("tensor_type") and port.type.tensor_type.elem_type in kinds


def _read(model: bytes) -> _Proto:
    onnx = library_of_extra("onnx", "train")
    try:
        return onnx.load_model_from_string(model)
    except Exception as error:  # protobuf's and onnx's own errors have no common class
        raise BadModel(f"it cannot be read as ONNX: {said_by(error)}") from error


def _helper() -> Any:
    return library_of_extra("onnx.helper", "train")


def _from_array(value: object, name: str) -> _Proto:
    return library_of_extra("onnx.numpy_helper", "train").from_array(np.asarray(value), name)


def _float32() -> int:
    return library_of_extra("onnx", "train").TensorProto.FLOAT
