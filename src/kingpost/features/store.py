"""What an online store of features does, whichever process or server holds the events.

The rules: changes of one partition are applied in the order of their offsets, each once.
A read gives values together with the vector they are as of, taken at one moment: all that
the vector covers had been applied, and nothing else. Computed offline as of that vector
(`as_recorded`), the values have the same bits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from kingpost.contracts import Event
from kingpost.features.consent import Consent
from kingpost.features.feature_set import FeatureSet
from kingpost.journal import Position

__all__ = ["Change", "Changes", "FeatureStore", "Forgetting", "Readings", "StoreReader"]


class Change(NamedTuple):
    """An event that comes in, or goes out again.

    Attributes:
        offset: Where the journal says so.
        came_at: For an event that goes out: where it had come in, in the same partition.
            None for one that comes in.
        erased: Fields that name somebody who was erased since: windows grouped by one of them
            do not take the event.
        consents: Those that are given for the event: windows that need another do not take it.
    """

    stream: str
    event: Event
    offset: int
    came_at: int | None = None
    erased: frozenset[str] = frozenset()
    consents: frozenset[Consent] = frozenset()


class Forgetting(NamedTuple):
    """An entity of which windows hold no more what the partition has brought up to here.

    Attributes:
        offset: Where the journal says so.
        entity: The field that names it; windows that are not grouped by it stay as they are.
        key: Its value there, as text.
        consent: Only windows that need this one, which has ended; None for all windows.
    """

    offset: int
    entity: str
    key: str
    consent: Consent | None = None


@dataclass(frozen=True)
class Changes:
    """What a stretch of one partition does to the features of a tenant.

    Attributes:
        changes: By offset. A correction is two changes of one offset: out, then in; what is
            forgotten at an offset comes after the events of it.
        through: The last offset covered; what lies between changes concerns others.
    """

    partition: str
    changes: Sequence[Change | Forgetting]
    through: int


class Readings(NamedTuple):
    """The features of some requests.

    Attributes:
        values: float64, shape (requests, features).
        failed: For each request the names of features that could not be computed (NaN).
        position: What all of them are as of; None when nothing had been applied yet.
    """

    values: NDArray[np.float64]
    failed: Sequence[tuple[str, ...]]
    position: Position | None


class StoreReader(Protocol):
    """Reads the features of one decision."""

    def read(self, requests: Sequence[Event], *, after: Changes | None = None) -> Readings:
        """Read the features of some requests at one moment.

        Args:
            after: Applied first, in the same step: nothing comes in between.

        Raises:
            KingpostError: As `FeatureStore.apply`; nothing was read.
            FeaturesForgotten: A request is so late that what it looks back on is gone.
        """
        ...


class FeatureStore(Protocol):
    """The events behind the windowed features of one tenant."""

    @property
    def consents(self) -> tuple[Consent, ...]:
        """Those that some of the windows need."""
        ...

    def resume(self, partition: str) -> int:
        """Say which offset of a partition was applied last, -1 for none.

        The next changes must begin with the journal's after that offset.

        Raises:
            UnlistedPartition: The partition is not one of the store's.
        """
        ...

    def apply(self, changes: Changes) -> None:
        """Apply changes, all at one moment; those applied before are passed over.

        After an error that is safe to retry, changes not yet applied wait, and go with the
        next ones.

        Raises:
            StoreNotResumed: `resume` was not called for the partition.
            StoreUnreachable: The store does not answer.
            StoreFull: It has no room.
            StoreBehind: It holds less than it was given.
            StoreUnfit: It refuses.
        """
        ...

    def reader(self, features: FeatureSet) -> StoreReader:
        """Prepare reads of one decision's features."""
        ...
