"""The online store in Redis: the same features for several server processes.

Redis holds, per tenant and layout, one hash with the last offset applied per partition,
and one string per group and key to which records are appended (`packed_events`). Changes
and the reads that follow them are one transaction and one round trip; the values are
computed here, by the kernel that computes them in process and offline, so the bits agree.

What a read is as of comes with it. Should the server hold less than it did before, as
after a restart without its data, calls end with `StoreBehind` and never with wrong values.
"""

import threading
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from operator import attrgetter
from typing import Self

import numpy as np
from numpy.typing import NDArray

from kingpost.contracts import Event
from kingpost.core import Clock
from kingpost.features.consent import Consent
from kingpost.features.declare import WindowFeatures
from kingpost.features.errors import (
    ConsentNotShared,
    FeaturesForgotten,
    StoreBehind,
    StoreUnfit,
)
from kingpost.features.feature_set import FeatureSet
from kingpost.features.packed_events import EventGroup, KeyEvents, Layout
from kingpost.features.read_vectors import Partitions
from kingpost.features.redis_keys import Packed, PackedChange, RedisKeys, rewrite_of
from kingpost.features.redis_link import Applied, RedisLink
from kingpost.features.redis_writer import RedisWriter
from kingpost.features.store import Change, Changes, Forgetting, Readings
from kingpost.features.windows import ALL_TIME_US
from kingpost.journal import Position

__all__ = ["RedisFeatures", "RedisReader", "RedisSettings"]


@dataclass(frozen=True)
class RedisSettings:
    """How features are kept in Redis.

    Attributes:
        grace: How far behind a key's latest event a request may be and still be answered;
            also how long idle keys are kept beyond their windows. Less where a stream's
            retention leaves less beyond its windows.
        prefix: Begins every key's name.
        timeout_s: How long to wait for an answer.
    """

    grace: timedelta = timedelta(days=7)
    prefix: str = "kingpost"
    timeout_s: float = 1.0


