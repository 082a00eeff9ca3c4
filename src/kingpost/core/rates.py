"""Rates as people write them: `100/s`, `10000/h`, `500/15m`.

Inside, a rate is a whole number of things in a whole number of microseconds.
"""

import re
from typing import NamedTuple

from kingpost.core.durations import BadDuration, duration_text, duration_us
from kingpost.core.errors import KingpostError

__all__ = ["BadRate", "Rate", "rate_of"]

_PATTERN = re.compile(r"(\d{1,12})/(\d{0,9})(ms|s|m|h|d|w)")


class BadRate(KingpostError):
    """The text is not a number of things in a length of time."""

    code = "bad_rate"

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return (
            f"{self.text!r} is not a rate; write a whole number from 1 and a length of time, "
            "such as '100/s', '500/15m' or '10000/h'"
        )


class Rate(NamedTuple):
    """So many things in so long a time."""

    number: int
    per_us: int

    def __str__(self) -> str:
        length = duration_text(self.per_us)
        return f"{self.number}/{length.removeprefix('1') if length[1:2].isalpha() else length}"


def rate_of(text: str) -> Rate:
    """Read a rate.

    Raises:
        BadRate: It is none, or of nothing.
    """
    found = _PATTERN.fullmatch(text)
    try:
        rate = found and Rate(int(found[1]), duration_us(f"{found[2] or 1}{found[3]}"))
    except BadDuration as error:
        raise BadRate(text) from error
    if not rate or rate.number < 1 or rate.per_us < 1:
        raise BadRate(text)
    return rate
