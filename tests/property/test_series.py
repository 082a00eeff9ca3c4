"""A series is the sum of its summaries, whatever they are and however they are cut."""

from functools import reduce

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kingpost.console.series import SPANS, Span, read_series
from kingpost.monitoring import HOUR_US, MINUTE_US, MemoryMonitors, Summary
from kingpost.monitoring.counts import COLUMNS_AT

WIDTHS = {b"a" * 32: (4, 3), b"b" * 32: (5,)}
RESOLUTION_US = {"minute": MINUTE_US, "hour": HOUR_US}
NOW_US = 1_533_124_800_000_000

places = st.sets(st.tuples(st.sampled_from(sorted(WIDTHS)), st.integers(0, 27 * 24)), max_size=30)


def summary(bundle: bytes, start_us: int, resolution_us: int, seed: int) -> Summary:
    widths = WIDTHS[bundle]
    counts = np.random.default_rng(seed).integers(0, 1 << 40, COLUMNS_AT + sum(widths))
    return Summary("acme", "fraud", bundle, start_us, resolution_us, widths, counts)


@given(span=st.sampled_from(SPANS), places=places)
def test_steps_and_whole_are_what_merging_one_by_one_gives(
    span: Span, places: set[tuple[bytes, int]]
) -> None:
    unit_us, store = RESOLUTION_US[span.resolution], MemoryMonitors()
    stored = [
        summary(bundle, NOW_US - ago * unit_us, unit_us, seed)
        for seed, (bundle, ago) in enumerate(sorted(places))
    ]
    store.save_summaries(stored)

    series = read_series(store, "acme", "fraud", span, NOW_US)

    inside = [one for one in stored if series.since_us <= one.start_us < series.end_us]
    for step in (*series.steps, series.whole):
        length_us = span.length_us if step is series.whole else span.step_us
        of_step = [one for one in inside if 0 <= one.start_us - step.start_us < length_us]
        assert set(step.parts) == {one.bundle for one in of_step}
        for bundle, part in step.parts.items():
            expected = reduce(Summary.merge, (one for one in of_step if one.bundle == bundle))
            assert part.widths == expected.widths
            assert part.counts.tolist() == expected.counts.tolist()
