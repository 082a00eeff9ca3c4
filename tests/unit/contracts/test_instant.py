from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from kingpost.contracts import FIRST_US, LAST_US, Instant, NaiveTime, UnknownZone, microseconds

NOON = Instant.parse("2018-08-01T12:00:00Z")


def test_a_time_is_exact_to_the_microsecond_and_in_utc() -> None:
    assert Instant.parse("2018-08-01T14:00:00.000001+02:00").us == NOON.us + 1
    assert NOON.isoformat() == "2018-08-01T12:00:00Z"
    assert Instant.of(datetime(2018, 8, 1, 12, tzinfo=UTC)) == NOON


def test_text_without_an_offset_needs_a_zone() -> None:
    with pytest.raises(NaiveTime, match="2018-08-01T12:00:00 has no time zone"):
        Instant.parse("2018-08-01T12:00:00")

    assert Instant.parse("2018-08-01T14:00:00", zone="Europe/Rome") == NOON


def test_a_datetime_without_a_zone_is_refused() -> None:
    with pytest.raises(NaiveTime):
        microseconds(datetime(2018, 8, 1))


def test_a_moment_has_no_hour_until_it_is_in_a_zone() -> None:
    with pytest.raises(NaiveTime, match=r"\.hour of a moment has no time zone"):
        _ = NOON.hour

    assert NOON.in_zone("Asia/Kolkata").hour == 17


def test_a_misspelt_attribute_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'hours'"):
        _ = NOON.hours


def test_a_zone_of_no_name_is_refused() -> None:
    with pytest.raises(UnknownZone, match="'Europe/Atlantis'"):
        NOON.in_zone("Europe/Atlantis")


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01"])
def test_a_time_that_is_in_no_year_of_utc_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="outside the years 1 to 9999"):
        Instant.parse(text)


def test_the_first_and_the_last_moment_can_be_written() -> None:
    assert Instant(FIRST_US).isoformat() == "0001-01-01T00:00:00Z"
    assert Instant(LAST_US).isoformat() == "9999-12-31T23:59:59.999999Z"


def test_moments_are_ordered_and_have_distances(copy_of: Callable[[object], object]) -> None:
    later = NOON + timedelta(minutes=1)

    assert later > NOON
    assert later - NOON == timedelta(minutes=1)
    assert len({NOON, later, Instant(NOON.us)}) == 2
    assert copy_of(NOON) == NOON
    assert repr(NOON) == "Instant('2018-08-01T12:00:00Z')"
