"""Windows of time as they are declared: sliding, tumbling, or over all time."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from kingpost.core import BadDuration, Place, duration_text, duration_us
from kingpost.features.errors import WrongFeature

__all__ = [
    "ALL_TIME_US",
    "Window",
    "delay_of",
    "refuse_beyond",
    "retention_of",
    "sliding",
    "tumbling",
]

ALL_TIME_US: Final = 2**62
"""The length of the window `"all"`: longer than all times there are."""

_LONGEST_TUMBLING_US = 2**53
_LONGEST_US = 10_000 * 366 * 86_400_000_000
_SHORTEST_RETENTION_US = 1_000_000


@dataclass(frozen=True)
class Window:
    """One window, as of a moment t.

    Attributes:
        length_us: ALL_TIME_US for all time.
        delay_us: How long before t it ends.
        is_tumbling: It is the last whole one of windows that follow one another from
            1970-01-01T00:00Z on; else it ends at t − delay.
    """

    length_us: int
    delay_us: int
    is_tumbling: bool = False

    @property
    def far_us(self) -> int:
        """The far edge: events after t − far."""
        return min(ALL_TIME_US, self.length_us + self.delay_us)

    @property
    def near_us(self) -> int:
        """The near edge: events up to t − near."""
        return self.delay_us

    @property
    def align_us(self) -> int:
        """What t is first rounded down to; 0 for not at all."""
        return self.length_us if self.is_tumbling else 0

    @property
    def reach_us(self) -> int:
        """How far behind t it can look: one that is aligned begins up to its length earlier."""
        return min(ALL_TIME_US, self.far_us + self.align_us)

    @property
    def text(self) -> str:
        """The window as features are named by it."""
        if self.length_us == ALL_TIME_US:
            return "all"
        text = duration_text(self.length_us)
        return f"{text}_tumbling" if self.is_tumbling else text


def sliding(
    lengths: tuple[str | timedelta, ...], delay_us: int, place: Place
) -> tuple[Window, ...]:
    """Read the windows of `over`; `"all"` is all time.

    Raises:
        WrongFeature: One is empty, too long or given twice, or none is given.
    """
    found = [ALL_TIME_US if one == "all" else _length_us(one, place) for one in lengths]
    _check(found, place)
    return tuple(Window(one, delay_us) for one in found)


def tumbling(
    lengths: tuple[str | timedelta, ...], delay_us: int, place: Place
) -> tuple[Window, ...]:
    """Read the windows of `tumbling`.

    Raises:
        WrongFeature: As `sliding`; or the delay is no whole number of windows, so that
            they would not begin on the hour, or day, that they are named by.
    """
    found = [_length_us(one, place) for one in lengths]
    _check(found, place)
    for one in found:
        if one > _LONGEST_TUMBLING_US:
            raise WrongFeature("a tumbling window is longer than 285 years", 'use "all"', place)
        if delay_us % one:
            raise WrongFeature(
                f"a delay of {duration_text(delay_us)} would cut windows of {duration_text(one)}",
                "make the delay a whole number of windows",
                place,
            )
    return tuple(Window(one, delay_us, is_tumbling=True) for one in found)


def delay_of(delay: str | timedelta | None, place: Place) -> int:
    """Read a delay, 0 for none.

    Raises:
        WrongFeature: It is not a length of time, or a very long one.
    """
    return 0 if delay is None else _length_us(delay, place)


def retention_of(retention: str | timedelta | None, place: Place) -> int | None:
    """Read how long events are held; None for as long as they are not erased.

    Raises:
        WrongFeature: It is not a length of time, shorter than a second or a very long one.
    """
    if retention is None:
        return None
    try:
        found = duration_us(retention)
    except BadDuration as error:
        raise WrongFeature(str(error), 'as in `retention="400d"`', place) from error
    if not _SHORTEST_RETENTION_US <= found <= _LONGEST_US:
        raise WrongFeature(
            f"a retention of {retention} is shorter than a second or longer than 10,000 years",
            'as in `retention="400d"`, or leave it out to hold events without an end',
            place,
        )
    return found


def refuse_beyond(
    retention_us: int | None, windows: tuple[Window, ...], stream: str, place: Place, mend: str
) -> None:
    """Refuse windows that look back farther than the events of their stream are held.

    Args:
        mend: How to write one that does not; `{}` stands for the retention.

    Raises:
        WrongFeature: One does.
    """
    for window in windows:
        if retention_us is not None and window.reach_us > retention_us:
            held = duration_text(retention_us)
            reach = "without an end"
            if window.reach_us < ALL_TIME_US:
                reach = f"{duration_text(window.reach_us)}, with its delay and alignment"
            raise WrongFeature(
                f"the window {window.text!r} looks back {reach}, and events of {stream!r} are held "
                f"for {held}",
                f"{mend.format(held)}, or hold events longer with `retention`",
                place,
            )


def _length_us(length: str | timedelta, place: Place) -> int:
    try:
        found = duration_us(length)
    except BadDuration as error:
        raise WrongFeature(str(error), "write it so", place) from error
    if found > _LONGEST_US:
        raise WrongFeature(f"{length} is longer than 10,000 years", 'write "all"', place)
    return found


def _check(lengths: list[int], place: Place) -> None:
    if not lengths or min(lengths) == 0 or len(set(lengths)) < len(lengths):
        raise WrongFeature(
            "windows must be given, longer than zero and different", 'as in "1d", "7d"', place
        )
