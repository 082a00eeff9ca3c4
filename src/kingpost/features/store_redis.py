"""The online store in Redis: the same features for several server processes.

Redis holds, per tenant and layout, one hash with the last offset applied per partition,
and one string per group and key to which records are appended (`packed_events`). Changes
and the reads that follow them are one transaction and one round trip; the values are
computed here, by the kernel that computes them in process and offline, so the bits agree.

What a read is as of comes with it. Should the server hold less than it did before, as
after a restart without its data, calls end with `StoreBehind` and never with wrong values.
"""

import contextlib
import threading
from array import array
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from operator import attrgetter
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from kingpost.contracts import Event
from kingpost.core import Clock
from kingpost.features.declare import WindowFeatures
from kingpost.features.errors import (
    FeaturesForgotten,
    StoreBehind,
    StoreFull,
    StoreNotResumed,
    StoreUnfit,
    StoreUnreachable,
)
from kingpost.features.feature_set import FeatureSet
from kingpost.features.packed_events import EventGroup, KeyEvents, Layout
from kingpost.features.read_vectors import Partitions
from kingpost.features.redis_link import Applied, Applying, Growth, RedisLink
from kingpost.features.store import Change, Changes, Readings
from kingpost.features.windows import ALL_TIME_US
from kingpost.journal import Position

__all__ = ["PackedChange", "RedisFeatures", "RedisReader", "RedisSettings"]

WAITING_AT_MOST = 100_000
"""Records that wait for a server that is away; with more, `catch_up` is asked for."""

_GROWN = 128
"""Records of a key from which its growth is looked at, each time it has doubled."""


@dataclass(frozen=True)
class RedisSettings:
    """How features are kept in Redis.

    Attributes:
        grace: How far behind a key's latest event a request may be and still be answered;
            also how long idle keys are kept beyond their windows.
        prefix: Begins every key's name.
        timeout_s: How long to wait for an answer.
    """

    grace: timedelta = timedelta(days=7)
    prefix: str = "kingpost"
    timeout_s: float = 1.0


class PackedChange(NamedTuple):
    """A record that goes to one key, and how long the key is kept then; 0 for ever.

    Attributes:
        mark: What comes first in a key that is new, since an older one may have expired.
    """

    offset: int
    key: str
    record: bytes
    ttl_ms: int
    mark: bytes


@dataclass
class _Waiting:
    """Records of one partition that the server does not surely have."""

    through: int = -1
    records: list[PackedChange] = field(default_factory=list[PackedChange])


