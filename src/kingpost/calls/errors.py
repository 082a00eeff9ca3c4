"""Errors of outgoing calls."""

from kingpost.core import KingpostError

__all__ = ["BadWebhookSecret", "ServerUnreachable", "WebhookFailed"]


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


class BadWebhookSecret(KingpostError):
    """A webhook's secret that cannot be used; it is not told."""

    code = "bad_webhook_secret"

    def __str__(self) -> str:
        return "the webhook's secret has no base64 behind 'whsec_'; copy it again as it was given"


class WebhookFailed(KingpostError):
    """A webhook that was not taken.

    Safe to retry: it carries its id, and the receiver drops what it has.
    """

    code = "webhook_failed"
    retry_safe = True

    def __init__(self, reason: str, status: int | None) -> None:
        super().__init__(reason, status)
        self.reason, self.status = reason, status

    def __str__(self) -> str:
        return f"the webhook was not taken ({self.reason}); check its address and the receiver"
