"""Numbers, times and shares as people read them.

The rule: a figure has its unit, a time says UTC where it is not said beside it, and what
is not known is a dash, never a zero. All text is the same for the same value.
"""

from datetime import UTC, datetime, timedelta
from html import escape
from math import isinf, isnan

__all__ = [
    "DASH",
    "Html",
    "answer_words",
    "clock_time",
    "day",
    "iso",
    "moment",
    "number",
    "psi",
    "rate",
    "ratio",
    "score",
    "sentence",
    "share",
    "short",
    "since",
    "took",
    "value",
]

DASH = "–"


class Html(str):
    """Text that is HTML already; templates take it as it is."""

    __slots__ = ()

    def __html__(self) -> str:
        return str(self)


_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_US, _LAST_US = (
    (at.replace(tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
    for at in (datetime.min, datetime.max)
)


def number(count: float | None) -> str:
    """Write a count: `12,345`."""
    return DASH if count is None else f"{count:,.0f}"


def share(part: float | None, digits: int = 1) -> str:
    """Write a share of one in percent: `12.3%`; what is not quite none or all says so."""
    if part is None or isnan(part):
        return DASH
    text = f"{part:.{digits}%}"
    least = f"{10.0**-digits:.{digits}f}"
    if part > 0 and float(text[:-1]) == 0:
        return f"<{least}%"
    return text


def ratio(part: float, whole: float) -> float | None:
    """Return a share, or None of nothing."""
    return part / whole if whole else None


def score(probability: float | None) -> str:
    """Write a score with three digits: `0.874`."""
    return DASH if probability is None or isnan(probability) else f"{probability:.3f}"


def psi(index: float | None) -> str:
    """Write a population stability index: `0.31`."""
    if index is None or isnan(index):
        return DASH
    return f"{index:.2f}" if index < 100 else f"{index:,.0f}"


def value(number: float | None) -> str:
    """Write a feature's value: six digits, and a word where there is none."""
    if number is None or isnan(number):
        return "missing"
    if isinf(number):
        return "∞" if number > 0 else "−∞"
    if number == int(number) and abs(number) < 1e12:
        return f"{int(number):,}"
    return f"{number:,.2f}" if 1000 <= abs(number) < 1e9 else f"{number:.6g}"


def took(duration_us: float | None) -> str:
    """Write how long something took: `840 µs`, `12.4 ms`, `1.31 s`."""
    if duration_us is None or isnan(duration_us):
        return DASH
    if duration_us < 1000:
        return f"{duration_us:.0f} µs"
    if duration_us < 1_000_000:
        in_ms = duration_us / 1000
        return f"{in_ms:.2f} ms" if in_ms < 10 else f"{in_ms:.1f} ms"
    return f"{duration_us / 1e6:.2f} s"


def sentence(text: str) -> str:
    """Begin a line with a capital letter, unless it begins with the name of a feature."""
    return text if "_" in text.partition(" ")[0] else f"{text[:1].upper()}{text[1:]}"


def rate(per_second: float | None) -> str:
    """Write how often something happens: `3.2/s`, or by the minute where it is rare."""
    if per_second is None:
        return DASH
    if per_second == 0:
        return "0/s"
    if per_second < 1:
        return f"{per_second * 60:.1f}/min"
    return f"{per_second:,.1f}/s" if per_second < 100 else f"{per_second:,.0f}/s"


def since(duration_us: int) -> str:
    """Write a stretch of time in its two largest units: `2 d 3 h`, `14 min`, `8 s`."""
    seconds = abs(duration_us) // 1_000_000
    if seconds >= _DAY:
        days, rest = divmod(seconds, _DAY)
        return f"{days} d {rest // _HOUR} h" if days < 14 and rest >= _HOUR else f"{days} d"
    if seconds >= _HOUR:
        hours, rest = divmod(seconds, _HOUR)
        return f"{hours} h {rest // _MINUTE} min" if rest >= _MINUTE else f"{hours} h"
    return f"{seconds // _MINUTE} min" if seconds >= _MINUTE else f"{seconds} s"


def iso(at_us: int) -> str:
    """Write a time for machines."""
    return _at(at_us).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment(at_us: int | None, *, seconds: bool = True) -> Html:
    """Write a time as `<time>`, `2018-09-12 14:03:22`; UTC is said beside it."""
    if at_us is None:
        return Html(DASH)
    shown = _at(at_us).strftime("%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M")
    return _time(at_us, shown)


def clock_time(at_us: int) -> str:
    """Write a time for a table of data: `2018-09-12 14:00`."""
    return _at(at_us).isoformat(" ", "minutes")[:16]


def day(at_us: int | None) -> Html:
    """Write the day of a time as `<time>`: `12 Sep 2018`."""
    if at_us is None:
        return Html(DASH)
    at = _at(at_us)
    return _time(at_us, f"{at.day} {at.strftime('%b %Y')}")


def short(digest: str | bytes, length: int = 10) -> str:
    """Write the beginning of a digest."""
    return (digest.hex() if isinstance(digest, bytes) else digest)[:length]


def answer_words(label: str, positive: bool | None) -> str:
    """Write an answer: `fraud`, `not fraud`, or that there is none."""
    if positive is None:
        return "no answer"
    return label if positive else f"not {label}"


def _time(at_us: int, shown: str) -> Html:
    title = _at(at_us).strftime("%Y-%m-%d %H:%M:%S UTC")
    return Html(f'<time datetime="{iso(at_us)}" title="{title}">{escape(shown)}</time>')


def _at(at_us: int) -> datetime:
    """Return a time; one beyond the calendar, as after an event's of 9999, is its end."""
    return _EPOCH + timedelta(microseconds=min(max(at_us, _FIRST_US), _LAST_US))
