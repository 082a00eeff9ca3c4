"""Lengths of time as people write them: `15m`, `12h`, `7d`.

A day is 86,400 seconds: a window of `1d` does not know about time zones. Inside, a
length is an integer number of microseconds.
"""

import re
from datetime import timedelta

from kingpost.core.errors import KingpostError

__all__ = ["BadDuration", "duration_text", "duration_us"]

_UNITS_US = {
    "us": 1,
    "ms": 1_000,
    "s": 1_000_000,
    "m": 60_000_000,
    "h": 3_600_000_000,
    "d": 86_400_000_000,
    "w": 604_800_000_000,
}
_PATTERN = re.compile(r"(\d+)(us|ms|s|m|h|d|w)")


class BadDuration(KingpostError):
    """The text is not a length of time."""

    code = "bad_duration"

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return (
            f"{self.text!r} is not a length of time; "
            "write a whole number and a unit, such as '250ms', '15m', '12h', '7d' or '2w'"
        )


def duration_us(length: str | timedelta) -> int:
    """Return a length of time in microseconds.

    Raises:
        BadDuration: The text is not `<whole number><unit>`, or the length is negative.
    """
    if isinstance(length, timedelta):
        microseconds = length // timedelta(microseconds=1)
        if microseconds < 0:
            raise BadDuration(str(length))
        return microseconds
    match = _PATTERN.fullmatch(length)
    if match is None:
        raise BadDuration(length)
    return int(match[1]) * _UNITS_US[match[2]]


def duration_text(microseconds: int) -> str:
    """Write a length of time with the largest unit that is exact; `7d`, never `1w`."""
    for unit in ("d", "h", "m", "s", "ms"):
        if microseconds and microseconds % _UNITS_US[unit] == 0:
            return f"{microseconds // _UNITS_US[unit]}{unit}"
    return f"{microseconds}us"
