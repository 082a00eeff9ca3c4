"""A moment in time: microseconds since 1970 in UTC, the only form times have inside.

The hour or the day of a moment depends on where one stands, so an `Instant` has neither:
`in_zone` gives a `datetime` that has. Text without a zone is refused, never guessed.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache, total_ordering
from typing import NoReturn
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from kingpost.contracts.errors import NaiveTime, UnknownZone

__all__ = ["EPOCH", "FIRST_US", "LAST_US", "Instant", "microseconds", "zone_named"]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

# An instant lies in the years 1 to 9999, which ISO 8601 and datetime can write.
FIRST_US = (datetime(1, 1, 1, tzinfo=UTC) - EPOCH) // _MICROSECOND
LAST_US = (datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC) - EPOCH) // _MICROSECOND
_CALENDAR = frozenset(
    [
        "year",
        "month",
        "day",
        "hour",
        "minute",
        "second",
        "weekday",
        "isoweekday",
        "isocalendar",
        "date",
        "time",
        "timetuple",
        "toordinal",
        "strftime",
        "dayofweek",
        "day_of_week",
    ]
)


@lru_cache(maxsize=64)
def zone_named(name: str) -> ZoneInfo:
    """Return a time zone of the IANA database.

    Raises:
        UnknownZone: There is none of that name.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UnknownZone(name) from error


def microseconds(moment: datetime) -> int:
    """Return an aware datetime as microseconds since 1970 in UTC.

    Raises:
        NaiveTime: It has no zone.
    """
    if moment.tzinfo is None:
        raise NaiveTime(moment.isoformat())
    return (moment - EPOCH) // _MICROSECOND


@total_ordering
class Instant:
    """A moment, exact to the microsecond.

    Args:
        us: Microseconds since 1970-01-01T00:00:00 UTC.
    """

    __slots__ = ("us",)
    us: int

    def __init__(self, us: int) -> None:
        self.us = us

    @classmethod
    def parse(cls, text: str, *, zone: str | None = None) -> "Instant":
        """Read ISO 8601 text; `zone` says what text without an offset means.

        Raises:
            NaiveTime: The text has no offset and `zone` is None.
            ValueError: The text is no ISO 8601 time of the years 1 to 9999 in UTC.
        """
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            if zone is None:
                raise NaiveTime(text)
            moment = moment.replace(tzinfo=zone_named(zone))
        us = (moment - EPOCH) // _MICROSECOND
        if not FIRST_US <= us <= LAST_US:
            raise ValueError("a time outside the years 1 to 9999")
        return cls(us)

    @classmethod
    def of(cls, moment: datetime) -> "Instant":
        """Take an aware datetime.

        Raises:
            NaiveTime: It has no zone.
        """
        return cls(microseconds(moment))

    def in_zone(self, name: str) -> datetime:
        """Return the local date and time in a zone such as `"Asia/Kolkata"`.

        Raises:
            UnknownZone: The IANA database has no zone of that name.
        """
        seconds, microsecond = divmod(self.us, 1_000_000)
        local = datetime.fromtimestamp(seconds, zone_named(name))
        return local.replace(microsecond=microsecond) if microsecond else local

    def isoformat(self) -> str:
        """Write the moment in ISO 8601, in UTC, ending in `Z`."""
        return (EPOCH + timedelta(microseconds=self.us)).isoformat().replace("+00:00", "Z")

    def __getattr__(self, name: str) -> NoReturn:
        if name in _CALENDAR:
            raise NaiveTime(f".{name} of a moment")
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Instant) and self.us == other.us

    def __lt__(self, other: "Instant") -> bool:
        return self.us < other.us

    def __hash__(self) -> int:
        return hash(self.us)

    def __sub__(self, other: "Instant") -> timedelta:
        return timedelta(microseconds=self.us - other.us)

    def __add__(self, length: timedelta) -> "Instant":
        return Instant(self.us + length // _MICROSECOND)

    def __repr__(self) -> str:
        return f"Instant({self.isoformat()!r})"

    def __reduce__(self) -> tuple[type["Instant"], tuple[int]]:
        return Instant, (self.us,)
