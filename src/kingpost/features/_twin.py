"""The window kernel in plain Python: the same calls and the same bits as `_kernel.c`.

The rule: sums are Python integers, and `_finalise` turns them into a float by the very
operations of the C source, so no order of arrival and no path changes a bit. It is the
second opinion in tests and serves where nothing compiles. A key is one sorted list:
a read costs its window's length, a late event what lies behind it.

Standard library only; columns come in through the buffer protocol.
"""

import math
from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import accumulate
from operator import index
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:  # declared for type checkers only
    from _typeshed import ReadableBuffer, WriteableBuffer

__all__ = ["State", "backfill"]

_OPS = (
    "count", "sum", "mean", "min", "max", "var", "std", "first", "last", "distinct", "top",
    "quantile", "decayed_sum", "decayed_count", "since", "sequence",
)  # fmt: skip
_WITHOUT_COLUMN = ("count", "decayed_count", "since", "sequence")
_OF_OPAQUE = ("first", "last", "distinct", "top")
_TIME_LIMIT = 2**62
_VALUE_LIMIT = 2**53
_ALIGN_LIMIT = 2**53
_INT64 = 2**63 - 1
_ARGUMENTS = {
    "distinct": (1, 2**20),
    "top": (1, 1000),
    "quantile": (0, 1_000_000),
    "decayed_sum": (1, _ALIGN_LIMIT),
    "decayed_count": (1, _ALIGN_LIMIT),
    "since": (1, _ALIGN_LIMIT),
}

_Events = tuple[bytes, bytes, list[bytes]]
_Spec = tuple[str, int, int, int, float, int, int]


class _Output(NamedTuple):
    op: str
    column: int
    place: int
    scale: float
    empty: float
    argument: int

    def value(self, x: int) -> float:
        """Return a value as a float: a multiple of the resolution, or the bits themselves."""
        if self.scale:
            return float(x) / self.scale
        return array("d", array("q", [x]).tobytes())[0]


class _Window(NamedTuple):
    far: int
    near: int
    align: int
    outputs: list[_Output]

    def looks_from(self, q: int) -> int:
        """Return the time it looks back from."""
        return max(q - q % self.align - 1, -_TIME_LIMIT) if self.align else q


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

    def retract(self, t: int, s: int) -> bool:
        at = self.after(t, s) - 1
        if at < 0 or self.t[at] != t or self.s[at] != s:
            return False
        for column in (self.t, self.s, *self.x):
            del column[at]
        return True

    def freeze(self) -> None:
        self.sums = [list(accumulate(column, initial=0)) for column in self.x]

    def total(self, column: int, low: int, high: int) -> int:
        if self.sums:
            return self.sums[column][high] - self.sums[column][low]
        return sum(self.x[column][low:high])

    def read(
        self, windows: list[_Window], q: int, tie: int, out: "memoryview[float]", start: int
    ) -> None:
        for window in windows:
            far, near, align, outputs = window
            moment = window.looks_from(q)
            high = self.after(moment - near, _INT64 if near or align else tie)
            low = bisect_right(self.t, moment - far)
            for output in outputs:
                out[start + output.place] = _finalise(self, output, low, high, q)


def _finalise(key: _Key, output: _Output, low: int, high: int, q: int) -> float:
    op, column, _, scale, empty, argument = output
    n = high - low
    if n == 0 or (n == 1 and op in ("var", "std")):
        return empty
    match op:
        case "count":
            return float(n)
        case "sum":
            return float(key.total(column, low, high)) / scale
        case "mean":
            return float(key.total(column, low, high)) / (float(n) * scale)
        case "var":
            return _variance(key, column, low, high, scale)
        case "std":
            return math.sqrt(_variance(key, column, low, high, scale))
        case "since":
            return float(q - key.t[high - 1]) / float(argument)
        case "sequence":
            return float(key.s[high - 1])
        case "decayed_sum":
            return _decayed(output, key.t[low:high], key.x[column][low:high], q)
        case "decayed_count":
            return _decayed(output, key.t[low:high], [1] * n, q)
        case _:
            return _picked(output, key.x[column], low, high)


