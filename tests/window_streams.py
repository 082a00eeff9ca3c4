"""Windows by the plain definition, and random streams to compare the kernels on.

The definition looks at every event for every read and computes with integers and fractions;
it knows nothing of order, blocks, prefix sums or counters that slide. A decayed sum and a
quantile of many events are approximations, but of an exact definition too: weights are whole
multiples of 2**-30, and buckets are exact.
"""

import importlib
import math
import os
import struct
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from random import Random
from types import ModuleType
from typing import NamedTuple, Protocol, cast

import pytest

__all__ = [
    "ALWAYS",
    "ARGUMENTS",
    "KERNELS",
    "OF_OPAQUE",
    "WITHOUT_COLUMN",
    "Arrival",
    "Ask",
    "Kernel",
    "Output",
    "Stream",
    "WindowState",
    "as_bits",
    "by_definition",
    "random_stream",
]

Output = tuple[str, int, int, int, float, int, int]
Column = Sequence[int]
ALWAYS = 2**63 - 1


WITHOUT_COLUMN = ("count", "decayed_count", "since", "sequence")
OF_OPAQUE = ("first", "last", "distinct", "top")
ARGUMENTS: dict[str, list[int]] = {
    **{op: [0] for op in ("count", "sum", "mean", "min", "max", "var", "std", "first", "last")},
    "sequence": [0],
    "distinct": [1, 3, 1000],
    "top": [1, 2, 5],
    "quantile": [0, 250_000, 500_000, 990_000, 1_000_000],
    "decayed_sum": [1, 7, 60, 2**53],
    "decayed_count": [1, 333],
    "since": [1, 86_400],
}
"""Arguments to draw for each operation."""


class WindowState(Protocol):
    def insert(self, code: int, t: int, s: int, values: tuple[int, ...], /) -> None: ...
    def load(
        self, codes: "array[int]", t: "array[int]", s: "array[int]", values: "list[array[int]]"
    ) -> None: ...
    def read(self, code: int, q: int, tie: int, out: "array[float]", start: int, /) -> None: ...
    def retract(self, code: int, t: int, s: int, /) -> bool: ...
    def dump(self) -> tuple[bytes, bytes, bytes, list[bytes]]: ...
    def take(self, code: int, /) -> tuple[bytes, bytes, list[bytes]]: ...
    def drop(self, t: int, first: int, end: int, /) -> bytes: ...
    def memory(self) -> int: ...
    def events(self) -> int: ...


class Kernel:
    """One of the two kernels, named as `kingpost.features.kernel.KERNEL` names it."""

    def __init__(self, name: str, module: str) -> None:
        self.name = name
        self._module = module

    def load(self) -> ModuleType:
        """Import it, or skip the test with the reason; CI asks for both kernels."""
        try:
            return importlib.import_module(self._module)
        except ImportError as error:
            if os.environ.get("KINGPOST_TEST_SERVICES") == "required":
                pytest.fail(f"the {self.name} kernel is required and not here: {error}")
            pytest.skip(f"the {self.name} kernel is not here: {error}")

    def state(self, scales: Column, outputs: Sequence[Output]) -> WindowState:
        return cast("WindowState", self.load().State(scales, outputs))

    def backfill(self, *arguments: object) -> None:
        self.load().backfill(*arguments)


KERNELS = [
    pytest.param(Kernel("c", "kingpost.features._kernel"), id="c"),
    pytest.param(Kernel("python", "kingpost.features._twin"), id="python"),
]


class Arrival(NamedTuple):
    """An event of key `code` at time t with sequence s, known from a until it ends."""

    code: int
    t: int
    s: int
    a: int
    values: tuple[int, ...]
    end: int = ALWAYS


class Ask(NamedTuple):
    """A read of key `code` at time q by someone who knows what arrived up to `known`."""

    code: int
    q: int
    tie: int
    known: int


