"""Outgoing webhooks, signed as Standard Webhooks says.

The rule: the receiver can tell who sent a message, that nobody changed it, and that it is
no old one sent again. A message keeps its id when it is sent another time, so that the
receiver can drop what it has. Neither the URL, which lets whoever knows it in at chat
services, nor the secret is ever part of an error or of a log.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
import hmac
import logging
from collections.abc import Mapping
from hashlib import sha256

import httpx

from kingpost.calls.errors import BadWebhookSecret, WebhookFailed

__all__ = ["WebhookSender", "is_signed", "webhook_headers"]

_PREFIX = "whsec_"
_TIMEOUT_S = 10.0
_OLDEST_S = 300
_TRY_AGAIN = frozenset({408, 425, 429})


def webhook_headers(secret: str, identifier: str, at_s: int, body: bytes) -> dict[str, str]:
    """Return the headers that sign a body.

    Args:
        secret: `whsec_` and base64, or any other text as it is.
        at_s: When it is sent, seconds since 1970.

    Raises:
        BadWebhookSecret: The secret is no base64 after its prefix.
    """
    signed = f"{identifier}.{at_s}.".encode() + body
    signature = base64.b64encode(hmac.digest(_key(secret), signed, sha256)).decode()
    return {
        "webhook-id": identifier,
        "webhook-timestamp": str(at_s),
        "webhook-signature": f"v1,{signature}",
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
    expected = webhook_headers(secret, identifier, int(sent), body)["webhook-signature"]
    given = headers.get("webhook-signature", "").split()
    return any(hmac.compare_digest(expected.encode(), one.encode()) for one in given)


def _key(secret: str) -> bytes:
    if not secret.startswith(_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadWebhookSecret from error


class WebhookSender:
    """Sends JSON to one address.

    Args:
        secret: Signs what is sent; without one it is not signed.

    Raises:
        BadWebhookSecret: The secret is no base64 after its prefix.
    """

    def __init__(self, url: str, secret: str = "") -> None:
        if secret:
            _key(secret)
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
