"""The window kernel's rules, one by one, for the compiled kernel and its twin alike."""

import importlib.util
import logging
import sys
from array import array
from collections.abc import Callable
from random import Random
from types import ModuleType

import numpy as np
import pytest

from kingpost.features import kernel as chosen
from tests.window_streams import ALWAYS, KERNELS, Arrival, Ask, Kernel, Output, Stream

both = pytest.mark.parametrize("kernel", KERNELS)
COUNT: Output = ("count", -1, 10, 0, 0.0, 0, 0)
SUM: Output = ("sum", 0, 10, 0, 0.0, 0, 0)


def read(
    kernel: Kernel,
    outputs: list[Output],
    events: list[tuple[int, int, int]],
    *,
    at: int,
    tie: int = ALWAYS,
    scale: int = 1,
) -> list[float]:
    """Insert events (t, s, value) of one key, read it, and hold the backfill to the same."""
    arrivals = [Arrival(0, t, s, 0, (x,)) for t, s, x in events]
    stream = Stream([scale], outputs, arrivals, [Ask(0, at, tie, 0)])
    out = array("d", bytes(8 * len(outputs)))
    stream.state(kernel, loaded=0).read(0, at, tie, out, 0)
    assert stream.answers(kernel, as_known=False) == list(out)
    return list(out)


@both
def test_a_window_leaves_out_its_lower_edge_and_includes_its_upper_one(kernel: Kernel) -> None:
    events = [(90, 0, 1), (91, 1, 10), (100, 2, 100), (101, 3, 1000)]

    assert read(kernel, [SUM], events, at=100) == [110.0]


@both
def test_at_the_moment_of_the_read_an_event_counts_up_to_its_own_sequence(kernel: Kernel) -> None:
    events = [(100, 1, 1), (100, 2, 10), (100, 3, 100)]

    assert read(kernel, [SUM], events, at=100, tie=0) == [0.0]
    assert read(kernel, [SUM], events, at=100, tie=2) == [11.0]
    assert read(kernel, [SUM], events, at=100) == [111.0]


@both
def test_with_a_delay_the_sequence_does_not_matter(kernel: Kernel) -> None:
    delayed: Output = ("sum", 0, 15, 5, 0.0, 0, 0)
    events = [(80, 1, 1), (85, 2, 10), (95, 3, 100), (95, 4, 1000), (96, 5, 10000)]

    assert read(kernel, [delayed], events, at=100, tie=0) == [1100.0]


@both
def test_each_operation_gives_its_result_in_units(kernel: Kernel) -> None:
    outputs: list[Output] = [
        (op, 0, 10, 0, 0.0, 0, 0) for op in ("sum", "mean", "min", "max", "last")
    ]
    events = [(98, 0, 250), (96, 1, -100), (99, 2, 30)]

    assert read(kernel, [COUNT, *outputs], events, at=100, scale=100) == [
        3.0,
        1.8,
        0.6,
        -1.0,
        2.5,
        0.3,
    ]


@both
def test_the_last_value_is_that_of_the_greatest_time_and_sequence(kernel: Kernel) -> None:
    events = [(99, 5, 50), (99, 3, 30), (98, 9, 90)]

    assert read(kernel, [("last", 0, 10, 0, 0.0, 0, 0)], events, at=100) == [50.0]
    assert read(kernel, [("last", 0, 10, 0, 0.0, 0, 0)], events, at=99, tie=4) == [30.0]


@both
def test_an_empty_window_gives_the_default_of_its_output(kernel: Kernel) -> None:
    outputs: list[Output] = [COUNT, ("mean", 0, 10, 0, -1.5, 0, 0), ("max", 0, 10, 5, 7.25, 0, 0)]

    assert read(kernel, outputs, [(50, 0, 1)], at=100) == [0.0, -1.5, 7.25]


