"""The rows that gates are judged on: what was asked, what the model said, what was true."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from kingpost.contracts import ColumnBatch, Texts
from kingpost.models.errors import BadGroups

__all__ = ["Group", "JudgedRows", "groups_of"]

_MOST_GROUPS = 50


@dataclass(frozen=True, eq=False)
class JudgedRows:
    """Requests that the model had not learned from, with their scores and labels.

    Attributes:
        feature_names: One per column of `x`.
        x: Feature values as the model takes them, float32, shape (rows, features).
        requests: The requests, by the column.
        label: What was true, bool, shape (rows,).
        score: What the model said, float64, shape (rows,).
        threshold: The score from which an answer is positive.
    """

    feature_names: tuple[str, ...]
    x: NDArray[np.float32]
    requests: ColumnBatch
    label: NDArray[np.bool_]
    score: NDArray[np.float64]
    threshold: float

    def __len__(self) -> int:
        return len(self.label)

    @property
    def answer(self) -> NDArray[np.bool_]:
        """Whether the answer is positive, before the gate on confidence, shape (rows,)."""
        return self.score >= self.threshold

    def numbers(self, name: str) -> NDArray[np.float64]:
        """Return a number of the request, or a feature, as float64, shape (rows,).

        What is missing is NaN.

        Raises:
            BadGroups: There is no such number.
        """
        if name in self.requests.columns:
            column = self.requests.columns[name]
            if not isinstance(column, Texts) and column.ndim == 1:
                found = column.astype(np.float64)
                present = self.requests.present.get(name)
                return found if present is None else np.where(present, found, np.nan)
        elif name in self.feature_names:
            return self.x[:, self.feature_names.index(name)].astype(np.float64)
        raise BadGroups(name, "is no number of the request and no feature", "name one that is")

    def take(self, rows: NDArray[np.bool_]) -> "JudgedRows":
        """Return some of the rows, by mask."""
        return JudgedRows(
            self.feature_names,
            self.x[rows],
            self.requests.take(rows),
            self.label[rows],
            self.score[rows],
            self.threshold,
        )


class Group(NamedTuple):
    """Some of the rows: bool, shape (rows,)."""

    name: str
    rows: NDArray[np.bool_]


def groups_of(rows: JudgedRows, by: str, edges: Sequence[float] = ()) -> tuple[Group, ...]:
    """Part rows by a field of the request or a feature, in the order of its values.

    Args:
        edges: Where a number is cut, ascending; without, each value is a group.

    Raises:
        BadGroups: There is no such field or feature, or it has too many values.
    """
    column = rows.requests.columns.get(by)
    if isinstance(column, Texts):
        if edges:
            raise BadGroups(by, "is text", "leave out edges=…")
        parted = tuple(_texts(by, column, rows.requests.present.get(by)))
    elif edges:
        parted = tuple(_bands(by, rows.numbers(by), edges))
    else:
        parted = tuple(_values(by, rows.numbers(by)))
    return parted


def _texts(by: str, column: Texts, present: NDArray[np.bool_] | None) -> Iterator[Group]:
    there = np.ones(len(column.codes), np.bool_) if present is None else present
    known = sorted((column.values[code], code) for code in _few(by, column.codes[there]))
    for text in dict.fromkeys(text for text, _ in known):
        codes = [code for value, code in known if value == text]
        yield Group(f"{by} = {text}", there & np.isin(column.codes, codes))
    yield from _missing(by, ~there)


def _values(by: str, numbers: NDArray[np.float64]) -> Iterator[Group]:
    missing = np.isnan(numbers)
    for value in _few(by, numbers[~missing]):
        yield Group(f"{by} = {value:g}", numbers == value)
    yield from _missing(by, missing)


def _bands(by: str, numbers: NDArray[np.float64], edges: Sequence[float]) -> Iterator[Group]:
    missing = np.isnan(numbers)
    yield Group(f"{by} below {edges[0]:g}", ~missing & (numbers < edges[0]))
    for low, high in pairwise(edges):
        yield Group(f"{by} {low:g} to {high:g}", (numbers >= low) & (numbers < high))
    yield Group(f"{by} from {edges[-1]:g}", numbers >= edges[-1])
    yield from _missing(by, missing)


def _missing(by: str, rows: NDArray[np.bool_]) -> Iterator[Group]:
    if rows.any():
        yield Group(f"{by} missing", rows)


def _few(by: str, values: NDArray[np.generic]) -> list[int]:
    found = np.unique(values)
    if len(found) > _MOST_GROUPS:
        raise BadGroups(
            by,
            f"has {len(found)} values, which are too many groups",
            "cut a number with edges=(…), or part by another field",
        )
    return cast("list[int]", found.tolist())