def _picked(output: _Output, x: "array[int]", low: int, high: int) -> float:
    """Return a result that is one of the values, or tells how many there are."""
    match output.op:
        case "min":
            return float(min(x[low:high])) / output.scale
        case "max":
            return float(max(x[low:high])) / output.scale
        case "first":
            return output.value(x[low])
        case "last":
            return output.value(x[high - 1])
        case "distinct":
            return _distinct(x[low:high], output.argument)
        case "top":
            ranked = sorted(Counter(x[low:high]).items(), key=lambda one: (-one[1], one[0]))
            if len(ranked) < output.argument:
                return output.empty
            return output.value(ranked[output.argument - 1][0])
        case _:
            return output.value(_quantile(x[low:high], output.argument))


def _variance(key: _Key, column: int, low: int, high: int, scale: float) -> float:
    n, total = high - low, key.total(column, low, high)
    squares = sum(x * x for x in key.x[column][low:high])
    return float(n * squares - total * total) / (float(n * (n - 1)) * (scale * scale))


_HLL_BITS = 12
_HLL_SIZE = 2**_HLL_BITS
_EXACT_RANKS = 4096
_SMALL = 256
_HALF_LIVES = 64
_WORD = 2**64 - 1


def _logarithms() -> list[float]:
    """Return ln(_HLL_SIZE / v) for v from 0 (unused) to _HLL_SIZE, by a series of its own."""
    table = [0.0] * (_HLL_SIZE + 1)
    for v in range(_HLL_SIZE, 1, -1):
        z = 1.0 / (2.0 * v - 1.0)
        square, total = z * z, 0.0
        for k in range(20, -1, -1):
            total = total * square + 1.0 / (2.0 * k + 1.0)
        table[v - 1] = table[v] + 2.0 * z * total
    return table


def _powers() -> tuple[list[int], list[int]]:
    """Return 2**(i / 2**8) and 2**(i / 2**16), times 2**60, for i from 0 to 255."""
    one = 2**60
    roots = [math.isqrt(one << 61)]
    for _ in range(15):
        roots.append(math.isqrt(roots[-1] << 60))
    tables: tuple[list[int], list[int]] = ([], [])
    for table, first in zip(tables, (0, 8), strict=True):
        for i in range(256):
            product = one
            for bit in range(8):
                if i >> (7 - bit) & 1:
                    product = product * roots[first + bit] >> 60
            table.append(product)
    return tables


_LOGARITHMS = _logarithms()
_COARSE, _FINE = _powers()


def _mixed(x: int) -> int:
    """Scatter 64 bits; splitmix64."""
    x = (x + 0x9E3779B97F4A7C15) & _WORD
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & _WORD
    x = (x ^ x >> 27) * 0x94D049BB133111EB & _WORD
    return x ^ x >> 31


def _distinct(values: Iterable[int], most: int) -> float:
    """Count distinct values, above `most` by HyperLogLog (Flajolet et al. 2007)."""
    found = set(values)
    if len(found) <= most:
        return float(len(found))
    registers = [0] * _HLL_SIZE
    for value in found:
        hashed = _mixed(value & _WORD)
        at = hashed >> (64 - _HLL_BITS)
        rest = (hashed << _HLL_BITS & _WORD) | 1 << (_HLL_BITS - 1)
        registers[at] = max(registers[at], 65 - rest.bit_length())
    size = float(_HLL_SIZE)
    alpha = 0.7213 / (1.0 + 1.079 / size)
    estimate = math.ldexp(alpha * size * size, 60) / float(
        sum(1 << (60 - register) for register in registers)
    )
    unused = registers.count(0)
    if estimate <= 2.5 * size and unused:
        estimate = size * _LOGARITHMS[unused]
    return max(float(round(estimate)), float(most + 1))


