"""The relay: sends what waits in an outbox, until it is taken or becomes a dead letter.

The rules: a message is sent only while this relay holds it, with time to spare; so no two
relays send it at the same time. What came of it is noted after it was sent: a relay that
is killed in between leaves it to be sent again, with the same id.
"""

import logging
import random
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from kingpost.calls.call import Call
from kingpost.calls.client import ServiceClient
from kingpost.calls.errors import (
    AnswerTooLarge,
    BadCall,
    BadService,
    BulkheadFull,
    CallFailed,
    CircuitOpen,
    EffectUndeclared,
    OutcomeUnknown,
    RateLimited,
)
from kingpost.calls.outbox import Claimed, Outbox, OutboxMessage
from kingpost.calls.service import Duration, seconds_of
from kingpost.core import Clock, KingpostError, SystemClock

__all__ = [
    "RELAY_WAITS",
    "Delivery",
    "Relay",
    "RelayRound",
    "Route",
    "Sender",
    "ServiceSender",
    "delivery_of",
]

_log = logging.getLogger(__name__)

RELAY_WAITS: Sequence[Duration] = ("5s", "5m", "30m", "2h", "5h", "10h", "14h", "20h", "24h")
"""Over 75 hours, as Standard Webhooks proposes; an attempt follows each wait."""

_MENDABLE = (401, 403)
"""Refusals for which the credentials are to blame, and not the message."""
_JITTER = 0.1
_SPARE = 0.1
"""This share of a lease is kept free, for noting what came of it."""
_LEAST_S = 0.05
_HELD_S = 1.0


class Delivery(NamedTuple):
    """What came of sending a message once.

    Attributes:
        outcome: `sent`; `later`, to be sent again after a wait; `held`, the same, but
            nothing was sent and it is no attempt; `never`, to be a dead letter.
        retry_after_s: The least wait, when the receiver named one.
    """

    outcome: Literal["sent", "later", "held", "never"]
    reason: str = ""
    retry_after_s: float = 0.0


class Sender(Protocol):
    """Sends messages of one route."""

    def send(self, message: OutboxMessage, within_s: float) -> Delivery:
        """Send a message once, with its id as the key; be done within some seconds."""
        ...


@dataclass(frozen=True)
class Route:
    """How the messages of a route are sent.

    Attributes:
        waits: Before each further attempt; after the last the message is a dead letter.
    """

    sender: Sender
    waits: Sequence[Duration] = RELAY_WAITS


class RelayRound(NamedTuple):
    """What came of the messages of one round."""

    sent: int = 0
    later: int = 0
    dead: int = 0

    @property
    def handled(self) -> int:
        """How many were claimed and not lost to another relay."""
        return self.sent + self.later + self.dead