class RedisFeatures:
    """The windows of one tenant in Redis; made by `open`. Any thread may read and apply.

    Attributes:
        layout: The groups of events that are kept.
        partitions: All whose events are kept.
        keys: What the tenant's keys are called.
    """

    def __init__(
        self,
        link: RedisLink,
        layout: Layout,
        partitions: Partitions,
        tenant: str,
        settings: RedisSettings,
        clock: Clock,
    ) -> None:
        self._link, self.layout, self.partitions = link, layout, partitions
        self._settings, self._clock, self._now_us = settings, clock, clock.now_us
        self._grace_us = settings.grace // timedelta(microseconds=1)
        # braces keep a tenant's keys on one server of a cluster
        self._tenant_prefix = f"{settings.prefix}:{{{tenant}}}:"
        self.keys = RedisKeys(f"{self._tenant_prefix}{layout.digest}:", layout)
        self._writer = RedisWriter(link, self.keys, layout, partitions, self.compact)
        self._began_us = clock.now_us()
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

    @staticmethod
    def examine(url: str, *, timeout_s: float) -> str:
        """See that a server can keep features; return its address, without a password.

        Raises:
            ExtraMissing, StoreUnreachable, StoreUnfit: See `open`.
        """
        link = RedisLink(url, timeout_s=timeout_s)
        try:
            link.check()
        finally:
            link.close()
        return link.where

    def of_tenant(self, tenant: str) -> "RedisFeatures":
        """Give another tenant's windows over the same connections; nothing is asked yet."""
        return RedisFeatures(
            self._link, self.layout, self.partitions, tenant, self._settings, self._clock
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
                return self._link.drop(self._tenant_prefix, keep=self.keys.prefix)
            self._writer.clear()
            self._seen = {}
            dropped = self._link.drop(self.keys.prefix)
        self.agree()
        return dropped

    def resume(self, partition: str) -> int:
        """Say which offset of a partition was applied last, -1 for none."""
        self.partitions.number(partition)
        self.agree()  # it may have been emptied, and its facts with it
        with self._at_once:
            applied = self._writer.resume(partition)
            self._seen = self._seen | {partition: applied}
            return applied

    def apply(self, changes: Changes) -> None:
        """Apply changes, all at one moment; those applied before are passed over."""
        self.exchange(changes, ())

    @property
    def consents(self) -> tuple[Consent, ...]:
        """Those that some of the windows need."""
        return self.layout.consents

    def apply_packed(self, partition: str, packed: Sequence[Packed], through: int) -> None:
        """Apply what `pack` gave of the changes up to `through`, as `apply` does."""
        with self._at_once:
            done = self._writer.write(partition, packed, through)
        self._note(done)

    def reader(self, features: FeatureSet) -> "RedisReader":
        """Prepare reads of one decision's features.

        Raises:
            ConsentNotShared: Some of them need consent.
        """
        return RedisReader(self, features, self.layout)

    def pack(self, partition: str, change: Change | Forgetting) -> Sequence[Packed]:
        """Return the records that a change adds, one per group that takes its event."""
        if isinstance(change, Forgetting):
            return (change,)
        packed: list[PackedChange] = []
        now = self._now_us()
        for index, group in self.layout.groups_of(change.stream):
            key = group.key_of(change.event)
            if key is None or not group.takes(change.event):
                continue
            if not change.erased.isdisjoint(group.keys):
                continue
            if group.consent is not None and group.consent not in change.consents:
                continue
            if change.came_at is None:
                at = self.partitions.sequence(partition, change.offset)
                record = group.pack(change.event, at)
            else:
                at = self.partitions.sequence(partition, change.came_at)
                record = group.pack_end(change.event, at)
            ttl_ms, mark = 0, b""
            if group.reach_us < ALL_TIME_US:
                ahead = max(0, group.time_of(change.event) - now)
                kept_us = group.reach_us + group.grace_us(self._grace_us)
                ttl_ms = (kept_us + ahead) // 1000 + 1
                if now - self._began_us > kept_us:
                    mark = group.mark(now - kept_us)
            name = self.keys.name(index, key)
            packed.append(PackedChange(change.offset, name, record, ttl_ms, mark))
        return packed

    def exchange(self, changes: Changes | None, keys: Sequence[str]) -> Applied:
        """Apply changes and read keys, with nothing in between."""
        seen = self._seen  # before: another thread may see more while this one asks
        if changes is None:
            done = self._link.exchange(self.keys.meta, None, keys)
        else:
            partition = changes.partition
            packed = [one for change in changes.changes for one in self.pack(partition, change)]
            with self._at_once:
                done = self._writer.write(partition, packed, changes.through, keys)
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
        now, grace_us = self._now_us(), group.grace_us(self._grace_us)
        if held.low_us is not None and time_us - group.reach_us < held.low_us:
            latest = held.low_us + group.reach_us + grace_us
            raise FeaturesForgotten(group.stream, group.key, (latest - time_us) / 1e6)
        if (
            not held.size_bytes
            and group.reach_us < ALL_TIME_US
            and now - self._began_us > group.reach_us + grace_us
            and time_us < now - grace_us
        ):
            raise FeaturesForgotten(group.stream, group.key, (now - time_us) / 1e6)

    def compact(self, index: int, key: str, held: KeyEvents) -> None:
        """Drop a key's old records when they are many, along with the next exchange."""
        group = self.layout.groups[index]
        shorter = group.compacted(held, group.grace_us(self._grace_us), self._now_us())
        if shorter is not None:
            self._link.shorten(self.keys.meta, rewrite_of(key, held, shorter))

    def agree(self) -> None:
        """Agree with other processes on what is kept, and since when.

        Raises:
            StoreUnreachable: The server does not answer.
            StoreUnfit: It numbers partitions otherwise.
        """
        names = ",".join(self.partitions.names)
        about = f"{self.keys.prefix}about"
        agreed = self._link.agree(about, {"partitions": names, "began_us": str(self._now_us())})
        self._began_us = int(agreed["began_us"])
        noted = tuple(agreed["partitions"].split(","))
        common = min(len(noted), len(self.partitions))
        if noted[:common] != self.partitions.names[:common]:
            raise StoreUnfit(
                self._link.where,
                f"numbers the partitions {agreed['partitions']}, and this process {names}",
                "list them in the same order everywhere, new ones at the end",
            )
        if len(noted) < len(self.partitions):
            self._link.note(about, "partitions", names)

    def claim(self, partition: str, journal: str) -> None:
        """Note which journal a partition is; the first one counts.

        Args:
            journal: What tells it from all others.

        Raises:
            StoreUnfit: Another journal's events are held under that name.
        """
        fact = f"journal:{partition}"
        found = self._link.agree(f"{self.keys.prefix}about", {fact: journal})[fact]
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


class RedisReader:
    """Reads the features of one decision."""

    def __init__(self, store: RedisFeatures, features: FeatureSet, layout: Layout) -> None:
        if features.consents:
            raise ConsentNotShared(features.consents[0].purpose)
        self._store, self._layout = store, layout
        self._reading = layout.reading(features)
        self._width = len(features)
        self._time = attrgetter(f"{features.request.event_time.name}.us")

    def read(self, requests: Sequence[Event], *, after: Changes | None = None) -> Readings:
        """Read the features of some requests at one moment."""
        times = [self._time(event) for event in requests]
        wanted, asked = self._store.keys.wanted(self._reading.groups, requests)
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