@dataclass(frozen=True)
class Stream:
    scales: list[int]
    outputs: list[Output]
    events: list[Arrival]
    asks: list[Ask]

    def columns(
        self,
    ) -> tuple["array[int]", "array[int]", "array[int]", "array[int]", list["array[int]"]]:
        """Return codes, t, s, a and the value columns as the kernels take them."""
        return (
            array("i", [event.code for event in self.events]),
            array("q", [event.t for event in self.events]),
            array("q", [event.s for event in self.events]),
            array("q", [event.a for event in self.events]),
            [array("q", [e.values[c] for e in self.events]) for c in range(len(self.scales))],
        )

    def at_its_own_events(self) -> "Stream":
        """Return the stream with one read per event: its key, time, sequence and arrival."""
        own = [Ask(event.code, event.t, event.s, event.a) for event in self.events]
        return replace(self, asks=own)

    def answers(self, kernel: Kernel, *, as_known: bool, threads: int = 1) -> list[float]:
        """Answer all reads by a backfill, in a wider table that must stay as it was."""
        codes, t, s, a, values = self.columns()
        own = self.asks == self.at_its_own_events().asks  # then in the events' very memory
        read_codes = codes if own else array("i", [ask.code for ask in self.asks])
        q = t if own else array("q", [ask.q for ask in self.asks])
        tie = s if own else array("q", [ask.tie for ask in self.asks])
        known = a if own else array("q", [ask.known for ask in self.asks])
        width = len(self.outputs)
        ends = array("q", [event.end for event in self.events])
        out = array("d", [7.5] * ((width + 3) * len(self.asks)))
        kernel.backfill(
            self.scales,
            self.outputs,
            codes,
            t,
            s,
            a if as_known else None,
            ends if as_known and min(ends, default=ALWAYS) < ALWAYS else None,
            values,
            read_codes,
            q,
            tie,
            known if as_known else None,
            out,
            width + 3,
            2,
            threads,
        )
        rows = [out[row * (width + 3) : (row + 1) * (width + 3)] for row in range(len(self.asks))]
        assert all(row[:2] == row[-1:] * 2 == array("d", [7.5, 7.5]) for row in rows)
        return [value for row in rows for value in row[2:-1]]

    def state(self, kernel: Kernel, *, loaded: int) -> WindowState:
        """Hold all events online: the first ones loaded at once, the rest one by one."""
        state = kernel.state(self.scales, self.outputs)
        codes, t, s, _, values = self.columns()
        state.load(codes[:loaded], t[:loaded], s[:loaded], [column[:loaded] for column in values])
        for event in self.events[loaded:]:
            state.insert(event.code, event.t, event.s, event.values)
        return state

    def defined(self, *, as_known: bool) -> list[float]:
        """Answer all reads by the definition."""
        return [
            by_definition(self, output, ask, as_known=as_known)
            for ask in self.asks
            for output in self.outputs
        ]


def by_definition(stream: Stream, output: Output, ask: Ask, *, as_known: bool) -> float:
    """Compute one output of one read from the definition."""
    op, column, far, near, default, argument, align = output
    moment = ask.q // align * align - 1 if align else ask.q
    inside = sorted(
        (
            event
            for event in stream.events
            if event.code == ask.code
            and moment - far < event.t <= moment - near
            and not (near == align == 0 and event.t == ask.q and event.s > ask.tie)
            and not (as_known and ask.known < event.a)
            and not (as_known and event.end <= ask.known and event.end < ALWAYS)
        ),
        key=lambda event: (event.t, event.s),
    )
    if not inside:
        return default
    match op:
        case "count":
            return float(len(inside))
        case "since":
            return float(ask.q - inside[-1].t) / float(argument)
        case "sequence":
            return float(inside[-1].s)
        case "decayed_sum":
            x = [(event.t, event.values[column]) for event in inside]
            return _decayed(x, ask.q, argument, stream.scales[column])
        case "decayed_count":
            return _decayed([(event.t, 1) for event in inside], ask.q, argument, 1)
        case _:
            values = [event.values[column] for event in inside]
            return _of_values(op, values, stream.scales[column], default, argument)


def _of_values(op: str, values: list[int], scale: int, default: float, argument: int) -> float:
    n = len(values)
    if op in ("sum", "mean"):
        total, units = sum(values), scale * (1 if op == "sum" else n)
        if abs(total) <= 2**53 and units <= 2**53:
            return float(Fraction(total, units))  # the correctly rounded result
        return float(total) / (float(scale) * (1.0 if op == "sum" else float(n)))
    if op in ("var", "std"):
        if n < 2:
            return default
        mean = Fraction(sum(values), n)
        over = sum((value - mean) ** 2 for value in values) * n
        assert over.denominator == 1
        found = float(over.numerator) / (float(n * (n - 1)) * (float(scale) * float(scale)))
        return found if op == "var" else math.sqrt(found)
    if op == "distinct":
        found = len(set(values))
        return float(found) if found <= argument else _hyperloglog(values, argument)
    if op == "top":
        ranked = sorted(Counter(values).items(), key=lambda one: (-one[1], one[0]))
        if len(ranked) < argument:
            return default
        return _unit(ranked[argument - 1][0], scale)
    if op == "quantile":
        rank = max(math.ceil(Fraction(argument, 1_000_000) * n), 1)
        found = sorted(values)[rank - 1]
        return _unit(found if n <= 4096 else _middle_of_its_bucket(found), scale)
    picked = {"min": min(values), "max": max(values), "first": values[0], "last": values[-1]}[op]
    return _unit(picked, scale)


def _middle_of_its_bucket(value: int) -> int:
    """Cut each power of two from 256 on in 128 buckets; below, every value is its own."""
    size = abs(value)
    if size < 256:
        return value
    power = 2 ** (size.bit_length() - 1)
    width = Fraction(power, 128)
    middle = power + (math.floor((size - power) / width) + Fraction(1, 2)) * width
    assert middle.denominator == 1
    return middle.numerator if value > 0 else -middle.numerator


