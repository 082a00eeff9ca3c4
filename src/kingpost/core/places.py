"""Where in the user's code a declaration stands, so that an error can name the line."""

import linecache
import sys
from pathlib import Path
from typing import NamedTuple

__all__ = ["Place", "caller_place"]

_PACKAGE = str(Path(__file__).parent.parent) + "/"


class Place(NamedTuple):
    """A line of the user's source."""

    file: str
    line: int

    def __str__(self) -> str:
        source = linecache.getline(self.file, self.line).strip()
        return f"{self.file}:{self.line}: {source}" if source else f"{self.file}:{self.line}"


def caller_place() -> Place:
    """Return the nearest line on the call stack that is not Kingpost's own."""
    frame = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]: the only way to a line
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    return Place(frame.f_code.co_filename, frame.f_lineno)
