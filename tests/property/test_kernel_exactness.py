"""Whatever the order of arrival and whichever the path: the bits of the plain definition."""

from array import array

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.window_streams import (
    ALWAYS,
    KERNELS,
    Arrival,
    Ask,
    Kernel,
    Output,
    Stream,
    as_bits,
    random_stream,
)

pytestmark = pytest.mark.parametrize("kernel", KERNELS)

moments = st.integers(-12, 12)
values = st.integers(-(2**53), 2**53) | st.integers(-3, 3)
windows = st.tuples(st.integers(1, 20), st.integers(0, 5)).map(lambda w: (w[0] + w[1], w[1]))


@st.composite
def outputs(draw: st.DrawFn) -> Output:
    op = draw(st.sampled_from(["count", "sum", "mean", "min", "max", "last"]))
    far, near = draw(windows)
    column = -1 if op == "count" else draw(st.integers(0, 1))
    return op, column, far, near, draw(st.sampled_from([0.0, -1.0, float("nan")]))


@st.composite
def streams(draw: st.DrawFn) -> Stream:
    events = draw(
        st.lists(st.tuples(st.integers(0, 2), moments, st.integers(0, 30), values, values))
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
        [draw(st.sampled_from([1, 100, 10**9, 2**53])) for _ in range(2)],
        draw(st.lists(outputs(), min_size=1, max_size=6)),
        [Arrival(code, t, s, a, (x, y)) for s, (code, t, a, x, y) in enumerate(events)],
        [Ask(*ask) for ask in asks],
    )


def online(stream: Stream, kernel: Kernel, *, loaded: int) -> list[float]:
    state = stream.state(kernel, loaded=loaded)
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
    stream = random_stream(seed, events=900, asks=30, late=late)
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
    stream = random_stream(seed, events=250, asks=0, late=late).at_its_own_events()
    for as_known in (False, True):
        found = stream.answers(kernel, as_known=as_known)
        assert as_bits(found) == as_bits(stream.defined(as_known=as_known))


@pytest.mark.parametrize("late", [0.0, 0.2, 0.9])
@pytest.mark.parametrize("seed", range(100, 103))
def test_a_replay_of_what_was_known_equals_the_online_answer_at_each_point(
    kernel: Kernel, seed: int, late: float
) -> None:
    drawn = random_stream(seed, events=700, asks=0, late=late)
    events = [event._replace(a=event.s) for event in drawn.events]
    asks = [Ask(event.code, event.t + event.s % 3, event.s, event.s) for event in events]
    stream = Stream(drawn.scales, drawn.outputs, events, asks)
    state = kernel.state(stream.scales, stream.outputs)
    width = len(stream.outputs)
    lived = array("d", bytes(8 * width * len(asks)))

    for row, (event, ask) in enumerate(zip(events, asks, strict=True)):
        state.insert(event.code, event.t, event.s, event.values)
        state.read(ask.code, ask.q, ask.tie, lived, row * width)

    assert as_bits(stream.answers(kernel, as_known=True)) == as_bits(lived)
    assert state.events() == len(events)
