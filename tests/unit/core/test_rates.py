import pytest

from kingpost.core import BadRate, Rate, rate_of


@pytest.mark.parametrize(
    ("text", "rate", "written"),
    [
        ("100/s", Rate(100, 1_000_000), "100/s"),
        ("500/15m", Rate(500, 900_000_000), "500/15m"),
        ("10000/60m", Rate(10_000, 3_600_000_000), "10000/h"),
        ("7/1500ms", Rate(7, 1_500_000), "7/1500ms"),
        ("1/w", Rate(1, 604_800_000_000), "1/7d"),
    ],
)
def test_a_rate_is_read_and_written(text: str, rate: Rate, written: str) -> None:
    assert rate_of(text) == rate
    assert str(rate) == written
    assert rate_of(written) == rate


@pytest.mark.parametrize(
    "text", ["", "100", "0/s", "100/", "-1/s", "1/0s", "1.5/s", "100 / s", "1/y"]
)
def test_what_is_no_rate_is_an_error_that_shows_one(text: str) -> None:
    with pytest.raises(BadRate, match="100/s"):
        rate_of(text)
