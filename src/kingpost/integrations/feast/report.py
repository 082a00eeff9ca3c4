"""What became of each declaration of a Feast repository, with its place and the mend.

The rule: everything that was read is told once, as expressed, as expressed with something
to check, or as not expressed. Nothing is left out in silence.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

__all__ = ["FeastState", "Item", "Line", "Reason", "Report"]

FeastState = Literal["expressed", "to_check", "not_expressed"]


class Line(NamedTuple):
    """A line of the repository; the file is relative to its root."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class Reason(NamedTuple):
    """What is different or missing, and what to do about it."""

    what: str
    mend: str


class Item(NamedTuple):
    """One declaration of the repository.

    Attributes:
        kind: What it is: "feature view", "feature", "on-demand feature", ….
        name: As Feast knows it; a feature with its view, as `view:feature`.
        became: The name in the declarations; empty when there is none.
    """

    kind: str
    name: str
    at: Line
    state: FeastState
    became: str
    reasons: tuple[Reason, ...]


@dataclass
class Report:
    """The items in the order in which they were read."""

    items: list[Item] = field(default_factory=list[Item])

    def expressed(
        self, kind: str, name: str, at: Line, became: str, checks: Sequence[Reason] = ()
    ) -> None:
        """Note what was declared, and what a person should check of it."""
        state: FeastState = "to_check" if checks else "expressed"
        self.items.append(Item(kind, name, at, state, became, tuple(checks)))

    def missing(self, kind: str, name: str, at: Line, what: str, mend: str) -> None:
        """Note what could not be declared."""
        self.items.append(Item(kind, name, at, "not_expressed", "", (Reason(what, mend),)))

    def of(self, state: FeastState) -> list[Item]:
        """Return the items of one state."""
        return [item for item in self.items if item.state == state]
