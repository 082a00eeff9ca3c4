"""Events as an online store outside this process keeps them: bytes, a few numbers each.

A group holds the events of one stream by one key, once for all windows over them. A
record is 64-bit little-endian whole numbers: sequence, time, then one multiple of its
resolution per value column. Three kinds differ by the sequence:

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
from dataclasses import dataclass
from operator import attrgetter
from typing import NamedTuple, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from kingpost.contracts import Event
from kingpost.features.declare import WindowFeatures
from kingpost.features.kernel import State
from kingpost.features.kernel_plan import KernelPlan

__all__ = ["ALL_TIME_US", "EventGroup", "GroupRead", "KeyEvents", "Layout"]

ALL_TIME_US = 2**62
"""The reach of a window without an end."""

_FORMAT = 1
_MARK = -(2**63)
_ALL_HELD = 2**63 - 1
_FEW = 64
"""A key with no more obsolete records than this is left as it is."""

Integers = NDArray[np.int64]
Output = tuple[str, int, int, int, float]


class KeyEvents(NamedTuple):
    """What a store holds of one key.

    Attributes:
        rows: The records, int64, shape (events, columns).
        low_us: Events up to this time may be gone; None when nothing was dropped.
        first: The first record as it lies there: it changes whenever records are dropped.
        size_bytes: Of all records.
    """

    rows: Integers
    low_us: int | None
    first: bytes
    size_bytes: int


class EventGroup:
    """The events of one stream by one key.

    Attributes:
        reach_us: How far behind its time a read looks; `ALL_TIME_US` when without an end.
        record_bytes: Of one event.
    """

    def __init__(self, views: Sequence[WindowFeatures]) -> None:
        plan = KernelPlan.of(views)
        contract = views[0].stream.contract
        self.stream, self.key = contract.name, views[0].key
        self.outputs, self.scales = plan.outputs, plan.scales
        self.reach_us = max(map(_reach_us, plan.outputs))
        self._record = struct.Struct(f"<{2 + len(plan.fields)}q")
        self.record_bytes = self._record.size
        self._key = attrgetter(self.key)
        self._time = attrgetter(f"{contract.event_time.name}.us")
        self._columns = tuple((attrgetter(field.name), field) for field in plan.fields)
        self.description = {
            "format": _FORMAT,
            "stream": self.stream,
            "key": self.key,
            "columns": [(field.name, field.kind, field.scale) for field in plan.fields],
            "reach_us": self.reach_us,
        }

    def key_of(self, event: Event) -> str:
        """Return an event's key as text."""
        return str(self._key(event))

    def time_of(self, event: Event) -> int:
        """Return when an event of the stream happened, microseconds."""
        return self._time(event)

    def pack(self, event: Event, sequence: int) -> bytes:
        """Return the record of an event."""
        values = [field.multiple(get(event)) for get, field in self._columns]
        return self._record.pack(sequence, self._time(event), *values)

    def pack_end(self, event: Event, sequence: int) -> bytes:
        """Return the record that takes an event out again."""
        return self._record.pack(~sequence, self._time(event), *[0] * len(self._columns))

    def unpack(self, held: bytes) -> KeyEvents:
        """Read what a store holds of a key."""
        records = np.frombuffer(held, "<i8").reshape(-1, 2 + len(self._columns))
        rows = records.astype(np.int64, copy=False)
        low = None
        if len(rows) and rows[0, 0] == _MARK:
            low, rows = int(rows[0, 1]), rows[1:]
        ends = rows[:, 0] < 0
        if ends.any():
            gone = ~rows[ends, 0]
            rows = rows[~(ends | np.isin(rows[:, 0], gone))]
        return KeyEvents(rows, low, held[: self.record_bytes], len(held))

    def compacted(self, held: KeyEvents, grace_us: int, now_us: int) -> bytes | None:
        """Return shorter records for a key, when many of them no read looks back on any more.

        A read up to `grace_us` behind the key's latest event still finds all it needs. An
        event dated after now does not make others old.
        """
        if self.reach_us >= ALL_TIME_US or held.size_bytes <= _FEW * self.record_bytes:
            return None
        if not len(held.rows):
            return None
        latest = min(int(held.rows[:, 1].max()), now_us)
        low = latest - self.reach_us - grace_us
        kept = held.rows[held.rows[:, 1] > low]
        dropped = held.size_bytes // self.record_bytes - len(kept)
        if dropped <= max(_FEW, len(kept) // 3) or (held.low_us is not None and low <= held.low_us):
            return None
        mark = self._record.pack(_MARK, low, *[0] * len(self._columns))
        return mark + kept[np.argsort(kept[:, 1], kind="stable")].astype("<i8").tobytes()


def _reach_us(output: Output) -> int:
    """Return how far behind the time of a read an output's window begins.

    A window that ends at a multiple of a length begins up to that length earlier.
    """
    far, *rest = cast("tuple[int, ...]", output[2:])
    align = rest[3] if len(rest) > 3 else 0
    return min(far + align, ALL_TIME_US)


class Layout:
    """The groups behind some windowed features, and what they are called in a store.

    Attributes:
        groups: In the order of their streams and keys.
        digest: SHA-256 of all that the stored bytes depend on, shortened, in hex. A changed
            definition has another one, so it never reads what was stored for the old.
    """

    def __init__(self, views: Iterable[WindowFeatures]) -> None:
        by_group: dict[tuple[str, str], list[WindowFeatures]] = {}
        for view in {id(view): view for view in views}.values():
            by_group.setdefault((view.stream.name, view.key), []).append(view)
        self.groups = tuple(EventGroup(by_group[name]) for name in sorted(by_group))
        self._slices: dict[int, tuple[int, int, int]] = {}
        for index, name in enumerate(sorted(by_group)):
            first = 0
            for view in by_group[name]:
                self._slices[id(view)] = (index, first, first + len(view.names))
                first += len(view.names)
        text = msgspec.json.encode([group.description for group in self.groups], order="sorted")
        self.digest = hashlib.sha256(text).hexdigest()[:16]

    def groups_of(self, stream: str) -> list[tuple[int, EventGroup]]:
        """Return the groups over a stream, with their numbers."""
        return [one for one in enumerate(self.groups) if one[1].stream == stream]

    def reads(self, views: Mapping[int, WindowFeatures]) -> list["GroupRead"]:
        """Plan the reads of some windowed features.

        Args:
            views: Groups of windowed features by their first place in the row of values.
        """
        parts: dict[int, list[tuple[int, int, int]]] = {}
        for start, view in views.items():
            index, first, end = self._slices[id(view)]
            parts.setdefault(index, []).append((first, end, start))
        return [GroupRead(index, self.groups[index], part) for index, part in parts.items()]


@dataclass(frozen=True)
class _Move:
    first: int
    end: int
    start: int


class GroupRead:
    """Computes some features of one group from the events of a few keys, by the kernel."""

    def __init__(
        self, index: int, group: EventGroup, parts: Sequence[tuple[int, int, int]]
    ) -> None:
        self.index, self.group = index, group
        outputs: list[Output] = []
        moves: list[_Move] = []
        for first, end, start in parts:
            moves.append(_Move(len(outputs), len(outputs) + end - first, start))
            outputs += group.outputs[first:end]
        self._outputs, self._moves = outputs, moves
        self._values = len(group.scales)
        self.reach_us = max(map(_reach_us, outputs))

    def fill(
        self,
        keys: Sequence[Integers],
        asked: Sequence[tuple[int, int]],
        out: "array[float]",
        width: int,
    ) -> None:
        """Write the features of some requests.

        Args:
            keys: The records of each key.
            asked: For each request the place of its key in `keys`, and its time.
            out: The values of all features, `width` for each request.
        """
        if not asked:
            return
        state = State(self.group.scales, self._outputs)
        earliest = min(time for _, time in asked) - self.reach_us
        for code, rows in enumerate(keys):
            inside = rows[rows[:, 1] > earliest] if self.reach_us < ALL_TIME_US else rows
            columns = np.ascontiguousarray(inside.T)
            codes = np.full(len(inside), code, np.int32)
            state.load(codes, columns[1], columns[0], list(columns[2:]))
        values = array("d", bytes(8 * len(self._outputs)))
        for row, (code, time) in enumerate(asked):
            state.read(code, time, _ALL_HELD, values, 0)
            for move in self._moves:
                at = row * width + move.start
                out[at : at + move.end - move.first] = values[move.first : move.end]
