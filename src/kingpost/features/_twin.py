"""The window kernel in plain Python: the same calls and the same bits as `_kernel.c`.

The rule: sums are Python integers, and `_finalise` turns them into a float by the very
operations of the C source, so no order of arrival and no path changes a bit. It is the
second opinion in tests and serves where nothing compiles. A key is one sorted list:
a read costs its window's length, a late event what lies behind it.

Standard library only; columns come in through the buffer protocol.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from operator import index
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:  # declared for type checkers only
    from _typeshed import ReadableBuffer, WriteableBuffer

__all__ = ["State", "backfill"]

_OPS = ("count", "sum", "mean", "min", "max", "last")
_TIME_LIMIT = 2**62
_VALUE_LIMIT = 2**53
_INT64 = 2**63 - 1


class _Output(NamedTuple):
    op: str
    column: int
    place: int
    scale: float
    empty: float


class _Window(NamedTuple):
    far: int
    near: int
    outputs: list[_Output]


class _Key:
    """The events of one key in (t, s) order, one array per column."""

    __slots__ = ("s", "sums", "t", "x")

    def __init__(self, columns: int) -> None:
        self.t = array("q")
        self.s = array("q")
        self.x = tuple(array("q") for _ in range(columns))
        self.sums: list[list[int]] = []
        """Prefix sums per column, once the key takes no more events."""

    def after(self, t: int, s: int) -> int:
        """First event behind (t, s)."""
        at = bisect_right(self.t, t)
        if at and self.t[at - 1] == t and self.s[at - 1] > s:
            return bisect_right(self.s, s, bisect_left(self.t, t, 0, at), at)
        return at

    def insert(self, t: int, s: int, values: Iterable[int]) -> None:
        at = self.after(t, s)
        self.t.insert(at, t)
        self.s.insert(at, s)
        for column, value in zip(self.x, values, strict=True):
            column.insert(at, value)

    def freeze(self) -> None:
        self.sums = [list(accumulate(column, initial=0)) for column in self.x]

    def total(self, column: int, low: int, high: int) -> int:
        if self.sums:
            return self.sums[column][high] - self.sums[column][low]
        return sum(self.x[column][low:high])

    def read(
        self, windows: list[_Window], q: int, tie: int, out: "memoryview[float]", start: int
    ) -> None:
        for far, near, outputs in windows:
            high = self.after(q - near, _INT64 if near else tie)
            low = bisect_right(self.t, q - far)
            for output in outputs:
                out[start + output.place] = _finalise(self, output, low, high)


def _finalise(key: _Key, output: _Output, low: int, high: int) -> float:
    op, column, _, scale, empty = output
    if low == high:
        return empty
    if op == "count":
        return float(high - low)
    if op == "sum":
        return float(key.total(column, low, high)) / scale
    if op == "mean":
        return float(key.total(column, low, high)) / (float(high - low) * scale)
    if op == "min":
        return float(min(key.x[column][low:high])) / scale
    if op == "max":
        return float(max(key.x[column][low:high])) / scale
    return float(key.x[column][high - 1]) / scale


class State:
    """The events of one stream by one key, read online."""

    def __init__(
        self, scales: Sequence[int], outputs: Sequence[tuple[str, int, int, int, float]]
    ) -> None:
        scales, outputs = tuple(scales), tuple(outputs)
        self._columns, self._width = len(scales), len(outputs)
        self._windows = _plan(scales, outputs)
        self._keys: dict[int, _Key] = {}
        self._none = _Key(self._columns)
        self._events = 0

    def insert(self, code: int, t: int, s: int, values: tuple[int, ...], /) -> None:
        """Add one event, wherever it belongs in its key's order."""
        code = _integer(code, "code", 0, 2**31 - 1)
        t = _integer(t, "t", -_TIME_LIMIT, _TIME_LIMIT)
        s = _integer(s, "s", -_INT64 - 1, _INT64)
        if not isinstance(values, tuple):  # pyright: ignore[reportUnnecessaryIsInstance] untyped callers
            raise TypeError(f"values is {values!r}, expected a tuple of int")
        if len(values) != self._columns:
            raise ValueError(
                f"values has {len(values)} items, but there are {self._columns} scales"
            )
        exact = [_integer(value, "a value", -_VALUE_LIMIT, _VALUE_LIMIT) for value in values]
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
        rows = _events(codes, t, s, values, self._columns)
        for code, time, sequence, *exact in sorted(rows, key=lambda row: row[1:3]):
            self._key(code).insert(time, sequence, exact)
        self._events += len(rows)

    def read(self, code: int, q: int, tie: int, out: "WriteableBuffer", start: int, /) -> None:
        """Write the outputs of a key at time q to out[start:]; defaults for a key never seen."""
        code = _integer(code, "code", -1, 2**31 - 1)
        q = _integer(q, "q", -_TIME_LIMIT, _TIME_LIMIT)
        tie = _integer(tie, "tie", -_INT64 - 1, _INT64)
        start = _integer(start, "start", 0, _VALUE_LIMIT)
        target = _target(out)
        if start + self._width > len(target):
            raise ValueError(
                f"out has {len(target)} places, too few for {self._width} outputs from {start}"
            )
        self._keys.get(code, self._none).read(self._windows, q, tie, target, start)

    def events(self) -> int:
        """Return how many events are held."""
        return self._events

    def _key(self, code: int) -> _Key:
        key = self._keys.get(code)
        if key is None:
            key = self._keys[code] = _Key(self._columns)
        return key


