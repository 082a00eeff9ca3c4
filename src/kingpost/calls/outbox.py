"""Outbox, inbox and dead letters: what is kept of messages to and from other systems.

The rules: a message is put in the transaction that it tells of, so that both are there or
neither. It leaves the outbox only when it was taken, or as a dead letter. Messages with
the same order key leave in the order in which they were put; those behind a dead letter go
on. Of two relays one has a message at a time, for as long as its lease lasts; a message
keeps its id however often it is sent, so that the receiver can drop what it has.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

__all__ = [
    "Claimed",
    "DeadLetter",
    "DeadLetters",
    "Inbox",
    "Outbox",
    "OutboxMessage",
    "RouteBacklog",
]


@dataclass(frozen=True)
class OutboxMessage:
    """What another system is to be told.

    Attributes:
        id: The idempotency key that it is sent with; unique within the tenant.
        route: By what it is sent.
        order_key: A later message with the same key waits for this one; empty for none.
    """

    id: str
    route: str
    payload: bytes = field(repr=False)
    order_key: str = ""
    content_type: str = "application/json"
    tenant: str = "default"


class Claimed(NamedTuple):
    """A message that a relay may send.

    Attributes:
        place: Its number in the outbox.
        attempts: How often it was sent before.
        until_us: When another relay may take it, UTC microseconds since 1970.
    """

    place: int
    message: OutboxMessage
    attempts: int
    until_us: int


class DeadLetter(NamedTuple):
    """A message that is no longer sent.

    Attributes:
        reason: What came of the last attempt.
    """

    message: OutboxMessage
    created_us: int
    died_us: int
    attempts: int
    reason: str


class RouteBacklog(NamedTuple):
    """What waits for a route, and since when."""

    route: str
    waiting: int
    oldest_us: int


class Outbox(Protocol):
    """Messages that wait. Times are UTC microseconds since 1970.

    `put` belongs to the caller's transaction; the others are transactions of their own, on
    a connection of the relay's.

    Raises:
        CallStoreFailed: The database refused.
    """

    def put(self, message: OutboxMessage, *, now_us: int) -> bool:
        """Add a message; False when one with its id waits already."""
        ...

    def claim(
        self, routes: Sequence[str], by: str, *, now_us: int, lease_us: int, limit: int
    ) -> Sequence[Claimed]:
        """Take messages that are due, the longest due first, at most one of an order key."""
        ...

    def sent(self, claimed: Claimed, by: str) -> bool:
        """Take a message out; False when the claim has passed to another relay."""
        ...

    def postpone(
        self, claimed: Claimed, by: str, *, due_us: int, is_attempt: bool, reason: str
    ) -> bool:
        """Give a message back until a time; False when the claim has passed on."""
        ...

    def bury(self, claimed: Claimed, by: str, *, now_us: int, reason: str) -> bool:
        """Make it a dead letter; False when the claim has passed on."""
        ...

    def backlog(self) -> Sequence[RouteBacklog]:
        """Count what waits, by route."""
        ...


class DeadLetters(Protocol):
    """What is no longer sent, until somebody decides."""

    def find(self, tenant: str, *, route: str = "", limit: int = 100) -> Sequence[DeadLetter]:
        """List them, the latest first; of one route where it is given."""
        ...

    def get(self, tenant: str, identifier: str) -> DeadLetter | None:
        """Return one; None when there is none."""
        ...

    def replay(self, tenant: str, identifier: str, *, now_us: int) -> bool:
        """Put one back into the outbox with its id, behind the others; False without one."""
        ...

    def discard(self, tenant: str, identifier: str) -> bool:
        """Forget one; False when there is none."""
        ...


class Inbox(Protocol):
    """The keys of what has come from one source."""

    def first(self, key: str, *, now_us: int) -> bool:
        """Note a key in the caller's transaction; False when it has come before."""
        ...

    def prune(self, *, before_us: int) -> int:
        """Forget the keys that came before a time; return how many."""
        ...
