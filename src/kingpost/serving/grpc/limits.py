"""What a gRPC server takes. Each limit keeps one caller from taking what all callers share."""

from dataclasses import dataclass

__all__ = ["GrpcLimits"]


@dataclass(frozen=True)
class GrpcLimits:
    """What is taken, and how long is waited.

    Attributes:
        max_message_bytes: The largest message, as it is after decompression.
        max_streams: Calls in flight on a connection.
        max_header_bytes: The metadata of a call, counted as HTTP/2 counts them.
        max_held_bytes: Parts of messages that wait for the rest, on all connections.
        max_connections: Connections at a time; one more is closed at once.
        message_timeout_s: How long a caller may take to send a message, or to read what
            was written to it.
    """

    max_message_bytes: int = 8 * 1024 * 1024
    max_streams: int = 256
    max_header_bytes: int = 16 * 1024
    max_held_bytes: int = 64 * 1024 * 1024
    max_connections: int = 1024
    message_timeout_s: float = 10.0
