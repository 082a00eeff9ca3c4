"""What the plots of a model card share: sizes, colours, scales, axes with their labels.

The rule: a plot is one `<svg>` that needs no style sheet. Lines and words take the colour of
the text around it, and the two colours for data have a contrast of 3 to 1 or more on white
and on black, so that it can be read in a light page, a dark one and on paper.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kingpost.models.markup import Html, joined, tag

__all__ = ["FIRST", "SECOND", "WIDTH", "Axis", "Frame", "label", "plot", "root"]

WIDTH = 360
"""In the units of every plot: it fills a phone and half of a page."""

FIRST, SECOND = "#3b7dc4", "#c4722b"
_FAINT, _MUTED = 0.16, 0.82
_SIZE = 11


def root(value: float) -> float:
    """Place a share so that the small ones, of rare events, can be told apart."""
    return max(value, 0.0) ** 0.5


@dataclass(frozen=True)
class Axis:
    """One side of a frame.

    Attributes:
        ticks: Values and what is written at them.
        scale: From a value to a place from 0 to 1.
    """

    title: str
    ticks: Sequence[tuple[float, str]]
    scale: Callable[[float], float]


@dataclass(frozen=True)
class Frame:
    """The area that data is drawn in."""

    left: float
    top: float
    width: float
    height: float
    x: Axis
    y: Axis

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Return where two values lie."""
        return (
            self.left + self.x.scale(x) * self.width,
            self.top + (1 - self.y.scale(y)) * self.height,
        )

    def drawn(self) -> Html:
        """Draw grid, ticks and titles."""
        right, bottom = self.left + self.width, self.top + self.height
        parts: list[str] = []
        for value, text in self.y.ticks:
            y = self.top + (1 - self.y.scale(value)) * self.height
            parts.append(_rule(self.left, y, right, y))
            parts.append(label(text, self.left - 6, y + 3.5, anchor="end"))
        for value, text in self.x.ticks:
            x = self.left + self.x.scale(value) * self.width
            parts.append(_rule(x, self.top, x, bottom))
            parts.append(label(text, x, bottom + 14, anchor="middle"))
        if self.x.title:
            middle = self.left + self.width / 2
            parts.append(label(self.x.title, middle, bottom + 30, anchor="middle"))
        if self.y.title:
            parts.append(label(self.y.title, 0.0, self.top - 10))
        return joined(parts)


def label(text: str, x: float, y: float, *, anchor: str = "start", bold: bool = False) -> Html:
    """Write some words; they begin, end or have their middle at x."""
    return tag(
        "text",
        text,
        x=x,
        y=y,
        text_anchor=None if anchor == "start" else anchor,
        fill="currentColor",
        fill_opacity=None if bold else _MUTED,
        font_weight="600" if bold else None,
    )


def plot(kind: str, height: float, title: str, told: str, *parts: str) -> Html:
    """Put a plot together.

    Args:
        kind: What it is, for its class and its ids; once in a page.
        title: Its name.
        told: What it shows, in words, for those who do not see it.
    """
    title_id, told_id = f"card-{kind}-title", f"card-{kind}-told"
    return tag(
        "svg",
        tag("title", title, id=title_id),
        tag("desc", told, id=told_id),
        *parts,
        class_=f"plot plot-{kind}",
        viewBox=f"0 0 {WIDTH} {height:g}",
        width=WIDTH,
        height=height,
        role="img",
        aria_labelledby=f"{title_id} {told_id}",
        font_size=_SIZE,
    )


def _rule(x1: float, y1: float, x2: float, y2: float) -> Html:
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, stroke="currentColor", stroke_opacity=_FAINT)
