"""Stretches of days on a command line: from a day on and before another, UTC."""

from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

import click

from kingpost.core import KingpostError

__all__ = ["EmptyPeriod", "Period", "from_option", "period", "to_option"]

_EPOCH = date(1970, 1, 1)
_DAY_US = 24 * 3600 * 1_000_000

from_option = click.option(
    "--from",
    "since",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="YYYY-MM-DD",
    help="The first day; this month's first.",
)
to_option = click.option(
    "--to",
    "until",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="YYYY-MM-DD",
    help="The day after the last; tomorrow.",
)


class EmptyPeriod(KingpostError):
    """A period that ends before it begins."""

    code = "empty_period"

    def __init__(self, since: date, until: date) -> None:
        super().__init__(since, until)
        self.since, self.until = since, until

    def __str__(self) -> str:
        return f"no day is from {self.since} on and before {self.until}; give --to a later day"


class Period(NamedTuple):
    """Days from one on and before another."""

    since: date
    until: date

    @property
    def days(self) -> tuple[int, int]:
        """Both as days since 1970."""
        return (self.since - _EPOCH).days, (self.until - _EPOCH).days

    @property
    def us(self) -> tuple[int, int]:
        """Both as microseconds since 1970."""
        first, after = self.days
        return first * _DAY_US, after * _DAY_US


def period(since: datetime | None, until: datetime | None, now_us: int) -> Period:
    """Read a period; without ends it is this month up to now.

    Raises:
        EmptyPeriod: It has no day.
    """
    today = datetime.fromtimestamp(now_us // 1_000_000, UTC).date()
    end = today + timedelta(days=1) if until is None else until.date()
    begin = min(today, end - timedelta(days=1)).replace(day=1) if since is None else since.date()
    if begin >= end:
        raise EmptyPeriod(begin, end)
    return Period(begin, end)
