"""A share of the requests is told to who looks on, by a thread that no request waits for."""

import threading
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace.sampling import Decision, TraceIdRatioBased

from kingpost.serving import Sample, SampleCounts, SeenRequest
from kingpost.serving.http import CallerSpan, caller_span_of, trace_id_of

TRACE = "0af7651916cd43dd8448eb211c80319c"
KEPT, LEFT = CallerSpan("b7ad6b7169203331", True), CallerSpan("b7ad6b7169203331", False)
traces = st.integers(1, (1 << 128) - 1).map(lambda number: f"{number:032x}")


def request(number: int) -> SeenRequest:
    return SeenRequest("POST", f"/{number}", 200, "ok", TRACE, None, 1, 2, 3)


class Taker:
    """Takes requests once it may; hears of them or not, or breaks."""

    def __init__(self, *, hears: bool = True, breaks: bool = False) -> None:
        self.taken: list[SeenRequest] = []
        self.may, self.begun, self.closed = threading.Event(), threading.Event(), 0
        self._hears, self._breaks = hears, breaks
        self.may.set()

    def take(self, seen: Sequence[SeenRequest]) -> bool:
        self.begun.set()
        assert self.may.wait(10)
        if self._breaks:
            raise OSError("away")
        self.taken += seen
        return self._hears

    def close(self) -> None:
        self.closed += 1


@given(trace_id=traces, share=st.floats(0, 1))
def test_a_share_chooses_as_other_services_with_the_same_share_do(
    trace_id: str, share: float
) -> None:
    sample = Sample("traces", share, Taker())
    theirs = TraceIdRatioBased(share).should_sample(None, int(trace_id, 16), "request")

    assert sample.wants(trace_id, None) == (theirs.decision is Decision.RECORD_AND_SAMPLE)
    sample.close()


@pytest.mark.parametrize(
    ("share", "follows", "caller", "wanted"),
    [
        (1.0, True, None, True),
        (1.0, True, LEFT, False),
        (1.0, False, LEFT, True),
        (0.0, True, KEPT, True),
        (0.0, False, KEPT, False),
        (0.0, True, None, False),
    ],
)
def test_a_caller_that_names_its_span_says_whether_it_is_kept(
    share: float, follows: bool, caller: CallerSpan | None, wanted: bool
) -> None:
    sample = Sample("traces", share, Taker(), follows_caller=follows)

    assert sample.wants(TRACE, caller) is wanted
    sample.close()


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (f"00-{TRACE}-b7ad6b7169203331-01", KEPT),
        (f"00-{TRACE}-b7ad6b7169203331-02", LEFT),
        (f"cc-{TRACE}-b7ad6b7169203331-03-more", KEPT),
        (f"ff-{TRACE}-b7ad6b7169203331-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{'0' * 32}-b7ad6b7169203331-01", None),
        (f"00-{TRACE}-b7ad6b7169203331", None),
        ("nonsense", None),
    ],
)
def test_a_span_is_read_as_the_trace_id_is(header: str, found: CallerSpan | None) -> None:
    assert caller_span_of(header.encode()) == found
    assert (trace_id_of(header.encode()) == TRACE) is (found is not None)


def test_what_was_taken_is_told_at_the_end_at_the_latest() -> None:
    taker = Taker()
    sample = Sample("traces", 1.0, taker)
    for number in range(1000):
        sample.offer(request(number))
    sample.close()
    sample.close()

    assert taker.taken == [request(number) for number in range(1000)]
    assert taker.closed == 1
    assert sample.counts == SampleCounts(told=1000)


def test_what_finds_no_room_behind_a_slow_collector_is_dropped_and_counted() -> None:
    taker = Taker()
    taker.may.clear()
    sample = Sample("traces", 1.0, taker, room=10)
    sample.offer(request(0))
    assert taker.begun.wait(10)
    for number in range(1, 15):
        sample.offer(request(number))
    taker.may.set()
    sample.close()

    assert taker.taken == [request(number) for number in range(11)]
    assert sample.counts == SampleCounts(told=11, dropped=4)


@pytest.mark.parametrize("taker", [Taker(hears=False), Taker(breaks=True)])
def test_what_nobody_heard_of_is_counted_and_the_next_is_told(taker: Taker) -> None:
    sample = Sample("traces", 1.0, taker)
    sample.offer(request(0))
    sample.close()

    assert sample.counts == SampleCounts(failed=1)
