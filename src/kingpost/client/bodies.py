"""Requests and events as JSON, and many events as bodies of a size that a server takes.

The rule: what is sent is known before it is sent; bytes are taken for JSON as they are.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

__all__ = ["EventsBody", "event_bodies", "json_body"]

LARGEST_BODY = 4 * 1024 * 1024
MOST_EVENTS = 5_000


class EventsBody(NamedTuple):
    """Some of the events; `before` counts those of earlier bodies."""

    lines: bytes
    before: int


def json_body(value: object) -> bytes:
    """Write a value as JSON: an event, a struct, a dataclass, a mapping.

    Raises:
        TypeError: JSON cannot carry it.
    """
    return value if isinstance(value, bytes) else _encode(value)


def event_bodies(events: Iterable[object]) -> Iterator[EventsBody]:
    """Write events one on a line, in bodies of at most 5,000 events and 4 MiB.

    A larger event has a body of its own; the server says what it thinks of it.

    Raises:
        TypeError: JSON cannot carry one.
    """
    lines: list[bytes] = []
    size = before = 0
    for event in events:
        line = json_body(event).replace(b"\n", b" ")
        if lines and (len(lines) == MOST_EVENTS or size + len(line) >= LARGEST_BODY):
            yield EventsBody(b"\n".join(lines), before)
            before += len(lines)
            lines, size = [], 0
        lines.append(line)
        size += len(line) + 1
    if lines:
        yield EventsBody(b"\n".join(lines), before)


def _plain(value: object) -> object:
    """Write for msgspec what it does not know: a moment, an array."""
    for name in ("isoformat", "tolist"):
        written = getattr(value, name, None)
        if callable(written):
            return written()
    raise TypeError(f"JSON cannot carry a value of type {type(value).__name__}")


_encode = msgspec.json.Encoder(enc_hook=_plain).encode
