"""A model that is a function of the application's: no file, its source is its code.

The rule: what is approved is what runs. The function lies in the application's sources, whose
digest is the bundle's, and its own source is digested once more in place of a model's bytes.
"""

import hashlib
import inspect
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from kingpost.decisions.application import Application
from kingpost.decisions.declare import Decision, Predict
from kingpost.decisions.errors import NotImported

__all__ = ["PythonScorer", "check_in_sources", "is_python_model", "python_model"]

_KIND = b'{"format":1,"kind":"python",'


class PythonScorer:
    """A function as a model.

    Args:
        predict: Takes float32 rows, gives a number from 0 to 1, or NaN, for each.
    """

    def __init__(self, predict: Predict) -> None:
        self._predict = predict

    def score(self, rows: NDArray[np.float32]) -> list[float]:
        """Score rows; the function gets a copy, which it may write to.

        Raises:
            ValueError: It gave another number of scores, or one that is no probability.
            Exception: Whatever the function raises.
        """
        scores = np.asarray(self._predict(rows.copy()), np.float64)
        if scores.shape != (len(rows),):
            raise ValueError(f"expected scores of shape ({len(rows)},), found {scores.shape}")
        if ((scores < 0) | (scores > 1)).any():
            raise ValueError("a score is no probability from 0 to 1")
        return scores.tolist()


def python_model(predict: Predict) -> bytes:
    """Return what stands for a function where other models have their bytes."""
    named = _function(predict)
    source = hashlib.sha256(inspect.getsource(named).encode()).hexdigest()
    document = {"format": 1, "kind": "python", "name": named.__qualname__, "source": source}
    return msgspec.json.encode(document)


def is_python_model(content: bytes) -> bool:
    """Say whether the bytes of a model stand for a function."""
    return content.startswith(_KIND)


def check_in_sources(application: Application, decision: Decision) -> None:
    """Check that a function lies where the bundle's digest covers it.

    Raises:
        NotImported: It lies in a package that is none of the application's.
    """
    assert decision.model.predict is not None
    named = _function(decision.model.predict)
    file = Path(inspect.getsourcefile(named) or "").resolve()
    if not any((application.root / one).resolve() == file for one in application.sources):
        raise NotImported(
            decision.name,
            f"the function {named.__qualname__!r} of its model lies in {file}, which is not among "
            "the application's sources",
            "define one beside the application's file that calls it, so that the bundle covers it",
        )


def _function(predict: Predict) -> "type | Callable[..., object]":
    return predict if inspect.isfunction(predict) else type(predict)
