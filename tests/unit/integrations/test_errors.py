import pickle

import pytest

from kingpost.core import KingpostError
from kingpost.integrations import (
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
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_survives_pickling_with_its_message(error: KingpostError) -> None:
    copy = pickle.loads(pickle.dumps(error))

    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)


def test_every_error_has_a_code_of_its_own() -> None:
    assert len({error.code for error in ERRORS}) == len(ERRORS)
