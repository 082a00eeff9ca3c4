"""How the model of `app.py` is trained and judged: what mistakes cost, and on which rows.

Shared by the evaluation and the demonstration, so that both speak of the same model.
"""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from kingpost.contracts import ColumnBatch
from kingpost.decisions import MistakeCosts, TrainingPlan
from kingpost.models import UnknownEntities
from solutions.fraud.app import REVIEW_COST

__all__ = ["HANDBOOK_FEATURES", "PLAN", "UNKNOWN_CARDS"]

UNKNOWN_CARDS = UnknownEntities(memory="14d", delay="7d")
"""A card known as compromised is blocked, so what it does is not judged."""

HANDBOOK_FEATURES = 15
"""The first so many features of the decision are those of the handbook."""


def _amounts(requests: ColumnBatch) -> Mapping[str, NDArray[np.bool_]]:
    amounts = requests.numbers("amount").astype(np.float64)
    edges = (0.0, 20.0, 50.0, 100.0, 220.0, np.inf)
    return {
        f"amount {low:g} to {high:g}": (amounts >= low) & (amounts < high)
        for low, high in pairwise(edges)
    }


PLAN = TrainingPlan(
    entity="customer",
    costs=MistakeCosts(missed="amount", false_alarm=REVIEW_COST),
    judged=UNKNOWN_CARDS,
    slices=_amounts,
    purpose=(
        "Gives the probability that a card payment is fraud, at the moment of the payment. "
        "It proposes; below the confidence asked for, the fraud desk decides."
    ),
    limits=(
        "A compromised terminal cannot be seen before its first frauds are known, a week later.",
        "Made for simulated payments of 2018: train it anew on payments of your own.",
        "Cards known as compromised are left out of the test, as they are blocked.",
    ),
)