def backfill(
    scales: Sequence[int],
    outputs: Sequence[tuple[str, int, int, int, float]],
    codes: "ReadableBuffer",
    t: "ReadableBuffer",
    s: "ReadableBuffer",
    a: "ReadableBuffer | None",
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
    its a <= the read's read_a; with either None every event is. Read code -1 is an unknown key.
    """
    scales, outputs = tuple(scales), tuple(outputs)
    columns, width = len(scales), len(outputs)
    windows = _plan(scales, outputs)
    stride = _integer(stride, "stride", 1, _VALUE_LIMIT)
    start = _integer(start, "start", 0, _VALUE_LIMIT)
    _integer(threads, "threads", 1, 2**16)
    bounded = a is not None and read_a is not None
    events = _events(codes, t, s, values, columns)
    arrivals = _column(a, "a", len(events)) if a is not None and bounded else [0] * len(events)
    asked = _codes(read_codes, "read_codes", -1)
    moments = _bounded_column(q, "q", len(asked), _TIME_LIMIT)
    ties = _column(tie, "tie", len(asked))
    bounds = _column(read_a, "read_a", len(asked)) if read_a is not None and bounded else ties
    target = _target(out)
    if start + width > stride:
        raise ValueError(f"stride is {stride}, too small for {width} outputs from {start}")
    if asked and (len(asked) - 1) * stride + start + width > len(target):
        raise ValueError(
            f"out has {len(target)} places, too few for {len(asked)} rows of {width} outputs "
            f"from {start}, stride {stride}"
        )
    by_key: dict[int, tuple[list[int], list[int]]] = {}
    for row, code in enumerate(asked):
        by_key.setdefault(code, ([], []))[1].append(row)
    for row, event in enumerate(events):
        if event[0] in by_key:
            by_key[event[0]][0].append(row)
    for inside, reads in by_key.values():
        key = _Key(columns)
        inside.sort(key=arrivals.__getitem__ if bounded else lambda row: events[row][1:3])
        if bounded:
            reads.sort(key=bounds.__getitem__)
        else:
            for row in inside:
                key.insert(events[row][1], events[row][2], events[row][3:])
            key.freeze()
        known = 0
        for read in reads:
            while bounded and known < len(inside) and arrivals[inside[known]] <= bounds[read]:
                _, time, sequence, *exact = events[inside[known]]
                key.insert(time, sequence, exact)
                known += 1
            key.read(windows, moments[read], ties[read], target, read * stride + start)


def _integer(value: int, name: str, low: int, high: int) -> int:
    exact = index(value)
    if not low <= exact <= high:
        raise ValueError(f"{name} is {value!r}, expected {low} to {high}")
    return exact


def _plan(
    scales: tuple[int, ...], outputs: tuple[tuple[str, int, int, int, float], ...]
) -> list[_Window]:
    """Group the outputs by window."""
    if len(scales) > 1000 or not 1 <= len(outputs) <= 10000:
        raise ValueError(
            f"{len(scales)} scales and {len(outputs)} outputs, expected at most 1000 and 1 to 10000"
        )
    units = [float(_integer(scale, "a scale", 1, _VALUE_LIMIT)) for scale in scales]
    windows: dict[tuple[int, int], _Window] = {}
    for place, output in enumerate(outputs):
        if not isinstance(output, tuple) or len(output) != 5:  # pyright: ignore[reportUnnecessaryIsInstance, reportUnnecessaryComparison] untyped callers
            raise TypeError(
                f"outputs[{place}] is {output!r}, expected (op, column, far_us, near_us, default)"
            )
        op, column, far, near, empty = output
        if not isinstance(op, str):  # pyright: ignore[reportUnnecessaryIsInstance] untyped callers
            raise TypeError(f"outputs[{place}] has the op {op!r}, expected a str")
        if op not in _OPS:
            raise ValueError(
                f"outputs[{place}] has the op {op!r}, expected count, sum, mean, min, max or last"
            )
        least, most = (-1, -1) if op == "count" else (0, len(scales) - 1)
        column = _integer(column, "the column of an output", least, most)
        far = _integer(far, "far_us", 1, _TIME_LIMIT)
        near = _integer(near, "near_us", 0, far - 1)
        window = windows.setdefault((far, near), _Window(far, near, []))
        scale = 1.0 if column < 0 else units[column]
        window.outputs.append(_Output(op, column, place, scale, _double(empty)))
    return list(windows.values())


def _double(value: float) -> float:
    try:
        return array("d", [value])[0]  # float() would also parse a str
    except OverflowError:
        raise ValueError(f"the default of an output is {value!r}, too large for a float") from None


def _check(buffer: "ReadableBuffer", name: str, wanted: str, formats: str, size: int) -> memoryview:
    view = memoryview(buffer)
    if not view.c_contiguous:
        raise ValueError(f"{name} must be a contiguous buffer of {wanted}")
    format_ = view.format.removeprefix("@")
    if len(format_) != 1 or format_ not in formats or view.itemsize != size:
        raise ValueError(f"{name} holds items of format {view.format!r}, expected {wanted}")
    return view


def _whole(buffer: "ReadableBuffer", name: str, kind: Literal["i", "q"]) -> list[int]:
    wanted, formats, size = ("int32", "il", 4) if kind == "i" else ("int64", "ql", 8)
    view = _check(buffer, name, wanted, formats, size)
    if view.ndim != 1:
        raise ValueError(f"{name} has {view.ndim} dimensions, expected 1")
    return view.cast("B").cast(kind).tolist() if view.nbytes else []


def _target(out: "WriteableBuffer") -> "memoryview[float]":
    view = _check(out, "out", "float64", "d", 8)
    if view.readonly:
        raise ValueError("out must be writable")
    return view.cast("B").cast("d") if view.nbytes else memoryview(array("d"))


def _column(buffer: "ReadableBuffer", name: str, rows: int) -> list[int]:
    values = _whole(buffer, name, "q")
    if len(values) != rows:
        raise ValueError(f"{name} has {len(values)} rows, but the codes have {rows}")
    return values


def _codes(buffer: "ReadableBuffer", name: str, least: int) -> list[int]:
    codes = _whole(buffer, name, "i")
    if codes and min(codes) < least:
        row = next(row for row, code in enumerate(codes) if code < least)
        raise ValueError(f"{name}[{row}] is {codes[row]}, expected at least {least}")
    return codes


def _bounded_column(buffer: "ReadableBuffer", name: str, rows: int, limit: int) -> list[int]:
    values = _column(buffer, name, rows)
    if values and (min(values) < -limit or max(values) > limit):
        row = next(row for row, value in enumerate(values) if abs(value) > limit)
        raise ValueError(f"{name}[{row}] is {values[row]}, expected {-limit} to {limit}")
    return values


def _events(
    codes: "ReadableBuffer",
    t: "ReadableBuffer",
    s: "ReadableBuffer",
    values: Sequence["ReadableBuffer"],
    columns: int,
) -> list[tuple[int, ...]]:
    """Check the columns of events and turn them into rows (code, t, s, *values)."""
    value_columns = tuple(values)
    if len(value_columns) != columns:
        raise ValueError(f"values has {len(value_columns)} columns, but there are {columns} scales")
    exact = _codes(codes, "codes", 0)
    rows = len(exact)
    return list(
        zip(
            exact,
            _bounded_column(t, "t", rows, _TIME_LIMIT),
            _column(s, "s", rows),
            *(_bounded_column(column, "values", rows, _VALUE_LIMIT) for column in value_columns),
            strict=True,
        )
    )
