"""How sure a share is."""

import pytest

from kingpost.stats import BadShare, standard_error, wilson_interval


def test_the_interval_is_wilsons() -> None:
    low, high = wilson_interval(10, 100)

    assert (low, high) == pytest.approx((0.05522914, 0.17436566), abs=1e-6)


def test_the_interval_ends_at_what_cannot_be_passed() -> None:
    assert wilson_interval(0, 5)[0] == 0.0
    assert wilson_interval(5, 5)[1] == 1.0


def test_a_share_is_surer_the_more_rows_it_was_counted_on() -> None:
    assert standard_error(0.5, 100) == pytest.approx(0.05)
    assert standard_error(0.5, 10_000) == pytest.approx(0.005)


def test_no_rows_or_impossible_counts_are_errors() -> None:
    for hits, rows in ((0, 0), (5, 4), (-1, 4)):
        with pytest.raises(BadShare):
            wilson_interval(hits, rows)
    for share, rows in ((0.5, 0), (1.5, 10)):
        with pytest.raises(BadShare):
            standard_error(share, rows)
