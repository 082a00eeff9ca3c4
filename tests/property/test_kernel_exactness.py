"""Whatever the order of arrival and whichever the path: the bits of the plain definition."""

from array import array
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.window_streams import (
    ALWAYS,
    ARGUMENTS,
    KERNELS,
    OF_OPAQUE,
    WITHOUT_COLUMN,
    Arrival,
    Ask,
    Kernel,
    Output,
    Stream,
    WindowState,
    as_bits,
    random_stream,
)

pytestmark = pytest.mark.parametrize("kernel", KERNELS)

moments = st.integers(-12, 12)
values = st.integers(-(2**53), 2**53) | st.integers(-3, 3)
bits = st.integers(-(2**63), 2**63 - 1) | st.integers(0, 1)
ends = st.just(ALWAYS) | st.integers(0, 40)
windows = st.tuples(st.integers(1, 20), st.integers(0, 5)).map(lambda w: (w[0] + w[1], w[1]))


@st.composite
def outputs(draw: st.DrawFn) -> Output:
    op = draw(st.sampled_from(list(ARGUMENTS)))
    far, near = draw(windows)
    column = -1 if op in WITHOUT_COLUMN else draw(st.integers(0, 2 if op in OF_OPAQUE else 1))
    default = draw(st.sampled_from([0.0, -1.0, float("nan")]))
    argument = draw(st.sampled_from(ARGUMENTS[op]))
    align = draw(st.just(0) | st.integers(0, 9))
    return op, column, draw(st.just(far) | st.just(2**62)), near, default, argument, align


@st.composite
def streams(draw: st.DrawFn) -> Stream:
    events = draw(
        st.lists(
            st.tuples(st.integers(0, 2), moments, st.integers(0, 30), values, values, bits, ends)
        )
    )
    asks = draw(
        st.lists(
            st.tuples(
                st.integers(-1, 3),
                moments,
                st.integers(-1, 30) | st.just(ALWAYS),
                st.integers(-1, 31) | st.just(ALWAYS),
            ),
            max_size=12,
        )
    )
    return Stream(
        [*(draw(st.sampled_from([1, 100, 10**9, 2**53])) for _ in range(2)), 0],
        draw(st.lists(outputs(), min_size=1, max_size=6)),
        [
            Arrival(code, t, s, a, (x, y, z), end)
            for s, (code, t, a, x, y, z, end) in enumerate(events)
        ],
        [Ask(*ask) for ask in asks],
    )


def ints(raw: bytes) -> "array[int]":
    return array("i", raw)


def longs(raw: bytes) -> "array[int]":
    return array("q", raw)


def online(stream: Stream, kernel: Kernel, *, loaded: int) -> list[float]:
    return read_all(stream, stream.state(kernel, loaded=loaded))


def read_all(stream: Stream, state: WindowState) -> list[float]:
    out = array("d", bytes(8 * len(stream.outputs)))
    answers: list[float] = []
    for ask in stream.asks:
        state.read(ask.code, ask.q, ask.tie, out, 0)
        answers.extend(out)
    return answers


@settings(max_examples=60)
@given(stream=streams(), loaded=st.integers(0, 40))
def test_every_path_gives_the_bits_of_the_definition(
    kernel: Kernel, stream: Stream, loaded: int
) -> None:
    everything = as_bits(stream.defined(as_known=False))
    assert as_bits(stream.answers(kernel, as_known=False)) == everything
    assert as_bits(online(stream, kernel, loaded=loaded)) == everything
    assert as_bits(stream.answers(kernel, as_known=True)) == as_bits(stream.defined(as_known=True))


@pytest.mark.parametrize("late", [0.0, 0.2, 0.9])
@pytest.mark.parametrize("seed", range(12))
def test_long_streams_with_late_events_give_the_bits_of_the_definition(
    kernel: Kernel, seed: int, late: float
) -> None:
    stream = random_stream(seed, events=900, asks=30, late=late, retracted=late / 4)
    everything = as_bits(stream.defined(as_known=False))
    for loaded in (0, 500, 900):
        assert as_bits(online(stream, kernel, loaded=loaded)) == everything
    for threads in (1, 3):
        found = stream.answers(kernel, as_known=False, threads=threads)
        assert as_bits(found) == everything
        found = stream.answers(kernel, as_known=True, threads=threads)
        assert as_bits(found) == as_bits(stream.defined(as_known=True))