def _decayed(values: list[tuple[int, int]], q: int, half_life: int, scale: int) -> float:
    """Halve each value for every half-life it is old, by weights with 30 binary places.

    A weight is that of the last 65,536th of a half-life; after 64 half-lives nothing is left.
    """
    halvings, now = _weight(q, half_life)
    total = Fraction(0)
    for t, x in values:
        whole, weight = _weight(t, half_life)
        if halvings - whole < 64:
            total += Fraction(weight * x, 2 ** (halvings - whole))
    assert (total * 2**63).denominator == 1
    return math.ldexp(float((total * 2**63).numerator), -63) / (float(now) * float(scale))


def _weight(t: int, half_life: int) -> tuple[int, int]:
    """Return the whole half-lives of a time and 2**rest in units of 2**-30, rounded down."""
    whole, rest = divmod(t, half_life)
    return whole, _powers()[rest * 65_536 // half_life]


@cache
def _powers() -> list[int]:
    """Return 2**(30 + part / 65,536), rounded down, from 400 binary places."""
    root, power, powers = 2 << 400, 1 << 400, list[int]()
    for _ in range(16):
        root = math.isqrt(root << 400)
    for _ in range(65_536):
        powers.append(power >> 370)
        power = power * root >> 400
    return powers


def _unit(value: int, scale: int) -> float:
    if scale == 0:
        found: float = struct.unpack("<d", struct.pack("<q", value))[0]
        return found
    return float(Fraction(value, scale))


def _hyperloglog(values: list[int], most: int) -> float:
    """Estimate as Flajolet et al. (2007) write it, with 4,096 registers."""
    registers = [0] * 4096
    for value in set(values):
        x = value % 2**64
        x = (x + 0x9E3779B97F4A7C15) % 2**64
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB % 2**64
        bits = f"{x ^ (x >> 31):064b}"
        rank = (bits[12:] + "1").index("1") + 1
        registers[int(bits[:12], 2)] = max(registers[int(bits[:12], 2)], rank)
    estimate = 0.7213 / (1 + 1.079 / 4096) * 4096**2 / math.fsum(2.0**-one for one in registers)
    if estimate <= 2.5 * 4096 and 0 in registers:
        estimate = 4096 * math.log(4096 / registers.count(0))
    return float(max(round(estimate), most + 1))


def random_stream(
    seed: int, *, events: int, asks: int, late: float, retracted: float = 0.0
) -> Stream:
    """Draw a stream with ties, late events, several columns and windows with delays.

    Args:
        late: The share of events that are up to the whole span late.
        retracted: The share of events that end some time after they came.
    """
    random = Random(seed)
    columns = random.choice([0, 1, 1, 3])
    largest = random.choice([3, 10, 2**40, 2**53])
    scales = [random.choice([0, 1, 10, 100, 10_000]) for _ in range(columns)]
    keys, apart = random.choice([1, 2, 9]), random.choice([1, 1, 20_000, 190_000_000])
    span = random.choice([7, 150, 20_000])
    outputs: list[Output] = []
    for _ in range(random.randrange(1, 9)):
        near = random.choice([0, 0, 1, span // 5])
        far = near + random.choice([1, 2, span // 20 + 1, span // 3 + 1, 2 * span])
        if random.random() < 0.1:
            far = 2**62
        align = random.choice([0, 0, 0, 1, span // 4 + 1])
        op = random.choice(list(ARGUMENTS) if columns else list(WITHOUT_COLUMN))
        column = -1 if op in WITHOUT_COLUMN else random.randrange(columns)
        if column >= 0 and scales[column] == 0:
            op = random.choice(OF_OPAQUE)
        default = random.choice([0.0, -1.5, float("nan")])
        argument = random.choice(ARGUMENTS[op])
        outputs.append((op, column, far, near, default, argument, align))
    jitter = random.choice([0, 0, 20])
    # opaque ones are any 64 bits, of which no few can be added up in 64 bits
    limits = [largest if scale or largest <= 10 else ALWAYS for scale in scales]
    arrivals: list[Arrival] = []
    for s in range(events):
        now = s * span // events
        t = now - random.randrange(span) if random.random() < late else now
        a = s + random.randint(-jitter, jitter)
        values = tuple(random.randint(-most - (most == ALWAYS), most) for most in limits)
        end = a + random.choice([0, 1, 9, events // 2]) if random.random() < retracted else ALWAYS
        arrivals.append(Arrival(apart * random.randrange(keys), t, s, a, values, end))
    reads: list[Ask] = []
    for _ in range(asks):
        anywhere = not arrivals or random.random() < 0.4
        q = random.randrange(-span, 2 * span) if anywhere else random.choice(arrivals).t
        tie, known = (
            random.choice([random.randrange(-1, events + 1), ALWAYS, -ALWAYS - 1]) for _ in range(2)
        )
        code = apart * random.randrange(keys + 2) if random.random() < 0.9 else -1
        reads.append(Ask(code, q, tie, known))
    if random.random() < 0.3:
        reads.sort(key=lambda ask: (ask.code, ask.q))
    return Stream(scales, outputs, arrivals, reads)


def as_bits(values: Sequence[float]) -> list[bytes]:
    """Return each value's eight bytes: NaN equals itself, -0.0 does not equal 0.0."""
    return [struct.pack("<d", value) for value in values]