def _quantile(values: "array[int]", millionths: int) -> int:
    """Return the value of a rank; of many events, the middle of its bucket."""
    rank = max(-(-millionths * len(values) // 1_000_000), 1) - 1
    if len(values) <= _EXACT_RANKS:
        return sorted(values)[rank]
    return _middle(sorted(map(_bucket, values))[rank])


def _bucket(x: int) -> int:
    """Number the bucket of a value: below _SMALL one each, above 128 to each power of two."""
    at = size = abs(x)
    if size >= _SMALL:
        power = size.bit_length() - 1
        at = _SMALL + (power - 8) * 128 + (size >> (power - 7) & 127)
    return -at if x < 0 else at


def _middle(bucket: int) -> int:
    value = at = abs(bucket)
    if at >= _SMALL:
        power = (at - _SMALL) // 128 + 8
        value = ((128 + (at - _SMALL) % 128) << (power - 7)) + (1 << (power - 8))
    return -value if bucket < 0 else value


def _half_life(t: int, length: int) -> tuple[int, int]:
    """Return in which half-life a time lies, and its weight there: 2**fraction * 2**30."""
    whole, rest = divmod(t, length)
    part = rest * 65536 // length
    return whole, _COARSE[part >> 8] * _FINE[part & 255] >> 90


def _decayed(output: _Output, times: Iterable[int], values: Iterable[int], q: int) -> float:
    """Sum x * 2**((t - q) / half-life): exact integers, weights within 2**-15 of the true ones."""
    length = output.argument
    current, now = _half_life(q, length)
    total = 0
    for t, x in zip(times, values, strict=True):
        whole, weight = _half_life(t, length)
        if whole > current - _HALF_LIVES:
            total += weight * x << (whole - current + _HALF_LIVES - 1)
    return math.ldexp(float(total), 1 - _HALF_LIVES) / (float(now) * output.scale)


class State:
    """The events of one stream by one key, read online."""

    def __init__(self, scales: Sequence[int], outputs: Sequence[_Spec]) -> None:
        scales, outputs = tuple(scales), tuple(outputs)
        self._columns, self._width = len(scales), len(outputs)
        self._windows = _plan(scales, outputs)
        self._limits = _limits(scales)
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
        exact = [
            _integer(value, "a value", -limit - (limit == _INT64), limit)
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
        rows = _events(codes, t, s, values, self._limits)
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

    def retract(self, code: int, t: int, s: int, /) -> bool:
        """Take an event out again; return whether it was there."""
        code = _integer(code, "code", -1, 2**31 - 1)
        t = _integer(t, "t", -_TIME_LIMIT, _TIME_LIMIT)
        s = _integer(s, "s", -_INT64 - 1, _INT64)
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

    def take(self, code: int, /) -> _Events:
        """Remove a key and return its events in order of (t, s): bytes of int64."""
        key = self._keys.pop(_integer(code, "code", -1, 2**31 - 1), self._none)
        self._events -= len(key.t)
        return key.t.tobytes(), key.s.tobytes(), [column.tobytes() for column in key.x]

    def memory(self) -> int:
        """Return the bytes that hold the events; the objects around them are not counted."""
        return 8 * (2 + self._columns) * self._events

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
    outputs: Sequence[_Spec],
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
    columns, width = len(scales), len(outputs)
    windows = _plan(scales, outputs)
    stride = _integer(stride, "stride", 1, _VALUE_LIMIT)
    start = _integer(start, "start", 0, _VALUE_LIMIT)
    _integer(threads, "threads", 1, 2**16)
    bounded = a is not None and read_a is not None
    events = _events(codes, t, s, values, _limits(scales))
    arrivals = _column(a, "a", len(events)) if a is not None and bounded else [0] * len(events)
    lasts = _column(ends, "ends", len(events)) if ends is not None and bounded else None
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
        if lasts is not None:
            inside = [row for row in inside if lasts[row] > arrivals[row]]
        ending = sorted(inside, key=lasts.__getitem__) if lasts is not None else []
        known = over = 0
        for read in reads:
            while bounded and known < len(inside) and arrivals[inside[known]] <= bounds[read]:
                _, time, sequence, *exact = events[inside[known]]
                key.insert(time, sequence, exact)
                known += 1
            while lasts is not None and over < len(ending) and lasts[ending[over]] <= bounds[read]:
                if lasts[ending[over]] != _INT64:
                    key.retract(*events[ending[over]][1:3])
                over += 1
            key.read(windows, moments[read], ties[read], target, read * stride + start)


def _integer(value: int, name: str, low: int, high: int) -> int:
    exact = index(value)
    if not low <= exact <= high:
        raise ValueError(f"{name} is {value!r}, expected {low} to {high}")
    return exact


def _plan(scales: tuple[int, ...], outputs: tuple[_Spec, ...]) -> list[_Window]:
    """Group the outputs by window."""
    if len(scales) > 1000 or not 1 <= len(outputs) <= 10000:
        raise ValueError(
            f"{len(scales)} scales and {len(outputs)} outputs, expected at most 1000 and 1 to 10000"
        )
    units = [float(_integer(scale, "a scale", 0, _VALUE_LIMIT)) for scale in scales]
    windows: dict[tuple[int, int, int], _Window] = {}
    for place, output in enumerate(outputs):
        if not isinstance(output, tuple) or len(output) != 7:  # pyright: ignore[reportUnnecessaryIsInstance, reportUnnecessaryComparison] untyped callers
            raise TypeError(
                f"outputs[{place}] is {output!r}, expected "
                "(op, column, far_us, near_us, default, argument, align_us)"
            )
        op, column, far, near, empty, argument, align = output
        if not isinstance(op, str):  # pyright: ignore[reportUnnecessaryIsInstance] untyped callers
            raise TypeError(f"outputs[{place}] has the op {op!r}, expected a str")
        if op not in _OPS:
            raise ValueError(
                f"outputs[{place}] has the op {op!r}, expected {', '.join(_OPS[:-1])} or {_OPS[-1]}"
            )
        least, most = (-1, -1) if op in _WITHOUT_COLUMN else (0, len(scales) - 1)
        column = _integer(column, "the column of an output", least, most)
        far = _integer(far, "far_us", 1, _TIME_LIMIT)
        near = _integer(near, "near_us", 0, far - 1)
        argument = _integer(argument, "the argument of an output", *_ARGUMENTS.get(op, (0, 0)))
        align = _integer(align, "align_us", 0, _ALIGN_LIMIT)
        scale = 1.0 if column < 0 else units[column]
        if scale == 0 and op not in _OF_OPAQUE:
            raise ValueError(
                f"outputs[{place}] has the op {op!r} over column {column}, which is opaque"
            )
        window = windows.setdefault((far, near, align), _Window(far, near, align, []))
        window.outputs.append(_Output(op, column, place, scale, _double(empty), argument))
    return list(windows.values())


def _limits(scales: Iterable[int]) -> list[int]:
    """Return how large a value of each column may be."""
    return [_VALUE_LIMIT if scale else _INT64 for scale in scales]


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
    limits: Sequence[int],
) -> list[tuple[int, ...]]:
    """Check the columns of events and turn them into rows (code, t, s, *values)."""
    value_columns = tuple(values)
    if len(value_columns) != len(limits):
        raise ValueError(
            f"values has {len(value_columns)} columns, but there are {len(limits)} scales"
        )
    exact = _codes(codes, "codes", 0)
    rows = len(exact)
    return list(
        zip(
            exact,
            _bounded_column(t, "t", rows, _TIME_LIMIT),
            _column(s, "s", rows),
            *(
                _column(column, "values", rows)
                if limit == _INT64
                else _bounded_column(column, "values", rows, limit)
                for column, limit in zip(value_columns, limits, strict=True)
            ),
            strict=True,
        )
    )
