"""TensorFlow's formats; skipped where it is not installed, as in our own environment."""

from pathlib import Path
from typing import Any

import pytest

from kingpost.models import BadModelFile, OnnxScorer, SampleRows, UntrustedModel, import_model
from tests.made_models import FEATURES, made_rows

tensorflow: Any = pytest.importorskip("tensorflow", reason="tensorflow is not installed")
pytest.importorskip("tf2onnx", reason="tf2onnx is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")  # tensorflow's own

ROWS = SampleRows(made_rows(300, seed=9).x)


def network(features: int = FEATURES) -> Any:
    keras = tensorflow.keras
    keras.utils.set_random_seed(1)
    layers = [
        keras.Input((features,)),
        keras.layers.Dense(16, activation="relu"),
        keras.layers.Dropout(0.5),
        keras.layers.Dense(1, activation="sigmoid"),
    ]
    return keras.Sequential(layers)


def expected(model: Any) -> Any:
    return model(ROWS.x, training=False).numpy()[:, 0]


@pytest.mark.parametrize("name", ["model.keras", "model.h5"])
def test_a_keras_file_scores_as_keras(tmp_path: Path, name: str) -> None:
    model = network()
    model.save(tmp_path / name)

    found = import_model(tmp_path / name, rows=ROWS, trusted=name.endswith("h5"))

    assert (found.format, found.features) == ("keras", FEATURES)
    assert OnnxScorer(found.onnx).scores(ROWS.x) == pytest.approx(expected(model), abs=1e-6)


def test_a_saved_model_scores_as_tensorflow_once_it_is_trusted(tmp_path: Path) -> None:
    model = network()
    model.export(str(tmp_path / "model"), verbose=False)

    with pytest.raises(UntrustedModel, match="SavedModel"):
        import_model(tmp_path / "model", rows=ROWS)
    found = import_model(tmp_path / "model", rows=ROWS, trusted=True)

    assert found.format == "saved_model"
    assert OnnxScorer(found.onnx).scores(ROWS.x) == pytest.approx(expected(model), abs=1e-6)
    assert len(found.origin) == 64


def test_a_tflite_file_scores_as_tflite(tmp_path: Path) -> None:
    model = network()
    path = tmp_path / "model.tflite"
    path.write_bytes(tensorflow.lite.TFLiteConverter.from_keras_model(model).convert())

    found = import_model(path, rows=ROWS)

    assert found.format == "tflite"
    assert OnnxScorer(found.onnx).scores(ROWS.x) == pytest.approx(expected(model), abs=1e-6)


def test_what_is_no_keras_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.keras").write_bytes(b"PK")
    (tmp_path / "model.h5").write_bytes(b"PK")

    with pytest.raises(BadModelFile, match="cannot be converted"):
        import_model(tmp_path / "model.keras")
    with pytest.raises(UntrustedModel, match="HDF5"):
        import_model(tmp_path / "model.h5")
