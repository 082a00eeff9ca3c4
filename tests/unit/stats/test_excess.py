"""The sequential test of two rates: it finds what is worse, and says so in what it has seen."""

import pytest

from kingpost.stats import BadTest, Excess, ExcessTest, Sample


def test_nothing_is_said_before_both_sides_were_seen() -> None:
    test = ExcessTest(margin=0.01, alpha=0.01)

    test.observe(Sample(50, 50), Sample(0, 0))

    assert test.state == Excess()
    assert test.state.e_value == 1


def test_a_rate_that_is_much_higher_is_found_soon() -> None:
    test = ExcessTest(margin=0.01, alpha=0.001)

    for _ in range(40):
        test.observe(Sample(1, 1.0), Sample(9, 0.0))

    assert test.is_excess
    assert test.state.first == Sample(40, 40.0)
    assert test.state.second == Sample(360, 0.0)
    assert test.state.first.mean == 1


def test_a_rate_within_the_margin_is_left_alone() -> None:
    test = ExcessTest(margin=0.1, alpha=0.05)

    for number in range(5000):
        test.observe(Sample(10, number % 10 == 0), Sample(10, 0.0))

    assert not test.is_excess
    assert test.state.e_value < 1


def test_a_batch_told_one_by_one_sets_each_against_its_part() -> None:
    together, apart = (ExcessTest(margin=0.0, alpha=0.01) for _ in range(2))

    together.observe_each([1.0, 0.0], [0.0, 0.0, 1.0, 1.0])
    apart.observe(Sample(1, 1.0), Sample(2, 0.0))
    apart.observe(Sample(1, 0.0), Sample(2, 2.0))

    assert together.state == apart.state


def test_what_was_seen_goes_on_after_a_restart() -> None:
    whole, first = (ExcessTest(margin=0.01, alpha=0.01) for _ in range(2))
    for test in (whole, first):
        test.observe_each([1.0] * 5, [0.0] * 20)
    second = ExcessTest(margin=0.01, alpha=0.01, begun=first.state)
    for test in (whole, second):
        test.observe_each([0.0, 1.0], [0.0] * 20)

    assert second.state == whole.state


@pytest.mark.parametrize(("margin", "alpha"), [(-0.1, 0.01), (1.0, 0.01), (0.1, 0.0), (0.1, 1.0)])
def test_a_number_outside_its_range_is_refused(margin: float, alpha: float) -> None:
    with pytest.raises(BadTest, match="of a test lies"):
        ExcessTest(margin=margin, alpha=alpha)
