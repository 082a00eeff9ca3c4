"""Time-ordered identifiers (UUID version 7, RFC 9562).

Within one generator each id is greater than the one before, also when the clock goes
back, so a log of ids is sorted and can be searched without an index.
"""

import os
import uuid
from array import array

from kingpost.core.clock import Clock

__all__ = ["TimeOrderedIds", "id_text", "parse_id"]

_VERSION = 0x7 << 12
_VARIANT = 0x2 << 62
_RANDOM_BITS = 74
_LOW = (1 << 62) - 1
_FRESH_BYTES = 9
"""As many random bits as there are, but for the top ones."""


class TimeOrderedIds:
    """Makes ids of 16 bytes that only ever grow.

    Args:
        clock: Gives the millisecond that an id starts with.
        after: The greatest id already in use, as after a restart; ids continue above it.
    """

    def __init__(self, clock: Clock, *, after: bytes | None = None) -> None:
        self._clock = clock
        self._last = _payload(after) if after else 0

    def next(self) -> bytes:
        """Return the next id."""
        return self.take(1)[0]

    def take(self, number: int) -> list[bytes]:
        """Return the next ids, all of one moment."""
        now_ms, payload = self._clock.now_us() // 1000, self._last
        if now_ms > payload >> _RANDOM_BITS:
            # the top random bit stays clear: room to count within a millisecond
            payload = now_ms << _RANDOM_BITS | int.from_bytes(os.urandom(_FRESH_BYTES))
        high, low = payload >> 62, payload & _LOW
        upper = _upper_half(high)
        taken: list[bytes] = []
        for step in array("I", os.urandom(4 * number)):
            low += 1 + step
            if low > _LOW:  # once in a blue moon
                high, low = high + 1, low & _LOW
                upper = _upper_half(high)
            taken.append(upper + (_VARIANT | low).to_bytes(8))
        self._last = high << 62 | low
        return taken


def _upper_half(high: int) -> bytes:
    """Write milliseconds and the 12 bits behind them, with the version in between."""
    return ((high >> 12) << 16 | _VERSION | high & 0xFFF).to_bytes(8)


def _payload(identifier: bytes) -> int:
    number = int.from_bytes(identifier)
    milliseconds, high = number >> 80, number >> 64 & 0xFFF
    return milliseconds << _RANDOM_BITS | high << 62 | number & _LOW


def id_text(identifier: bytes) -> str:
    """Write an id in the usual form, 36 characters."""
    text = identifier.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def parse_id(text: str) -> bytes | None:
    """Read an id in its usual form; None when the text is not one."""
    try:
        return uuid.UUID(text).bytes if len(text) == 36 else None
    except ValueError:
        return None
