"""What reviewers said: acceptance, overrides, corrections, and agreement of two."""

from typing import Literal

import pytest

from kingpost.monitoring import GivenReview, agreements, cohen_kappa


def given(
    record: int,
    by: str,
    *,
    positive: bool = True,
    verdict: Literal["approved", "overridden"] = "approved",
    asked: bool = True,
    decision: str = "fraud",
) -> GivenReview:
    return GivenReview(
        record, "acme", decision, 0, record.to_bytes(16), by, verdict, positive, asked
    )


def test_shares_are_of_reviews_that_were_asked_for() -> None:
    [found] = agreements(
        [
            given(1, "ann"),
            given(2, "ann"),
            given(3, "ann", verdict="overridden"),
            given(4, "bob", verdict="overridden", asked=False),
        ]
    )

    assert (found.approved, found.overridden, found.corrected) == (2, 1, 1)
    assert found.acceptance == pytest.approx(2 / 3)
    assert (found.records, found.judged_twice, found.agreement) == (4, 0, None)


def test_two_people_are_compared_on_what_both_judged_by_their_last_word() -> None:
    labels, fraud = agreements(
        [
            given(1, "ann", positive=True),
            given(1, "bob", positive=False),
            given(1, "bob", positive=True),
            given(2, "ann", positive=False),
            given(2, "bob", positive=True),
            given(3, "bob", positive=True),
            given(9, "eve", decision="a-label"),
        ]
    )

    assert (labels.decision, labels.pairs) == ("a-label", [])
    [pair] = fraud.pairs
    assert (pair.first, pair.second, pair.records, pair.agreed) == ("ann", "bob", 2, 1)
    assert (fraud.judged_twice, fraud.agreement) == (2, 0.5)


def test_kappa_of_known_tables() -> None:
    assert cohen_kappa(20, 15, 5, 10) == pytest.approx(0.4)
    assert cohen_kappa(10, 10, 0, 0) == 1
    assert cohen_kappa(0, 0, 5, 5) == -1
    assert cohen_kappa(10, 0, 0, 0) is None
    assert cohen_kappa(0, 0, 0, 0) is None
