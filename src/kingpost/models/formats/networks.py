"""Smaller networks: weights in int8, and hidden units of little weight left out.

Pure graph work; whether the result is good enough is the gate's to say, see `optimising`.
"""

import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kingpost.models.errors import CannotOptimise
from kingpost.models.formats.original import library_of_extra, said_by

__all__ = ["prune_units", "quantise"]

_PRODUCTS = ("MatMul", "Gemm")
_CURVES = ("Relu", "Tanh", "Sigmoid", "LeakyRelu", "Elu", "Softplus", "Identity", "Dropout")
_TREES = ("TreeEnsembleClassifier", "TreeEnsembleRegressor", "TreeEnsemble")


def quantise(model: bytes) -> bytes:
    """Write the weights of a network in int8, one scale a column; sums stay in float32.

    Raises:
        CannotOptimise: It has no matrix products, or the runtime cannot.
        ExtraMissing: onnx is not installed.
    """
    read = _read(model)
    _check_products(read.graph)
    # hints on shapes that some converters write wrong, and that the quantiser believes
    del read.graph.value_info[:]
    runtime = library_of_extra("onnxruntime.quantization", "train")
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)  # it advises on the root logger
    try:
        with tempfile.TemporaryDirectory() as directory:
            before, after = Path(directory, "before.onnx"), Path(directory, "after.onnx")
            before.write_bytes(read.SerializeToString())
            runtime.quantize_dynamic(before, after, per_channel=True, reduce_range=True)
            return after.read_bytes()
    except Exception as error:  # the quantiser's errors have no common class
        raise CannotOptimise(f"its weights cannot be written in int8: {said_by(error)}") from error
    finally:
        root.setLevel(level)


def prune_units(model: bytes, share: float) -> tuple[bytes, int]:
    """Leave out a share of the units of every hidden layer, those of the smallest weights.

    A unit's weight is the norm of what comes in times the norm of what goes out. Zeros among
    weights would save nothing: the runtime multiplies by them too.

    Args:
        share: From 0 to less than 1.

    Returns:
        The smaller model, and how many units were left out.

    Raises:
        CannotOptimise: It has no two matrix products in a row.
        ExtraMissing: onnx is not installed.
    """
    read = _read(model)
    _check_products(read.graph)
    layers = list(_hidden_layers(read.graph))
    if not layers:
        raise CannotOptimise("it has no hidden layer between two matrix products")
    dropped = 0
    for layer in layers:
        weights_in, weights_out = _value(layer.weights_in), _value(layer.weights_out)
        come = np.linalg.norm(weights_in, axis=1 - layer.units_in)
        go = np.linalg.norm(weights_out, axis=1 - layer.units_out)
        units = len(come)
        kept = np.sort(np.argsort(-come * go, kind="stable")[: max(1, units - int(units * share))])
        dropped += units - len(kept)
        _replace(layer.weights_in, np.take(weights_in, kept, axis=layer.units_in))
        _replace(layer.weights_out, np.take(weights_out, kept, axis=layer.units_out))
        for bias in layer.biases:
            _replace(bias, np.take(_value(bias), kept, axis=-1))
    del read.graph.value_info[:]
    return read.SerializeToString(), dropped


class _Layer(NamedTuple):
    """A hidden layer: constants of the product before it and of the one after.

    Attributes:
        units_in, units_out: Which axis of the weights counts its units.
    """

    weights_in: Any
    units_in: int
    biases: tuple[Any, ...]
    weights_out: Any
    units_out: int


def _hidden_layers(graph: Any) -> Iterator[_Layer]:
    constants = {one.name: one for one in graph.initializer}
    uses: dict[str, list[Any]] = {}
    for node in graph.node:
        for name in node.input:
            uses.setdefault(name, []).append(node)
    ends = {port.name for port in graph.output}
    for first in graph.node:
        if first.op_type not in _PRODUCTS or not _is_weight(first, constants, uses):
            continue
        biases = [constants[name] for name in first.input[2:] if name in constants]
        node = first
        while True:
            after = uses.get(node.output[0], [])
            if len(after) != 1 or node.output[0] in ends:
                break
            node = after[0]
            if node.op_type == "Add":
                added = [constants[name] for name in node.input if name in constants]
                if len(added) != 1:
                    break
                biases += added
            elif node.op_type in _PRODUCTS:
                if _is_weight(node, constants, uses) and all(
                    len(uses[one.name]) == 1 for one in biases
                ):
                    yield _Layer(
                        constants[first.input[1]],
                        0 if _transposed(first) else 1,
                        tuple(biases),
                        constants[node.input[1]],
                        1 if _transposed(node) else 0,
                    )
                break
            elif node.op_type not in _CURVES:
                break


def _is_weight(node: Any, constants: dict[str, Any], uses: dict[str, list[Any]]) -> bool:
    """Say whether a product's second factor is a matrix that nothing else uses."""
    name = node.input[1]
    return name in constants and len(constants[name].dims) == 2 and len(uses[name]) == 1


def _transposed(node: Any) -> bool:
    return any(one.name == "transB" and one.i for one in node.attribute)


def _check_products(graph: Any) -> None:
    kinds = {node.op_type for node in graph.node}
    if kinds & set(_TREES):
        raise CannotOptimise(
            "it is an ensemble of trees, which has no matrix products; fewer or smaller trees make "
            "it faster"
        )
    if not kinds & set(_PRODUCTS):
        raise CannotOptimise(f"it has no matrix products, only {', '.join(sorted(kinds))}")


def _read(model: bytes) -> Any:
    return library_of_extra("onnx", "train").load_model_from_string(model)


def _value(constant: Any) -> NDArray[np.float32]:
    return library_of_extra("onnx.numpy_helper", "train").to_array(constant)


def _replace(constant: Any, value: NDArray[np.float32]) -> None:
    new = library_of_extra("onnx.numpy_helper", "train").from_array(
        np.ascontiguousarray(value), constant.name
    )
    constant.CopyFrom(new)
