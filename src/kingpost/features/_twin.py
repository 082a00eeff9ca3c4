"""The window kernel in plain Python: the same calls and the same bits as `_kernel.c`.

The rule: it is plain. It keeps a key as one sorted list and looks at a window's events anew
at every read, so it is the second opinion in tests; and it serves where nothing compiles.
What a window is reduced to stands in `_twin_key`, what is refused in `_twin_checks`.

Standard library only; columns come in through the buffer protocol.
"""

from array import array
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from kingpost.features._twin_checks import (
    VALUE_LIMIT,
    Spec,
    bounded_column,
    codes_of,
    column_of,
    events_of,
    integer,
    limits_of,
    plan_of,
    target_of,
)
from kingpost.features._twin_key import INT64, TIME_LIMIT, Key, Window

if TYPE_CHECKING:  # declared for type checkers only
    from _typeshed import ReadableBuffer, WriteableBuffer

__all__ = ["State", "backfill"]

MOST_DROPPED = 65_536
_Taken = tuple[bytes, bytes, list[bytes]]


class State:
    """The events of one stream by one key, read online."""

    def __init__(self, scales: Sequence[int], outputs: Sequence[Spec]) -> None:
        scales, outputs = tuple(scales), tuple(outputs)
        self._columns, self._width = len(scales), len(outputs)
        self._windows = plan_of(scales, outputs)
        self._limits = limits_of(scales)
        self._keys: dict[int, Key] = {}
        self._none = Key(self._columns)
        self._events = 0

    def insert(self, code: int, t: int, s: int, values: tuple[int, ...], /) -> None:
        """Add one event, wherever it belongs in its key's order."""
        code = integer(code, "code", 0, 2**31 - 1)
        t = integer(t, "t", -TIME_LIMIT, TIME_LIMIT)
        s = integer(s, "s", -INT64 - 1, INT64)
        if not isinstance(values, tuple):  # pyright: ignore[reportUnnecessaryIsInstance] untyped callers
            raise TypeError(f"values is {values!r}, expected a tuple of int")
        if len(values) != self._columns:
            raise ValueError(
                f"values has {len(values)} items, but there are {self._columns} scales"
            )
        exact = [
            integer(value, "a value", -limit - (limit == INT64), limit)
            for value, limit in zip(values, self._limits, strict=True)
        ]
        self._key(code).insert(t, s, exact)
        self._events += 1

    def load(
        self,
        codes: "ReadableBuffer",
        t: "ReadableBuffer",
        s: "ReadableBuffer",
        values: Sequence["ReadableBuffer"],
    ) -> None:
        """Add many events from buffers: codes int32, the rest int64."""
        rows = events_of(codes, t, s, values, self._limits)
        for code, time, sequence, *exact in sorted(rows, key=lambda row: row[1:3]):
            self._key(code).insert(time, sequence, exact)
        self._events += len(rows)

    def read(self, code: int, q: int, tie: int, out: "WriteableBuffer", start: int, /) -> None:
        """Write the outputs of a key at time q to out[start:]; defaults for a key never seen."""
        code = integer(code, "code", -1, 2**31 - 1)
        q = integer(q, "q", -TIME_LIMIT, TIME_LIMIT)
        tie = integer(tie, "tie", -INT64 - 1, INT64)
        start = integer(start, "start", 0, VALUE_LIMIT)
        target = target_of(out)
        if start + self._width > len(target):
            raise ValueError(
                f"out has {len(target)} places, too few for {self._width} outputs from {start}"
            )
        self._keys.get(code, self._none).read(self._windows, q, tie, target, start)

    def retract(self, code: int, t: int, s: int, /) -> bool:
        """Take an event out again; return whether it was there."""
        code = integer(code, "code", -1, 2**31 - 1)
        t = integer(t, "t", -TIME_LIMIT, TIME_LIMIT)
        s = integer(s, "s", -INT64 - 1, INT64)
        found = code in self._keys and self._keys[code].retract(t, s)
        self._events -= found
        return found

    def dump(self) -> tuple[bytes, bytes, bytes, list[bytes]]:
        """Return all events in order of (code, t, s): bytes of int32 and int64 for `load`."""
        keys = sorted(self._keys.items())
        codes = array("i")
        for code, key in keys:
            codes.extend([code] * len(key.t))
        return (
            codes.tobytes(),
            b"".join(key.t.tobytes() for _, key in keys),
            b"".join(key.s.tobytes() for _, key in keys),
            [b"".join(key.x[c].tobytes() for _, key in keys) for c in range(self._columns)],
        )

    def take(self, code: int, /) -> _Taken:
        """Remove a key and return its events in order of (t, s): bytes of int64."""
        key = self._keys.pop(integer(code, "code", -1, 2**31 - 1), self._none)
        self._events -= len(key.t)
        return key.t.tobytes(), key.s.tobytes(), [column.tobytes() for column in key.x]

    def drop(self, t: int, first: int, end: int, /) -> bytes:
        """Drop all events up to time t of the keys from code `first` to `end`, exclusive.

        Returns:
            The codes among them that hold none now: bytes of int32.
        """
        t = integer(t, "t", -TIME_LIMIT, TIME_LIMIT)
        first = integer(first, "first", 0, 2**31 - 1)
        end = integer(end, "end", first, first + MOST_DROPPED)
        empty = array("i")
        for code in range(first, end):
            key = self._keys.get(code)
            if key is not None:
                self._events -= key.drop(t)
            if key is None or not key.t:
                empty.append(code)
        return empty.tobytes()

    def memory(self) -> int:
        """Return the bytes that hold the events; the objects around them are not counted."""
        return 8 * (2 + self._columns) * self._events

    def events(self) -> int:
        """Return how many events are held."""
        return self._events

    def _key(self, code: int) -> Key:
        key = self._keys.get(code)
        if key is None:
            key = self._keys[code] = Key(self._columns)
        return key


