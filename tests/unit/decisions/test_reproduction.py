"""Why a model did not come out the same."""

from kingpost.decisions.environment import EnvironmentDifference
from kingpost.decisions.reproduction import Remade, reasons_of
from kingpost.registry import (
    DataVersion,
    Environment,
    ModelArtefacts,
    ModelVersion,
    TrainingRecipe,
)

VERSION = ModelVersion(
    format=1,
    name="fraud",
    number=1,
    registered_at_us=0,
    artefacts=ModelArtefacts(onnx="o" * 64, native="n" * 64, card="c" * 64),
    data=DataVersion(
        position="data:9", tenant="default", known_until_us=None, rows=100, digest="d" * 64
    ),
    features="f" * 64,
    code="e" * 64,
    environment=Environment(python="3.11", platform="linux", packages={}),
    seed=7,
    threshold=0.5,
    parameters={},
    metrics={},
    by="ada",
    recipe=TrainingRecipe(train_from_us=None, train_until_us=1, test_from_us=1, test_to_us=2),
)
SAME = {
    "features": "f" * 64,
    "data": "d" * 64,
    "rows": 100,
    "native": "n" * 64,
    "model": "o" * 64,
    "threshold": 0.5,
}


def reasons(*environment: EnvironmentDifference, **other: str | float) -> str:
    remade = Remade(**{**SAME, **other})  # pyright: ignore[reportArgumentType]
    return "; ".join(reasons_of(VERSION, remade, environment))


def test_nothing_that_differs_is_no_reason() -> None:
    assert reasons() == ""


def test_each_input_that_differs_is_a_reason() -> None:
    assert "other rows: 90 of digest" in reasons(data="x" * 64, rows=90)
    assert "other features" in reasons(features="x" * 64)
    assert "the threshold is 0.4 and not 0.5" in reasons(threshold=0.4)


def test_a_library_that_makes_models_is_a_reason_and_another_is_not() -> None:
    lightgbm = EnvironmentDifference("lightgbm", "4.6.0", "4.7.0")
    starlette = EnvironmentDifference("starlette", "1.0", None)

    told = reasons(lightgbm, starlette, model="x" * 64, native="x" * 64)

    assert told == "other lightgbm: 4.7.0 and not 4.6.0; the model has other bytes"


def test_an_export_that_differs_is_told_from_a_model_that_does() -> None:
    assert "its export did not" in reasons(model="x" * 64)