@pytest.mark.parametrize("late", [0.0, 0.2, 0.9])
@pytest.mark.parametrize("seed", range(200, 203))
def test_reads_at_the_events_own_rows_give_the_bits_of_the_definition(
    kernel: Kernel, seed: int, late: float
) -> None:
    drawn = random_stream(seed, events=250, asks=0, late=late, retracted=late / 4)
    stream = drawn.at_its_own_events()
    for as_known in (False, True):
        found = stream.answers(kernel, as_known=as_known)
        assert as_bits(found) == as_bits(stream.defined(as_known=as_known))


@pytest.mark.parametrize("late", [0.0, 0.2, 0.9])
@pytest.mark.parametrize("seed", range(100, 103))
def test_a_replay_of_what_was_known_equals_the_online_answer_at_each_point(
    kernel: Kernel, seed: int, late: float
) -> None:
    drawn = random_stream(seed, events=700, asks=0, late=late, retracted=0.1)
    events = [
        event._replace(a=event.s, end=event.s + 1 + (event.end - event.a) % 90)
        if event.end < ALWAYS
        else event._replace(a=event.s)
        for event in drawn.events
    ]
    asks = [Ask(event.code, event.t + event.s % 3, event.s, event.s) for event in events]
    stream = Stream(drawn.scales, drawn.outputs, events, asks)
    state = kernel.state(stream.scales, stream.outputs)
    width = len(stream.outputs)
    lived = array("d", bytes(8 * width * len(asks)))

    for row, (event, ask) in enumerate(zip(events, asks, strict=True)):
        for gone in (one for one in events if one.end == row):
            assert state.retract(gone.code, gone.t, gone.s)
            assert not state.retract(gone.code, gone.t, gone.s)
        state.insert(event.code, event.t, event.s, event.values)
        state.read(ask.code, ask.q, ask.tie, lived, row * width)

    assert as_bits(stream.answers(kernel, as_known=True)) == as_bits(lived)
    assert state.events() == sum(event.end >= len(events) for event in events)


