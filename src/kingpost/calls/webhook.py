"""Outgoing webhooks, signed as Standard Webhooks says.

The rule: the receiver can tell who sent a message, that nobody changed it, and that it is
no old one sent again. A message keeps its id when it is sent another time, so that the
receiver can drop what it has. Neither the URL, which lets whoever knows it in at chat
services, nor the secret is ever part of an error or of a log.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import logging
from collections.abc import Mapping, Sequence

import httpx

from kingpost.calls.errors import WebhookFailed
from kingpost.calls.signatures import check_secrets, is_signed_by, signatures

__all__ = ["WebhookSender", "is_signed", "webhook_headers"]

_TIMEOUT_S = 10.0
_OLDEST_S = 300
_TRY_AGAIN = frozenset({408, 425, 429})


def webhook_headers(
    secret: str | Sequence[str], identifier: str, at_s: int, body: bytes
) -> dict[str, str]:
    """Return the headers that sign a body.

    Args:
        secret: `whsec_` and base64, `whsk_` and base64 for ed25519, or any other text as it
            is. Several sign side by side, while receivers move from one to the next.
        at_s: When it is sent, seconds since 1970.

    Raises:
        BadWebhookSecret: A secret has no base64 after its prefix, or cannot sign.
    """
    secrets = [secret] if isinstance(secret, str) else secret
    return {
        "webhook-id": identifier,
        "webhook-timestamp": str(at_s),
        "webhook-signature": signatures(secrets, identifier, at_s, body),
    }


def is_signed(secret: str, headers: Mapping[str, str], body: bytes, now_s: int) -> bool:
    """Tell whether a message was signed with a secret within the last five minutes.

    Args:
        headers: By name in lower case.
    """
    identifier, sent = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not (sent.isascii() and sent.isdigit()) or len(sent) > 15:
        return False
    if abs(now_s - int(sent)) > _OLDEST_S:
        return False
    signature = headers.get("webhook-signature", "")
    return is_signed_by([secret], signature, identifier, int(sent), body)


class WebhookSender:
    """Sends JSON to one address.

    Args:
        secret: Signs what is sent; without one it is not signed.

    Raises:
        BadWebhookSecret: The secret is no base64 after its prefix.
    """

    def __init__(self, url: str, secret: str = "") -> None:
        if secret:
            check_secrets([secret])
        self._url, self._secret = url, secret
        # httpx logs the URL of every request, which is a secret here
        logging.getLogger("httpx").setLevel(logging.WARNING)

    def send(self, identifier: str, body: bytes, at_s: int) -> None:
        """Send a message once.

        Raises:
            WebhookFailed: It was not taken.
        """
        headers = {"content-type": "application/json", "user-agent": "kingpost"}
        if self._secret:
            headers |= webhook_headers(self._secret, identifier, at_s, body)
        try:
            with httpx.Client(timeout=_TIMEOUT_S, follow_redirects=False) as client:
                status = client.post(self._url, content=body, headers=headers).status_code
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            # the message of such an error may hold the URL
            raise WebhookFailed(type(error).__name__, None) from None
        if not 200 <= status < 300:
            raise WebhookFailed(f"status {status}", status)

    @staticmethod
    def may_try_again(failure: WebhookFailed) -> bool:
        """Tell whether the same message may be taken later."""
        return failure.status is None or failure.status >= 500 or failure.status in _TRY_AGAIN
