"""Events as an online store outside this process keeps them: bytes, a few numbers each.

A group holds the events of one source (a stream, the fields it is grouped by, its
filters) once for all windows over them. A record is 64-bit little-endian whole numbers: sequence, time, then one per value column, as the
kernel takes them. Three kinds differ by the sequence:

    s >= 0     an event
    s = ~of    the event with sequence `of` went out again
    s = -2^63  a mark: events up to its time may have been dropped

The records of a key stand in the order in which they were applied, behind at most one
mark; the kernel orders them. Where the bytes lie is left to the store.
"""

import hashlib
import struct
from array import array
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from kingpost.contracts import Event
from kingpost.features.consent import Consent
from kingpost.features.declare import WindowFeatures
from kingpost.features.erasures import key_of
from kingpost.features.feature_set import FeatureSet, Unavailable
from kingpost.features.filters import matcher
from kingpost.features.kernel import State
from kingpost.features.kernel_columns import row_encoder, unpack_into
from kingpost.features.kernel_plan import (
    Division,
    KernelOutput,
    KernelPlan,
    Source,
    Unpack,
    Value,
    WindowPlan,
    moves_of,
    sources_of,
    unpacks_of,
)
from kingpost.features.retention import STEPS
from kingpost.features.windows import ALL_TIME_US

__all__ = ["EventGroup", "KeyEvents", "Layout", "LayoutRead"]

_FORMAT = 1
_MARK = -(2**63)
_ALL_HELD = 2**63 - 1
_FEW = 64
"""A key with no more obsolete records than this is left as it is."""

_HEAD = struct.Struct("<2q")
_NO_ROWS = np.empty((0, 2), np.int64)

Integers = NDArray[np.int64]


class KeyEvents(NamedTuple):
    """What a store holds of one key.

    Attributes:
        rows: The records, int64, shape (events, columns).
        low_us: Events up to this time may be gone; None when nothing was dropped.
        first, last: The first and the last record as they lie there.
        size_bytes: Of all records.
    """

    rows: Integers
    low_us: int | None
    first: bytes
    last: bytes
    size_bytes: int


