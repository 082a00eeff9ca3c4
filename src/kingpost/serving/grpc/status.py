"""How a call ends: a status code, and for people a message.

Source: gRPC over HTTP2, https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
"""

from enum import IntEnum
from urllib.parse import quote

from kingpost.serving.grpc.hpack import Field

__all__ = ["Status", "status_fields"]

_LONGEST = 1024
_PLAIN = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")


class Status(IntEnum):
    """The codes of gRPC."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


def status_fields(status: Status, message: str) -> list[Field]:
    """Write down a status; all but plain ASCII is percent-encoded."""
    fields = [(b"grpc-status", b"%d" % status)]
    if message:
        text = quote(message[:_LONGEST], safe=_PLAIN, errors="replace")
        fields.append((b"grpc-message", text.encode()))
    return fields
