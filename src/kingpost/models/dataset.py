"""What a model learns from: rows of features with their labels, and when each happened.

The rule: values are rounded to float32 here and nowhere else, by `model_input`, before
training as before serving, so a value lies on the same side of every split in both. What a
label may know is settled before: a `TrainingSet` holds what training may see.
"""

import hashlib
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kingpost.contracts import Instant
from kingpost.models.errors import BadTrainingSet

__all__ = ["DAY_US", "Provenance", "TrainingSet", "model_input"]

DAY_US = 86_400_000_000


def model_input(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """Round feature values to what a model takes; too large a value becomes infinite."""
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(values, np.float32)


@dataclass(frozen=True)
class Provenance:
    """Where rows come from, by digest.

    Attributes:
        data: The events and labels they were made of.
        features: The feature set.
        code: The application's source.
    """

    data: str = ""
    features: str = ""
    code: str = ""


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """Labelled rows, in any order of time.

    Attributes:
        feature_names: One per column of `x`.
        x: Feature values from `model_input`, float32, shape (rows, features).
        y: 1 for a positive row and 0 for a negative one, float64, shape (rows,).
        event_time_us: Microseconds UTC, int64, shape (rows,).
        entities: Who each row is about, such as a card, int64, shape (rows,); needed by
            measures per entity only.

    Raises:
        BadTrainingSet: Shapes or types do not fit, or a label is neither 0 nor 1.
    """

    feature_names: tuple[str, ...]
    x: NDArray[np.float32]
    y: NDArray[np.float64]
    event_time_us: NDArray[np.int64]
    entities: NDArray[np.int64] | None = None
    provenance: Provenance = Provenance()

    def __post_init__(self) -> None:
        shape = (len(self.y), len(self.feature_names))
        if self.x.dtype != np.float32:
            raise BadTrainingSet(f"x is {self.x.dtype}", "round it with model_input")
        if self.x.shape != shape:
            raise BadTrainingSet(
                f"x has shape {self.x.shape} for {shape[0]} labels and {shape[1]} feature names",
                f"expected {shape}",
            )
        for name, column in (("event_time_us", self.event_time_us), ("entities", self.entities)):
            if column is not None and (column.dtype != np.int64 or column.shape != shape[:1]):
                raise BadTrainingSet(
                    f"{name} is {column.dtype} of shape {column.shape}",
                    f"expected int64 of shape {shape[:1]}",
                )
        if not np.all((self.y == 0) | (self.y == 1)):
            raise BadTrainingSet("a label is neither 0 nor 1", "leave out rows without a label")

    def __len__(self) -> int:
        return len(self.y)

    @property
    def positives(self) -> int:
        """How many rows are positive."""
        return int(np.count_nonzero(self.y))

    @property
    def digest(self) -> str:
        """SHA-256 over names, times, entities, features and labels, in hex."""
        state = hashlib.sha256("\0".join(self.feature_names).encode())
        for column in (self.x, self.y, self.event_time_us, self.entities):
            state.update(b"" if column is None else np.ascontiguousarray(column).data)
        return state.hexdigest()

    @property
    def period(self) -> str:
        """The first and the last event time, for people."""
        if not len(self):
            return "no rows"
        ends = (int(self.event_time_us.min()), int(self.event_time_us.max()))
        return " to ".join(Instant(us).isoformat() for us in ends)

    def take(self, rows: NDArray[np.int64]) -> "TrainingSet":
        """Return some rows, in the order asked for."""
        return replace(
            self,
            x=self.x[rows],
            y=self.y[rows],
            event_time_us=self.event_time_us[rows],
            entities=None if self.entities is None else self.entities[rows],
        )

    def rows_between(self, from_us: int | None, until_us: int | None) -> NDArray[np.int64]:
        """Return the rows from a time until before another; None is no bound."""
        inside = np.ones(len(self), np.bool_)
        if from_us is not None:
            inside &= self.event_time_us >= from_us
        if until_us is not None:
            inside &= self.event_time_us < until_us
        return np.flatnonzero(inside)

    def between(self, from_us: int | None, until_us: int | None) -> "TrainingSet":
        """Return the part from a time until before another; None is no bound."""
        return self.take(self.rows_between(from_us, until_us))

    def end_us(self) -> int:
        """Return the end of the UTC day of the last event: a bound that no row reaches."""
        return (int(self.event_time_us.max()) // DAY_US + 1) * DAY_US if len(self) else 0