class ServiceSender:
    """Sends the payload of messages to one path of a service.

    Args:
        client: Of a service that knows idempotency keys.

    Raises:
        BadService: The service knows none.
    """

    def __init__(self, client: ServiceClient, path: str = "", method: str = "POST") -> None:
        service = client.service
        if not service.idempotency:
            raise BadService(service.name, "idempotency", "is needed to send from an outbox")
        self._client, self._path, self._method = client, path, method

    def send(self, message: OutboxMessage, within_s: float) -> Delivery:
        call = Call(
            self._method,
            self._path,
            headers={"content-type": message.content_type},
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
        outcome = "later" if answer.status in _MENDABLE else "never"
        return Delivery(outcome, f"status {answer.status}")


def delivery_of(error: KingpostError) -> Delivery:
    """Say what a failed call means for its message."""
    if isinstance(error, CircuitOpen | RateLimited):
        return Delivery("held", error.code, error.retry_after_s)
    if isinstance(error, BulkheadFull):
        return Delivery("held", error.code)
    if isinstance(error, AnswerTooLarge) and error.status < 300:
        return Delivery("sent")
    if isinstance(error, OutcomeUnknown | BadCall | EffectUndeclared):
        return Delivery("never", str(error))
    wait_s = error.retry_after_s if isinstance(error, CallFailed) else 0.0
    return Delivery("later", str(error), wait_s)


class Relay:
    """Sends from one outbox, on the thread that calls it; several may run at once.

    Args:
        routes: By name; messages of other routes are left to other relays.
        lease: How long a message is this relay's; longer than any sending takes, and than
            the clocks of machines differ.
        batch: So many messages are claimed at a time.
        name: Unlike that of any other relay; made when left out.
    """

    def __init__(
        self,
        outbox: Outbox,
        routes: Mapping[str, Route],
        *,
        clock: Clock | None = None,
        chance: Callable[[], float] = random.random,
        lease: Duration = "2m",
        batch: int = 16,
        name: str = "",
    ) -> None:
        self._outbox, self._routes = outbox, dict(routes)
        self._clock, self._chance = clock or SystemClock(), chance
        self._lease_us, self._batch = round(seconds_of(lease) * 1e6), batch
        self._name = name or str(uuid.uuid4())

    def run_once(self) -> RelayRound:
        """Claim messages that are due and send each once.

        Raises:
            CallStoreFailed: The database refused; what was claimed is due again after the
                lease.
        """
        claimed = self._outbox.claim(
            list(self._routes),
            self._name,
            now_us=self._clock.now_us(),
            lease_us=self._lease_us,
            limit=self._batch,
        )
        counts = {"sent": 0, "later": 0, "dead": 0}
        for one in claimed:
            outcome = self._handle(one)
            if outcome:
                counts[outcome] += 1
        return RelayRound(**counts)

    def run(self, stop: threading.Event, *, idle_s: float = 1.0) -> None:
        """Send until told to stop; look again after a while when nothing is due."""
        while not stop.is_set():
            try:
                handled = self.run_once().handled
            except KingpostError as error:
                _log.exception("relay_failed", extra={"code": error.code})
                handled = 0
            if not handled:
                stop.wait(idle_s)

    def _handle(self, claimed: Claimed) -> Literal["sent", "later", "dead", ""]:
        now_us = self._clock.now_us()
        within_s = (claimed.until_us - now_us - self._lease_us * _SPARE) / 1e6
        if within_s < _LEAST_S:
            return ""  # others took so long that it will be due again before it could be noted
        delivery = self._send(claimed.message, within_s)
        if delivery.outcome == "sent":
            return "sent" if self._outbox.sent(claimed, self._name) else ""
        route = self._routes[claimed.message.route]
        is_last = delivery.outcome == "later" and claimed.attempts >= len(route.waits)
        if delivery.outcome == "never" or is_last:
            return self._bury(claimed, delivery.reason)
        return self._postpone(claimed, delivery, route)

    def _send(self, message: OutboxMessage, within_s: float) -> Delivery:
        try:
            return self._routes[message.route].sender.send(message, within_s)
        except Exception as error:  # noqa: BLE001  the messages behind this one go on
            _log.exception("relay_sender_failed", extra={"route": message.route})
            return Delivery("later", type(error).__name__)

    def _postpone(self, claimed: Claimed, delivery: Delivery, route: Route) -> Literal["later", ""]:
        is_attempt = delivery.outcome == "later"
        wait_s = seconds_of(route.waits[claimed.attempts]) if is_attempt else _HELD_S
        wait_s = max(wait_s * (1 + _JITTER * self._chance()), delivery.retry_after_s)
        if is_attempt:
            message = claimed.message
            _log.warning(
                "message_postponed", extra={"route": message.route, "message_id": message.id}
            )
        is_ours = self._outbox.postpone(
            claimed,
            self._name,
            due_us=self._clock.now_us() + round(wait_s * 1e6),
            is_attempt=is_attempt,
            reason=delivery.reason,
        )
        return "later" if is_ours else ""

    def _bury(self, claimed: Claimed, reason: str) -> Literal["dead", ""]:
        message = claimed.message
        _log.error("message_dead", extra={"route": message.route, "message_id": message.id})
        now_us = self._clock.now_us()
        is_ours = self._outbox.bury(claimed, self._name, now_us=now_us, reason=reason)
        return "dead" if is_ours else ""
