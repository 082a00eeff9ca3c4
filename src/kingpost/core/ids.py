"""Time-ordered identifiers (UUID version 7, RFC 9562).

Within one generator each id is greater than the one before, also when the clock goes
back, so a log of ids is sorted and can be searched without an index.
"""

import os
import uuid

from kingpost.core.clock import Clock

__all__ = ["TimeOrderedIds", "id_text", "parse_id"]

_VERSION = 0x7 << 76
_VARIANT = 0x2 << 62
_RANDOM_BITS = 74
_LOW = (1 << 62) - 1
_BYTES_PER_ID = 9
_BYTES_AT_ONCE = 64 * _BYTES_PER_ID


class TimeOrderedIds:
    """Makes ids of 16 bytes that only ever grow.

    Args:
        clock: Gives the millisecond that an id starts with.
        after: The greatest id already in use, as after a restart; ids continue above it.
    """

    def __init__(self, clock: Clock, *, after: bytes | None = None) -> None:
        self._clock = clock
        self._last = _payload(after) if after else 0
        self._random = b""

    def next(self) -> bytes:
        """Return the next id."""
        now_ms = self._clock.now_us() // 1000
        last, random = self._last, self._random
        if len(random) < _BYTES_PER_ID:
            random = os.urandom(_BYTES_AT_ONCE)
        self._random = random[_BYTES_PER_ID:]
        if now_ms > last >> _RANDOM_BITS:
            # the top random bit stays clear: room to count within a millisecond
            payload = now_ms << _RANDOM_BITS | int.from_bytes(random[:_BYTES_PER_ID])
        else:
            payload = last + 1 + int.from_bytes(random[:4])
        self._last = payload
        high, low = payload >> 62, payload & _LOW
        return ((high >> 12) << 80 | _VERSION | (high & 0xFFF) << 64 | _VARIANT | low).to_bytes(16)


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
