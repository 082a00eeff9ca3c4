"""Outbox, inbox and dead letters in memory, for tests and trials; nothing of it lasts.

There is no transaction: what is put is there at once.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from kingpost.calls.outbox import Claimed, DeadLetter, OutboxMessage, RouteBacklog

__all__ = ["MemoryDeadLetters", "MemoryInbox", "MemoryOutbox"]


@dataclass
class _Waiting:
    place: int
    message: OutboxMessage
    created_us: int
    due_us: int
    attempts: int = 0
    leased_by: str = ""

    @property
    def order(self) -> tuple[str, str, str]:
        return self.message.tenant, self.message.route, self.message.order_key


@dataclass
class _Kept:
    waiting: dict[int, _Waiting] = field(default_factory=dict[int, _Waiting])
    dead: dict[tuple[str, str], DeadLetter] = field(
        default_factory=dict[tuple[str, str], DeadLetter]
    )
    last: int = 0
    lock: threading.RLock = field(default_factory=threading.RLock)


class MemoryOutbox:
    """An `Outbox` of one process."""

    def __init__(self) -> None:
        self.kept = _Kept()

    def put(self, message: OutboxMessage, *, now_us: int) -> bool:
        kept = self.kept
        with kept.lock:
            if any(_name(one.message) == _name(message) for one in kept.waiting.values()):
                return False
            kept.last += 1
            kept.waiting[kept.last] = _Waiting(kept.last, message, now_us, now_us)
            return True

    def claim(
        self, routes: Sequence[str], by: str, *, now_us: int, lease_us: int, limit: int
    ) -> Sequence[Claimed]:
        with self.kept.lock:
            heads: dict[tuple[str, str, str], int] = {}
            for place, one in self.kept.waiting.items():
                heads.setdefault(one.order, place)
            due = [
                one
                for one in self.kept.waiting.values()
                if one.due_us <= now_us
                and one.message.route in routes
                and (not one.message.order_key or heads[one.order] == one.place)
            ]
            taken = sorted(due, key=lambda one: (one.due_us, one.place))[:limit]
            for one in taken:
                one.leased_by, one.due_us = by, now_us + lease_us
            return sorted(
                Claimed(one.place, one.message, one.attempts, one.due_us) for one in taken
            )

    def sent(self, claimed: Claimed, by: str) -> bool:
        with self.kept.lock:
            return self._held(claimed, by) and bool(self.kept.waiting.pop(claimed.place))

    def postpone(
        self, claimed: Claimed, by: str, *, due_us: int, is_attempt: bool, reason: str
    ) -> bool:
        with self.kept.lock:
            if not self._held(claimed, by):
                return False
            one = self.kept.waiting[claimed.place]
            one.due_us, one.leased_by = due_us, ""
            one.attempts += is_attempt
            return True

    def bury(self, claimed: Claimed, by: str, *, now_us: int, reason: str) -> bool:
        with self.kept.lock:
            if not self._held(claimed, by):
                return False
            one = self.kept.waiting.pop(claimed.place)
            letter = DeadLetter(one.message, one.created_us, now_us, claimed.attempts + 1, reason)
            self.kept.dead[_name(one.message)] = letter
            return True

    def backlog(self) -> Sequence[RouteBacklog]:
        with self.kept.lock:
            found: dict[str, list[int]] = {}
            for one in self.kept.waiting.values():
                found.setdefault(one.message.route, []).append(one.created_us)
        return [RouteBacklog(name, len(found[name]), min(found[name])) for name in sorted(found)]

    def _held(self, claimed: Claimed, by: str) -> bool:
        one = self.kept.waiting.get(claimed.place)
        return one is not None and one.leased_by == by


class MemoryDeadLetters:
    """The `DeadLetters` of an outbox in memory."""

    def __init__(self, outbox: MemoryOutbox) -> None:
        self._outbox = outbox

    def find(self, tenant: str, *, route: str = "", limit: int = 100) -> Sequence[DeadLetter]:
        with self._outbox.kept.lock:
            found = [
                one
                for one in self._outbox.kept.dead.values()
                if one.message.tenant == tenant and route in ("", one.message.route)
            ]
        return sorted(found, key=lambda one: (-one.died_us, one.message.id))[:limit]

    def get(self, tenant: str, identifier: str) -> DeadLetter | None:
        return self._outbox.kept.dead.get((tenant, identifier))

    def replay(self, tenant: str, identifier: str, *, now_us: int) -> bool:
        with self._outbox.kept.lock:
            found = self._outbox.kept.dead.pop((tenant, identifier), None)
            if found is not None:
                self._outbox.put(found.message, now_us=now_us)
            return found is not None

    def discard(self, tenant: str, identifier: str) -> bool:
        with self._outbox.kept.lock:
            return self._outbox.kept.dead.pop((tenant, identifier), None) is not None


class MemoryInbox:
    """An `Inbox` of one process."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}
        self._lock = threading.Lock()

    def first(self, key: str, *, now_us: int) -> bool:
        with self._lock:
            return key not in self._seen and self._seen.setdefault(key, now_us) == now_us

    def prune(self, *, before_us: int) -> int:
        with self._lock:
            old = [key for key, seen_us in self._seen.items() if seen_us < before_us]
            for key in old:
                del self._seen[key]
        return len(old)


def _name(message: OutboxMessage) -> tuple[str, str]:
    return message.tenant, message.id
