"""Errors survive pickling and say what to do."""

import pickle

import pytest

from kingpost.core import ExtraMissing, KingpostError
from kingpost.models import (
    BadModel,
    BadModelFile,
    BadRows,
    BadSplit,
    BadTrainingSet,
    CannotOptimise,
    ExportDiffers,
    HistoryTooShort,
    LibraryMissing,
    OneClassOnly,
    OptimisedWorse,
    UntrustedModel,
)

ERRORS: list[tuple[KingpostError, str]] = [
    (BadTrainingSet("x is float64", "round it"), "bad_training_set"),
    (BadSplit("it ends before it begins", "let it end later"), "bad_split"),
    (HistoryTooShort("4 folds", "the first", "has no rows"), "history_too_short"),
    (OneClassOnly("training", 10, 0), "one_class_only"),
    (ExportDiffers(0.5, 1e-5, 3, 10), "export_differs"),
    (BadModel("it gives nothing"), "bad_model"),
    (BadModelFile("a.bin", "it is none", "bring one"), "bad_model_file"),
    (BadRows("a.csv", "it has none", "give some"), "bad_rows"),
    (LibraryMissing("torch", "torch onnxscript"), "library_missing"),
    (UntrustedModel("a.pkl", "a pickle"), "untrusted_model"),
    (CannotOptimise("it is made of trees"), "cannot_optimise"),
    (OptimisedWorse(("it is slower",), 0.1), "optimised_worse"),
    (ExtraMissing("lightgbm", "train"), "extra_missing"),
]


@pytest.mark.parametrize(("error", "code"), ERRORS, ids=[code for _, code in ERRORS])
def test_an_error_keeps_its_code_and_its_words_when_pickled(
    error: KingpostError, code: str
) -> None:
    again = pickle.loads(pickle.dumps(error))

    assert (type(again), str(again), again.code) == (type(error), str(error), code)