class _Events(NamedTuple):
    """Events as rows (code, t, s, *values); when they came and ended, if that counts."""

    rows: list[tuple[int, ...]]
    arrivals: list[int] | None
    ends: list[int] | None


class _Reads(NamedTuple):
    """What is asked; which arrivals each read knows, if that counts."""

    codes: list[int]
    moments: list[int]
    ties: list[int]
    known: list[int] | None


class _Answers(NamedTuple):
    """Where row r goes: out[r * stride + start:]."""

    windows: list[Window]
    out: "memoryview[float]"
    stride: int
    start: int

    def answer(self, key: Key, reads: _Reads, row: int) -> None:
        place = row * self.stride + self.start
        key.read(self.windows, reads.moments[row], reads.ties[row], self.out, place)


def backfill(
    scales: Sequence[int],
    outputs: Sequence[Spec],
    codes: "ReadableBuffer",
    t: "ReadableBuffer",
    s: "ReadableBuffer",
    a: "ReadableBuffer | None",
    ends: "ReadableBuffer | None",
    values: Sequence["ReadableBuffer"],
    read_codes: "ReadableBuffer",
    q: "ReadableBuffer",
    tie: "ReadableBuffer",
    read_a: "ReadableBuffer | None",
    out: "WriteableBuffer",
    stride: int,
    start: int,
    threads: int,
) -> None:
    """Answer many reads over many events at once, each as known at its own arrival.

    Row r, output j is written to out[r * stride + start + j]. An event is seen by a read if
    a <= read_a < ends; without ends none ends, and with a or read_a None every event is seen.
    Read code -1 is an unknown key.
    """
    scales, outputs = tuple(scales), tuple(outputs)
    windows = plan_of(scales, outputs)
    stride = integer(stride, "stride", 1, VALUE_LIMIT)
    start = integer(start, "start", 0, VALUE_LIMIT)
    integer(threads, "threads", 1, 2**16)
    if a is None or read_a is None:
        a = read_a = ends = None
    rows = events_of(codes, t, s, values, limits_of(scales))
    events = _Events(rows, _maybe(a, "a", len(rows)), _maybe(ends, "ends", len(rows)))
    asked = codes_of(read_codes, "read_codes", -1)
    reads = _Reads(
        asked,
        bounded_column(q, "q", len(asked), TIME_LIMIT),
        column_of(tie, "tie", len(asked)),
        _maybe(read_a, "read_a", len(asked)),
    )
    answers = _Answers(windows, target_of(out), stride, start)
    _check_room(len(outputs), len(asked), answers)
    for inside, mine in _by_key(events, reads).values():
        key = Key(len(scales))
        if reads.known is None:
            _answer_all(key, events, inside, reads, mine, answers)
        else:
            _answer_as_known(key, events, inside, reads, mine, answers)


def _maybe(buffer: "ReadableBuffer | None", name: str, rows: int) -> list[int] | None:
    return None if buffer is None else column_of(buffer, name, rows)


def _check_room(width: int, rows: int, answers: _Answers) -> None:
    _, out, stride, start = answers
    if start + width > stride:
        raise ValueError(f"stride is {stride}, too small for {width} outputs from {start}")
    if rows and (rows - 1) * stride + start + width > len(out):
        raise ValueError(
            f"out has {len(out)} places, too few for {rows} rows of {width} outputs "
            f"from {start}, stride {stride}"
        )


def _by_key(events: _Events, reads: _Reads) -> dict[int, tuple[list[int], list[int]]]:
    """Bring the rows of events and reads together by the codes that are read."""
    by_key: dict[int, tuple[list[int], list[int]]] = {}
    for row, code in enumerate(reads.codes):
        by_key.setdefault(code, ([], []))[1].append(row)
    for row, event in enumerate(events.rows):
        if event[0] in by_key:
            by_key[event[0]][0].append(row)
    return by_key


def _answer_all(
    key: Key, events: _Events, inside: list[int], reads: _Reads, mine: list[int], answers: _Answers
) -> None:
    """Answer the reads of a key of which every event is seen."""
    for _, time, sequence, *exact in sorted((events.rows[row] for row in inside), key=_in_order):
        key.insert(time, sequence, exact)
    key.freeze()
    for read in mine:
        answers.answer(key, reads, read)


def _in_order(event: tuple[int, ...]) -> tuple[int, ...]:
    return event[1:3]


def _answer_as_known(
    key: Key, events: _Events, inside: list[int], reads: _Reads, mine: list[int], answers: _Answers
) -> None:
    """Go through what came, what ended and the reads of a key in order of arrival."""
    rows, arrivals, ends = events.rows, events.arrivals or [], events.ends
    known = reads.known or []
    if ends is not None:
        inside = [row for row in inside if ends[row] > arrivals[row]]
    coming = deque(sorted(inside, key=arrivals.__getitem__))
    ended = [] if ends is None else [(ends[row], row) for row in inside if ends[row] < INT64]
    ending = deque(sorted(ended))
    for read in sorted(mine, key=known.__getitem__):
        while coming and arrivals[coming[0]] <= known[read]:
            _, time, sequence, *exact = rows[coming.popleft()]
            key.insert(time, sequence, exact)
        while ending and ending[0][0] <= known[read]:
            key.retract(*rows[ending.popleft()[1]][1:3])
        answers.answer(key, reads, read)
