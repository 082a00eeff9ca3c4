"""What Schemathesis does not know by itself: how rows are sent one per line."""

import json

import schemathesis

__all__ = ["as_line"]


@schemathesis.serializer("application/x-ndjson")
def as_line(context: object, value: object) -> bytes:
    """Write a row as a line."""
    return value if isinstance(value, bytes) else json.dumps(value).encode()
