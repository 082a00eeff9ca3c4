"""What answers a decision: its declaration, joined to the approved bundle that runs it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kingpost.decisions.answer import PlacedRule, placed_rules
from kingpost.decisions.declare import Decision
from kingpost.models import Batching
from kingpost.records import Role

__all__ = ["Scorer", "ServedDecision"]


class Scorer(Protocol):
    """A model, ready to run."""

    def score(self, rows: NDArray[np.float32]) -> Sequence[float]:
        """Return a probability per row; rows is float32, shape (rows, features)."""
        ...


@dataclass(frozen=True)
class ServedDecision:
    """A decision with the approved bundle that runs it.

    Attributes:
        bundle: Digest of the bundle, 32 bytes.
        model: Digest of the model artefact, 32 bytes.
        threshold: The score from which the answer is positive.
        role: What its records say that it was.
        batching: How its scorer takes batches; see `probe_batches`.
    """

    decision: Decision
    bundle: bytes
    model: bytes
    scorer: Scorer
    threshold: float
    role: Role = Role.CHAMPION
    batching: Batching = "any"

    @cached_property
    def width(self) -> int:
        """How many numbers the model takes of a request."""
        return len(self.decision.features)

    @cached_property
    def deadline_ns(self) -> int | None:
        """How long a request may have waited to be decided still; None for ever."""
        total_us = self.decision.budget.total_us
        return None if total_us is None else total_us * 1000

    @cached_property
    def label(self) -> str:
        """The field that the model predicts."""
        return self.decision.model.label.field

    @cached_property
    def rules(self) -> tuple[PlacedRule, ...]:
        """The gate's rules, ready to be looked at; as a rule there are none."""
        return placed_rules(self.decision.gate, self.decision.features.names)
