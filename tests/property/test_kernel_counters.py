"""Counters that slide from read to read: the bits of the definition, however reads follow.

A window must hold more than a few events before counters serve it at all, so the streams here
have one or two hot keys, and reads that mostly go on from where the last one was.
"""

from itertools import accumulate
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.window_streams import ALWAYS, KERNELS, Arrival, Ask, Kernel, Output, Stream, as_bits

pytestmark = pytest.mark.parametrize("kernel", KERNELS)

SPAN = 120
SCANNING: dict[str, list[int]] = {
    "distinct": [1, 4, 1000],
    "top": [1, 2, 3, 9],
    "quantile": [0, 100_000, 500_000, 1_000_000],
    "decayed_sum": [1, 5, 64, 2**40],
    "decayed_count": [2, 30],
}
small = st.integers(-2, 2)
numbers = small | st.sampled_from([-(2**53), 2**53, 255, 256, -256, 300])
opaque = small | st.integers(-(2**63), 2**63 - 1)
ends = st.just(ALWAYS) | st.just(ALWAYS) | st.integers(0, 150)


@st.composite
def outputs(draw: st.DrawFn) -> Output:
    op = draw(st.sampled_from(list(SCANNING)))
    column = -1 if op == "decayed_count" else draw(st.integers(0, 1))
    if op in ("quantile", "decayed_sum"):
        column = 0
    near = draw(st.sampled_from([0, 0, 0, 3]))
    far = near + draw(st.sampled_from([20, 60, 2 * SPAN]))
    align = draw(st.sampled_from([0, 0, 0, 10]))
    return op, column, far, near, -1.0, draw(st.sampled_from(SCANNING[op])), align


@st.composite
def streams(draw: st.DrawFn) -> Stream:
    """Draw a hot key's events, few steps apart, late by up to the span, and ending."""
    steps = draw(
        st.lists(
            st.tuples(st.integers(0, 2), st.just(0) | st.integers(0, 40), numbers, opaque, ends),
            min_size=40,
            max_size=90,
        )
    )
    times = list(accumulate(step for step, *_ in steps))
    keys = draw(st.sampled_from([1, 1, 2]))
    events = [
        Arrival(s % keys, now - late, s, s, (x, bits), end if end > s else ALWAYS)
        for s, (now, (_, late, x, bits, end)) in enumerate(zip(times, steps, strict=True))
    ]
    asks = [
        Ask(
            draw(st.integers(0, keys - 1)),
            times[at] + draw(st.sampled_from([0, 0, 0, 0, 5, -30])),
            draw(st.just(ALWAYS) | st.just(at)),
            draw(st.just(at) | st.just(at) | st.integers(0, len(events)) | st.just(ALWAYS)),
        )
        for at in sorted(draw(st.lists(st.integers(0, len(events) - 1), max_size=30)))
    ]
    windows = draw(st.lists(outputs(), min_size=1, max_size=8))
    return Stream([draw(st.sampled_from([1, 100])), 0], windows, events, asks)


@settings(max_examples=20, deadline=None)
@given(stream=streams())
def test_counters_of_a_hot_key_give_the_bits_of_the_definition(
    kernel: Kernel, stream: Stream
) -> None:
    for as_known in (False, True):
        found = stream.answers(kernel, as_known=as_known)
        assert as_bits(found) == as_bits(stream.defined(as_known=as_known))


EVERYTHING: list[Output] = [
    (op, -1 if op == "decayed_count" else 0, far, 0, -1.0, argument, 0)
    for far in (80, 500)
    for op, arguments in SCANNING.items()
    for argument in arguments
]


