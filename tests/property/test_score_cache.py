"""With a cache the answers are those without one, bit for bit, whatever was asked before."""

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from kingpost.models import ScoreCache
from tests.tiny_app import FakeClock

floats = st.floats(width=32) | st.sampled_from([0.0, -0.0, 1.0, 2.0])
asked_rows = st.lists(
    st.tuples(st.sampled_from(["a", "b"]), floats, floats), min_size=1, max_size=8
)
turns = st.lists(
    st.tuples(st.sampled_from([b"1", b"2", b"3"]), st.floats(0, 50), asked_rows), max_size=12
)


def model_of(digest: bytes, rows: NDArray[np.float32]) -> Sequence[float | None]:
    """Score so that every bit of a row and of the digest counts; 1.0 has no score."""
    return [
        None if row[0] == 1 else float(hash((digest, row.tobytes())) % 10**15) / 10**15
        for row in rows
    ]


@given(turns=turns, entries=st.integers(1, 6), ttl_s=st.none() | st.floats(0, 60))
def test_a_score_has_the_same_bits_with_and_without_a_cache(
    turns: list[tuple[bytes, float, list[tuple[str, float, float]]]],
    entries: int,
    ttl_s: float | None,
) -> None:
    clock = FakeClock()
    kept = ScoreCache(entries, 1 << 20, None if ttl_s is None else round(ttl_s * 1e9), clock)
    asked = 0
    for digest, passed_s, wanted in turns:
        clock.advance(passed_s)
        rows = np.array([row[1:] for row in wanted], np.float32)

        scores, found = kept.scores(
            digest, [row[0] for row in wanted], rows, lambda some, of=digest: model_of(of, some)
        )

        assert scores == model_of(digest, rows)
        assert all(scores[at] is not None for at in found)
        asked += len(wanted)
        counts = kept.counts
        assert counts.hits + counts.shared + counts.misses == asked
        assert len(kept) <= 3 * entries
    kept.retain({b"1"})
    assert len(kept) <= entries
