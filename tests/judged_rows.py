"""Rows to judge a model on, of plain columns."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from kingpost.contracts import Column, ColumnBatch, Texts
from kingpost.models import JudgedRows

__all__ = ["judged_rows", "texts"]


def texts(values: Sequence[str]) -> Texts:
    """Make a column of text."""
    known = sorted(set(values))
    return Texts(np.array([known.index(value) for value in values], np.int32), known)


def judged_rows(
    label: NDArray[np.bool_],
    score: NDArray[np.float64],
    *,
    threshold: float = 0.5,
    columns: Mapping[str, Column] | None = None,
    present: Mapping[str, NDArray[np.bool_]] | None = None,
    features: Mapping[str, NDArray[np.float64]] | None = None,
) -> JudgedRows:
    """Make rows with their labels and scores."""
    named = features or {}
    x = np.zeros((len(label), len(named)), np.float32)
    for at, column in enumerate(named.values()):
        x[:, at] = column
    requests = ColumnBatch(len(label), columns or {}, present or {})
    return JudgedRows(tuple(named), x, requests, label, score, threshold)
