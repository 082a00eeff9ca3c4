"""The windows of one tenant in Redis, and over them what this process has not put there yet.

The rule: the server of a partition writes to Redis only what is durable in its journal, so
that Redis is never ahead of one. What it decides on right now is laid over what Redis
gives: the changes kept here after the offset that Redis says it has. A read is as of what
Redis had of the others' partitions, and of the own one up to the request itself; a
request's values do not depend on those asked with it.

`since` says how complete the changes kept are: all after it are here. A Redis that has
less than that has lost events, and nothing is read until it has caught up.
"""

import threading
from array import array
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kingpost.contracts import Event
from kingpost.core import KingpostError
from kingpost.features.consent import Consent
from kingpost.features.errors import StoreBehind
from kingpost.features.feature_set import FeatureSet, Unavailable
from kingpost.features.packed_events import LayoutRead, PreparedRead
from kingpost.features.redis_keys import Packed, PackedChange
from kingpost.features.redis_link import Applied
from kingpost.features.store import Change, Forgetting
from kingpost.features.store_redis import RedisFeatures
from kingpost.journal import Position

__all__ = ["KEPT_AT_MOST", "OverlaidFeatures", "OverlaidRead", "OverlaidReader"]

KEPT_AT_MOST = 100_000
"""Changes of a tenant kept for a Redis that is away; with more, it catches up from the journal."""

_LOOKED_AT = 64
"""A key with fewer records than this is not looked at for what could be dropped."""


class OverlaidFeatures:
    """One thread adds and reads, another one hands on; both may do so at once.

    Args:
        since: The last offset of the partition whose changes are not given to `add`.
        journal: What tells the partition's journal from all others; "" when nobody else can
            take its name.
    """

    def __init__(self, store: RedisFeatures, partition: str, since: int, journal: str = "") -> None:
        self.store, self.partition, self._journal = store, partition, journal
        self._since = self._latest = since
        self._kept: deque[Packed] = deque()
        self._by_key: dict[str, list[PackedChange]] = {}
        self._forgotten: deque[Forgetting] = deque()
        self._at_once = threading.Lock()
        self._is_resumed = self._is_agreed = False

    @property
    def since(self) -> int:
        """All changes after this offset are kept here."""
        return self._since

    def add(self, change: Change | Forgetting) -> None:
        """Keep a change that the journal is about to hold; offsets never descend."""
        packed = self.store.pack(self.partition, change)
        with self._at_once:
            self._latest = change.offset
            if len(self._kept) >= KEPT_AT_MOST:
                self._forget(change.offset)
                return
            for one in packed:
                self._kept.append(one)
                if isinstance(one, Forgetting):
                    self._forgotten.append(one)
                else:
                    self._by_key.setdefault(one.key, []).append(one)

    def begin_anew(self, since: int) -> None:
        """Forget all changes: the journal ends at `since`, whatever was added."""
        with self._at_once:
            self._latest = since
            self._forget(since)
        self._is_resumed = False

    def hand_on(self, before: int) -> None:
        """Give Redis the changes before an offset: those that are durable.

        Raises:
            StoreBehind, StoreNotResumed: Redis must catch up from the journal.
            StoreUnreachable, StoreFull, StoreUnfit: As `FeatureStore.apply`; call it again.
        """
        self.resume()
        with self._at_once:
            ready = [one for one in self._kept if one.offset < before]
            through = min(before - 1, self._latest)
        if not ready and through <= self._since:
            return
        self.store.apply_packed(self.partition, ready, through)
        with self._at_once:
            self._drop_through(through)

    def resume(self) -> None:
        """See that Redis has what is not kept here, once.

        Raises:
            StoreBehind: It has not.
            StoreUnreachable, StoreUnfit: See `claim`.
        """
        if not self._is_resumed:
            self.claim()
            found = self.store.resume(self.partition)
            if found < self._since:
                raise StoreBehind(self.partition, found, self._since)
            self._is_resumed = True

    def claim(self) -> None:
        """See that Redis holds no other journal under the partition's name.

        Raises:
            StoreUnfit: It does.
            StoreUnreachable: It does not answer.
        """
        if self._journal:
            self.store.claim(self.partition, self._journal)

    def caught_up(self, through: int) -> None:
        """Take note that Redis has all of the partition up to an offset."""
        with self._at_once:
            self._drop_through(through)
        self._is_resumed = True

    def fell_behind(self) -> None:
        """Take note that Redis must be asked anew what it has."""
        self._is_resumed = False

    def reader(self, features: FeatureSet) -> "OverlaidReader":
        """Prepare reads of one decision's features."""
        return OverlaidReader(self, features)

    def fetch(self, keys: Sequence[str]) -> tuple[Applied, "Beyond"]:
        """Read keys from Redis in one round trip, and what is kept here beyond that.

        Raises:
            StoreBehind: Redis has lost events that are not kept here.
            StoreUnreachable, StoreUnfit: It does not answer, or refuses.
        """
        if not self._is_agreed:
            self.store.agree()
            self._is_agreed = True
        with self._at_once:  # before Redis is asked: it may be given more meanwhile
            since = self._since
            kept = {key: tuple(self._by_key.get(key, ())) for key in keys}
            forgotten = tuple(self._forgotten)
        done = self.store.exchange(None, keys)
        found = done.offsets.get(self.partition, -1)
        if found < since:
            raise StoreBehind(self.partition, found, since)
        changes = {
            key: [one for one in changes if one.offset > found] for key, changes in kept.items()
        }
        return done, Beyond(changes, [one for one in forgotten if one.offset > found])

    def _forget(self, since: int) -> None:
        self._kept.clear()
        self._by_key.clear()
        self._forgotten.clear()
        self._since = since

    def _drop_through(self, through: int) -> None:
        while self._kept and self._kept[0].offset <= through:
            one = self._kept.popleft()
            if isinstance(one, Forgetting):
                self._forgotten.popleft()
                continue
            held = self._by_key[one.key]
            del held[0]
            if not held:
                del self._by_key[one.key]
        self._since = max(self._since, through)


