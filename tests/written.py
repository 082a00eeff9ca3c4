"""Waiting until what an engine wrote is on the disk."""

import threading
from collections.abc import Callable
from typing import TypeVar

from kingpost.core import KingpostError
from kingpost.journal import Landed

__all__ = ["written"]

T = TypeVar("T")


def written(write: Callable[[Landed], tuple[T, bool]]) -> T:
    """Let an engine write something, and wait for the disk."""
    landed, outcome = threading.Event(), list[KingpostError | None]()

    def hear(error: KingpostError | None) -> None:
        outcome.append(error)
        landed.set()

    result, has_written = write(hear)
    assert not has_written or landed.wait(10)
    assert outcome in ([], [None])
    return result
