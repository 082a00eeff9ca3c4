"""A score is found by its model, its row and its tenant, while there is room and time."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from kingpost.models import ScoreCache
from kingpost.models.score_cache import ENTRY_BYTES
from tests.tiny_app import FakeClock

FIRST, SECOND = b"1" * 32, b"2" * 32


class Model:
    """Scores by the first feature; has no score for 404."""

    def __init__(self) -> None:
        self.scored: list[float] = []

    def __call__(self, rows: NDArray[np.float32]) -> Sequence[float | None]:
        values: list[float] = rows[:, 0].tolist()
        self.scored += values
        return [None if value == 404 else value / 7 for value in values]


def cache(
    entries: int = 100, size_bytes: int = 1 << 20, ttl_s: float | None = None,
    clock: FakeClock | None = None,
) -> ScoreCache:  # fmt: skip
    ttl_ns = None if ttl_s is None else round(ttl_s * 1e9)
    return ScoreCache(entries, size_bytes, ttl_ns, clock or FakeClock())


def rows(*values: float) -> NDArray[np.float32]:
    return np.array([[value, 1] for value in values], np.float32)


@pytest.fixture
def model() -> Model:
    return Model()


def asked(kept: ScoreCache, model: Model, *values: float, of: bytes = FIRST) -> list[int]:
    """Ask for scores, hold them against the model's own; return which were found."""
    scores, found = kept.scores(of, ["acme"] * len(values), rows(*values), model)
    assert scores == Model()(rows(*values))
    return sorted(found)


def test_a_row_that_was_scored_is_not_scored_again(model: Model) -> None:
    kept = cache()

    assert asked(kept, model, 1, 2) == []
    assert asked(kept, model, 2, 3, 1) == [0, 2]
    assert model.scored == [1, 2, 3]
    assert (kept.counts.hits, kept.counts.misses, len(kept)) == (2, 3, 3)


def test_equal_rows_that_come_together_are_scored_once(model: Model) -> None:
    kept = cache()

    assert asked(kept, model, 5, 6, 5, 5) == [2, 3]
    assert model.scored == [5, 6]
    assert (kept.counts.shared, kept.counts.hits) == (2, 0)


def test_a_row_without_a_score_is_asked_again_and_was_found_by_nobody(model: Model) -> None:
    kept = cache()

    assert asked(kept, model, 404, 404) == []
    assert asked(kept, model, 404) == []
    assert model.scored == [404, 404]
    assert len(kept) == 0


def test_rows_that_differ_in_a_bit_are_others(model: Model) -> None:
    assert asked(cache(), model, 0.0, -0.0, np.nextafter(np.float32(0), np.float32(1))) == []


def test_no_model_answers_with_the_score_of_another(model: Model) -> None:
    kept = cache()
    asked(kept, model, 1)

    scores, found = kept.scores(SECOND, ["acme"], rows(1), lambda one: [42.0] * len(one))

    assert (scores, found) == ([42.0], set())
    assert asked(kept, model, 1) == [0], "the first one is there when it comes back"


def test_no_tenant_finds_what_another_one_asked(model: Model) -> None:
    kept = cache()

    _, found = kept.scores(FIRST, ["acme", "other", "acme"], rows(1, 1, 1), model)

    assert found == {2}
    assert model.scored == [1, 1]


def test_the_score_that_was_unused_for_longest_goes_first(model: Model) -> None:
    kept = cache(entries=2)
    asked(kept, model, 1, 2)
    asked(kept, model, 1)
    asked(kept, model, 3)

    assert asked(kept, model, 1) == [0]
    assert asked(kept, model, 2) == []
    assert (len(kept), kept.counts.outgrown) == (2, 2)


def test_scores_take_no_more_memory_than_they_may(model: Model) -> None:
    entry = ENTRY_BYTES + len("acme") + 8
    kept = cache(size_bytes=3 * entry)

    asked(kept, model, *range(10))

    assert (len(kept), kept.held_bytes, kept.counts.outgrown) == (3, 3 * entry, 7)


def test_a_score_lasts_as_long_as_it_may() -> None:
    clock, model = FakeClock(), Model()
    kept = cache(ttl_s=60, clock=clock)
    asked(kept, model, 1)

    clock.advance(60)
    assert asked(kept, model, 1) == [0]
    clock.advance(0.001)
    assert asked(kept, model, 1) == []
    assert asked(kept, model, 1) == [0]
    assert (kept.counts.expired, len(kept)) == (1, 1)


def test_scores_go_with_their_model(model: Model) -> None:
    kept = cache()
    asked(kept, model, 1, 2)
    asked(kept, model, 3, of=SECOND)

    kept.retain({SECOND})

    assert asked(kept, model, 3, of=SECOND) == [0]
    assert asked(kept, model, 1) == []
    assert kept.counts.invalidated == 2
    kept.clear()
    assert (len(kept), kept.held_bytes) == (0, 0)


def test_a_model_that_raises_leaves_nothing_behind() -> None:
    def broken(_: NDArray[np.float32]) -> Sequence[float]:
        raise ArithmeticError("broken")

    kept = cache()
    with pytest.raises(ArithmeticError):
        kept.scores(FIRST, ["acme"], rows(1), broken)

    assert len(kept) == 0
