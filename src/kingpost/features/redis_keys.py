"""The keys of one tenant's windows in Redis: what they are called, and what is told from that.

Names begin with the tenant in braces, which keeps its keys on one server of a cluster, and
the layout, so that a changed definition never reads what was stored for another one.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from kingpost.contracts import Event
from kingpost.features.packed_events import EventGroup, KeyEvents, Layout
from kingpost.features.redis_link import RedisLink, Rewrite
from kingpost.features.store import Forgetting

__all__ = ["Packed", "PackedChange", "RedisKeys", "rewrite_of"]


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


Packed = PackedChange | Forgetting
"""What goes to keys of the server."""


class RedisKeys:
    """The names of one tenant's keys.

    Attributes:
        prefix: Begins all of them.
        meta: The hash with the last offset applied per partition.
    """

    def __init__(self, prefix: str, layout: Layout) -> None:
        self.prefix, self._groups = prefix, layout.groups
        self.meta = f"{prefix}applied"

    def name(self, index: int, key: str) -> str:
        """Return the name under which a group's key is kept."""
        return f"{self.prefix}{index}:{key}"

    def group_of(self, name: str) -> int:
        """Return the number of the group that a key belongs to."""
        return int(name[len(self.prefix) :].partition(":")[0])

    def wanted(
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
                name = None if key is None else self.name(index, key)
                if name is not None:
                    wanted[name] = index
                names.append(name)
        return wanted, asked

    def is_forgotten(self, one: Forgetting, index: int, name: str) -> bool:
        """Say whether a group's key is one that an entity's events are forgotten in."""
        group = self._groups[index]
        if one.entity not in group.keys or one.consent not in (None, group.consent):
            return False
        return group.is_about(name[len(self.name(index, "")) :], one.entity, one.key)

    def forgotten(self, link: RedisLink, forgotten: Sequence[Forgetting]) -> Mapping[str, int]:
        """Find the keys that entities' events are forgotten in, with their groups' numbers."""
        return {
            name: index
            for one in forgotten
            for index, group in enumerate(self._groups)
            for name in self._candidates(link, one, index, group)
            if self.is_forgotten(one, index, name)
        }

    def _candidates(
        self, link: RedisLink, one: Forgetting, index: int, group: EventGroup
    ) -> Sequence[str]:
        if group.keys == (one.entity,):
            return (self.name(index, one.key),)
        # keys of several fields: all of them are looked through
        return link.keys(self.name(index, "")) if one.entity in group.keys else ()


def rewrite_of(name: str, held: KeyEvents, records: bytes) -> Rewrite:
    """Put records in the place of what was read of a key."""
    return Rewrite(name, held.first, held.last, held.size_bytes, records)
