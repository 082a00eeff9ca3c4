"""How the windows of all tenants follow what is written, and are read for a batch.

The rule: a request's features are those of its own offset: of its own partition it sees
what was applied up to itself, whoever is asked with it. In process each event is applied,
then read; `shared_windows` keeps them in a store that several servers share.
"""

from array import array
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Protocol

from kingpost.contracts import Event
from kingpost.core import KingpostError
from kingpost.decisions.complaints import Complaints
from kingpost.decisions.declare import Decision
from kingpost.decisions.drafts import Draft
from kingpost.decisions.lane import FEATURE_ERROR, Lane
from kingpost.decisions.tenant_state import TenantState
from kingpost.features import Change, Consent, Unavailable
from kingpost.journal import Journal, Landed

__all__ = ["BatchRead", "ProcessWindows", "Windows", "fill_row"]


class BatchRead(Protocol):
    """Reads the features of a batch."""

    def add(self, draft: Draft) -> None:
        """Take a request; what it brought has been applied, what comes after it has not."""
        ...

    def lanes(self) -> Mapping[str, Lane]:
        """Return the rows for each decision's model; a draft that got none has its reason."""
        ...


class Windows(Protocol):
    """Where the windows of all tenants are; for the engine's thread."""

    @property
    def in_memory(self) -> Mapping[str, Decision]:
        """The decisions whose windows are part of what the engine holds in memory."""
        ...

    @property
    def consents(self) -> Collection[Consent]:
        """What the engine holds in memory beside the consents of those decisions."""
        ...

    @property
    def others(self) -> Sequence[str]:
        """The partitions whose servers share the windows, and erase for themselves."""
        ...

    @property
    def problem(self) -> KingpostError | None:
        """Why features cannot be read now; None while they can."""
        ...

    def follow(self, journal: Journal, tenants: Iterable[str]) -> None:
        """Begin, or begin anew, at the end of a journal that was just opened.

        Args:
            tenants: Those that it knows of.

        Raises:
            KingpostError: They cannot be brought up to date; only when it begins.
        """
        ...

    def adding(self, tenant: str, state: TenantState) -> Callable[[str, Event, int], object]:
        """Return what takes a tenant's events: stream, event, offset."""
        ...

    def forget(self, tenant: str, state: TenantState, offset: int, entity: str, key: str) -> int:
        """Drop what the partition has brought of an entity; return how many keys it had here."""
        ...

    def retract(self, tenant: str, state: TenantState, change: Change) -> None:
        """Take an event out again."""
        ...

    def correct(self, tenant: str, state: TenantState, change: Change, event: Event) -> None:
        """Put an event in the place of one that goes out."""
        ...

    def batch(self, complaints: Complaints) -> BatchRead:
        """Begin to read a batch."""
        ...

    def landing(self, landed: Landed) -> Landed:
        """Return what the journal is to tell, so that it is heard here too."""
        ...

    def close(self) -> None:
        """Finish, once the journal is closed."""
        ...


class ProcessWindows:
    """The windows in this process, as part of what the engine holds of each tenant."""

    problem: KingpostError | None = None
    consents: Collection[Consent] = ()
    others: Sequence[str] = ()

    def __init__(self, decisions: Mapping[str, Decision]) -> None:
        self.in_memory = decisions

    def follow(self, journal: Journal, tenants: Iterable[str]) -> None:
        """Do nothing: what was read back of the journal holds them."""

    def adding(self, tenant: str, state: TenantState) -> Callable[[str, Event, int], object]:
        """Return what takes a tenant's events."""
        return state.online.apply

    def forget(self, tenant: str, state: TenantState, offset: int, entity: str, key: str) -> int:
        """Drop what there is of an entity; return how many keys it had."""
        return state.online.forget(entity, key)

    def retract(self, tenant: str, state: TenantState, change: Change) -> None:
        """Take an event out again."""
        assert change.came_at is not None  # it went in once
        state.online.retract(change.stream, change.event, change.came_at)

    def correct(self, tenant: str, state: TenantState, change: Change, event: Event) -> None:
        """Put an event in the place of one that goes out."""
        assert change.came_at is not None  # it went in once
        state.online.correct(change.stream, change.event, change.came_at, event, change.offset)

    def batch(self, complaints: Complaints) -> BatchRead:
        """Begin to read a batch."""
        return _ProcessBatch(complaints)

    def landing(self, landed: Landed) -> Landed:
        """Return it as it is."""
        return landed

    def close(self) -> None:
        """Do nothing."""


class _ProcessBatch:
    def __init__(self, complaints: Complaints) -> None:
        self._complaints = complaints
        self._lanes: dict[str, Lane] = {}

    def add(self, draft: Draft) -> None:
        reader = draft.state.readers[draft.ask.decision]
        fill_row(draft, self._lanes, reader.read, self._complaints)

    def lanes(self) -> Mapping[str, Lane]:
        return self._lanes


def fill_row(
    draft: Draft,
    lanes: dict[str, Lane],
    read: Callable[[Event, int, "array[float]", int], Unavailable],
    complaints: Complaints,
) -> None:
    """Give a draft its row among those of its model, or the reason why it has none.

    Args:
        read: Writes the features of a request, of so great an offset, into a row that begins
            there.
    """
    ask = draft.ask
    name = ask.decision
    lane = lanes.get(name)
    if lane is None:
        lane = lanes[name] = Lane(draft.served, array("d"))
    width = draft.served.width
    values = lane.values
    start = len(values)
    values.frombytes(bytes(8 * width))
    try:
        draft.unavailable = read(ask.event, draft.offset, values, start)
    except KingpostError as error:  # the store's, as a request that comes too late for it
        complaints.log("features_unavailable", name, error)
        draft.reason = error.code
    except Exception as error:  # noqa: BLE001  a function of the user's: the others go on
        complaints.log("feature_failed", name, error)
        draft.reason = FEATURE_ERROR
    else:
        draft.lane_row = start // width
        return
    del values[start:]