@both
def test_sums_beyond_64_bits_are_exact(kernel: Kernel) -> None:
    big = 2**53
    events = [(i, i, big) for i in range(2000)] + [(i, i, -big) for i in range(2000, 3999)]

    assert read(kernel, [("sum", 0, 9999, 0, 0.0, 0, 0)], events, at=5000) == [float(big)]
    assert read(kernel, [("sum", 0, 9999, 0, 0.0, 0, 0)], events, at=1999) == [2000.0 * big]


@both
def test_a_late_event_counts_from_its_arrival_on(kernel: Kernel) -> None:
    state, out = kernel.state([1], [SUM]), array("d", [0.0])
    for s, t in enumerate(range(1000)):
        state.insert(3, t, s, (1,))
    state.read(3, 500, ALWAYS, out, 0)
    before = out[0]
    state.insert(3, 495, 1000, (100,))
    state.read(3, 500, ALWAYS, out, 0)

    assert (before, out[0]) == (10.0, 110.0)


@both
def test_keys_do_not_see_each_other_and_an_unknown_key_gets_the_defaults(kernel: Kernel) -> None:
    state, out = kernel.state([1], [("sum", 0, 10, 0, -1.0, 0, 0)]), array("d", [9.0] * 4)
    state.insert(0, 100, 0, (1,))
    state.insert(2**31 - 1, 100, 1, (2,))
    for place, code in enumerate((0, 2**31 - 1, 5, -1)):
        state.read(code, 100, ALWAYS, out, place)

    assert list(out) == [1.0, 2.0, -1.0, -1.0]
    assert state.events() == 2


@both
def test_a_read_writes_its_own_places_only(kernel: Kernel) -> None:
    state, out = kernel.state([1], [SUM, COUNT]), array("d", [9.0] * 4)
    state.insert(0, 1, 0, (4,))
    state.read(0, 1, 0, out, 1)

    assert list(out) == [9.0, 4.0, 1.0, 9.0]


@both
def test_a_read_of_the_past_knows_only_what_had_arrived(kernel: Kernel) -> None:
    events = [Arrival(0, t, s, a, (10**s,)) for s, (t, a) in enumerate([(5, 30), (6, 10), (7, 20)])]
    asks = [Ask(0, 9, ALWAYS, known) for known in (30, 9, 20, 10)]
    stream = Stream([1], [SUM], events, asks)

    assert stream.answers(kernel, as_known=True) == [111.0, 0.0, 110.0, 10.0]
    assert stream.answers(kernel, as_known=False) == [111.0] * 4


@both
def test_numpy_columns_and_tables_are_taken_as_they_are(kernel: Kernel) -> None:
    codes, t = np.array([0, 1, 0], np.int32), np.array([1, 2, 3], np.int64)
    amounts, out = np.array([5, 6, 7], np.int64), np.zeros((3, 2))
    columns = (codes, t, np.arange(3), None, None, [amounts], codes, t, np.arange(3), None)
    kernel.backfill([1], [SUM, COUNT], *columns, out, 2, 0, 1)

    assert out.tolist() == [[5.0, 1.0], [6.0, 1.0], [12.0, 2.0]]


