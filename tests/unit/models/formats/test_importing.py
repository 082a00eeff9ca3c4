"""A model of another library is served as ONNX only when it scores as its original."""

import pickle
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from kingpost.core import ExtraMissing
from kingpost.models import (
    BadModel,
    BadModelFile,
    ExportDiffers,
    OnnxScorer,
    SampleRows,
    UntrustedModel,
    import_model,
)
from tests.made_models import FEATURES, classifier, lightgbm_file, made_rows, xgboost_file
from tests.onnx_models import logistic_onnx

ROWS = SampleRows(made_rows(300, seed=9).x)


def test_a_lightgbm_file_scores_as_lightgbm(tmp_path: Path) -> None:
    found = import_model(lightgbm_file(tmp_path / "fraud.txt"), rows=ROWS)

    assert (found.format, found.features, found.checked) == ("lightgbm", FEATURES, 300)
    assert found.library.startswith("lightgbm ")
    assert 0 < found.difference < 1e-6
    assert len(found.origin) == 64
    native: Any = import_module("lightgbm").Booster(model_file=str(tmp_path / "fraud.txt"))
    scores = OnnxScorer(found.onnx).scores(ROWS.x)
    assert np.abs(scores - native.predict(ROWS.x)).max() == found.difference


@pytest.mark.parametrize("name", ["fraud.json", "fraud.ubj"])
@pytest.mark.parametrize("names", [None, [f"amount {at}" for at in range(FEATURES)]])
def test_an_xgboost_file_scores_as_xgboost(
    tmp_path: Path, name: str, names: list[str] | None
) -> None:
    pytest.importorskip("xgboost", reason="the extra xgboost is not installed")

    found = import_model(xgboost_file(tmp_path / name, names), rows=ROWS)

    assert (found.format, found.drawn) == ("xgboost", False)
    assert found.difference < 1e-6


@pytest.mark.parametrize(
    ("module", "name", "parameters"),
    [
        ("linear_model", "LogisticRegression", {}),
        ("ensemble", "RandomForestClassifier", {"n_estimators": 20, "random_state": 1}),
        ("ensemble", "HistGradientBoostingClassifier", {"max_iter": 10, "random_state": 1}),
        ("neural_network", "MLPClassifier", {"max_iter": 400, "tol": 0.01, "random_state": 1}),
    ],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # skl2onnx's, of numpy
def test_a_scikit_learn_estimator_scores_as_scikit_learn(
    module: str, name: str, parameters: dict[str, object]
) -> None:
    estimator = classifier(module, name, **parameters)

    found = import_model(estimator, rows=ROWS)

    expected = estimator.predict_proba(ROWS.x)[:, 1]
    assert np.abs(OnnxScorer(found.onnx).scores(ROWS.x) - expected).max() == found.difference
    assert found.difference < 1e-5
    assert (found.format, found.name, found.origin) == ("sklearn", name, "")


def test_a_pickle_is_not_loaded_until_somebody_vouches_for_it(tmp_path: Path) -> None:
    path, ran = tmp_path / "model.pkl", tmp_path / "ran"

    class Bomb:
        def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
            return Path.touch, (ran,)  # pyright: ignore[reportReturnType]  pickle takes any

    path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(UntrustedModel, match="--trusted"):
        import_model(path)
    assert not ran.exists()

    with pytest.raises(BadModelFile, match="predict_proba"):
        import_model(path, trusted=True)
    assert ran.exists()


def test_a_joblib_file_that_is_trusted_is_imported(tmp_path: Path) -> None:
    path = tmp_path / "model.joblib"
    import_module("joblib").dump(classifier("linear_model", "LogisticRegression"), path)

    found = import_model(path, trusted=True)

    assert (found.format, found.drawn, found.checked) == ("sklearn", True, 512)


def test_a_skops_file_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.skops").write_bytes(b"PK")

    with pytest.raises(BadModelFile, match="cannot be loaded"):
        import_model(tmp_path / "model.skops")


def test_onnx_that_can_be_served_stays_as_it_is(tmp_path: Path) -> None:
    content = logistic_onnx([1.0] * FEATURES)
    (tmp_path / "model.onnx").write_bytes(content)

    found = import_model(str(tmp_path / "model.onnx"), rows=ROWS)

    assert (found.onnx, found.difference) == (content, 0.0)


Made = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def sigmoid(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-sums))