@pytest.mark.parametrize("late", [0.0, 0.9])
@pytest.mark.parametrize("seed", range(300, 304))
def test_what_is_dumped_or_taken_and_loaded_again_answers_as_before(
    kernel: Kernel, seed: int, late: float
) -> None:
    stream = random_stream(seed, events=700, asks=60, late=late)
    before = online(stream, kernel, loaded=300)
    held = stream.state(kernel, loaded=300)

    codes, t, s, columns = held.dump()
    anew = kernel.state(stream.scales, stream.outputs)
    anew.load(ints(codes), longs(t), longs(s), [longs(column) for column in columns])
    assert anew.dump() == (codes, t, s, columns)
    assert as_bits(read_all(stream, anew)) == as_bits(before)

    halves = kernel.state(stream.scales, stream.outputs)
    for part in (slice(0, None, 2), slice(1, None, 2)):  # in order, and between those of before
        halves.load(
            ints(codes)[part], longs(t)[part], longs(s)[part], [longs(x)[part] for x in columns]
        )
    assert halves.dump() == (codes, t, s, columns)
    assert as_bits(read_all(stream, halves)) == as_bits(before)

    assert list(zip(ints(codes), longs(t), longs(s), strict=True)) == sorted(
        (event.code, event.t, event.s) for event in stream.events
    )
    for code in {event.code for event in stream.events}:
        t, s, columns = held.take(code)
        assert held.take(code) == (b"", b"", [b""] * len(columns))
        many = array("i", [code] * (len(t) // 8))
        held.load(many, longs(t), longs(s), [longs(column) for column in columns])
    assert as_bits(read_all(stream, held)) == as_bits(before)
    assert held.events() == len(stream.events)


@pytest.mark.parametrize("late", [0.0, 0.2, 0.9])
@pytest.mark.parametrize("seed", range(500, 508))
def test_after_old_events_were_dropped_a_key_answers_as_if_they_had_never_been(
    kernel: Kernel, seed: int, late: float
) -> None:
    random = Random(seed)
    drawn = random_stream(seed, events=1200, asks=60, late=late)
    numbered = {code: at for at, code in enumerate(sorted({one.code for one in drawn.events}))}
    events = [event._replace(code=numbered[event.code]) for event in drawn.events]
    asks = [ask._replace(code=numbered.get(ask.code, -1)) for ask in drawn.asks]
    drawn = replace(drawn, events=events, asks=asks)
    held, late_ones = events[:900], events[900:]
    state = replace(drawn, events=held).state(kernel, loaded=400)
    times = sorted(event.t for event in held)
    end = random.choice([len(numbered) - 1, len(numbered), len(numbered) + 2000])

    for share in (0, 0.05, 0.5, 0.51, 0.97, 1.0):
        low = times[int(share * (len(times) - 1))] - (share == 0)
        kept = [event for event in held if event.t > low or event.code >= end]
        empty = set(range(end)) - {event.code for event in kept}
        assert list(ints(state.drop(low, 0, end))) == sorted(empty)
        held = kept
        for event in random.sample(held, len(held) // 10):
            assert state.retract(event.code, event.t, event.s)
            held.remove(event)
        for event in late_ones:  # some of them are older than what was dropped
            state.insert(event.code, event.t, event.s, event.values)
        now = replace(drawn, events=[*held, *late_ones])
        assert as_bits(read_all(now, state)) == as_bits(now.defined(as_known=False))
        for event in late_ones:
            assert state.retract(event.code, event.t, event.s)
        assert state.events() == len(held)
        assert as_bits(read_all(drawn, state)) == as_bits(
            replace(drawn, events=held).defined(as_known=False)
        )
        codes, t, s, _ = state.dump()
        assert list(zip(ints(codes), longs(t), longs(s), strict=True)) == sorted(
            (event.code, event.t, event.s) for event in held
        )


DECAYED: list[Output] = [
    ("decayed_sum", 0, 2**62, 0, 0.0, 700, 0),
    ("decayed_sum", 0, 900, 0, -1.0, 60, 0),
    ("decayed_sum", 0, 2**62, 50, 0.0, 1, 0),
    ("decayed_count", -1, 2**62, 0, 0.0, 333, 0),
]


@pytest.mark.parametrize("seed", range(400, 406))
def test_decayed_sums_are_those_of_the_definition_and_close_to_true_decay(
    kernel: Kernel, seed: int
) -> None:
    drawn = random_stream(seed, events=400, asks=60, late=0.3)
    stream = Stream([100], DECAYED, [e._replace(values=(e.s * 37 - 5000,)) for e in drawn.events],
                    [ask._replace(known=ALWAYS, tie=ALWAYS) for ask in drawn.asks])  # fmt: skip
    found = stream.answers(kernel, as_known=True)

    assert as_bits(found) == as_bits(stream.defined(as_known=True))
    assert as_bits(online(stream, kernel, loaded=200)) == as_bits(found)
    for (ask, output), value in zip(
        ((ask, output) for ask in stream.asks for output in stream.outputs), found, strict=True
    ):
        op, _, far, near, default, half_life, _ = output
        inside = [
            event
            for event in stream.events
            if event.code == ask.code and ask.q - far < event.t <= ask.q - near
        ]
        weights = [2.0 ** ((event.t - ask.q) / half_life) for event in inside]
        sizes = [1.0 if op == "decayed_count" else event.values[0] / 100 for event in inside]
        expected = sum(w * x for w, x in zip(weights, sizes, strict=True)) if inside else default
        error = sum(w * abs(x) for w, x in zip(weights, sizes, strict=True))
        assert abs(value - expected) <= 4e-5 * error + 1e-15 * sum(map(abs, sizes))


@pytest.mark.parametrize("seed", range(2))
def test_sketches_of_large_windows_are_the_same_everywhere_and_as_close_as_they_say(
    kernel: Kernel, seed: int
) -> None:
    rows, random = 20_000, Random(seed)
    events = [
        Arrival(0, t, t, t, (int(random.lognormvariate(8, 3)) * random.choice([1, -1]),))
        for t in range(rows)
    ]
    shares = [10_000, 500_000, 900_000, 999_999]
    outputs: list[Output] = [("quantile", 0, 2**62, 0, 0.0, share, 0) for share in shares]
    outputs.append(("distinct", 0, 2**62, 0, 0.0, 1024, 0))
    stream = Stream([1], outputs, events, [Ask(0, rows, ALWAYS, rows)])
    found = stream.answers(kernel, as_known=True)

    assert as_bits(online(stream, kernel, loaded=100)) == as_bits(found)
    assert as_bits(stream.answers(kernel, as_known=False)) == as_bits(found)
    values = sorted(event.values[0] for event in events)
    for share, value in zip(shares, found, strict=False):
        true = values[-(-share * rows // 1_000_000) - 1]
        assert abs(value - true) <= abs(true) / 256
    assert as_bits(found) == as_bits(stream.defined(as_known=True))
    assert abs(found[-1] / len(set(values)) - 1) < 0.05
