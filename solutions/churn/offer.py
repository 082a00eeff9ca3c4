"""What an offer to stay costs and brings, so whom to make it to, and what that reaches."""

import argparse
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

import kingpost as kp

__all__ = [
    "NothingHeldOut",
    "Offer",
    "OfferNeverPays",
    "Reached",
    "add_offer",
    "budget_threshold",
    "chosen_offer",
    "reached",
]

Floats = NDArray[np.float64]


class OfferNeverPays(kp.KingpostError):
    """An offer brings less than it costs, even if it is made to those who leave alone."""

    code = "offer_never_pays"

    def __init__(self, cost: float, saves: float, worth: float) -> None:
        super().__init__(cost, saves, worth)
        self.cost, self.saves, self.worth = cost, saves, worth

    def __str__(self) -> str:
        return (
            f"an offer that costs {self.cost:g}, keeps {self.saves:g} of those who would leave "
            f"and brings {self.worth:g} for each never pays; it has to cost something, keep a "
            "share of at most 1, and cost less than share times worth"
        )


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


@dataclass(frozen=True)
class Offer:
    """An offer that customers are made so that they stay; all amounts in one currency.

    Attributes:
        cost: Of making it to one customer, who would have left or not.
        saves: The share of those who would leave and stay because of it.
        worth: What a customer who stays brings.

    Raises:
        OfferNeverPays: It could not pay.
    """

    cost: float = 20.0
    saves: float = 0.3
    worth: float = 400.0

    def __post_init__(self) -> None:
        if not (0 < self.cost < self.saves * self.worth and self.saves <= 1):
            raise OfferNeverPays(self.cost, self.saves, self.worth)

    @property
    def break_even(self) -> float:
        """The probability of leaving from which on it pays."""
        return self.cost / (self.saves * self.worth)

    def gain(self, leaving: Floats) -> Floats:
        """Return what it brings to each customer, less its cost.

        Args:
            leaving: The probability of each, or 1 and 0 once that is known.
        """
        return leaving * (self.saves * self.worth) - self.cost


class Reached(NamedTuple):
    """What a campaign contacts.

    Attributes:
        contacted: The share of all customers.
        caught: The share of those who leave that are among them.
        lift: How much more often a contacted customer leaves than one at random.
        gain: What it brings less its cost, for each customer, contacted or not.
    """

    contacted: float
    caught: float
    lift: float
    gain: float


def budget_threshold(scores: Floats, share: float) -> float:
    """Return the score from which on a share of the customers lies.

    Args:
        scores: Of customers whom the model had not seen, by models of as many rows as it.
        share: How many of the customers can be contacted, as 0.2.

    Raises:
        NothingHeldOut: There are no scores, or the share is none between 0 and 1.
    """
    if not len(scores) or not 0 < share < 1:
        raise NothingHeldOut(len(scores), share)
    return float(np.quantile(scores, 1 - share))


def reached(left: Floats, scores: Floats, threshold: float, offer: Offer) -> Reached:
    """Say what a campaign at a threshold would have reached.

    Args:
        left: 1 for a customer who left, 0 for one who stayed; shape (customers,).
    """
    contacted = scores >= threshold
    caught = float(left[contacted].sum() / left.sum())
    share = float(contacted.mean())
    gain = float(offer.gain(left[contacted]).sum()) / len(left)
    return Reached(share, caught, caught / share if share else 0.0, gain)


def add_offer(parser: argparse.ArgumentParser) -> None:
    """Let a command be told what the offer is."""
    usual = Offer()
    for name, amount, told in (
        ("--offer-cost", usual.cost, "what the offer costs for one customer"),
        ("--offer-saves", usual.saves, "the share of those who would leave that it keeps"),
        ("--customer-worth", usual.worth, "what a customer who stays brings"),
    ):
        parser.add_argument(name, type=float, default=amount, help=f"{told} ({amount:g})")


def chosen_offer(chosen: argparse.Namespace) -> Offer:
    """Return the offer that a command was told.

    Raises:
        OfferNeverPays: It could not pay.
    """
    return Offer(chosen.offer_cost, chosen.offer_saves, chosen.customer_worth)
