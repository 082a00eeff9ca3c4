"""Windows by the plain definition, and random streams to compare the kernels on.

The definition looks at every event for every read and computes with fractions; it knows
nothing of order, blocks or prefix sums.
"""

import importlib
import os
import struct
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from random import Random
from types import ModuleType
from typing import NamedTuple, Protocol, cast

import pytest

__all__ = [
    "ALWAYS",
    "KERNELS",
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

Output = tuple[str, int, int, int, float]
Column = Sequence[int]
ALWAYS = 2**63 - 1


class WindowState(Protocol):
    def insert(self, code: int, t: int, s: int, values: tuple[int, ...], /) -> None: ...
    def load(
        self, codes: "array[int]", t: "array[int]", s: "array[int]", values: "list[array[int]]"
    ) -> None: ...
    def read(self, code: int, q: int, tie: int, out: "array[float]", start: int, /) -> None: ...
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
    """An event of key `code` at time t with sequence s, first known at a."""

    code: int
    t: int
    s: int
    a: int
    values: tuple[int, ...]


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
        out = array("d", [7.5] * ((width + 3) * len(self.asks)))
        kernel.backfill(
            self.scales,
            self.outputs,
            codes,
            t,
            s,
            a if as_known else None,
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
    op, column, far, near, default = output
    inside = sorted(
        (
            event
            for event in stream.events
            if event.code == ask.code
            and ask.q - far < event.t <= ask.q - near
            and not (near == 0 and event.t == ask.q and event.s > ask.tie)
            and not (as_known and event.a > ask.known)
        ),
        key=lambda event: (event.t, event.s),
    )
    if not inside:
        return default
    if op == "count":
        return float(len(inside))
    values = [event.values[column] for event in inside]
    scale = stream.scales[column]
    if op in ("sum", "mean"):
        total, units = sum(values), scale * (1 if op == "sum" else len(values))
        if abs(total) <= 2**53 and units <= 2**53:
            return float(Fraction(total, units))  # the correctly rounded result
        return float(total) / (float(scale) * (1.0 if op == "sum" else float(len(values))))
    picked = {"min": min(values), "max": max(values), "last": values[-1]}[op]
    return float(Fraction(picked, scale))


def random_stream(seed: int, *, events: int, asks: int, late: float) -> Stream:
    """Draw a stream with ties, late events, several columns and windows with delays.

    Args:
        late: The share of events that are up to the whole span late.
    """
    random = Random(seed)
    columns = random.choice([0, 1, 1, 3])
    largest = random.choice([10, 2**40, 2**53])
    keys, apart = random.choice([1, 2, 9]), random.choice([1, 1, 20_000, 190_000_000])
    span = random.choice([7, 150, 20_000])
    outputs: list[Output] = []
    for _ in range(random.randrange(1, 9)):
        near = random.choice([0, 0, 1, span // 5])
        far = near + random.choice([1, 2, span // 20 + 1, span // 3 + 1, 2 * span])
        op = random.choice(["count", "sum", "mean", "min", "max", "last"] if columns else ["count"])
        column = -1 if op == "count" else random.randrange(columns)
        outputs.append((op, column, far, near, random.choice([0.0, -1.5, float("nan")])))
    jitter = random.choice([0, 0, 20])
    arrivals: list[Arrival] = []
    for s in range(events):
        now = s * span // events
        t = now - random.randrange(span) if random.random() < late else now
        a = s + random.randint(-jitter, jitter)
        values = tuple(random.randint(-largest, largest) for _ in range(columns))
        arrivals.append(Arrival(apart * random.randrange(keys), t, s, a, values))
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
    scales = [10 ** random.randrange(5) for _ in range(columns)]
    return Stream(scales, outputs, arrivals, reads)


def as_bits(values: Sequence[float]) -> list[bytes]:
    """Return each value's eight bytes: NaN equals itself, -0.0 does not equal 0.0."""
    return [struct.pack("<d", value) for value in values]
