"""Messages that a broker refused: each tried once more by itself, then a dead letter.

The rule: what was refused is kept before the stream goes on, under its own id, until it was
published after all or somebody discards it. So it holds nobody up, and is not forgotten.
"""

import sqlite3
from collections.abc import Callable
from pathlib import Path

from kingpost.calls import CALL_MIGRATIONS, Claimed, OutboxMessage, SqliteOutbox
from kingpost.core import Clock
from kingpost.integrations.streams.broker import Message
from kingpost.integrations.streams.errors import MessageRefused
from kingpost.storage import migrate, open_database

__all__ = ["RefusedMessages"]

_LEASE_US = 60_000_000
_AT_ONCE = 64
_TYPE = "application/json;kind="


class RefusedMessages:
    """The refused messages of one stream; for one thread.

    Args:
        path: The database; made when the first message is refused.
        route: What its dead letters are listed under.
    """

    def __init__(self, path: Path, route: str, tenant: str, *, clock: Clock) -> None:
        self._path, self._route, self._tenant, self._clock = path, route, tenant, clock
        self._connection: sqlite3.Connection | None = None

    def keep(self, message: Message) -> None:
        """Keep a message, to be tried once more; durable on return.

        Raises:
            StorageFull, StorageBusy, StorageFailed, CallStoreFailed: It is not kept.
        """
        kept = OutboxMessage(
            message.id,
            self._route,
            message.body,
            order_key=message.key,
            content_type=_TYPE + message.kind,
            tenant=self._tenant,
        )
        SqliteOutbox(self._opened()).put(kept, now_us=self._clock.now_us())

    def try_again(self, publish: Callable[[Message], None]) -> tuple[int, list[MessageRefused]]:
        """Publish what is kept, or was put back; what is refused now is a dead letter.

        Returns:
            How many were published, and what was said of the others.

        Raises:
            BrokerAway: The rest is tried later.
            StorageFull, StorageBusy, StorageFailed, CallStoreFailed: As `keep`.
        """
        published, refused = 0, list[MessageRefused]()
        if self._connection is None and not self._path.exists():
            return published, refused
        outbox = SqliteOutbox(self._opened())
        while any(one.route == self._route for one in outbox.backlog()):
            claimed = outbox.claim(
                [self._route],
                self._route,
                now_us=self._clock.now_us(),
                lease_us=_LEASE_US,
                limit=_AT_ONCE,
            )
            for one in claimed:
                try:
                    publish(_message(one))
                except MessageRefused as error:
                    now_us = self._clock.now_us()
                    outbox.bury(one, self._route, now_us=now_us, reason=error.problem)
                    refused.append(error)
                else:
                    outbox.sent(one, self._route)
                    published += 1
            if not claimed:  # a process that was killed holds them, as long as its lease lasts
                break
        return published, refused

    def close(self) -> None:
        """Release the database."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = open_database(self._path)
            migrate(self._connection, "calls", CALL_MIGRATIONS)
        return self._connection


def _message(claimed: Claimed) -> Message:
    kept = claimed.message
    kind = kept.content_type.removeprefix(_TYPE)
    return Message(kept.payload, kept.order_key, kept.id, kind)