@pytest.mark.parametrize(
    ("element", "columns", "gives", "read"),
    [
        (TensorProto.FLOAT, 1, "probability", "sigmoid"),
        (TensorProto.DOUBLE, 1, "probability", "sigmoid"),
        (TensorProto.FLOAT, 2, "probability", "softmax"),
        (TensorProto.FLOAT, 1, "logit", "none"),
        (TensorProto.DOUBLE, 1, "logit", "none"),
        (TensorProto.FLOAT, 2, "logit", "none"),
    ],
)
def test_onnx_of_another_form_is_brought_into_the_served_one(
    tmp_path: Path, element: int, columns: int, gives: Any, read: str
) -> None:
    rng = np.random.default_rng(3)
    weights = rng.normal(size=(FEATURES, columns))
    (tmp_path / "model.onnx").write_bytes(dense(weights, element, read, "probabilities"))

    found = import_model(tmp_path / "model.onnx", rows=ROWS, gives=gives)

    sums = ROWS.x.astype(np.float64) @ weights
    logit = sums[:, 0] if columns == 1 else sums[:, 1] - sums[:, 0]
    assert OnnxScorer(found.onnx).scores(ROWS.x) == pytest.approx(sigmoid(logit), abs=2e-6)
    assert found.difference < 1e-6
    both = OnnxScorer(found.onnx)
    assert both.features == FEATURES


def dense(weights: NDArray[np.float64], element: int, last: str, output: str) -> bytes:
    """A matrix product with a sigmoid or softmax after it; a second output beside it."""
    kind = np.float64 if element == TensorProto.DOUBLE else np.float32
    make, end = helper.make_node, "sum" if last != "none" else output
    nodes = [make("MatMul", ["x", "w"], [end]), make("Shape", [end], ["size"])]
    if last != "none":
        nodes.append(make(last.capitalize(), ["sum"], [output]))
    graph = helper.make_graph(
        nodes,
        "dense",
        [helper.make_tensor_value_info("x", element, ["n", weights.shape[0]])],
        [
            helper.make_tensor_value_info(output, element, ["n", weights.shape[1]]),
            helper.make_tensor_value_info("size", TensorProto.INT64, [2]),
        ],
        [
            helper.make_tensor("w", element, weights.shape, weights.astype(kind).ravel()),
        ],
    )
    opset = helper.make_opsetid("", 17)
    return helper.make_model(graph, opset_imports=[opset], ir_version=8).SerializeToString()


def test_a_zip_map_of_scikit_learn_is_left_out(tmp_path: Path) -> None:
    convert = import_module("skl2onnx").to_onnx
    estimator = classifier("linear_model", "LogisticRegression")
    message = convert(estimator, ROWS.x[:1])
    (tmp_path / "model.onnx").write_bytes(message.SerializeToString())

    found = import_model(tmp_path / "model.onnx", rows=ROWS)

    expected = estimator.predict_proba(ROWS.x)[:, 1]
    assert OnnxScorer(found.onnx).scores(ROWS.x) == pytest.approx(expected, abs=1e-6)


def test_logits_taken_for_probabilities_are_refused_with_what_to_say(tmp_path: Path) -> None:
    weights = np.full((FEATURES, 1), 2.0)
    (tmp_path / "model.onnx").write_bytes(dense(weights, TensorProto.FLOAT, "none", "logit"))

    with pytest.raises(BadModel, match="--gives logit"):
        import_model(tmp_path / "model.onnx", rows=ROWS)


def test_an_export_above_the_tolerance_is_an_error(tmp_path: Path) -> None:
    path = lightgbm_file(tmp_path / "fraud.txt")

    with pytest.raises(ExportDiffers):
        import_model(path, rows=ROWS, tolerance=1e-12)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("model.bin", b"whatever", "no known format"),
        ("model.pth", b"PK", "torch.export"),
        ("model.onnx", b"", "0 bytes"),
        ("model.onnx", b"not onnx", "cannot be read"),
        ("model.txt", b"tree\nversion=v4\n", "model.txt"),
        ("model.json", b'{"learner": {}}', "model.json"),
    ],
)
def test_a_file_that_is_no_model_is_refused(
    tmp_path: Path, name: str, content: bytes, says: str
) -> None:
    (tmp_path / name).write_bytes(content)

    with pytest.raises((BadModelFile, ExtraMissing), match=says):
        import_model(tmp_path / name)


def test_a_missing_file_and_a_directory_that_is_no_saved_model_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadModelFile, match="no such file"):
        import_model(tmp_path / "nothing.onnx")
    with pytest.raises(BadModelFile, match=r"saved_model\.pb"):
        import_model(tmp_path)
    with pytest.raises(BadModelFile, match="no scikit-learn estimator"):
        import_model(object())


def test_other_numbers_of_classes_or_features_are_refused(tmp_path: Path) -> None:
    data = made_rows()
    three = np.arange(len(data.y)) % 3
    trees: Any = import_module("sklearn.tree")

    with pytest.raises(BadModelFile, match="two classes"):
        import_model(trees.DecisionTreeClassifier(max_depth=2).fit(data.x, three))
    with pytest.raises(BadModelFile, match="objective=regression"):
        import_model(lightgbm_file(tmp_path / "amount.txt", objective="regression"))
    with pytest.raises(BadModel, match="takes 6 features, and 5"):
        import_model(lightgbm_file(tmp_path / "fraud.txt"), rows=SampleRows(ROWS.x[:, :5]))
