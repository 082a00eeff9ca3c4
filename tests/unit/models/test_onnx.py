"""A row's score is the same alone and in any batch, and only a true export is served."""

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from kingpost.models import BadModel, ExportDiffers, OnnxScorer, check_export
from kingpost.models.trees import (
    LightGbmParameters,
    bin_rows,
    export_trees,
    fit_trees,
    native_model,
)
from tests.onnx_models import logistic_onnx

FEATURES = 12


def random_rows(rows: int, seed: int) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, FEATURES)).astype(np.float32)
    x[:, 0] = np.round(x[:, 0], 1)
    x[rng.random(rows) < 0.1, 1] = np.nan
    return x


@pytest.fixture(scope="module")
def trees() -> bytes:
    """A model of 200 trees, as it is served."""
    x = random_rows(3000, 1)
    y = (x[:, 0] + x[:, 2] * x[:, 3] + np.nan_to_num(x[:, 1]) > 1).astype(np.float64)
    parameters = LightGbmParameters(num_leaves=31, min_data_in_leaf=10)
    grown = fit_trees(parameters, bin_rows(parameters, x, y), lambda _: None)
    return export_trees(native_model(grown), FEATURES)


def test_a_row_scores_the_same_bits_alone_and_in_a_batch_of_any_size(trees: bytes) -> None:
    scorer, rows = OnnxScorer(trees), random_rows(300, 2)
    alone = [scorer.score(rows[at : at + 1])[0] for at in range(len(rows))]

    for size in range(2, 65):
        start = (size * 7) % (len(rows) - size)
        assert scorer.score(rows[start : start + size]) == alone[start : start + size]
    assert scorer.scores(rows).tolist() == alone


def test_a_long_table_is_scored_in_parts(trees: bytes) -> None:
    scorer, rows = OnnxScorer(trees), random_rows(8200, 3)

    scores = scorer.scores(rows)

    assert scores[-8:].tolist() == scorer.score(rows[-8:])
    assert scorer.features == FEATURES


def test_an_export_that_scores_otherwise_is_refused_with_the_row() -> None:
    model, x = logistic_onnx([1.0, -1.0]), np.array([[0, 0], [1, 0], [2, 1]], np.float32)
    original = OnnxScorer(model).scores(x)

    assert check_export(model, x, original) == 0.0
    assert check_export(model, x[:0], original[:0]) == 0.0
    original[1] += 0.01
    with pytest.raises(ExportDiffers, match="row 1 of 3") as refused:
        check_export(model, x, original)
    assert refused.value.difference == pytest.approx(0.01)


def test_a_score_that_is_no_number_is_a_difference() -> None:
    x = np.array([[0.0], [np.nan]], np.float32)

    with pytest.raises(ExportDiffers, match="row 1 of 2"):
        check_export(logistic_onnx([1.0]), x, np.array([0.5, 0.5]))


def test_bytes_that_are_no_model_are_refused() -> None:
    with pytest.raises(BadModel):
        OnnxScorer(b"joblib")


@pytest.mark.parametrize(
    ("element", "shape", "output", "says"),
    [
        (TensorProto.DOUBLE, [None, 2], "probabilities", "tensor.double"),
        (TensorProto.FLOAT, [2], "probabilities", "it takes"),
        (TensorProto.FLOAT, [None, None], "probabilities", "how many features"),
        (TensorProto.FLOAT, [None, 2], "label", "it gives"),
    ],
)
def test_a_model_that_cannot_score_rows_is_refused(
    element: int, shape: list[int | None], output: str, says: str
) -> None:
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], [output])],
        "model",
        [helper.make_tensor_value_info("x", element, shape)],
        [helper.make_tensor_value_info(output, element, shape)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)

    with pytest.raises(BadModel, match=says):
        OnnxScorer(model.SerializeToString())
