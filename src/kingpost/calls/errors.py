"""Errors of outgoing calls."""

from kingpost.core import KingpostError

__all__ = ["ServerUnreachable"]


class ServerUnreachable(KingpostError):
    """Nothing listens where the calls should go.

    Safe to retry: nothing was sent.
    """

    code = "server_unreachable"
    retry_safe = True

    def __init__(self, host: str, port: int, reason: str) -> None:
        super().__init__(host, port, reason)
        self.host, self.port, self.reason = host, port, reason

    def __str__(self) -> str:
        return f"cannot connect to {self.host}:{self.port} ({self.reason}); is the server running?"