class RedisFeatures:
    """The windows of one tenant in Redis; made by `open`. Any thread may read and apply."""

    def __init__(
        self,
        link: RedisLink,
        layout: Layout,
        partitions: Partitions,
        tenant: str,
        settings: RedisSettings,
        clock: Clock,
    ) -> None:
        self._link, self.layout, self._partitions = link, layout, partitions
        self._settings, self._clock, self._now_us = settings, clock, clock.now_us
        self._grace_us = settings.grace // timedelta(microseconds=1)
        # braces keep a tenant's keys on one server of a cluster
        self._tenant_prefix = f"{settings.prefix}:{{{tenant}}}:"
        self.prefix = f"{self._tenant_prefix}{layout.digest}:"
        self._meta = f"{self.prefix}applied"
        self._began_us = clock.now_us()
        self._applied: dict[str, int] = {}
        self._waiting: dict[str, _Waiting] = {}
        self._seen: dict[str, int] = {}
        self._at_once = threading.Lock()

    @classmethod
    def open(
        cls,
        url: str,
        views: Iterable[WindowFeatures],
        partitions: Partitions,
        *,
        tenant: str,
        clock: Clock,
        settings: RedisSettings = RedisSettings(),
    ) -> Self:
        """Connect, and agree with other processes on what is kept.

        Args:
            url: `redis://[user:password@]host[:port][/database]`.
            views: Every group of windowed features that some decision reads.
            partitions: All whose events are kept, the same list in every process.

        Raises:
            ExtraMissing: The extra `redis` is not installed.
            StoreUnreachable: The server does not answer.
            StoreUnfit: The server would drop events, or numbers partitions otherwise.
        """
        link = RedisLink(url, timeout_s=settings.timeout_s)
        link.check()
        store = cls(link, Layout(views), partitions, tenant, settings, clock)
        store.agree()
        return store

    def of_tenant(self, tenant: str) -> "RedisFeatures":
        """Give another tenant's windows over the same connections; nothing is asked yet."""
        return RedisFeatures(
            self._link, self.layout, self._partitions, tenant, self._settings, self._clock
        )

    def close(self) -> None:
        """Close the connections; what the server holds stays."""
        self._link.close()

    def clear(self, *, other_layouts: bool = False) -> int:
        """Delete the tenant's events from the server; return how many keys were deleted.

        Args:
            other_layouts: Delete instead what definitions no longer used have left.
        """
        with self._at_once:
            if other_layouts:
                return self._link.drop(self._tenant_prefix, keep=self.prefix)
            self._applied.clear()
            self._waiting.clear()
            self._seen = {}
            dropped = self._link.drop(self.prefix)
        self.agree()
        return dropped

    def resume(self, partition: str) -> int:
        """Say which offset of a partition was applied last, -1 for none."""
        self._partitions.number(partition)
        self.agree()  # it may have been emptied, and its facts with it
        with self._at_once:
            offsets = self._link.exchange(self._meta, None, ()).offsets
            self._applied[partition] = offsets.get(partition, -1)
            self._waiting[partition] = _Waiting()
            self._seen = self._seen | {partition: self._applied[partition]}
            return self._applied[partition]

    def apply(self, changes: Changes) -> None:
        """Apply changes, all at one moment; those applied before are passed over."""
        self.exchange(changes, ())

    def apply_packed(self, partition: str, packed: Sequence[PackedChange], through: int) -> None:
        """Apply what `pack` gave of the changes up to `through`, as `apply` does."""
        with self._at_once:
            done = self._apply(self._wait_for(partition, packed, through), partition, ())
        self._note(done)

    def reader(self, features: FeatureSet) -> "RedisReader":
        """Prepare reads of one decision's features."""
        return RedisReader(self, features, self.layout)

    def pack(self, partition: str, change: Change) -> list[PackedChange]:
        """Return the records that a change adds, one per group that takes its event."""
        packed: list[PackedChange] = []
        now = self._now_us()
        for index, group in self.layout.groups_of(change.stream):
            key = group.key_of(change.event)
            if key is None or not group.takes(change.event):
                continue
            if not change.erased.isdisjoint(group.keys):
                continue
            if change.came_at is None:
                at = self._partitions.sequence(partition, change.offset)
                record = group.pack(change.event, at)
            else:
                at = self._partitions.sequence(partition, change.came_at)
                record = group.pack_end(change.event, at)
            ttl_ms, mark = 0, b""
            if group.reach_us < ALL_TIME_US:
                ahead = max(0, group.time_of(change.event) - now)
                kept_us = group.reach_us + self._grace_us
                ttl_ms = (kept_us + ahead) // 1000 + 1
                if now - self._began_us > kept_us:
                    mark = group.mark(now - kept_us)
            name = self.key_name(index, key)
            packed.append(PackedChange(change.offset, name, record, ttl_ms, mark))
        return packed

    def key_name(self, index: int, key: str) -> str:
        """Return the name under which a group's key is kept."""
        return f"{self.prefix}{index}:{key}"

    def keys_of(
        self, groups: Iterable[tuple[int, EventGroup]], requests: Sequence[Event]
    ) -> tuple[dict[str, int], dict[int, list[str | None]]]:
        """Return the names of all keys that requests need, with their groups' numbers, and the
        name of each request's key by group; None for a request without one.
        """
        wanted: dict[str, int] = {}
        asked: dict[int, list[str | None]] = {}
        for index, group in groups:
            names = asked[index] = []
            for event in requests:
                key = group.key_of(event)
                name = None if key is None else self.key_name(index, key)
                if name is not None:
                    wanted[name] = index
                names.append(name)
        return wanted, asked

    def exchange(self, changes: Changes | None, keys: Sequence[str]) -> Applied:
        """Apply changes and read keys, with nothing in between."""
        seen = self._seen  # before: another thread may see more while this one asks
        if changes is None:
            done = self._link.exchange(self._meta, None, keys)
        else:
            partition = changes.partition
            packed = [one for change in changes.changes for one in self.pack(partition, change)]
            with self._at_once:
                waiting = self._wait_for(partition, packed, changes.through)
                done = self._apply(waiting, partition, keys)
        if changes is None or keys:
            # who only writes its own partition can do so while others still bring theirs back
            for name, before in seen.items():
                found = done.offsets.get(name, -1)
                if found < before:
                    raise StoreBehind(name, found, before)
        self._note(done)
        return done

    def check_held(self, group: EventGroup, held: KeyEvents, time_us: int) -> None:
        """Refuse a read of which events may have been dropped or have expired.

        Raises:
            FeaturesForgotten: It is so late.
        """
        now = self._now_us()
        if held.low_us is not None and time_us - group.reach_us < held.low_us:
            latest = held.low_us + group.reach_us + self._grace_us
            raise FeaturesForgotten(group.stream, group.key, (latest - time_us) / 1e6)
        if (
            not held.size_bytes
            and group.reach_us < ALL_TIME_US
            and now - self._began_us > group.reach_us + self._grace_us
            and time_us < now - self._grace_us
        ):
            raise FeaturesForgotten(group.stream, group.key, (now - time_us) / 1e6)

    def compact(self, index: int, key: str, held: KeyEvents) -> None:
        """Drop a key's old records when they are many; next time when the server is away."""
        shorter = self.layout.groups[index].compacted(held, self._grace_us, self._now_us())
        if shorter is not None:
            with contextlib.suppress(StoreUnreachable, StoreFull):
                self._link.compact(key, held.first, held.size_bytes, shorter)

    def agree(self) -> None:
        """Agree with other processes on what is kept, and since when.

        Raises:
            StoreUnreachable: The server does not answer.
            StoreUnfit: It numbers partitions otherwise.
        """
        names = ",".join(self._partitions.names)
        about = f"{self.prefix}about"
        agreed = self._link.agree(about, {"partitions": names, "began_us": str(self._now_us())})
        self._began_us = int(agreed["began_us"])
        noted = tuple(agreed["partitions"].split(","))
        common = min(len(noted), len(self._partitions))
        if noted[:common] != self._partitions.names[:common]:
            raise StoreUnfit(
                self._link.where,
                f"numbers the partitions {agreed['partitions']}, and this process {names}",
                "list them in the same order everywhere, new ones at the end",
            )
        if len(noted) < len(self._partitions):
            self._link.note(about, "partitions", names)

    def claim(self, partition: str, journal: str) -> None:
        """Note which journal a partition is; the first one counts.

        Args:
            journal: What tells it from all others.

        Raises:
            StoreUnfit: Another journal's events are held under that name.
        """
        fact = f"journal:{partition}"
        found = self._link.agree(f"{self.prefix}about", {fact: journal})[fact]
        if found != journal:
            raise StoreUnfit(
                self._link.where,
                f"holds partition {partition!r} of another journal",
                "give each server a partition of its own; where the journal was begun anew, "
                "empty the store's database, which every server then fills again",
            )

    def _note(self, done: Applied) -> None:
        latest = self._seen
        self._seen = latest | {
            name: max(offset, latest.get(name, -1)) for name, offset in done.offsets.items()
        }

    def _wait_for(self, partition: str, packed: Sequence[PackedChange], through: int) -> _Waiting:
        """Put changes behind those that wait already."""
        waiting = self._waiting.get(partition)
        if waiting is None or len(waiting.records) >= WAITING_AT_MOST:
            self._waiting.pop(partition, None)
            raise StoreNotResumed(partition)
        done = max(waiting.through, self._applied[partition])
        waiting.records += [one for one in packed if one.offset > done]
        waiting.through = max(done, through)
        return waiting

    def _apply(self, waiting: _Waiting, partition: str, keys: Sequence[str]) -> Applied:
        """Send what waits; when the server has come further by itself, only the rest."""
        while True:
            after = self._applied[partition]
            applying = None
            if waiting.through > after:
                applying = Applying(partition, after, waiting.through, _growths(waiting.records))
            done = self._link.exchange(self._meta, applying, keys)
            if done.refused_at is None:
                break
            if done.refused_at < after:
                raise StoreBehind(partition, done.refused_at, after)
            waiting.records = [one for one in waiting.records if one.offset > done.refused_at]
            self._applied[partition] = done.refused_at
        if applying is not None:
            self._applied[partition] = waiting.through
            waiting.records = []
            self._tend(applying, done.sizes)
        return done

    def _tend(self, applying: Applying, sizes: Sequence[int]) -> None:
        """Look at keys that have doubled: nobody may ever read them."""
        for one, size in zip(applying.growths, sizes, strict=True):
            index = int(one.key[len(self.prefix) :].partition(":")[0])
            group = self.layout.groups[index]
            now = size // group.record_bytes
            before = now - len(one.records) // group.record_bytes
            if now >= _GROWN and now.bit_length() > before.bit_length():
                with contextlib.suppress(StoreUnreachable):
                    self.compact(index, one.key, group.unpack(self._link.fetch(one.key)))