class EventGroup:
    """The events of one source: one stream, the fields it is grouped by, its filters.

    Attributes:
        outputs: What the kernel computes of them.
        consent: What entities must consent to for their events to be held; None if nothing.
        reach_us: How far behind its time a read looks; `ALL_TIME_US` when without an end.
        retention_us: How long events are held; None for as long as the store's grace says.
        record_bytes: Of one event.
        description: All that the stored bytes depend on.
    """

    def __init__(self, source: Source, plan: KernelPlan) -> None:
        self.stream, self.keys, self.key = source.stream, source.keys, ", ".join(source.keys)
        self.consent, self._fields = source.consent, plan.contract.by_name
        self.outputs, self.scales = plan.outputs, plan.scales
        self.reach_us = max(map(_reach_us, plan.outputs))
        self.retention_us = plan.retention_us
        self._record = struct.Struct(f"<{2 + len(plan.columns)}q")
        self.record_bytes = self._record.size
        self._matches = matcher(source.filters)
        self._keys = tuple(map(attrgetter, source.keys))
        self._time = attrgetter(f"{plan.contract.event_time.name}.us")
        self._values, self._width = row_encoder(plan.columns), len(plan.columns)
        self.description: dict[str, object] = {
            "format": _FORMAT,
            "stream": source.stream,
            "keys": source.keys,
            "filters": [one.description for one in source.filters],
            "columns": [
                (one.field.name, one.field.kind, one.encoding, one.scale, one.field.choices)
                for one in plan.columns
            ],
            "reach_us": self.reach_us,
        }
        if source.consent is not None:
            self.description["consent"] = source.consent.description
        if self.retention_us is not None:  # what an idle key has lost depends on it
            self.description["retention_us"] = self.retention_us

    def grace_us(self, most_us: int) -> int:
        """Return how far behind a read may be: as the store says, or the retention if less."""
        if self.retention_us is None:
            return most_us
        return min(most_us, self.retention_us - self.reach_us)

    def takes(self, event: Event) -> bool:
        """Say whether an event of the stream is one of those held."""
        return self._matches is None or self._matches(event)

    def key_of(self, event: Event) -> str | None:
        """Return an event's key as text; None when part of it is missing."""
        parts: list[object] = [get(event) for get in self._keys]
        if None in parts:
            return None
        return str(parts[0]) if len(parts) == 1 else msgspec.json.encode(parts).decode()

    def is_about(self, key: str, entity: str, value: str) -> bool:
        """Say whether a key, as `key_of` gives it, has a value in the field of an entity."""
        if self.keys == (entity,):
            return key == value
        part: str | int = msgspec.json.decode(key)[self.keys.index(entity)]
        return part == key_of(self._fields[entity], value)

    def without(self, held: bytes, first: int, last: int) -> bytes:
        """Return what a store holds of a key, but for events of some sequences and their ends."""
        records = np.frombuffer(held, "<i8").reshape(-1, 2 + self._width)
        of = np.where(records[:, 0] >= 0, records[:, 0], ~records[:, 0])
        goes = (of >= first) & (of <= last) & (records[:, 0] != _MARK)
        return records[~goes].tobytes() if goes.any() else held

    def time_of(self, event: Event) -> int:
        """Return when an event of the stream happened, microseconds."""
        return self._time(event)

    def pack(self, event: Event, sequence: int) -> bytes:
        """Return the record of an event."""
        return self._record.pack(sequence, self._time(event), *self._values(event))

    def pack_end(self, event: Event, sequence: int) -> bytes:
        """Return the record that takes an event out again."""
        return self._record.pack(~sequence, self._time(event), *[0] * self._width)

    def unpack(self, held: bytes) -> KeyEvents:
        """Read what a store holds of a key."""
        records = np.frombuffer(held, "<i8").reshape(-1, 2 + self._width)
        rows = records.astype(np.int64, copy=False)
        low = None
        if len(rows) and rows[0, 0] == _MARK:
            low, rows = int(rows[0, 1]), rows[1:]
        ends = rows[:, 0] < 0
        if ends.any():
            gone = ~rows[ends, 0]
            rows = rows[~(ends | np.isin(rows[:, 0], gone))]
        size = self.record_bytes
        return KeyEvents(rows, low, held[:size], held[-size:], len(held))

    def head(self, held: bytes) -> KeyEvents:
        """Read what a store holds of a key but for its events: the mark, the size."""
        first = held[: self.record_bytes]
        low = None
        if first:
            sequence, time_us = _HEAD.unpack_from(first)
            low = time_us if sequence == _MARK else None
        return KeyEvents(_NO_ROWS, low, first, held[-self.record_bytes :], len(held))

    def mark(self, low_us: int) -> bytes:
        """Return the record that says that events up to a time may be gone."""
        return self._record.pack(_MARK, low_us, *[0] * self._width)

    def compacted(self, held: KeyEvents, grace_us: int, now_us: int) -> bytes | None:
        """Return shorter records for a key, when many of them no read looks back on any more.

        A read up to `grace_us` behind the key's latest event still finds all it needs. An
        event dated after now does not make others old. Where the stream has a retention, one
        record is enough: one that is older than that by a part of it, or that went out again.
        """
        total = held.size_bytes // self.record_bytes
        if self.reach_us >= ALL_TIME_US or not len(held.rows):
            return None
        if self.retention_us is None and total <= _FEW:
            return None
        times = held.rows[:, 1]
        low = min(int(times.max()), now_us) - self.reach_us - grace_us
        kept = held.rows[times > low]
        if self.retention_us is None:
            is_worth_it = total - len(kept) > max(_FEW, len(kept) // 3)
        else:
            is_worth_it = int(times.min()) <= low - self.retention_us // STEPS
            is_worth_it |= total > len(held.rows) + (held.low_us is not None)
        if not is_worth_it or (held.low_us is not None and low <= held.low_us):
            return None
        return self.mark(low) + kept[np.argsort(kept[:, 1], kind="stable")].astype("<i8").tobytes()


def _reach_us(output: KernelOutput) -> int:
    """Return how far behind the time of a read an output's window begins.

    A window that ends at a multiple of a length begins up to that length earlier.
    """
    _, _, far, _, _, _, align = output
    return min(far + align, ALL_TIME_US)


class Layout:
    """The groups behind some windowed features, and what they are called in a store.

    Attributes:
        groups: What is held of each source.
        consents: Those that some of them need.
        digest: SHA-256 of all that the stored bytes depend on, shortened, in hex. A changed
            definition has another one, so it never reads what was stored for the old.
    """

    def __init__(self, views: Iterable[WindowFeatures]) -> None:
        self._plan = WindowPlan.of(views)
        described: dict[bytes, tuple[Source, EventGroup]] = {}
        for source, plan in self._plan.sources.items():
            group = EventGroup(source, plan)
            described[msgspec.json.encode(group.description, order="sorted")] = (source, group)
        ordered = [described[text] for text in sorted(described)]
        self.groups = tuple(group for _, group in ordered)
        self._index = {source: index for index, (source, _) in enumerate(ordered)}
        self.consents = tuple(
            dict.fromkeys(group.consent for group in self.groups if group.consent is not None)
        )
        self.digest = hashlib.sha256(b"\n".join(sorted(described))).hexdigest()[:16]

    def groups_of(self, stream: str) -> list[tuple[int, EventGroup]]:
        """Return the groups over a stream, with their numbers."""
        return [one for one in enumerate(self.groups) if one[1].stream == stream]

    def reading(self, features: FeatureSet) -> "LayoutRead":
        """Plan the reads of one decision's features."""
        values = self._plan.placed((slot.view, slot.start) for slot in features.windows)
        return LayoutRead(features, values, self._index, self.groups)


class _GroupRead(NamedTuple):
    """Where the outputs of one group go."""

    number: int
    group: EventGroup
    moves: Sequence[tuple[int, int, int]]
    vectors: Sequence[tuple[int, Unpack]]


class LayoutRead:
    """Computes one decision's features from the events of its requests' keys.

    Attributes:
        groups: The groups that are read, with their numbers.
    """

    def __init__(
        self,
        features: FeatureSet,
        values: Sequence[tuple[int, Value]],
        index: Mapping[Source, int],
        groups: Sequence[EventGroup],
    ) -> None:
        self._features = features
        self._reads = [
            _GroupRead(
                index[source],
                groups[index[source]],
                moves_of(source, values),
                unpacks_of(source, values),
            )
            for source in sources_of(values)
        ]
        self.groups = [(read.number, read.group) for read in self._reads]
        self._divisions = [
            (at, one, index[one.numerator.source], index[one.denominator.source])
            for at, one in values
            if isinstance(one, Division)
        ]

    def fill(
        self,
        requests: Sequence[Event],
        times: Sequence[int],
        keys: Mapping[int, Sequence[Integers | None]],
        out: "array[float]",
    ) -> list[tuple[str, ...]]:
        """Write the features of some requests.

        Args:
            times: When each request happened, microseconds.
            keys: For each group, by number, the records of each request's key; None for a
                request without one.
            out: The values of all features, request by request.

        Returns:
            For each request the names of features that could not be computed.
        """
        prepared, width = self.prepare(times, keys), len(self._features)
        return [
            prepared.read(row, event, out, row * width).names for row, event in enumerate(requests)
        ]

    def prepare(
        self, times: Sequence[int], keys: Mapping[int, Sequence[Integers | None]]
    ) -> "PreparedRead":
        """Load the events of some requests' keys, so that each request can be read by itself.

        Args:
            times, keys: As in `fill`.
        """
        states = [(read, _Loaded(read.group, keys[read.number], times)) for read in self._reads]
        return PreparedRead(self._features, times, states, self._divisions)


class PreparedRead:
    """The events of some requests' keys, loaded; made by `LayoutRead.prepare`."""

    def __init__(
        self,
        features: FeatureSet,
        times: Sequence[int],
        states: Sequence[tuple[_GroupRead, "_Loaded"]],
        divisions: Sequence[tuple[int, Division, int, int]],
    ) -> None:
        self._features, self._times, self._states = features, times, states
        self._divisions = divisions
        self._rooms = {
            read.number: array("d", bytes(8 * len(read.group.outputs))) for read, _ in states
        }

    def read(
        self,
        row: int,
        event: Event,
        out: "array[float]",
        start: int,
        refused: tuple[Consent, ...] = (),
    ) -> Unavailable:
        """Write the features of one of the requests into `out[start:]`.

        Args:
            refused: The consents that its entities do not give.

        Returns:
            The features that have no value; they are NaN.
        """
        rooms = self._rooms
        for read, state in self._states:
            room = rooms[read.number]
            state.read(row, self._times[row], room)
            for first, end, at in read.moves:
                out[start + at : start + at + end - first] = room[first:end]
            for at, one in read.vectors:
                unpack_into(room[one.first : one.end], out, start + at, one.width)
        for at, one, above, below in self._divisions:
            divisor = rooms[below][one.denominator.output]
            dividend = rooms[above][one.numerator.output]
            out[start + at] = dividend / divisor if divisor else one.default
        return self._features.complete(event, out, start, refused)


class _Loaded:
    """A state of the kernel with the events of some keys, for one moment."""

    def __init__(
        self, group: EventGroup, keys: Sequence[Integers | None], times: Sequence[int]
    ) -> None:
        self._state = State(group.scales, group.outputs)
        self._codes: list[int] = []
        earliest = min(times, default=0) - group.reach_us
        code_of: dict[int, int] = {}
        for rows in keys:
            code = -1 if rows is None else code_of.get(id(rows), -1)
            if rows is not None and code < 0:
                code = code_of[id(rows)] = len(code_of)
                inside = rows[rows[:, 1] > earliest] if group.reach_us < ALL_TIME_US else rows
                columns = np.ascontiguousarray(inside.T)
                codes = np.full(len(inside), code, np.int32)
                self._state.load(codes, columns[1], columns[0], list(columns[2:]))
            self._codes.append(code)

    def read(self, row: int, time: int, room: "array[float]") -> None:
        self._state.read(self._codes[row], time, _ALL_HELD, room, 0)
