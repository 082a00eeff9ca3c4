"""Tables for tests of drift."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from kingpost.contracts import Column, ColumnBatch, Texts
from kingpost.monitoring import BatchTable

__all__ = ["mixed", "table", "texts"]


def table(
    columns: Mapping[str, Column], present: Mapping[str, NDArray[np.bool_]] | None = None
) -> BatchTable:
    """Put columns side by side."""
    first = next(iter(columns.values()))
    rows = len(first.codes if isinstance(first, Texts) else first)
    return BatchTable(ColumnBatch(rows, columns, present or {}))


def texts(values: Sequence[str]) -> Texts:
    """Return a column of text."""
    distinct = sorted(set(values))
    places = {value: at for at, value in enumerate(distinct)}
    return Texts(np.array([places[value] for value in values], np.int32), distinct)


def mixed(seed: int, rows: int, *, shift: float = 0.0) -> BatchTable:
    """Return two columns of numbers, one of them with missing values, texts and vectors."""
    rng = np.random.default_rng(seed)
    kinds = np.array(["card", "cash", "transfer"])[rng.choice(3, rows, p=(0.6, 0.3, 0.1))]
    return table(
        {
            "amount": np.exp(rng.normal(shift, 1, rows)),
            "age": np.round(rng.normal(40, 12, rows)),
            "kind": texts(kinds.tolist()),
            "embedding": rng.normal(size=(rows, 8)).astype(np.float32),
        },
        {"age": rng.random(rows) > 0.05},
    )
