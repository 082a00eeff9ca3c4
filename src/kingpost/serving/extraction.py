"""How many answers a caller may collect, so that a model cannot be rebuilt from them.

The rule: an answer about an entity that was known before is ordinary, up to so many an
entity in so long a time; every other one counts, and in no stretch of the declared length
do more count than declared. An entity that a caller brought itself becomes known only
`KNOWN_AFTER_US` later. Who asks as one does to rebuild a model is suspected for a day, or
for the declared length where that is longer: every answer counts then, and the budget
is a quarter of what it was.

A repeated request is a repeated answer: it never counts. What counts is written down before
the answer is given, some at a time, so that a killed process has counted too many rather
than too few.
"""

import logging
from collections.abc import Callable
from hashlib import sha256
from operator import attrgetter

import msgspec

from kingpost.access import Principal
from kingpost.contracts import Event
from kingpost.core import Clock
from kingpost.decisions import Exposure, ServedDecision
from kingpost.records import DecisionRecord
from kingpost.serving.errors import ExtractionBudgetSpent
from kingpost.serving.extraction_store import ExtractionStore, Suspect, Who
from kingpost.serving.query_patterns import Found, QueryPatterns

__all__ = ["KNOWN_AFTER_US", "ExtractionGuard", "Suspicion", "SuspicionDocument"]

_DAY_US = 86_400_000_000
KNOWN_AFTER_US = 7 * _DAY_US
SUSPECTED_US = _DAY_US
_STRETCHES = 24
_MOST_AT_ONCE = 16
_LOOK_AGAIN_US = 1_000_000
_MOST_ENTITIES = 200_000
_SCORE = b',"score":'
_log = logging.getLogger(__name__)

Suspicion = Callable[[Who, Found, int], None]
"""Told who is suspected, what was found, and when, microseconds UTC."""

Holds = Callable[[str, object], "bool | None"]
"""Says whether an entity of a tenant is known; None where that cannot be told."""


class _Caller:
    """What counts for one caller, and its latest requests."""

    def __init__(self, patterns: QueryPatterns) -> None:
        self.patterns = patterns
        self.stretches: dict[int, int] = {}
        self.reserved: dict[int, int] = {}
        self.ordinary: dict[bytes, int] = {}
        self.ordinary_since = -1
        self.suspected_until_us = 0
        self.read_us = -_LOOK_AGAIN_US


