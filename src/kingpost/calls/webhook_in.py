"""Webhooks that come in: whether to believe one, and whether it has come before.

The rule: nothing of a message is looked at before its signature. A message that comes
again is told apart by its id, in the transaction in which it is handled: when that fails,
the next one counts as the first.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from kingpost.calls.errors import WebhookRefused
from kingpost.calls.outbox import Inbox
from kingpost.calls.service import Duration, seconds_of
from kingpost.calls.signatures import check_secrets, is_signed_by
from kingpost.core import Clock, SystemClock

__all__ = ["ReceivedWebhook", "WebhookReceiver"]

_LONGEST_ID = 256


class ReceivedWebhook(NamedTuple):
    """A webhook to believe.

    Attributes:
        id: The sender's, the same when it is sent again.
        is_first: False when it has come before: answer that it was taken, and do nothing.
    """

    id: str
    sent_s: int
    body: bytes
    is_first: bool


class WebhookReceiver:
    """Takes the webhooks of one sender.

    Args:
        secrets: `whsec_…` or `whpk_…`; several while the sender moves to a new one.
        tolerance: How far a message's time may lie from now, either way.
        max_bytes: A larger body is refused.

    Raises:
        BadWebhookSecret: A secret is not written as it must be.
    """

    def __init__(
        self,
        secrets: Sequence[str],
        *,
        clock: Clock | None = None,
        tolerance: Duration = "5m",
        max_bytes: int = 1024 * 1024,
    ) -> None:
        check_secrets(secrets)
        self._secrets, self._clock = tuple(secrets), clock or SystemClock()
        self._tolerance_s, self._max_bytes = seconds_of(tolerance), max_bytes

    def receive(self, headers: Mapping[str, str], body: bytes, inbox: Inbox) -> ReceivedWebhook:
        """Verify a webhook and note its id.

        Args:
            headers: By name, in any case.
            body: As it came; written anew it would have another signature.
            inbox: On the connection whose transaction handles the message.

        Raises:
            WebhookRefused: Answer with status 400, or 413 where it is too large.
        """
        named = {name.lower(): value for name, value in headers.items()}
        identifier, sent_s = self._verify(named, body)
        is_first = inbox.first(identifier, now_us=self._clock.now_us())
        return ReceivedWebhook(identifier, sent_s, body, is_first)

    def _verify(self, headers: Mapping[str, str], body: bytes) -> tuple[str, int]:
        identifier, sent = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
        if len(body) > self._max_bytes:
            raise WebhookRefused(f"its body is larger than {self._max_bytes:,} bytes")
        if not identifier or len(identifier) > _LONGEST_ID:
            raise WebhookRefused(f"its webhook-id is missing or longer than {_LONGEST_ID}")
        if not (sent.isascii() and sent.isdigit()) or len(sent) > 15:
            raise WebhookRefused("its webhook-timestamp is no number of seconds")
        if abs(self._clock.now_us() / 1e6 - int(sent)) > self._tolerance_s:
            raise WebhookRefused("its webhook-timestamp is too far from now; check both clocks")
        signature = headers.get("webhook-signature", "")
        if not is_signed_by(self._secrets, signature, identifier, int(sent), body):
            raise WebhookRefused("no signature is by a known secret")
        return identifier, int(sent)
