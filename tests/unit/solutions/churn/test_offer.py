"""An offer pays from a probability on, a budget reaches a share, and both are counted right."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from solutions.churn.offer import (
    NothingHeldOut,
    Offer,
    OfferNeverPays,
    Reached,
    budget_threshold,
    reached,
)


def test_an_offer_pays_from_the_probability_on_at_which_it_brings_what_it_costs() -> None:
    offer = Offer(cost=20, saves=0.5, worth=200)

    assert offer.break_even == 0.2
    assert offer.gain(np.array([0.2, 1.0, 0.0])).tolist() == [0.0, 80.0, -20.0]


@given(scores=arrays(np.float64, 50, elements=st.floats(0, 1)), other=st.floats(0, 1))
def test_no_threshold_is_expected_to_gain_more_than_the_break_even(
    scores: NDArray[np.float64], other: float
) -> None:
    offer = Offer()
    gain = offer.gain(scores)

    assert gain[scores >= offer.break_even].sum() >= gain[scores >= other].sum() - 1e-9


@pytest.mark.parametrize(
    ("cost", "saves", "worth"),
    [(20, 0.1, 200), (0, 0.3, 400), (20, 1.1, 400), (float("nan"), 0.3, 400)],
)
def test_an_offer_that_cannot_pay_is_told(cost: float, saves: float, worth: float) -> None:
    with pytest.raises(OfferNeverPays, match="cost less than share times worth") as told:
        Offer(cost, saves, worth)

    assert str(pickle.loads(pickle.dumps(told.value))) == str(told.value)


def test_a_budget_for_a_fifth_contacts_a_fifth_of_the_customers_held_out() -> None:
    scores = np.arange(100) / 100

    threshold = budget_threshold(scores, 0.2)

    assert (scores >= threshold).sum() == 20


def test_what_a_campaign_reaches_is_counted_by_hand() -> None:
    left = np.array([1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0])
    scores = np.array([0.9, 0.8, 0.3, 0.2, 0.2, 0.1, 0.7, 0.1])

    # three of eight are contacted, and two of the three who leave are among them
    found = reached(left, scores, 0.7, Offer(cost=20, saves=0.5, worth=200))

    assert found == pytest.approx((3 / 8, 2 / 3, 16 / 9, (2 * 100 - 3 * 20) / 8))


def test_a_campaign_that_contacts_nobody_reaches_nobody() -> None:
    left, scores = np.array([1.0, 0.0]), np.array([0.4, 0.3])

    assert reached(left, scores, 0.9, Offer()) == Reached(0.0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize(("scores", "share"), [(0, 0.2), (10, 0.0), (10, 1.0), (10, float("nan"))])
def test_without_scores_or_a_share_there_is_no_threshold(scores: int, share: float) -> None:
    with pytest.raises(NothingHeldOut, match="give a share above 0 and below 1"):
        budget_threshold(np.linspace(0, 1, scores), share)
