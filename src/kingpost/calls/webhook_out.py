"""Webhooks that go out through the outbox: signed each time they are sent.

The rule: the id stays, the time and the signature are those of the attempt. An endpoint
that answers 410 is gone; every other refusal is tried again, as receivers mend theirs.
"""

from collections.abc import Sequence

from kingpost.calls.call import Call
from kingpost.calls.client import ServiceClient
from kingpost.calls.errors import BadService
from kingpost.calls.outbox import OutboxMessage
from kingpost.calls.relay import Delivery, delivery_of
from kingpost.calls.service import Retries, Service
from kingpost.calls.signatures import check_secrets
from kingpost.calls.webhook import webhook_headers
from kingpost.core import Clock, KingpostError, SystemClock

__all__ = ["WebhookEndpoint", "webhook_service"]

_ID = "webhook-id"
_GONE = 410


def webhook_service(name: str, url: str) -> Service:
    """Declare the receiver of webhooks; the outbox sends again, so that its client does not.

    Raises:
        BadService: The URL cannot be called.
    """
    return Service(name, url, deadline="20s", retries=Retries(attempts=1), idempotency=_ID)


class WebhookEndpoint:
    """A `Sender` of signed webhooks to one address.

    Args:
        client: Of a service whose idempotency header is `webhook-id`, see `webhook_service`.
        secrets: `whsec_…` or `whsk_…`; several sign side by side while receivers change.

    Raises:
        BadService: The service has another header.
        BadWebhookSecret: A secret is not written as it must be.
    """

    def __init__(
        self, client: ServiceClient, secrets: Sequence[str], *, clock: Clock | None = None
    ) -> None:
        if client.service.idempotency.lower() != _ID:
            raise BadService(client.service.name, "idempotency", f"must be {_ID!r} for webhooks")
        check_secrets(secrets)
        self._client, self._secrets = client, tuple(secrets)
        self._clock = clock or SystemClock()

    def send(self, message: OutboxMessage, within_s: float) -> Delivery:
        at_s = self._clock.now_us() // 1_000_000
        signed = webhook_headers(self._secrets, message.id, at_s, message.payload)
        call = Call(
            "POST",
            headers={"content-type": message.content_type, **signed},
            body=message.payload,
            idempotency_key=message.id,
            deadline=f"{max(1, round(within_s * 1000))}ms",
        )
        try:
            answer = self._client.call(call)
        except KingpostError as error:
            return delivery_of(error)
        if answer.is_success:
            return Delivery("sent")
        outcome = "never" if answer.status == _GONE else "later"
        return Delivery(outcome, f"status {answer.status}")
