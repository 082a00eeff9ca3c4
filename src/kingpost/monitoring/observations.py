"""What the monitors are told, in columns: decisions made, labels learned, reviews given.

Everything carries the offset it has in the journal, so that what is found does not depend
on how the journal was cut into batches.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kingpost.records import Outcome

__all__ = ["NO_ANSWER", "OUTCOMES", "LabelledDecision", "Observations", "ReviewedDecision"]

OUTCOMES = tuple(Outcome)
"""An outcome's code is its place here."""

NO_ANSWER = -1
"""In `Observations.positive`: the answer was null."""


@dataclass(frozen=True, eq=False, slots=True)
class Observations:
    """Decisions of one bundle, in the order of the journal.

    Attributes:
        offset: Where each record lies in the journal, int64, shape (rows,), ascending.
        event_time_us, at_us: Stream time and wall clock, int64, shape (rows,).
        outcome: Codes, places in `OUTCOMES`, integers, shape (rows,).
        features: Float64 or float32, shape (rows, features), NaN where missing.
        score: Float64, shape (rows,), NaN where there is none.
        confidence: Float64, shape (rows,).
        positive: 1, 0 or `NO_ANSWER`, integers, shape (rows,).
        stages: Microseconds of queue, features, model and gate, integers, shape (rows, 4).
        ids: The records' ids.
    """

    offset: NDArray[np.int64]
    event_time_us: NDArray[np.int64]
    at_us: NDArray[np.int64]
    outcome: NDArray[np.integer]
    features: NDArray[np.floating]
    score: NDArray[np.float64]
    confidence: NDArray[np.float64]
    positive: NDArray[np.integer]
    stages: NDArray[np.integer]
    ids: Sequence[bytes]

    def __len__(self) -> int:
        return len(self.offset)


class LabelledDecision(NamedTuple):
    """A decision whose label became known, or is now another.

    Attributes:
        offset: Where the label lies in the journal.
        event_time_us: When the decision's request happened.
        positive: What the model answered; None for a null answer.
        label: What turned out to be true.
        was: The label known before; None when this is the first.
    """

    offset: int
    event_time_us: int
    bundle: bytes
    positive: bool | None
    label: bool
    outcome: Outcome
    was: bool | None = None


class ReviewedDecision(NamedTuple):
    """A decision that a person looked at.

    Attributes:
        offset: Where the review lies in the journal.
        asked: Whether a review was asked for; the correction of a decision that stood
            does not count in the override share.
    """

    offset: int
    event_time_us: int
    bundle: bytes
    overridden: bool
    asked: bool = True
