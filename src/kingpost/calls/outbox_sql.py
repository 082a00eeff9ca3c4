"""Outbox, inbox and dead letters in SQL; SQLite and PostgreSQL bring a `SqlDatabase` each.

Each change says what must still hold, so that of two relays one gets it. Taking a message
moves the time at which it is due to the end of the lease: a relay that dies gives it back
by doing nothing.
"""

from collections.abc import Sequence

from kingpost.calls.outbox import Claimed, DeadLetter, OutboxMessage, RouteBacklog
from kingpost.calls.sql import SqlDatabase, SqlRow, SqlValue

__all__ = ["SqlDeadLetters", "SqlInbox", "SqlOutbox"]


_MESSAGE = "id, route, payload, order_key, content_type, tenant"
_VALUES = "%(id)s, %(route)s, %(payload)s, %(order_key)s, %(content_type)s, %(tenant)s"
_PUT = (
    f"INSERT INTO kingpost_outbox ({_MESSAGE}, created_us, due_us, attempts, reason, leased_by) "
    f"VALUES ({_VALUES}, %(now)s, %(now)s, 0, '', '') "
    "ON CONFLICT (tenant, id) DO NOTHING RETURNING place"
)
_CLAIM = (
    "UPDATE kingpost_outbox SET leased_by = %(by)s, due_us = %(until)s WHERE place IN ("
    "SELECT place FROM kingpost_outbox AS one "
    "WHERE due_us <= %(now)s AND route IN ({routes}) AND (order_key = '' OR NOT EXISTS ("
    "SELECT 1 FROM kingpost_outbox AS earlier WHERE earlier.tenant = one.tenant "
    "AND earlier.route = one.route AND earlier.order_key = one.order_key "
    "AND earlier.place < one.place)) ORDER BY due_us, place LIMIT %(limit)s {lock}) "
    f"RETURNING place, {_MESSAGE}, attempts, due_us"
)
_HELD = "place = %(place)s AND leased_by = %(by)s"
_SENT = f"DELETE FROM kingpost_outbox WHERE {_HELD} RETURNING place"
_POSTPONE = (
    "UPDATE kingpost_outbox SET due_us = %(due)s, attempts = attempts + %(attempt)s, "
    f"reason = %(reason)s, leased_by = '' WHERE {_HELD} RETURNING place"
)
_POSTPONE_BEHIND = (
    "UPDATE kingpost_outbox SET due_us = %(due)s WHERE tenant = %(tenant)s AND route = %(route)s "
    "AND order_key = %(order_key)s AND place > %(place)s AND due_us < %(due)s"
)
_DEAD = (
    f"INSERT INTO kingpost_dead_letters ({_MESSAGE}, created_us, died_us, attempts, reason) "
    f"VALUES ({_VALUES}, %(created)s, %(died)s, %(attempts)s, %(reason)s) "
    "ON CONFLICT (tenant, id) DO UPDATE SET died_us = excluded.died_us, "
    "attempts = excluded.attempts, reason = excluded.reason, payload = excluded.payload"
)
_BACKLOG = (
    "SELECT route, count(*), min(created_us) FROM kingpost_outbox GROUP BY route ORDER BY route"
)
_FIND = f"SELECT {_MESSAGE}, created_us, died_us, attempts, reason FROM kingpost_dead_letters "
_ONE = "WHERE tenant = %(tenant)s AND id = %(id)s"
_DROP = f"DELETE FROM kingpost_dead_letters {_ONE} RETURNING id"
_FIRST = (
    "INSERT INTO kingpost_inbox (tenant, source, key, seen_us) "
    "VALUES (%(tenant)s, %(source)s, %(key)s, %(now)s) "
    "ON CONFLICT (tenant, source, key) DO NOTHING RETURNING key"
)
_PRUNE = (
    "DELETE FROM kingpost_inbox WHERE tenant = %(tenant)s AND source = %(source)s "
    "AND seen_us < %(before)s RETURNING key"
)


