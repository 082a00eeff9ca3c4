"""Erasures: an entity whose events features must never see again.

The rule: an erasure changes the past. Features that are grouped by the field that names the
entity do not see its events, as of any position, up to the erasure; what comes after it
counts. Features of others keep what they are made of: of a shop's sales, say, nobody can
tell who the customer was.

An erasure is an entry of the journal, of kind `erasure`, its topic the field. One that a legal
hold forbade leaves an entry too, of kind `refused_erasure`, and erases nothing.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from kingpost.contracts import ColumnBatch, Contract, Event, Field, Texts
from kingpost.journal import Entry

__all__ = [
    "Erased",
    "Erasure",
    "RefusedErasure",
    "decode_erasure",
    "decode_refused_erasure",
    "encode_erasure",
    "encode_refused_erasure",
    "entity_field",
    "erased_rows",
    "key_of",
]


class _Body(msgspec.Struct, array_like=True, frozen=True):
    """What an entry of the journal says; fields are only added at the end."""

    key: str
    at_us: int
    by: str
    reason: str
    forgotten: int = -1
    snapshots: int = -1


class _RefusedBody(msgspec.Struct, array_like=True, frozen=True):
    key: str
    at_us: int
    by: str
    reason: str
    hold: int


class Erasure(msgspec.Struct, array_like=True, frozen=True):
    """An entity that was erased.

    Attributes:
        offset: Where the journal says so; events before it are erased.
        entity: The field that names it, as `customer`.
        key: Its value there, as text.
        at_us: When, microseconds UTC.
        by: Who asked for it.
        forgotten: How many keys of windows and consents it dropped from memory.
        snapshots: How many snapshots were removed, since they held it. -1 of either: recorded
            by an earlier version.
    """

    offset: int
    entity: str
    key: str
    at_us: int
    by: str
    reason: str
    forgotten: int = -1
    snapshots: int = -1


class RefusedErasure(msgspec.Struct, array_like=True, frozen=True):
    """An erasure that somebody asked for, and a legal hold forbade: nothing was erased.

    Attributes:
        offset: Where the journal says so.
        hold: The offset of the hold.
    """

    offset: int
    entity: str
    key: str
    at_us: int
    by: str
    reason: str
    hold: int


def encode_erasure(tenant: str, erasure: Erasure) -> Entry:
    """Make the entry of an erasure; its offset is the entry's own."""
    body = _Body(
        erasure.key,
        erasure.at_us,
        erasure.by,
        erasure.reason,
        erasure.forgotten,
        erasure.snapshots,
    )
    return Entry("erasure", tenant, erasure.entity, msgspec.msgpack.encode(body))


def decode_erasure(entry: Entry, offset: int) -> Erasure:
    """Read an entry of kind `erasure`."""
    body = msgspec.msgpack.decode(entry.body, type=_Body)
    return Erasure(
        offset,
        entry.topic,
        body.key,
        body.at_us,
        body.by,
        body.reason,
        body.forgotten,
        body.snapshots,
    )


def encode_refused_erasure(tenant: str, one: RefusedErasure) -> Entry:
    """Make the entry of a refused erasure; its offset is the entry's own."""
    body = _RefusedBody(one.key, one.at_us, one.by, one.reason, one.hold)
    return Entry("refused_erasure", tenant, one.entity, msgspec.msgpack.encode(body))


def decode_refused_erasure(entry: Entry, offset: int) -> RefusedErasure:
    """Read an entry of kind `refused_erasure`."""
    body = msgspec.msgpack.decode(entry.body, type=_RefusedBody)
    return RefusedErasure(
        offset, entry.topic, body.key, body.at_us, body.by, body.reason, body.hold
    )


class Erased:
    """Finds which events are of an entity that was erased after them."""

    def __init__(self, erasures: Iterable[Erasure]) -> None:
        self._last: dict[str, dict[str, Erasure]] = {}
        for one in sorted(erasures, key=lambda one: one.offset):
            self._last.setdefault(one.entity, {})[one.key] = one

    def find(self, event: Event, offset: int) -> Erasure | None:
        """Return the erasure of an event that the journal holds at an offset, if there is one."""
        return next(self._of(event, offset), None)

    def fields(self, event: Event, offset: int) -> frozenset[str]:
        """Return the fields of an event that name somebody who was erased after it."""
        return frozenset(one.entity for one in self._of(event, offset))

    def _of(self, event: Event, offset: int) -> Iterator[Erasure]:
        for entity, last in self._last.items():
            value = getattr(event, entity, None)
            found = None if value is None else last.get(str(value))
            if found is not None and found.offset > offset:
                yield found


def entity_field(contract: Contract[Event], entity: str) -> Field | None:
    """Return the field of a stream that names entities; None when it has none that can."""
    found = contract.by_name.get(entity)
    return found if found is not None and found.kind in ("text", "integer") else None


def key_of(field: Field, key: str) -> str | int | None:
    """Return a key as a field has it; None when the field can have no such value."""
    if field.kind == "text":
        return key
    try:
        value = int(key)
    except ValueError:
        return None
    return value if str(value) == key else None


def erased_rows(
    contract: Contract[Event],
    events: ColumnBatch,
    positions: NDArray[np.int64],
    erasures: Iterable[Erasure],
) -> Mapping[str, NDArray[np.bool_]]:
    """Say by field which events of a stream are of an entity that was erased after them.

    Returns:
        Only fields with such events, each bool, shape (rows,).
    """
    by_entity: dict[str, dict[str | int, int]] = {}
    for one in sorted(erasures, key=lambda one: one.offset):
        field = entity_field(contract, one.entity)
        key = None if field is None else key_of(field, one.key)
        if key is not None:
            by_entity.setdefault(one.entity, {})[key] = one.offset
    found: dict[str, NDArray[np.bool_]] = {}
    for entity, before in by_entity.items():
        rows = positions < _limits(events, entity, before)
        if rows.any():
            found[entity] = rows
    return found


def _limits(events: ColumnBatch, entity: str, before: Mapping[str | int, int]) -> NDArray[np.int64]:
    """Return the offset of the latest erasure of each row's entity, -1 where there is none."""
    column = events.columns[entity]
    if isinstance(column, Texts):
        of_value = np.array([before.get(value, -1) for value in column.values], np.int64)
        limits = of_value[column.codes] if len(of_value) else np.full(events.rows, -1, np.int64)
    else:
        limits = _limits_of_numbers(column, before)
    present = events.present.get(entity)
    return limits if present is None else np.where(present, limits, np.int64(-1))


def _limits_of_numbers(
    column: NDArray[np.generic], before: Mapping[str | int, int]
) -> NDArray[np.int64]:
    keys: Sequence[int] = sorted(key for key in before if isinstance(key, int))
    sorted_keys = np.array(keys, np.int64)
    numbers = column.astype(np.int64)
    at = np.minimum(np.searchsorted(sorted_keys, numbers), len(keys) - 1)
    limits = np.array([before[key] for key in keys], np.int64)
    return np.where(sorted_keys[at] == numbers, limits[at], np.int64(-1))