@both
def test_an_event_may_come_in_at_any_place_of_a_full_block(kernel: Kernel) -> None:
    t, ones = array("q", range(0, 512, 2)), array("q", [1] * 256)
    out = array("d", [0.0])
    for late in range(-1, 513, 2):
        state = kernel.state([1], [("sum", 0, 1000, 0, 0.0, 0, 0)])
        state.load(array("i", [0] * 256), t, t, [ones])
        state.insert(0, late, 999, (1000,))
        for q in (late - 1, late, 511, 513):
            state.read(0, q, ALWAYS, out, 0)
            assert out[0] == min(max(q // 2 + 1, 0), 256) + (1000 if q >= late else 0)


@both
@pytest.mark.parametrize("peak", [0, 31, 32, 63, 64, 95, 149])
def test_extremes_are_right_over_every_range(kernel: Kernel, peak: int) -> None:
    heights = [-abs(t - peak) for t in range(150)]
    lengths = (1, 2, 31, 32, 33, 64, 65, 97, 130, 200)
    outputs: list[Output] = [("max", 0, n, 0, 0.0, 0, 0) for n in lengths]
    outputs += [("min", 1, n, 0, 0.0, 0, 0) for n in lengths]
    events = [Arrival(0, t, t, 0, (x, -x)) for t, x in enumerate(heights)]
    asks = [Ask(0, q, ALWAYS, 0) for q in range(150)]

    expected: list[float] = []
    for q in range(150):
        highest = [max(heights[max(0, q + 1 - n) : q + 1]) for n in lengths]
        expected += [*map(float, highest), *(float(-x) for x in highest)]
    assert Stream([1, 1], outputs, events, asks).answers(kernel, as_known=False) == expected


@both
@pytest.mark.parametrize("threads", [1, 4])
def test_many_reads_of_few_keys_are_shared_out_whole(kernel: Kernel, threads: int) -> None:
    rows = 10_000
    events = [Arrival(row % 3, row, row, row, (1,)) for row in range(rows)]
    stream = Stream([1], [("count", -1, rows, 0, 0.0, 0, 0)], events, []).at_its_own_events()

    expected = [float(row // 3 + 1) for row in range(rows)]
    assert stream.answers(kernel, as_known=False, threads=threads) == expected
    assert stream.answers(kernel, as_known=True, threads=threads) == expected


@both
def test_nothing_to_answer_is_an_answer(kernel: Kernel) -> None:
    none = Stream([1], [SUM], [], [])
    assert none.answers(kernel, as_known=True) == []
    unseen = Stream([1], [SUM], [], [Ask(0, 5, 0, 0)])
    assert unseen.answers(kernel, as_known=True) == [0.0]


@both
@pytest.mark.parametrize(
    ("scales", "outputs"),
    [
        ([-1], [SUM]),
        ([0], [SUM]),
        ([2**53 + 1], [SUM]),
        ([1], []),
        ([1], [("median", 0, 10, 0, 0.0, 0, 0)]),
        ([1], [("sum", 1, 10, 0, 0.0, 0, 0)]),
        ([1], [("sum", -1, 10, 0, 0.0, 0, 0)]),
        ([1], [("count", 0, 10, 0, 0.0, 0, 0)]),
        ([1], [("sum", 0, 0, 0, 0.0, 0, 0)]),
        ([1], [("sum", 0, 10, 10, 0.0, 0, 0)]),
        ([1], [("sum", 0, 10, -1, 0.0, 0, 0)]),
        ([1], [("sum", 0, 2**62 + 1, 0, 0.0, 0, 0)]),
        ([1], [("sum", 0, 10, 0, 10**400, 0, 0)]),
    ],
)
def test_a_wrong_plan_is_refused(kernel: Kernel, scales: list[int], outputs: list[Output]) -> None:
    with pytest.raises(ValueError, match="expected|large|opaque"):
        kernel.state(scales, outputs)


@both
@pytest.mark.parametrize(
    ("error", "arguments"),
    [
        (ValueError, (-1, 0, 0, (1,))),
        (ValueError, (2**31, 0, 0, (1,))),
        (ValueError, (0, 2**62 + 1, 0, (1,))),
        (ValueError, (0, 0, 2**63, (1,))),
        (ValueError, (0, 0, 0, (2**53 + 1,))),
        (ValueError, (0, 0, 0, ())),
        (TypeError, (0, 0, 0, [1])),
        (TypeError, (0, 0.5, 0, (1,))),
        (TypeError, (0, 0, 0, ("1",))),
        (TypeError, (0, 0, 0)),
    ],
)
def test_a_wrong_event_is_refused_and_leaves_no_trace(
    kernel: Kernel, error: type[Exception], arguments: tuple[object, ...]
) -> None:
    state = kernel.state([1], [SUM])
    insert: Callable[..., None] = state.insert

    with pytest.raises(error):
        insert(*arguments)
    assert state.events() == 0


@both
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"codes": array("q", [0])}, "codes"),
        ({"codes": array("i", [-1])}, r"codes\[0\] is -1"),
        ({"codes": array("i", [0, 0])}, "rows"),
        ({"t": array("q", [2**62 + 1])}, r"t\[0\]"),
        ({"t": array("d", [0.0])}, "t holds"),
        ({"t": np.arange(4)[::2]}, "contiguous"),
        ({"t": np.zeros((1, 1), np.int64)}, "dimensions"),
        ({"values": []}, "columns"),
        ({"values": [array("q", [-(2**53) - 1])]}, r"values\[0\]"),
        ({"ends": array("q")}, "ends has 0 rows"),
        ({"read_codes": array("i", [-2])}, r"read_codes\[0\] is -2"),
        ({"q": array("q", [-(2**62) - 1])}, r"q\[0\]"),
        ({"tie": array("q")}, "tie has 0 rows"),
        ({"read_a": array("q", [1, 2])}, "read_a has 2 rows"),
        ({"out": array("d")}, "out has 0 places"),
        ({"out": array("f", [0.0])}, "out holds"),
        ({"out": memoryview(bytes(8)).cast("d")}, "writable"),
        ({"stride": 0}, "stride"),
        ({"start": 1}, "stride is 1"),
        ({"threads": 0}, "threads"),
    ],
)
def test_wrong_columns_are_refused_by_name(
    kernel: Kernel, changed: dict[str, object], message: str
) -> None:
    arguments: dict[str, object] = {
        "scales": [1],
        "outputs": [SUM],
        "codes": array("i", [0]),
        "t": array("q", [0]),
        "s": array("q", [0]),
        "a": array("q", [0]),
        "ends": array("q", [1]),
        "values": [array("q", [1])],
        "read_codes": array("i", [0]),
        "q": array("q", [0]),
        "tie": array("q", [0]),
        "read_a": array("q", [0]),
        "out": array("d", [0.0]),
        "stride": 1,
        "start": 0,
        "threads": 1,
    }
    backfill: Callable[..., None] = kernel.load().backfill

    backfill(**arguments)
    with pytest.raises(ValueError, match=message):
        backfill(**{**arguments, **changed})