class SqlOutbox:
    """An `Outbox` in a database."""

    def __init__(self, database: SqlDatabase) -> None:
        self._database = database

    def put(self, message: OutboxMessage, *, now_us: int) -> bool:
        return bool(self._database.run(_PUT, {**_values(message), "now": now_us}))

    def claim(
        self, routes: Sequence[str], by: str, *, now_us: int, lease_us: int, limit: int
    ) -> Sequence[Claimed]:
        if not routes:
            return []
        named = {f"route_{number}": route for number, route in enumerate(routes)}
        query = _CLAIM.format(
            routes=", ".join(f"%({name})s" for name in named), lock=self._database.skip_locked
        )
        values = {"by": by, "until": now_us + lease_us, "now": now_us, "limit": limit, **named}
        with self._database.transaction():
            rows = self._database.run(query, values)
        return sorted(map(_claimed, rows))

    def sent(self, claimed: Claimed, by: str) -> bool:
        with self._database.transaction():
            return bool(self._database.run(_SENT, {"place": claimed.place, "by": by}))

    def postpone(
        self, claimed: Claimed, by: str, *, due_us: int, is_attempt: bool, reason: str
    ) -> bool:
        held = {"place": claimed.place, "by": by}
        values: dict[str, SqlValue] = {"due": due_us, "attempt": int(is_attempt), "reason": reason}
        with self._database.transaction():
            if not self._database.run(_POSTPONE, {**held, **values}):
                return False
            if claimed.message.order_key:
                # those behind it cannot go before it: a claim need not look at them
                message = claimed.message
                behind: dict[str, SqlValue] = {
                    "tenant": message.tenant,
                    "route": message.route,
                    "order_key": message.order_key,
                    "place": claimed.place,
                    "due": due_us,
                }
                self._database.run(_POSTPONE_BEHIND, behind)
        return True

    def bury(self, claimed: Claimed, by: str, *, now_us: int, reason: str) -> bool:
        created = "SELECT created_us FROM kingpost_outbox WHERE " + _HELD
        with self._database.transaction():
            rows = self._database.run(created, {"place": claimed.place, "by": by})
            if not rows:
                return False
            values: dict[str, SqlValue] = {
                "created": rows[0][0],
                "died": now_us,
                "attempts": claimed.attempts + 1,
                "reason": reason,
            }
            self._database.run(_DEAD, {**_values(claimed.message), **values})
            self._database.run(_SENT, {"place": claimed.place, "by": by})
        return True

    def backlog(self) -> Sequence[RouteBacklog]:
        rows = self._database.run(_BACKLOG, {})
        return [RouteBacklog(str(one[0]), int(one[1]), int(one[2])) for one in rows]


class SqlDeadLetters:
    """`DeadLetters` in a database."""

    def __init__(self, database: SqlDatabase) -> None:
        self._database = database

    def find(self, tenant: str, *, route: str = "", limit: int = 100) -> Sequence[DeadLetter]:
        of_route = "AND route = %(route)s " if route else ""
        query = (
            f"{_FIND} WHERE tenant = %(tenant)s {of_route}ORDER BY died_us DESC, id LIMIT %(limit)s"
        )
        values: dict[str, SqlValue] = {"tenant": tenant, "limit": limit}
        rows = self._database.run(query, {**values, "route": route} if route else values)
        return list(map(_dead_letter, rows))

    def get(self, tenant: str, identifier: str) -> DeadLetter | None:
        rows = self._database.run(_FIND + _ONE, {"tenant": tenant, "id": identifier})
        return _dead_letter(rows[0]) if rows else None

    def replay(self, tenant: str, identifier: str, *, now_us: int) -> bool:
        with self._database.transaction():
            found = self.get(tenant, identifier)
            if found is None or not self._drop(tenant, identifier):
                return False
            self._database.run(_PUT, {**_values(found.message), "now": now_us})
        return True

    def discard(self, tenant: str, identifier: str) -> bool:
        with self._database.transaction():
            return self._drop(tenant, identifier)

    def _drop(self, tenant: str, identifier: str) -> bool:
        return bool(self._database.run(_DROP, {"tenant": tenant, "id": identifier}))


class SqlInbox:
    """An `Inbox` in a database, of one source of a tenant."""

    def __init__(self, database: SqlDatabase, source: str, *, tenant: str = "default") -> None:
        self._database, self._source, self._tenant = database, source, tenant

    def first(self, key: str, *, now_us: int) -> bool:
        return bool(self._database.run(_FIRST, {**self._whose(), "key": key, "now": now_us}))

    def prune(self, *, before_us: int) -> int:
        with self._database.transaction():
            return len(self._database.run(_PRUNE, {**self._whose(), "before": before_us}))

    def _whose(self) -> dict[str, SqlValue]:
        return {"tenant": self._tenant, "source": self._source}


def _values(message: OutboxMessage) -> dict[str, SqlValue]:
    return {
        "id": message.id,
        "route": message.route,
        "payload": message.payload,
        "order_key": message.order_key,
        "content_type": message.content_type,
        "tenant": message.tenant,
    }


def _message(row: SqlRow) -> OutboxMessage:
    identifier, route, payload, order_key, content_type, tenant = row
    assert isinstance(payload, bytes)
    return OutboxMessage(
        str(identifier), str(route), payload, str(order_key), str(content_type), str(tenant)
    )


def _claimed(row: SqlRow) -> Claimed:
    return Claimed(int(row[0]), _message(row[1:7]), int(row[7]), int(row[8]))


def _dead_letter(row: SqlRow) -> DeadLetter:
    return DeadLetter(_message(row[:6]), int(row[6]), int(row[7]), int(row[8]), str(row[9]))
