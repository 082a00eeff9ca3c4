"""What partitions bring goes to Redis: each change once, in order, though the server be away.

The rule: what was sent waits here until the server surely has it. A change goes with the
offset that the server must stand at; when it stands elsewhere, only the rest is sent. What
an entity is forgotten by is a step of its own: the keys are read, and what stays of them
takes their place in the same step in which the partition's offset moves on.
"""

import contextlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from kingpost.features.errors import StoreBehind, StoreNotResumed, StoreUnreachable
from kingpost.features.packed_events import KeyEvents, Layout
from kingpost.features.read_vectors import Partitions
from kingpost.features.redis_keys import Packed, PackedChange, RedisKeys, rewrite_of
from kingpost.features.redis_link import Applied, Applying, Growth, RedisLink, Rewrite
from kingpost.features.store import Forgetting

__all__ = ["WAITING_AT_MOST", "RedisWriter"]

WAITING_AT_MOST = 100_000
"""Records that wait for a server that is away; with more, `catch_up` is asked for."""

_KEYS_AT_ONCE = 500
_ATTEMPTS = 20

_GROWN = 128
"""Records of a key from which its growth is looked at, each time it has doubled."""


@dataclass
class _Waiting:
    """Records of one partition that the server does not surely have."""

    through: int = -1
    records: list[Packed] = field(default_factory=list[Packed])


class RedisWriter:
    """Writes one tenant's events. One thread at a time.

    Args:
        compact: Shortens a key that has grown: number of its group, name, what it holds.
    """

    def __init__(
        self,
        link: RedisLink,
        keys: RedisKeys,
        layout: Layout,
        partitions: Partitions,
        compact: Callable[[int, str, KeyEvents], None],
    ) -> None:
        self._link, self._keys, self._groups = link, keys, layout.groups
        self._partitions, self._compact = partitions, compact
        self._applied: dict[str, int] = {}
        self._waiting: dict[str, _Waiting] = {}

    def clear(self) -> None:
        """Let go of all that waits; every partition must be resumed."""
        self._applied.clear()
        self._waiting.clear()

    def resume(self, partition: str) -> int:
        """Ask which offset of a partition was applied last, -1 for none; nothing of it waits."""
        offsets = self._link.exchange(self._keys.meta, None, ()).offsets
        self._applied[partition] = offsets.get(partition, -1)
        self._waiting[partition] = _Waiting()
        return self._applied[partition]

    def write(
        self, partition: str, packed: Sequence[Packed], through: int, keys: Sequence[str] = ()
    ) -> Applied:
        """Write what a stretch of a partition brings, and read keys with nothing in between.

        Args:
            through: The last offset covered.

        Raises:
            StoreNotResumed, StoreBehind: It must be resumed, and the rest brought again.
            StoreUnreachable, StoreFull, StoreUnfit: What is not written waits.
        """
        return self._apply(self._wait_for(partition, packed, through), partition, keys)

    def _wait_for(self, partition: str, packed: Sequence[Packed], through: int) -> _Waiting:
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
        """Send what waits: up to each offset at which entities are forgotten, then the rest."""
        while forgotten := [one for one in waiting.records if isinstance(one, Forgetting)]:
            offset = forgotten[0].offset
            self._send(waiting, partition, offset - 1)
            self._forget(waiting, partition, [one for one in forgotten if one.offset == offset])
        return self._send(waiting, partition, waiting.through, keys)

    def _forget(self, waiting: _Waiting, partition: str, forgotten: Sequence[Forgetting]) -> None:
        """Take what the partition has brought of some entities off the server, at one offset."""
        offset = forgotten[0].offset
        # what came in at the very offset at which it is forgotten stays here
        waiting.records = [one for one in waiting.records if not self._is_gone(one, forgotten)]
        for _ in range(_ATTEMPTS):
            rewrites: Sequence[Rewrite] = ()
            if self._applied[partition] < offset:
                rewrites = self._rewrites(partition, forgotten)
            if not self._send(waiting, partition, offset, rewrites=rewrites).is_stale:
                return
        raise StoreUnreachable(self._link.where, "keys change while they are rewritten")

    def _is_gone(self, packed: Packed, forgotten: Sequence[Forgetting]) -> bool:
        return (
            isinstance(packed, PackedChange)
            and packed.offset == forgotten[0].offset
            and any(
                self._keys.is_forgotten(one, self._keys.group_of(packed.key), packed.key)
                for one in forgotten
            )
        )

    def _send(
        self,
        waiting: _Waiting,
        partition: str,
        through: int,
        keys: Sequence[str] = (),
        rewrites: Sequence[Rewrite] = (),
    ) -> Applied:
        """Send what waits up to an offset; what the server has by then is left out."""
        while True:
            after = self._applied[partition]
            applying = None
            if through > after:
                growths = _growths(waiting.records, through)
                applying = Applying(partition, after, through, growths, rewrites)
            done = self._link.exchange(self._keys.meta, applying, keys)
            if done.is_stale:
                return done
            if done.refused_at is None:
                break
            if done.refused_at < after:
                raise StoreBehind(partition, done.refused_at, after)
            waiting.records = [one for one in waiting.records if one.offset > done.refused_at]
            self._applied[partition] = done.refused_at
        waiting.records = [one for one in waiting.records if one.offset > through]
        if applying is not None:
            self._applied[partition] = through
            self._tend(applying, done.sizes, set(keys))
        return done

    def _rewrites(self, partition: str, forgotten: Sequence[Forgetting]) -> Sequence[Rewrite]:
        """Say what stays of the keys of entities without the partition's events."""
        group_of = self._keys.forgotten(self._link, forgotten)
        first = self._partitions.sequence(partition, 0)
        last = self._partitions.sequence(partition, forgotten[0].offset)
        rewrites: list[Rewrite] = []
        names = list(group_of)
        for at in range(0, len(names), _KEYS_AT_ONCE):
            some = names[at : at + _KEYS_AT_ONCE]
            held = self._link.exchange(self._keys.meta, None, some).held
            for name, before in zip(some, held, strict=True):
                group = self._groups[group_of[name]]
                after = group.without(before, first, last)
                if len(after) < len(before):
                    rewrites.append(rewrite_of(name, group.head(before), after))
        return rewrites

    def _tend(self, applying: Applying, sizes: Sequence[int], read: AbstractSet[str]) -> None:
        """Look at keys that have doubled and are not read just now: nobody may ever read them."""
        for one, size in zip(applying.growths, sizes, strict=True):
            if one.key in read:
                continue
            index = self._keys.group_of(one.key)
            group = self._groups[index]
            now = size // group.record_bytes
            before = now - len(one.records) // group.record_bytes
            least = _GROWN if group.retention_us is None else 2
            if now >= least and now.bit_length() > before.bit_length():
                with contextlib.suppress(StoreUnreachable):
                    self._compact(index, one.key, group.unpack(self._link.fetch(one.key)))


def _growths(records: Sequence[Packed], through: int) -> list[Growth]:
    """Put the records of each key together, up to an offset."""
    by_key: dict[str, list[PackedChange]] = defaultdict(list)
    for one in records:
        if isinstance(one, PackedChange) and one.offset <= through:
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
