"""What drift is measured on: the columns of a table, some rows at a time.

The rule: what the model sees is compared: numbers are float32, and a missing one is NaN.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from kingpost.contracts import ColumnBatch, Texts
from kingpost.monitoring.binning import model_values

__all__ = ["BatchTable", "ColumnType", "Levels", "Table", "frequent_first"]

ColumnType = Literal["number", "text", "vector"]


@dataclass(frozen=True, slots=True)
class Levels:
    """Rows by the value of a text.

    Attributes:
        rows: Of each value asked for, in that order.
        new: Rows of any other value.
        missing: Rows without one.
    """

    rows: tuple[int, ...]
    new: int
    missing: int


class Table(Protocol):
    """Columns of equally many rows."""

    @property
    def rows(self) -> int:
        """How many rows it has."""
        ...

    @property
    def types(self) -> Mapping[str, ColumnType]:
        """The columns that can be measured."""
        ...

    def numbers(self, name: str) -> Iterator[NDArray[np.float32]]:
        """Give the values of a column of numbers, or the lengths of texts; NaN where missing."""
        ...

    def vectors(self, name: str, dimension: int) -> Iterator[NDArray[np.float32]]:
        """Give the vectors that have so many elements, shape (rows, dimension)."""
        ...

    def dimension(self, name: str) -> int:
        """Return how many elements the first vector has; 0 where there is none."""
        ...

    def values(self, name: str, most: int) -> Mapping[str, int] | None:
        """Return the rows of each value of a text, the most frequent first; None for too many."""
        ...

    def levels(self, name: str, values: Sequence[str]) -> Levels:
        """Count the rows of some values of a text."""
        ...


class BatchTable:
    """Checked events as a table, for counting what is live."""

    def __init__(self, batch: ColumnBatch) -> None:
        self._batch = batch

    @property
    def rows(self) -> int:
        """How many events it has."""
        return self._batch.rows

    @property
    def types(self) -> Mapping[str, ColumnType]:
        """The fields."""
        return {name: _type_of(column) for name, column in self._batch.columns.items()}

    def numbers(self, name: str) -> Iterator[NDArray[np.float32]]:
        """Give the values of a field, or the lengths of its texts."""
        column = self._batch.columns[name]
        if isinstance(column, Texts):
            lengths = np.array([len(value) for value in column.values], np.float32)
            values = lengths[column.codes] if len(lengths) else np.zeros(self.rows, np.float32)
        else:
            values = model_values(column.astype(np.float64))
        present = self._batch.present.get(name)
        yield values if present is None else np.where(present, values, np.float32(np.nan))

    def vectors(self, name: str, dimension: int) -> Iterator[NDArray[np.float32]]:
        """Give the vectors of a field."""
        matrix = cast("NDArray[np.float32]", self._batch.numbers(name))
        present = self._batch.present.get(name)
        if matrix.shape[1] == dimension:
            yield matrix if present is None else matrix[present]

    def dimension(self, name: str) -> int:
        """Return how many elements each vector has."""
        return int(self._batch.numbers(name).shape[1])

    def values(self, name: str, most: int) -> Mapping[str, int] | None:
        """Return the events of each value, the most frequent first."""
        rows = self._counted(name)
        return None if len(rows) > most else frequent_first(rows)

    def levels(self, name: str, values: Sequence[str]) -> Levels:
        """Count the events of some values."""
        rows = self._counted(name)
        known = tuple(rows.get(value, 0) for value in values)
        there = sum(rows.values())
        return Levels(known, there - sum(known), self.rows - there)

    def _counted(self, name: str) -> dict[str, int]:
        column, present = self._batch.texts(name), self._batch.present.get(name)
        codes = column.codes if present is None else column.codes[present]
        counts = np.bincount(codes, minlength=len(column.values)).tolist()
        return {value: n for value, n in zip(column.values, counts, strict=True) if n}


def frequent_first(rows: Mapping[str, int]) -> dict[str, int]:
    """Put values into the order of their rows, those of equally many into that of their letters."""
    return dict(sorted(rows.items(), key=lambda one: (-one[1], one[0])))


def _type_of(column: NDArray[np.generic] | Texts) -> ColumnType:
    if isinstance(column, Texts):
        return "text"
    return "vector" if column.ndim > 1 else "number"