class ExtractionGuard:
    """The callers of one decision; for one thread.

    Args:
        exposure: With a budget.
        holds: Says whether an entity was known before.
        suspicion: Told of each caller that comes to be suspected.
    """

    def __init__(
        self,
        served: ServedDecision,
        exposure: Exposure,
        store: ExtractionStore,
        clock: Clock,
        holds: Holds,
        suspicion: Suspicion,
    ) -> None:
        assert exposure.budget is not None  # a decision without one has no guard
        self._decision, self._served = served.decision.name, served
        self._exposure, self._budget = exposure, exposure.budget
        self._store, self._clock, self._holds, self._suspicion = store, clock, holds, suspicion
        self._stretch_us = max(1, -(-self._budget.per_us // _STRETCHES))
        self._at_once = max(1, min(_MOST_AT_ONCE, self._budget.number // 50))
        self._entity_of = attrgetter(exposure.entity) if exposure.entity else None
        self._callers: dict[tuple[str, str], _Caller] = {}
        self._brought: dict[str, dict[bytes, int]] = {}
        self._purged_us = 0

    def admit(self, principal: Principal, event: Event) -> None:
        """Let a caller have an answer, and count it.

        Raises:
            ExtractionBudgetSpent: It has had as many as it may.
            ExtractionStoreFailed: It cannot be written down that it has one more.
        """
        now_us = self._clock.now_us()
        caller = self._caller(principal, now_us)
        found = caller.patterns.ask(event)
        if found is not None:
            self._suspect(principal, caller, found, now_us)
        entity = self._entity(principal.tenant, event)
        is_known = entity is not None and self._is_known(principal.tenant, event, entity, now_us)
        if entity is not None:
            found = caller.patterns.named(is_known=is_known)
            if found is not None:
                self._suspect(principal, caller, found, now_us)
        is_suspected = now_us < caller.suspected_until_us
        is_ordinary = (
            entity is not None
            and is_known
            and not is_suspected
            and self._is_usual(caller, entity, now_us)
        )
        if not is_ordinary:
            self._count(principal, caller, now_us, is_suspected=is_suspected)
            if entity is not None:
                self._bring(principal.tenant, event, entity, now_us)

    def learn(self, record: DecisionRecord) -> None:
        """Look at an answer that was given."""
        caller = self._callers.get((record.tenant, record.principal))
        if caller is None:
            return
        at = record.answer.rfind(_SCORE)
        if at < 0:
            return
        score = float(record.answer[at + len(_SCORE) : -1])
        found = caller.patterns.answered(abs(score - self._served.threshold))
        if found is not None:
            principal = Principal(record.principal, record.tenant, frozenset())
            self._suspect(principal, caller, found, self._clock.now_us())

    def left(self, principal: Principal) -> int:
        """Say how many answers beyond the ordinary a caller may still have now."""
        now_us = self._clock.now_us()
        caller = self._caller(principal, now_us)
        is_suspected = now_us < caller.suspected_until_us
        return max(0, self._most(is_suspected=is_suspected) - self._spent(caller, now_us))

    def _caller(self, principal: Principal, now_us: int) -> _Caller:
        who = (principal.tenant, principal.id)
        caller = self._callers.get(who)
        if caller is None:
            request = self._served.decision.request
            apart = frozenset(key for view in self._served.decision.views for key in view.keys)
            patterns = QueryPatterns(request, self._exposure.patterns, apart)
            caller = self._callers[who] = _Caller(patterns)
            self._read(self._who(principal), caller, now_us)
        return caller

    def _read(self, who: Who, caller: _Caller, now_us: int) -> None:
        """Read what is kept of a caller: at first, and when somebody may have forgiven it."""
        caller.read_us = now_us
        since_us = now_us - self._budget.per_us - self._stretch_us
        found = self._store.spent(who, since_us)
        caller.reserved = {start // self._stretch_us: number for start, number in found}
        if not caller.stretches or not found:
            caller.stretches = dict(caller.reserved)
        suspect = self._store.suspected(who)
        caller.suspected_until_us = 0 if suspect is None else suspect.until_us
        if now_us - self._purged_us > _DAY_US:
            self._purged_us = now_us
            self._store.purge(since_us, now_us - KNOWN_AFTER_US)

    def _entity(self, tenant: str, event: Event) -> bytes | None:
        if self._entity_of is None:
            return None
        return sha256(f"{tenant}\0{self._entity_of(event)}".encode()).digest()[:16]

    def _is_known(self, tenant: str, event: Event, entity: bytes, now_us: int) -> bool:
        assert self._entity_of is not None  # there is an entity
        if not self._holds(tenant, self._entity_of(event)):
            return False
        came_us = self._brought_of(tenant).get(entity)
        return came_us is None or now_us - came_us >= KNOWN_AFTER_US

    def _is_usual(self, caller: _Caller, entity: bytes, now_us: int) -> bool:
        """Count an answer about a known entity; say whether it is one of the ordinary."""
        number, per_us = self._exposure.per_entity
        since = now_us // per_us
        if since != caller.ordinary_since or len(caller.ordinary) >= _MOST_ENTITIES:
            caller.ordinary, caller.ordinary_since = {}, since
        had = caller.ordinary.get(entity, 0)
        caller.ordinary[entity] = had + 1
        return had < number

    def _bring(self, tenant: str, event: Event, entity: bytes, now_us: int) -> None:
        """Note an entity that nobody knew before this request."""
        assert self._entity_of is not None  # there is an entity
        brought = self._brought_of(tenant)
        if entity not in brought and not self._holds(tenant, self._entity_of(event)):
            self._store.bring(self._decision, tenant, entity, now_us)
            brought[entity] = now_us

    def _brought_of(self, tenant: str) -> dict[bytes, int]:
        found = self._brought.get(tenant)
        if found is None:
            found = dict(self._store.brought(self._decision, tenant))
            self._brought[tenant] = found
        return found

    def _count(
        self, principal: Principal, caller: _Caller, now_us: int, *, is_suspected: bool
    ) -> None:
        most = self._most(is_suspected=is_suspected)
        if self._spent(caller, now_us) >= most:
            if now_us - caller.read_us < _LOOK_AGAIN_US:
                raise self._refused(now_us, caller)
            self._read(self._who(principal), caller, now_us)
            most = self._most(is_suspected=now_us < caller.suspected_until_us)
            if self._spent(caller, now_us) >= most:
                raise self._refused(now_us, caller)
        stretch = now_us // self._stretch_us
        number = caller.stretches.get(stretch, 0) + 1
        if number > caller.reserved.get(stretch, 0):
            reserved = number - 1 + self._at_once
            self._store.spend(self._who(principal), stretch * self._stretch_us, reserved)
            caller.reserved[stretch] = reserved
        caller.stretches[stretch] = number

    def _spent(self, caller: _Caller, now_us: int) -> int:
        first = now_us // self._stretch_us - _STRETCHES
        stretches = caller.stretches
        if stretches and min(stretches) < first:
            for stretch in [one for one in stretches if one < first]:
                del stretches[stretch]
        return sum(stretches.values())

    def _most(self, *, is_suspected: bool) -> int:
        return self._budget.number // 4 if is_suspected else self._budget.number

    def _refused(self, now_us: int, caller: _Caller) -> ExtractionBudgetSpent:
        """Say when the oldest answers that count count no more."""
        oldest = min(caller.stretches, default=now_us // self._stretch_us)
        until_us = (oldest + _STRETCHES + 1) * self._stretch_us
        return ExtractionBudgetSpent(self._decision, max(1, -((now_us - until_us) // 1_000_000)))

    def _suspect(self, principal: Principal, caller: _Caller, found: Found, now_us: int) -> None:
        caller.patterns.clear()
        is_new = now_us >= caller.suspected_until_us
        until_us = now_us + max(SUSPECTED_US, self._budget.per_us)
        caller.suspected_until_us = until_us
        who = self._who(principal)
        self._store.suspect(who, Suspect(found.pattern, now_us, until_us))
        if is_new:
            extra = {"decision": who.decision, "principal": who.principal, "pattern": found.pattern}
            _log.warning("extraction_suspected", extra=extra)
            self._suspicion(who, found, now_us)

    def _who(self, principal: Principal) -> Who:
        return Who(self._decision, principal.tenant, principal.id)


class SuspicionDocument(msgspec.Struct, frozen=True):
    """A suspicion as the journal keeps it, under the tenant and the decision."""

    principal: str
    pattern: str
    fact: str
    at_us: int
