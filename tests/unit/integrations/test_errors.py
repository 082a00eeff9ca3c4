import pickle

import pytest

from kingpost.core import KingpostError
from kingpost.integrations import (
    BadMlflowModel,
    MlflowModelChanged,
    MlflowRefused,
    MlflowUnreachable,
    NoMlflowModel,
    SchemaMismatch,
    TooManyBadRows,
    UnknownStream,
    UnreadableQuarantine,
    UnreadableSource,
)

ERRORS: list[KingpostError] = [
    UnreadableSource("a.csv", "is empty", "has its export failed?"),
    SchemaMismatch("a.csv", "amount", "a column 'amount'", "columns id, at", "map it"),
    TooManyBadRows("a.csv", 1500, 2000, "amount: expected `float`, found `str`"),
    UnknownStream("refund", ("payment",)),
    UnreadableQuarantine(7, "format 2"),
    MlflowUnreachable("http://mlflow", "refused"),
    MlflowRefused("http://mlflow", "read models:/a/1", "no permission"),
    NoMlflowModel("http://mlflow", "models:/a/1", "not found"),
    BadMlflowModel("models:/a/1", "its flavours are none", "log it as ONNX"),
    MlflowModelChanged("models:/a/1", "0" * 64, "1" * 64, "its export"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_survives_pickling_with_its_message(error: KingpostError) -> None:
    copy = pickle.loads(pickle.dumps(error))

    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)


def test_every_error_has_a_code_of_its_own() -> None:
    assert len({error.code for error in ERRORS}) == len(ERRORS)
