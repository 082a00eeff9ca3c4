"""Numbers, times and shares as people read them."""

import pytest

from kingpost.console.wording import (
    clock_time,
    day,
    iso,
    moment,
    number,
    psi,
    rate,
    sentence,
    share,
    since,
    took,
    value,
)
from kingpost.contracts import Instant

MINUTE_US = 60_000_000


@pytest.mark.parametrize(
    ("part", "text"),
    [(None, "–"), (0.0, "0.0%"), (0.1234, "12.3%"), (1.0, "100.0%"), (0.0002, "<0.1%")],
)
def test_a_share_is_in_percent_and_never_rounded_to_none(part: float | None, text: str) -> None:
    assert share(part) == text


@pytest.mark.parametrize(
    ("duration_us", "text"),
    [(None, "–"), (840, "840 µs"), (8_400, "8.40 ms"), (84_000, "84.0 ms"), (1.31e6, "1.31 s")],
)
def test_a_duration_has_the_unit_that_suits_it(duration_us: float | None, text: str) -> None:
    assert took(duration_us) == text


@pytest.mark.parametrize(
    ("minutes", "text"),
    [
        (0.5, "30 s"),
        (59, "59 min"),
        (60, "1 h"),
        (125, "2 h 5 min"),
        (1440 * 2 + 60, "2 d 1 h"),
        (1440 * 20 + 60, "20 d"),
    ],
)
def test_a_stretch_of_time_is_said_in_its_two_largest_units(minutes: float, text: str) -> None:
    assert since(int(minutes * MINUTE_US)) == text


@pytest.mark.parametrize(
    ("feature", "text"),
    [
        (None, "missing"),
        (float("nan"), "missing"),
        (float("inf"), "∞"),
        (float("-inf"), "−∞"),
        (12.0, "12"),
        (0.0740741, "0.0740741"),
        (1234.5, "1,234.50"),
        (1e15, "1e+15"),
    ],
)
def test_a_feature_s_value_is_a_number_or_a_word(feature: float | None, text: str) -> None:
    assert value(feature) == text


def test_rare_things_are_counted_by_the_minute() -> None:
    assert [rate(one) for one in (None, 0.0, 0.05, 3.25, 1234.5)] == [
        "–",
        "0/s",
        "3.0/min",
        "3.2/s",
        "1,234/s",
    ]


def test_counts_and_indices_are_grouped() -> None:
    assert (number(1_234_567), psi(0.305), psi(1234.5)) == ("1,234,567", "0.30", "1,234")


def test_a_time_is_utc_and_told_to_machines_too() -> None:
    assert moment(1_533_124_800_000_000) == (
        '<time datetime="2018-08-01T12:00:00.000Z" title="2018-08-01 12:00:00 UTC">'
        "2018-08-01 12:00:00</time>"
    )
    assert moment(None) == "–"


def test_a_line_begins_with_a_capital_but_a_feature_keeps_its_name() -> None:
    assert sentence("the scores have moved") == "The scores have moved"
    assert sentence("amount_to_mean has drifted") == "amount_to_mean has drifted"


@pytest.mark.parametrize("beyond_us", [0, 1, 28 * 86_400_000_000])
def test_the_last_moment_of_the_calendar_and_what_lies_beyond_it_can_be_shown(
    beyond_us: int,
) -> None:
    last_us = Instant.parse("9999-12-31T23:59:59.999999Z").us
    first_us = Instant.parse("0001-01-01T00:00:00Z").us

    assert "9999-12-31 23:59:59" in moment(last_us + beyond_us)
    assert clock_time(last_us + beyond_us) == "9999-12-31 23:59"
    assert "31 Dec 9999" in day(last_us + beyond_us)
    assert iso(first_us - beyond_us) == "0001-01-01T00:00:00.000Z"
