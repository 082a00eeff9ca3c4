"""A campaign's threshold follows its budget, and what it reaches is counted right."""

import numpy as np
import pytest

from solutions.churn.campaign import NothingHeldOut, Reached, budget_threshold, reached


def test_a_budget_for_a_fifth_contacts_a_fifth_of_the_customers_held_out() -> None:
    scores = np.arange(100) / 100

    threshold = budget_threshold(scores, 0.2)

    assert (scores >= threshold).sum() == 20


def test_what_a_campaign_reaches_is_counted_by_hand() -> None:
    left = np.array([1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0])
    scores = np.array([0.9, 0.8, 0.3, 0.2, 0.2, 0.1, 0.7, 0.1])

    # three of eight are contacted, and two of the three who leave are among them
    assert reached(left, scores, 0.7) == Reached(3 / 8, 2 / 3, pytest.approx(16 / 9))  # pyright: ignore[reportArgumentType]


def test_a_campaign_that_contacts_nobody_reaches_nobody() -> None:
    assert reached(np.array([1.0, 0.0]), np.array([0.4, 0.3]), 0.9) == Reached(0.0, 0.0, 0.0)


@pytest.mark.parametrize(("scores", "share"), [(0, 0.2), (10, 0.0), (10, 1.0), (10, float("nan"))])
def test_without_scores_or_a_share_there_is_no_threshold(scores: int, share: float) -> None:
    with pytest.raises(NothingHeldOut, match="give a share above 0 and below 1"):
        budget_threshold(np.linspace(0, 1, scores), share)
