"""Models small enough to write down: a logistic curve over a weighted sum, as ONNX."""

from collections.abc import Sequence

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

from kingpost.models import FittedModel, HeldOut, TrainingSet

__all__ = ["fitted", "logistic_onnx", "network_onnx"]


def logistic_onnx(weights: Sequence[float], bias: float = 0.0) -> bytes:
    """Return a model of 1 / (1 + exp(-(x . weights + bias)))."""
    column = np.array(weights, np.float32).reshape(-1, 1)
    graph = helper.make_graph(
        [
            helper.make_node("Gemm", ["x", "weights", "bias"], ["sum"]),
            helper.make_node("Sigmoid", ["sum"], ["positive"]),
            helper.make_node("Sub", ["one", "positive"], ["negative"]),
            helper.make_node("Concat", ["negative", "positive"], ["probabilities"], axis=1),
        ],
        "logistic",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, len(weights)])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 2])],
        [
            numpy_helper.from_array(column, "weights"),
            numpy_helper.from_array(np.array([bias], np.float32), "bias"),
            numpy_helper.from_array(np.array([1], np.float32), "one"),
        ],
    )
    opset = helper.make_opsetid("", 17)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=8)
    return model.SerializeToString()


def fitted(data: TrainingSet, onnx_model: bytes, *, held_out: HeldOut | None = None) -> FittedModel:
    """Present a model as a trainer does."""
    return FittedModel(
        feature_names=data.feature_names,
        onnx=onnx_model,
        native=b"",
        library="by hand",
        parameters={"kind": "logistic"},
        seed=1,
        rows=len(data),
        positives=data.positives,
        importance=tuple((name, 1 / len(data.feature_names)) for name in data.feature_names),
        export_difference=0.0,
        held_out=held_out,
    )


def network_onnx(features: int, units: int, *, seed: int = 1) -> bytes:
    """Return a network of two hidden layers with drawn weights."""
    rng = np.random.default_rng(seed)
    nodes: list[NodeProto] = []
    constants, last = [numpy_helper.from_array(np.ones((1, 1), np.float32), "one")], "x"
    for at, (wide, high) in enumerate(((features, units), (units, units), (units, 1))):
        weights = rng.normal(size=(wide, high)) / wide**0.5
        constants += [
            numpy_helper.from_array(weights.astype(np.float32), f"weights{at}"),
            numpy_helper.from_array(rng.normal(size=high).astype(np.float32), f"bias{at}"),
        ]
        curve = "Relu" if high > 1 else "Sigmoid"
        nodes += [
            helper.make_node("MatMul", [last, f"weights{at}"], [f"product{at}"]),
            helper.make_node("Add", [f"product{at}", f"bias{at}"], [f"sum{at}"]),
            helper.make_node(curve, [f"sum{at}"], [f"layer{at}"]),
        ]
        last = f"layer{at}"
    nodes += [
        helper.make_node("Sub", ["one", last], ["negative"]),
        helper.make_node("Concat", ["negative", last], ["probabilities"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, features])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 2])],
        constants,
    )
    opset = helper.make_opsetid("", 17)
    return helper.make_model(graph, opset_imports=[opset], ir_version=8).SerializeToString()
