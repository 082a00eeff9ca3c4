"""A function as a model: its source is what is approved."""

import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from kingpost.decisions.application import Application, load_application
from kingpost.decisions.declare import Decision, model
from kingpost.decisions.errors import NotImported, WrongDecision
from kingpost.decisions.python_model import (
    PythonScorer,
    check_in_sources,
    is_python_model,
    python_model,
)
from kingpost.decisions.scorers import ready_model
from kingpost.models import BadModel
from tests.onnx_models import logistic_onnx
from tests.tiny_app import chargebacks, fraud

APP = """
import kingpost as kp
{imports}

class Payment(kp.Event):
    id: kp.Key[str]
    at: kp.EventTime
    amount: float

class Finding(kp.Event):
    payment: kp.Key[str]
    at: kp.EventTime
    known_at: kp.KnownTime
    fraud: bool

{function}

payment = kp.decision(
    "payment",
    request=Payment,
    features=[kp.field("amount")],
    model=kp.model("payment", predict=score, label=kp.stream(Finding).label("fraud")),
)
"""
SCORE = "def score(rows):\n    return 1 / (1 + rows[:, 0] ** 2)\n"


def application_in(
    directory: Path, monkeypatch: pytest.MonkeyPatch, *, imports: str = "", function: str = SCORE
) -> tuple[Application, Decision]:
    monkeypatch.setattr(sys, "path", [str(directory), *sys.path])
    for name in ("python_app", "scores"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    (directory / "python_app.py").write_text(APP.format(imports=imports, function=function))
    application = load_application(directory / "python_app.py")
    return application, application.decisions["payment"]


def test_a_function_is_loaded_tried_and_scored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    application, decision = application_in(tmp_path, monkeypatch)
    check_in_sources(application, decision)
    assert decision.model.predict is not None
    content = python_model(decision.model.predict)

    ready = ready_model(decision, content, None)

    assert ready.finding.batching == "any"
    assert list(ready.scorer.score(np.array([[1], [2]], np.float32))) == pytest.approx([0.5, 0.2])
    assert is_python_model(content)
    assert not is_python_model(logistic_onnx([1.0]))


def test_a_function_that_looks_at_the_whole_batch_is_asked_for_one_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = "def score(rows):\n    return 1 / (1 + (rows - rows.mean()) ** 2)[:, 0]\n"
    _, decision = application_in(tmp_path, monkeypatch, function=whole)
    assert decision.model.predict is not None

    ready = ready_model(decision, python_model(decision.model.predict), None)

    assert ready.finding.batching == "one_by_one"
    assert list(ready.scorer.score(np.array([[1], [2]], np.float32))) == [1.0, 1.0]


def test_another_function_than_the_registered_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, decision = application_in(tmp_path, monkeypatch)
    other = python_model(lambda rows: rows[:, 0])

    for content in (other, logistic_onnx([1.0])):
        with pytest.raises(BadModel, match="not the function"):
            ready_model(decision, content, None)
    with pytest.raises(BadModel, match="no `predict`"):
        ready_model(fraud, other, None)


def test_a_function_outside_the_sources_cannot_be_registered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside = tmp_path / "elsewhere"
    beside.mkdir()
    (beside / "scores.py").write_text(SCORE)
    monkeypatch.setattr(sys, "path", [str(beside), *sys.path])
    application, decision = application_in(
        tmp_path, monkeypatch, imports="from scores import score", function=""
    )

    with pytest.raises(NotImported, match="not among the application's sources"):
        check_in_sources(application, decision)


def test_what_is_no_probability_for_each_row_is_an_error_of_the_model() -> None:
    rows = np.array([[0.5], [1.5]], np.float32)

    def doubled(given: NDArray[np.float32]) -> NDArray[np.floating]:
        given *= 2
        return given[:, 0]

    with pytest.raises(ValueError, match="no probability"):
        PythonScorer(doubled).score(rows)
    assert rows.tolist() == [[0.5], [1.5]]  # it wrote to a copy
    with pytest.raises(ValueError, match="shape"):
        PythonScorer(lambda _: [0.5]).score(rows)
    assert np.isnan(PythonScorer(lambda _: [0.5, float("nan")]).score(rows)[1])


def test_a_model_is_trained_or_a_function_but_not_both() -> None:
    with pytest.raises(WrongDecision, match="trainer and a function"):
        model(
            "fraud",
            trainer=lambda _: pytest.fail("never called"),
            predict=lambda rows: rows[:, 0],
            label=chargebacks.label("fraud"),
        )