@both
def test_no_argument_of_any_type_brings_it_down(kernel: Kernel) -> None:
    random = Random(7)
    odd: list[object] = [
        None,
        -1,
        2**70,
        0.5,
        "x",
        b"xxxxxxxx",
        (),
        [1],
        {},
        object,
        memoryview(b""),
    ]
    odd += [array("q", [1, 2]), array("i", [0, 2**31 - 1]), array("d", [0.0] * 4), bytearray(9)]
    odd += [[SUM], [array("q", [1, 2])], ("sum", 0, 1, 0, 0.0, 0, 0), 1, 0]
    state = kernel.state([1], [SUM])
    module = kernel.load()
    calls: list[tuple[Callable[..., object], int]] = [
        (state.insert, 4),
        (state.load, 4),
        (state.read, 5),
        (module.State, 2),
        (state.retract, 3),
        (state.take, 1),
        (state.drop, 3),
        (module.backfill, 16),
    ]
    for _ in range(1500):
        call, count = random.choice(calls)
        try:
            call(*random.choices(odd, k=count))
        except (TypeError, ValueError):
            continue


def test_without_the_compiled_kernel_the_twin_serves_and_the_log_names_the_price(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "kingpost.features._kernel", None)
    assert chosen.__spec__ is not None
    fresh: ModuleType = importlib.util.module_from_spec(chosen.__spec__)
    with caplog.at_level(logging.WARNING):
        loader = chosen.__spec__.loader
        assert loader is not None
        loader.exec_module(fresh)

    assert fresh.KERNEL == "python"
    (record,) = caplog.records
    assert "100 times as long" in record.getMessage()
