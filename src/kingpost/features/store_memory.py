"""The online store in this process: `OnlineFeatures` behind the calls that all stores share."""

import threading
from array import array
from collections.abc import Iterable, Sequence

import numpy as np

from kingpost.contracts import Event
from kingpost.core import Clock
from kingpost.features.consent import Consent
from kingpost.features.declare import WindowFeatures
from kingpost.features.errors import ConsentNotShared, StoreNotResumed
from kingpost.features.feature_reader import FeatureReader
from kingpost.features.feature_set import FeatureSet
from kingpost.features.online import OnlineFeatures
from kingpost.features.read_vectors import Partitions
from kingpost.features.store import Changes, Forgetting, Readings
from kingpost.journal import Position

__all__ = ["MemoryFeatures"]

_ALL_HELD = 2**63 - 1


class MemoryFeatures:
    """The windows of one tenant in memory, read as of the vector of what was applied.

    It starts empty: `catch_up` with each partition's journal fills it.

    Args:
        views: Every group of windowed features that some decision reads.
        partitions: Those whose changes it may be given.
        clock: Tells how old events are; None lets none go for its age.
    """

    def __init__(
        self,
        views: Iterable[WindowFeatures],
        partitions: Partitions,
        *,
        clock: Clock | None = None,
    ) -> None:
        views = tuple(views)
        self._online = OnlineFeatures(views, now_us=None if clock is None else clock.now_us)
        self._consents = tuple(dict.fromkeys(one.consent for one in views if one.consent))
        self._partitions = partitions
        self._applied: dict[str, int] = {}
        self._resumed: set[str] = set()
        self._at_once = threading.RLock()

    @property
    def consents(self) -> tuple[Consent, ...]:
        """Those that some of the windows need."""
        return self._consents

    def resume(self, partition: str) -> int:
        """Say which offset of a partition was applied last, -1 for none."""
        self._partitions.number(partition)
        self._resumed.add(partition)
        return self._applied.get(partition, -1)

    def apply(self, changes: Changes) -> None:
        """Apply changes; those applied before are passed over."""
        partition = changes.partition
        if partition not in self._resumed:
            raise StoreNotResumed(partition)
        with self._at_once:
            done = self._applied.get(partition, -1)
            for change in changes.changes:
                if change.offset <= done:
                    continue
                if isinstance(change, Forgetting):
                    self._forget(partition, change)
                elif change.came_at is None:
                    at = self._partitions.sequence(partition, change.offset)
                    self._online.apply(change.stream, change.event, at, erased=change.erased)
                else:
                    at = self._partitions.sequence(partition, change.came_at)
                    self._online.retract(change.stream, change.event, at)
            if changes.through > done:
                self._applied[partition] = changes.through

    def _forget(self, partition: str, one: Forgetting) -> None:
        first = self._partitions.sequence(partition, 0)
        end = self._partitions.sequence(partition, one.offset) + 1
        self._online.forget(one.entity, one.key, consent=one.consent, within=range(first, end))

    def reader(self, features: FeatureSet) -> "MemoryReader":
        """Prepare reads of one decision's features.

        Raises:
            ConsentNotShared: Some of them need consent.
        """
        if features.consents:
            raise ConsentNotShared(features.consents[0].purpose)
        return MemoryReader(self, self._online.reader(features), len(features))

    def read_all(
        self, reader: FeatureReader, width: int, requests: Sequence[Event], after: Changes | None
    ) -> Readings:
        """Apply and read with nothing in between."""
        out = array("d", bytes(8 * width * len(requests)))
        with self._at_once:
            if after is not None:
                self.apply(after)
            failed = [
                reader.read(event, _ALL_HELD, out, row * width).names
                for row, event in enumerate(requests)
            ]
            position = Position.of(self._applied) if self._applied else None
        return Readings(np.array(out).reshape(-1, width), failed, position)


class MemoryReader:
    """Reads the features of one decision."""

    def __init__(self, store: MemoryFeatures, reader: FeatureReader, width: int) -> None:
        self._store, self._reader, self._width = store, reader, width

    def read(self, requests: Sequence[Event], *, after: Changes | None = None) -> Readings:
        """Read the features of some requests at one moment."""
        return self._store.read_all(self._reader, self._width, requests, after)