@pytest.mark.parametrize("late", [0.0, 0.02, 0.5])
@pytest.mark.parametrize("seed", range(2))
def test_reads_in_any_order_give_the_bits_of_the_definition(
    kernel: Kernel, seed: int, late: float
) -> None:
    random = Random(seed)
    events = [
        Arrival(
            s % 2,
            s - (random.randrange(300) if random.random() < late else 0),
            s,
            s,
            (random.choice([random.randrange(5), random.randrange(-(10**6), 10**6)]),),
            s + random.randrange(1, 300) if random.random() < late / 2 else ALWAYS,
        )
        for s in range(800)
    ]
    steady = [Ask(s % 2, s, ALWAYS, s) for s in range(0, 800, 25)]
    astray = [Ask(0, random.randrange(800), ALWAYS, random.randrange(800)) for _ in range(12)]
    windows = random.sample(EVERYTHING, 12)
    stream = Stream([10], windows, events, sorted([*steady, *astray], key=lambda ask: ask.known))

    for as_known in (False, True):
        found = stream.answers(kernel, as_known=as_known)
        assert as_bits(found) == as_bits(stream.defined(as_known=as_known))


@pytest.mark.parametrize("arrive", ["in order", "late", "and end"])
def test_windows_that_grow_and_shrink_past_the_bounds_of_exactness_give_those_bits(
    kernel: Kernel, arrive: str
) -> None:
    """Events come fast, then slowly: a window holds more than 4,096 of them only for a while."""
    random = Random(5)
    times = list(accumulate(1 if s < 6000 else 12 for s in range(6600)))
    events = [
        Arrival(
            0,
            t - (random.randrange(200) if arrive != "in order" and s % 50 == 0 else 0),
            s,
            s,
            (int(random.lognormvariate(8, 3)) * random.choice([1, -1]),),
            s + 900 if arrive == "and end" and s % 70 == 0 else ALWAYS,
        )
        for s, t in enumerate(times)
    ]
    outputs: list[Output] = [
        *(("quantile", 0, 5000, 0, 0.0, share, 0) for share in (0, 200_000, 999_000)),
        ("distinct", 0, 5000, 0, 0.0, 3000, 0),
        ("top", 0, 5000, 0, 0.0, 2, 0),
        ("decayed_sum", 0, 5000, 0, 0.0, 777, 0),
    ]
    asks = [Ask(0, times[s], s, s) for s in (*range(4040, 4160, 40), *range(5900, 6600, 100))]
    stream = Stream([1], outputs, events, asks)

    for as_known in (False, True):
        found = stream.answers(kernel, as_known=as_known)
        assert as_bits(found) == as_bits(stream.defined(as_known=as_known))


@pytest.mark.parametrize("edge", [60, 61, 100, 101])
def test_late_events_at_the_very_edges_of_a_window_count_as_the_definition_has_it(
    kernel: Kernel, edge: int
) -> None:
    steady = [Arrival(0, t, t, t, (t % 3,)) for t in range(1, 101)]
    steady.append(Arrival(0, 0, 120, 120, (1,)))  # late, so that the key is replayed
    late = [Arrival(0, edge, 200 + s, 200 + s, (7 + s,)) for s in range(3)]
    outputs: list[Output] = [("distinct", 0, 40, 0, 0.0, 9, 0), ("top", 0, 40, 0, 0.0, 4, 0)]
    asks = [Ask(0, q, tie, known) for q, tie, known in (
        (99, 201, 150), (100, 201, 150), (100, 201, 202), (100, ALWAYS, 203), (101, 201, 204),
    )]  # fmt: skip
    stream = Stream([1], outputs, [*steady, *late], asks)

    found = stream.answers(kernel, as_known=True)
    assert as_bits(found) == as_bits(stream.defined(as_known=True))


def test_every_weight_of_decay_is_that_of_the_definition(kernel: Kernel) -> None:
    """A sum of all 65,536 is exact in a double, so that one unit in one of them shows."""
    parts = 65_536
    events = [Arrival(0, t, t, t, ()) for t in range(parts)]
    output: Output = ("decayed_count", -1, 2 * parts, 0, 0.0, parts, 0)
    stream = Stream([], [output], events, [Ask(0, parts, ALWAYS, parts)])

    assert stream.answers(kernel, as_known=False) == stream.defined(as_known=False)
