"""Legal holds: entities that must not be erased while somebody needs what is kept of them.

A hold, and its release, are entries of the journal, of kind `hold`, the topic the field that
names the entity. Of several of one entity the last one stands.
"""

from collections.abc import Sequence

import msgspec

from kingpost.journal import Entry

__all__ = ["Hold", "decode_hold", "encode_hold", "standing_hold"]


class _Body(msgspec.Struct, array_like=True, frozen=True):
    """What an entry of the journal says; fields are only added at the end."""

    key: str
    at_us: int
    by: str
    reason: str
    is_released: bool


class Hold(msgspec.Struct, array_like=True, frozen=True):
    """A hold on an entity, or the end of one.

    Attributes:
        offset: Where the journal says so.
        entity: The field that names it, as `customer`.
        key: Its value there, as text.
        at_us: When, microseconds UTC.
        by: Who said so.
        is_released: From here on it may be erased.
    """

    offset: int
    entity: str
    key: str
    at_us: int
    by: str
    reason: str
    is_released: bool


def encode_hold(tenant: str, hold: Hold) -> Entry:
    """Make the entry of a hold; its offset is the entry's own."""
    body = _Body(hold.key, hold.at_us, hold.by, hold.reason, hold.is_released)
    return Entry("hold", tenant, hold.entity, msgspec.msgpack.encode(body))


def decode_hold(entry: Entry, offset: int) -> Hold:
    """Read an entry of kind `hold`."""
    body = msgspec.msgpack.decode(entry.body, type=_Body)
    return Hold(offset, entry.topic, body.key, body.at_us, body.by, body.reason, body.is_released)


def standing_hold(holds: Sequence[Hold], entity: str, key: str) -> Hold | None:
    """Return the hold that stands on an entity; None when it may be erased."""
    last = next((one for one in reversed(holds) if (one.entity, one.key) == (entity, key)), None)
    return None if last is None or last.is_released else last
