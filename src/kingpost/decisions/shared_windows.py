"""Windows in a store that several servers share, each the only writer of its own partition.

The rule: the store gets what is durable in the journal, in its order, from a thread beside
the requests; what is not there yet is laid over what is read (`OverlaidFeatures`). A value
is never wrong: a store that does not answer, or has lost events, fails the requests that
need it, and the thread asks it again and again and catches up from the journal until it
has them. A server that starts catches up before it takes requests.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from kingpost.contracts import Contract, Event
from kingpost.core import Disk, KingpostError
from kingpost.decisions.complaints import Complaints
from kingpost.decisions.declare import Decision
from kingpost.decisions.drafts import Draft
from kingpost.decisions.lane import Lane
from kingpost.decisions.snapshot import Mark
from kingpost.decisions.tenant_state import TenantState, consents_of
from kingpost.decisions.windows import BatchRead, fill_row
from kingpost.features import (
    Change,
    Consent,
    ConsentGate,
    Forgetting,
    OverlaidFeatures,
    OverlaidReader,
    RedisFeatures,
    StoreBehind,
    StoreFull,
    StoreNotResumed,
    StoreUnfit,
    StoreUnreachable,
    catch_up_all,
)
from kingpost.journal import Journal, Landed, scan

__all__ = ["STORE_REASONS", "SharedWindows"]

STORE_REASONS = frozenset(
    error.code for error in (StoreBehind, StoreNotResumed, StoreUnfit, StoreUnreachable)
)
"""Reasons of records that failed because the store could not give their features."""

LOOKS_EVERY_S = 1.0
"""How often the store is looked at when there is nothing to give it."""
PAUSE_S = 0.25
"""Between attempts while something is wrong with it."""

_log = logging.getLogger(__name__)


class SharedWindows:
    """The windows of all tenants in Redis, of the server of one partition.

    Args:
        store: Any tenant's; its connections are shared and closed here.
        partition: The one that this server writes.
        decisions: All that are served.
        contracts: The streams that they window over, by name.

    Attributes:
        consents: What the decisions need; held in memory, as this partition's journal has it.
        others: The other partitions of the store.
    """

    def __init__(
        self,
        store: RedisFeatures,
        partition: str,
        decisions: Mapping[str, Decision],
        contracts: Mapping[str, Contract[Event]],
        *,
        disk: Disk,
    ) -> None:
        self.in_memory: Mapping[str, Decision] = {}
        self.consents = consents_of(decisions)
        self.others = [name for name in store.partitions.names if name != partition]
        self._store, self._partition, self._disk = store, partition, disk
        self._decisions, self._contracts = decisions, contracts
        self._tenants: dict[str, OverlaidFeatures] = {}
        self._readers: dict[tuple[str, str], OverlaidReader] = {}
        self._journal: Journal | None = None
        self._identity = ""
        self._problem: KingpostError | None = None
        self._wake, self._end = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="kingpost-windows", daemon=True)

    @property
    def problem(self) -> KingpostError | None:
        """Why features cannot be read now; None while they can."""
        # a store without room for more still answers
        return None if isinstance(self._problem, StoreFull) else self._problem

    def follow(self, journal: Journal, tenants: Iterable[str]) -> None:
        """Begin, or begin anew, at the end of a journal that was just opened.

        Raises:
            StoreUnreachable, StoreFull, StoreUnfit, StoreAhead: When it begins.
        """
        since, begins = journal.next_offset - 1, self._journal is None
        self._journal = journal
        first = next(scan(journal.directory, disk=self._disk, stop=1), None)
        self._identity = "" if first is None else Mark.of(first).digest
        for tenant in {*tenants, *self._tenants}:
            if tenant in self._tenants:
                self._tenants[tenant].begin_anew(since)
            else:
                self._tenants[tenant] = self._overlaid(tenant, since)
        if begins:
            self._catch_up(journal, self._tenants)
            self._thread.start()
        self._wake.set()

    def adding(self, tenant: str, state: TenantState) -> Callable[[str, Event, int], None]:
        """Return what takes a tenant's events."""
        if self.consents:
            return lambda stream, event, offset: self._add(
                tenant, state, Change(stream, event, offset)
            )
        add = self._of(tenant).add
        return lambda stream, event, offset: add(Change(stream, event, offset))

    def retract(self, tenant: str, state: TenantState, change: Change) -> None:
        """Take an event out again."""
        self._add(tenant, state, change)

    def correct(self, tenant: str, state: TenantState, change: Change, event: Event) -> None:
        """Put an event in the place of one that goes out."""
        self._add(tenant, state, change, Change(change.stream, event, change.offset))

    def forget(self, tenant: str, state: TenantState, offset: int, entity: str, key: str) -> int:
        """Drop what this partition has brought of an entity, here and soon in the store.

        Returns:
            How many keys of consents it had.
        """
        self._of(tenant).add(Forgetting(offset, entity, key))
        return state.online.forget(entity, key)

    def _add(self, tenant: str, state: TenantState, *changes: Change) -> None:
        """Take what happens at one offset."""
        features = self._of(tenant)
        for one in ConsentGate(state.online).pass_on(*changes):
            features.add(one)

    def batch(self, complaints: Complaints) -> BatchRead:
        """Begin to read a batch."""
        return _SharedBatch(self, complaints)

    def landing(self, landed: Landed) -> Landed:
        """Return what also wakes the thread that gives the store what is durable."""

        def heard(error: KingpostError | None) -> None:
            landed(error)
            self._wake.set()

        return heard

    def close(self) -> None:
        """Give the store what is durable, once the journal is closed, and let go of it."""
        if not self._end.is_set():
            self._end.set()
            self._wake.set()
            if self._thread.is_alive():
                self._thread.join()
            self._store.close()

    def reader(self, tenant: str, decision: str) -> OverlaidReader:
        """Return what reads a tenant's features for a decision.

        Raises:
            StoreUnreachable: The store did not answer a moment ago: nobody waits for it again.
        """
        problem = self._problem
        if isinstance(problem, StoreUnreachable):
            raise StoreUnreachable(problem.where, problem.problem)
        found = self._readers.get((tenant, decision))
        if found is None:
            features = self._decisions[decision].features
            found = self._readers[tenant, decision] = self._of(tenant).reader(features)
        return found

    def failed(self, tenant: str, error: KingpostError) -> None:
        """Take note that a read failed, so that the thread looks at the store."""
        if isinstance(error, StoreBehind):
            self._of(tenant).fell_behind()
        self._problem = self._problem or error
        self._wake.set()

    def _of(self, tenant: str) -> OverlaidFeatures:
        found = self._tenants.get(tenant)
        if found is None:
            # the journal had nothing of this tenant when it was opened: all of it is kept here
            found = self._tenants[tenant] = self._overlaid(tenant, -1)
        return found

    def _overlaid(self, tenant: str, since: int) -> OverlaidFeatures:
        return OverlaidFeatures(
            self._store.of_tenant(tenant), self._partition, since, self._identity
        )

    def _run(self) -> None:
        while not self._end.is_set():
            is_idle = not self._wake.wait(LOOKS_EVERY_S)
            self._wake.clear()
            self._try(looks=is_idle or self._problem is not None)
            if self._problem is not None:
                self._end.wait(PAUSE_S)
        self._try(looks=False)  # what became durable when the journal was closed

    def _try(self, *, looks: bool) -> None:
        try:
            self._bring_up_to_date(looks=looks)
        except KingpostError as error:
            if self._problem is None or self._problem.code != error.code:
                extra = {"code": error.code, "reason": str(error)}
                _log.warning("online_store_waits", extra=extra)
            self._problem = error
        except Exception:  # noqa: BLE001  the boundary of the thread: it must go on
            _log.exception("online_store_failed")
            self._problem = StoreNotResumed(self._partition)
        else:
            if self._problem is not None:
                _log.warning("online_store_back", extra={"code": self._problem.code})
                self._problem = None

    def _bring_up_to_date(self, *, looks: bool) -> None:
        """Give the store what is durable and not there; make up for what it has lost.

        Args:
            looks: Whether to see what it has, also where there is nothing to give it.
        """
        journal = self._journal
        assert journal is not None  # the thread begins after the first one
        durable = journal.durable_offset
        tenants = list(self._tenants.items())
        looked_at = tenants if self._problem is not None else tenants[:1]
        behind: dict[str, OverlaidFeatures] = {}
        for tenant, one in tenants:
            if looks and (tenant, one) in looked_at:
                one.fell_behind()
            try:
                one.hand_on(durable)
            except (StoreBehind, StoreNotResumed):
                behind[tenant] = one
        if behind and self._problem is None:  # it was emptied, and the others lack theirs too
            self._problem = StoreNotResumed(self._partition)
            self._wake.set()
        if behind:
            self._catch_up(journal, behind)
        for _, one in looked_at if looks else ():
            one.fetch(())  # the others' partitions: their servers bring them back

    def _catch_up(self, journal: Journal, tenants: Mapping[str, OverlaidFeatures]) -> None:
        durable = journal.durable_offset
        for one in tenants.values():
            one.claim()
        stores = {tenant: one.store for tenant, one in tenants.items()}
        done = catch_up_all(
            stores, journal.directory, self._contracts, disk=self._disk, stop=durable
        )
        for one in tenants.values():
            one.caught_up(durable - 1)
        _log.info("online_store_caught_up", extra={"changes": done, "tenants": len(tenants)})


