"""A chart: its numbers, said three times: drawn, in one sentence, and as a table.

The rule: whoever cannot see the drawing gets the same numbers. The drawing is made in the
browser from JSON in the page; what is written at axes and in tables is written here and
there from the same units.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec

from kingpost.console.wording import (
    Html,
    clock_time,
    number,
    psi,
    rate,
    score,
    share,
    took,
)

__all__ = ["Chart", "Mark", "Plotted", "Unit", "said"]

Unit = Literal["count", "share", "us", "psi", "rate", "score"]
Look = Literal["line", "bar", "stack", "limit", "reference"]


class Plotted(msgspec.Struct, frozen=True):
    """One row of numbers in a chart.

    Attributes:
        values: One per place on the horizontal axis; None where there is none.
        look: How it is drawn; a limit is dashed, a reference pale.
        tone: Which of the colours, 1 to 6.
    """

    label: str
    values: Sequence[float | None]
    look: Look = "line"
    tone: int = 1


class Mark(msgspec.Struct, frozen=True):
    """A stretch of time that is shaded, microseconds UTC."""

    label: str
    since_us: int
    until_us: int


class _Drawing(msgspec.Struct):
    """What the browser gets; times in seconds."""

    unit: Unit
    x: Sequence[float]
    labels: Sequence[str] | None
    series: Sequence[Plotted]
    marks: Sequence[tuple[str, float, float]]
    is_log: bool
    step: float


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """What is drawn, and what is said of it.

    Attributes:
        id: Unique in its page.
        starts_us: Where each value's stretch of time begins; empty for bins.
        step_us: How long a stretch is.
        bins: What each value is about, where it is no time.
        summary: The numbers in a sentence.
        empty: What to say instead when there is nothing to draw.
        is_log: Whether the vertical axis is logarithmic.
        head: What the first column of the table is called.
    """

    id: str
    title: str
    unit: Unit
    series: Sequence[Plotted]
    summary: str
    note: str = ""
    starts_us: Sequence[int] = ()
    step_us: int = 0
    bins: Sequence[str] = ()
    marks: Sequence[Mark] = ()
    empty: str = ""
    is_log: bool = False
    head: str = "Time (UTC)"

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to draw."""
        drawn = [one for one in self.series if one.look not in ("limit", "reference")]
        return all(value is None for one in drawn for value in one.values)

    @property
    def drawing(self) -> Html:
        """Return the JSON that the browser draws, safe inside a `<script>`."""
        made = _Drawing(
            self.unit,
            [at / 1e6 for at in self.starts_us] or list(range(len(self.bins))),
            self.bins or None,
            self.series,
            [(mark.label, mark.since_us / 1e6, mark.until_us / 1e6) for mark in self.marks],
            self.is_log,
            self.step_us / 1e6,
        )
        return Html(msgspec.json.encode(made).decode().replace("<", "\\u003c"))

    @property
    def columns(self) -> Sequence[str]:
        """The heads of the table."""
        return [self.head, *(one.label for one in self.series)]

    @property
    def rows(self) -> Sequence[Sequence[str]]:
        """The rows of the table; times without any number are left out."""
        firsts = [clock_time(at) for at in self.starts_us] or list(self.bins)
        drawn = [one.values for one in self.series if one.look not in ("limit", "reference")]
        kept = [at for at in range(len(firsts)) if any(row[at] is not None for row in drawn)]
        return [
            [firsts[at], *(said(one.values[at], self.unit) for one in self.series)] for at in kept
        ]


def said(value: float | None, unit: Unit) -> str:
    """Write a number in its unit."""
    match unit:
        case "count":
            return number(value)
        case "share":
            return share(value)
        case "us":
            return took(value)
        case "psi":
            return psi(value)
        case "rate":
            return rate(value)
        case "score":
            return score(value)
