"""Errors of decisions survive pickling and say what to do."""

import pickle

import pytest

from kingpost.core import KingpostError
from kingpost.decisions.errors import (
    BundleMismatch,
    NoModel,
    NotApproved,
    NothingToLearn,
    RecordNotFound,
    ReplayFailed,
    UnknownDecision,
)

DIGEST = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (NoModel("fraud"), "kingpost train"),
        (NotApproved("fraud", DIGEST), "kingpost approve"),
        (BundleMismatch("fraud", DIGEST, ("code", "gate")), "code, gate differ"),
        (NothingToLearn("fraud", "no label", "ingest some"), "ingest some"),
        (RecordNotFound("?", ".kingpost"), "36 characters"),
        (ReplayFailed("fraud", DIGEST, "it crashed"), "could not be run again: it crashed"),
        (UnknownDecision("fruad", ("fraud",)), "it has fraud"),
        (UnknownDecision("fraud", ()), "it declares none"),
    ],
)
def test_an_error_says_what_to_do_also_after_pickling(error: KingpostError, says: str) -> None:
    copy = pickle.loads(pickle.dumps(error))

    assert says in str(copy)
    assert (type(copy), vars(copy)) == (type(error), vars(error))
