"""Whom a campaign contacts when it has money for so many: a threshold, and what it reaches."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

import kingpost as kp

__all__ = ["NothingHeldOut", "Reached", "budget_threshold", "reached"]

Floats = NDArray[np.float64]


class NothingHeldOut(kp.KingpostError):
    """There are no scores of customers that the model had not seen, or no such budget."""

    code = "nothing_held_out"

    def __init__(self, scores: int, share: float) -> None:
        super().__init__(scores, share)
        self.scores, self.share = scores, share

    def __str__(self) -> str:
        return (
            f"a budget for {self.share:g} of the customers and {self.scores} held-out scores give "
            "no threshold; give a share above 0 and below 1, and a trainer with past weeks"
        )


class Reached(NamedTuple):
    """What a campaign contacts.

    Attributes:
        contacted: The share of all customers.
        caught: The share of those who leave that are among them.
        lift: How much more often a contacted customer leaves than one at random.
    """

    contacted: float
    caught: float
    lift: float


def budget_threshold(scores: Floats, share: float) -> float:
    """Return the score from which on a share of the customers lies.

    Args:
        scores: Of customers whom the model had not seen.
        share: How many of a hundred can be contacted, as 0.2.

    Raises:
        NothingHeldOut: There are no scores, or the share is none between 0 and 1.
    """
    if not len(scores) or not 0 < share < 1:
        raise NothingHeldOut(len(scores), share)
    return float(np.quantile(scores, 1 - share))


def reached(left: Floats, scores: Floats, threshold: float) -> Reached:
    """Say what a campaign at a threshold would have reached."""
    contacted = scores >= threshold
    caught = float(left[contacted].sum() / left.sum())
    share = float(contacted.mean())
    return Reached(share, caught, caught / share if share else 0.0)
