"""Reading what never changes once: what a digest names."""

import logging
from collections.abc import Callable
from threading import Lock
from typing import TypeVar

from kingpost.core import KingpostError

__all__ = ["read_once"]

Found = TypeVar("Found")
_log = logging.getLogger(__name__)


def read_once(read: Callable[[str, bytes], Found | None]) -> Callable[[str, bytes], Found | None]:
    """Keep what was read; what cannot be read is logged, and nothing."""
    known: dict[bytes, Found | None] = {}
    turn = Lock()

    def found(decision: str, digest: bytes) -> Found | None:
        with turn:
            if digest not in known:
                try:
                    known[digest] = read(decision, digest)
                except KingpostError:
                    _log.exception("bundle_unreadable", extra={"bundle": digest.hex()})
                    known[digest] = None
            return known[digest]

    return found
