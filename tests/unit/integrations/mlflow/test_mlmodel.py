"""The file `MLmodel` as others write it, and as nobody should."""

from pathlib import Path

import pytest

from kingpost.integrations import MLMODEL, BadMlflowModel, OursInMlModel, write_mlmodel
from kingpost.integrations.mlflow.mlmodel import read_mlmodel

URI = "models:/trees/1"
FOREIGN = """\
flavors:
  lightgbm: {data: model.lgb, model_class: lightgbm.basic.Booster}
  python_function: {loader_module: mlflow.lightgbm, data: model.lgb}
mlflow_version: 3.17.2
signature:
  inputs: '[{"type": "float", "name": "a"}, {"type": "long", "name": "b"}]'
  outputs: '[{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1]}}]'
"""


def written(directory: Path, text: str, *files: str) -> Path:
    (directory / MLMODEL).write_text(text)
    for name in files:
        (directory / name).write_bytes(b"x")
    return directory


def test_the_names_of_its_columns_are_the_features(tmp_path: Path) -> None:
    read = read_mlmodel(written(tmp_path, FOREIGN, "model.lgb"), URI)

    assert read.feature_names == ("a", "b")
    assert read.file_of(tmp_path, URI) == ("lightgbm", tmp_path / "model.lgb")
    assert (read.mlflow_version, read.ours) == ("3.17.2", None)


def test_a_tensor_names_no_features_and_our_own_file_does(tmp_path: Path) -> None:
    tensor = '[{"type":"tensor","tensor-spec":{"dtype":"float32","shape":[-1,2]}}]'
    ours = OursInMlModel(features=("amount", "night"), onnx="00", threshold=0.25)
    flavours = {"onnx": {"data": "model.onnx"}, "lightgbm": {"data": "model.lgb"}}
    text = write_mlmodel(flavours, ours, created="2026-11-28", inputs=tensor, outputs=tensor)

    read = read_mlmodel(written(tmp_path, text.decode(), "model.onnx", "model.lgb"), URI)
    plain = written(tmp_path, text.decode().replace("kingpost:", "others:"), "model.onnx")

    assert (read.feature_names, read.ours) == (("amount", "night"), ours)
    assert read.file_of(tmp_path, URI)[0] == "onnx"
    assert read.file_of(tmp_path, URI, "lightgbm")[0] == "lightgbm"
    assert read_mlmodel(plain, URI).feature_names == ()


@pytest.mark.parametrize("name", ["../elsewhere", "/etc/hostname", "missing", "."])
def test_a_file_that_does_not_lie_beside_it_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "elsewhere").write_bytes(b"x")
    (tmp_path / "model").mkdir()
    text = f"flavors: {{onnx: {{data: {name}}}}}\n"
    directory = written(tmp_path / "model", text)

    with pytest.raises(BadMlflowModel, match="that it does not bring"):
        read_mlmodel(directory, URI).file_of(directory, URI)


@pytest.mark.parametrize(
    "text", ["flavors: [", "flavors: 7", "", "a: 1", "x" * (1 << 21)], ids=range(5)
)
def test_what_cannot_be_read_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadMlflowModel):
        read_mlmodel(written(tmp_path, text), URI)


def test_a_model_without_a_flavour_that_can_be_imported_says_which_ones_it_has(
    tmp_path: Path,
) -> None:
    read = read_mlmodel(written(tmp_path, "flavors: {python_function: {data: x}}\n", "x"), URI)

    with pytest.raises(BadMlflowModel, match="its flavours are python_function"):
        read.file_of(tmp_path, URI)


def test_a_number_of_aliases_costs_nothing(tmp_path: Path) -> None:
    text, before = "a: &a [x, x, x, x, x, x, x, x, x]\n", "a"
    for name in "bcdefghijklmn":
        text += f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
        before = name
    text += f"flavors: {{onnx: {{data: *{before}}}}}\n"

    read = read_mlmodel(written(tmp_path, text), URI)

    with pytest.raises(BadMlflowModel):
        read.file_of(tmp_path, URI)