def _growths(records: Sequence[PackedChange]) -> list[Growth]:
    """Put the records of each key together."""
    by_key: dict[str, list[PackedChange]] = defaultdict(list)
    for one in records:
        by_key[one.key].append(one)
    return [
        Growth(
            key,
            b"".join([one.record for one in parts]),
            max(one.ttl_ms for one in parts),
            parts[0].mark,
        )
        for key, parts in by_key.items()
    ]


class RedisReader:
    """Reads the features of one decision."""

    def __init__(self, store: RedisFeatures, features: FeatureSet, layout: Layout) -> None:
        self._store, self._layout = store, layout
        self._reading = layout.reading(features)
        self._width = len(features)
        self._time = attrgetter(f"{features.request.event_time.name}.us")

    def read(self, requests: Sequence[Event], *, after: Changes | None = None) -> Readings:
        """Read the features of some requests at one moment."""
        times = [self._time(event) for event in requests]
        wanted, asked = self._store.keys_of(self._reading.groups, requests)
        done = self._store.exchange(after, list(wanted))
        held = {
            name: self._layout.groups[index].unpack(records)
            for (name, index), records in zip(wanted.items(), done.held, strict=True)
        }
        rows: dict[int, list[NDArray[np.int64] | None]] = {}
        for index, group in self._reading.groups:
            for name, time_us in zip(asked[index], times, strict=True):
                if name is not None:
                    self._store.check_held(group, held[name], time_us)
            rows[index] = [None if name is None else held[name].rows for name in asked[index]]
        values = array("d", bytes(8 * self._width * len(requests)))
        failed = self._reading.fill(requests, times, rows, values)
        for name, index in wanted.items():
            self._store.compact(index, name, held[name])
        position = Position.of(done.offsets) if done.offsets else None
        return Readings(np.array(values).reshape(-1, self._width), failed, position)