class _SharedBatch:
    def __init__(self, windows: SharedWindows, complaints: Complaints) -> None:
        self._windows, self._complaints = windows, complaints
        self._asked: dict[tuple[str, str], list[_Asked]] = {}

    def add(self, draft: Draft) -> None:
        refused: tuple[Consent, ...] = ()
        if self._windows.consents:  # as they are now: what is asked later may change them
            given = draft.state.online.given(draft.ask.event)
            needed = draft.served.decision.features.consents
            refused = tuple(one for one in needed if one not in given)
        asked = self._asked.setdefault((draft.ask.tenant, draft.ask.decision), [])
        asked.append(_Asked(draft, refused))

    def lanes(self) -> Mapping[str, Lane]:
        lanes: dict[str, Lane] = {}
        for (tenant, decision), every in self._asked.items():
            try:
                asked = [(draft.ask.event, draft.offset) for draft, _ in every]
                read = self._windows.reader(tenant, decision).read(asked)
            except KingpostError as error:
                self._complaints.log("features_unavailable", decision, error)
                self._windows.failed(tenant, error)
                for draft, _ in every:
                    draft.reason = error.code
                continue
            for row, (draft, refused) in enumerate(every):
                fill_row(
                    draft,
                    lanes,
                    lambda _event, _offset, values, start, row=row, read=read, refused=refused: (
                        read.fill(row, values, start, refused)
                    ),
                    self._complaints,
                )
                draft.position = str(read.position(row))
        return lanes


class _Asked(NamedTuple):
    """A request, and the consents it needs that its entities do not give."""

    draft: Draft
    refused: tuple[Consent, ...]