class Beyond(NamedTuple):
    """What is kept here and not in Redis yet.

    Attributes:
        changes: By key.
        forgotten: Entities whose events, as Redis still holds them, count no more.
    """

    changes: Mapping[str, Sequence[PackedChange]]
    forgotten: Sequence[Forgetting]


class OverlaidReader:
    """Reads the features of one decision of one tenant."""

    def __init__(self, features: OverlaidFeatures, wanted: FeatureSet) -> None:
        self._features = features
        self._reading = features.store.layout.reading(wanted)
        self._time = attrgetter(f"{wanted.request.event_time.name}.us")

    def read(self, asked: Sequence[tuple[Event, int]]) -> "OverlaidRead":
        """Fetch in one round trip what some requests need.

        Args:
            asked: Each request with its offset, what it brought already added.

        Raises:
            StoreBehind: Redis has lost events.
            StoreUnreachable, StoreUnfit: It does not answer, or refuses.
        """
        store, requests = self._features.store, [event for event, _ in asked]
        wanted, names = store.keys.wanted(self._reading.groups, requests)
        done, beyond = self._features.fetch(list(wanted))
        held = dict(zip(wanted, done.held, strict=True))
        read = OverlaidRead(
            self._features, self._reading, [self._time(event) for event in requests], asked, done
        )
        for index, _ in self._reading.groups:
            read.place(index, names[index], held, beyond)
        for name, index in wanted.items():
            group = store.layout.groups[index]
            few = _LOOKED_AT if group.retention_us is None else 0
            if len(held[name]) > few * group.record_bytes:
                store.compact(index, name, group.unpack(held[name]))
        return read


class OverlaidRead:
    """What some requests need, read at one moment; made by `OverlaidReader.read`."""

    def __init__(
        self,
        features: OverlaidFeatures,
        reading: LayoutRead,
        times: Sequence[int],
        asked: Sequence[tuple[Event, int]],
        done: Applied,
    ) -> None:
        self._store, self._partition = features.store, features.partition
        self._reading, self._times, self._asked = reading, times, asked
        self._offsets = done.offsets
        self._rows: dict[int, list[NDArray[np.int64] | None]] = {}
        self._problems: dict[int, KingpostError] = {}
        self._prepared: PreparedRead | None = None

    def place(
        self,
        index: int,
        names: Sequence[str | None],
        held: Mapping[str, bytes],
        beyond: Beyond,
    ) -> None:
        """Put together what each request sees of a group."""
        group = self._store.layout.groups[index]
        seen: dict[tuple[str, int, int], NDArray[np.int64]] = {}
        heads = {name: group.head(held[name]) for name in dict.fromkeys(names) if name is not None}
        forgotten = self._forgotten(beyond, index, heads)
        rows = self._rows[index] = []
        for row, (name, (_, offset)) in enumerate(zip(names, self._asked, strict=True)):
            if name is None:
                rows.append(None)
                continue
            through = max([at for at in forgotten.get(name, ()) if at <= offset], default=-1)
            own = [one.record for one in beyond.changes[name] if through < one.offset <= offset]
            found = seen.get((name, len(own), through))
            if found is None:
                before = held[name]
                if through >= 0:
                    before = group.without(before, self._sequence(0), self._sequence(through))
                found = seen[name, len(own), through] = group.unpack(b"".join([before, *own])).rows
            rows.append(found)
            try:
                self._store.check_held(group, heads[name], self._times[row])
            except KingpostError as error:
                self._problems[row] = error

    def _forgotten(
        self, beyond: Beyond, index: int, names: Iterable[str]
    ) -> Mapping[str, Sequence[int]]:
        """Return the offsets at which what the partition brought of keys was forgotten."""
        if not beyond.forgotten:
            return {}
        return {
            name: [
                one.offset
                for one in beyond.forgotten
                if self._store.keys.is_forgotten(one, index, name)
            ]
            for name in names
        }

    def _sequence(self, offset: int) -> int:
        return self._store.partitions.sequence(self._partition, offset)

    def fill(
        self, row: int, out: "array[float]", start: int, refused: tuple[Consent, ...] = ()
    ) -> Unavailable:
        """Write the features of one request into `out[start:]`.

        Args:
            refused: The consents that its entities do not give.

        Returns:
            The features that have no value; they are NaN.

        Raises:
            FeaturesForgotten: It is so late that what it looks back on is gone.
            Exception: What a function of the user's raises.
        """
        problem = self._problems.get(row)
        if problem is not None:
            raise problem
        if self._prepared is None:
            self._prepared = self._reading.prepare(self._times, self._rows)
        return self._prepared.read(row, self._asked[row][0], out, start, refused)

    def position(self, row: int) -> Position:
        """Return what a request's values are as of."""
        return Position.of({**self._offsets, self._partition: self._asked[row][1]})
