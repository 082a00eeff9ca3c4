"""Calls to other systems: load on one's own server, signed webhooks."""

from kingpost.calls.errors import BadWebhookSecret, ServerUnreachable, WebhookFailed
from kingpost.calls.load import Answer, LoadClient, LoadReport
from kingpost.calls.webhook import WebhookSender, is_signed, webhook_headers

__all__ = [
    "Answer",
    "BadWebhookSecret",
    "LoadClient",
    "LoadReport",
    "ServerUnreachable",
    "WebhookFailed",
    "WebhookSender",
    "is_signed",
    "webhook_headers",
]
