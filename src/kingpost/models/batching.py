"""Whether a row's score has the same bits alone and in a batch, found out by trying.

The rule: an answer never depends on its batch-mates. Libraries choose how they add by the shape
of a batch, so a model is tried in batches of every size before it answers; one whose bits
differ once is scored row by row from then on. Trying is no proof: it covers the sizes and the
rows that were tried.
"""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["BATCH_SIZES", "BatchFinding", "Batching", "OneByOne", "probe_batches"]

Batching = Literal["any", "one_by_one"]
Score = Callable[[NDArray[np.float32]], Sequence[float]]

BATCH_SIZES = (*range(2, 65), 128, 255, 256)
"""All sizes of a server's batches by default, and the most rows that a raw model takes at once."""


class BatchFinding(NamedTuple):
    """What trying a model in batches gave.

    Attributes:
        batching: `any` when no bit differed.
        rows: How many rows were tried; those that the model fails on alone are left out.
        size: The first size of a batch in which a score differed; 0 for none.
        difference: By how much; NaN when the model failed on the batch, or nothing was tried.
    """

    batching: Batching
    rows: int
    size: int
    difference: float

    def __str__(self) -> str:
        if self.batching == "any":
            return f"same bits alone and in batches of 2 to {BATCH_SIZES[-1]} ({self.rows} rows)"
        if not self.rows:
            return "scored one by one: it failed on every row that it was tried on"
        if self.difference != self.difference:
            return f"scored one by one: it fails on batches of {self.size}, and not on their rows"
        return (
            f"scored one by one: in batches of {self.size} a score differs by {self.difference:.1e}"
        )


class OneByOne:
    """A model that is only ever asked for one row."""

    def __init__(self, score: Score) -> None:
        self._score = score

    def score(self, rows: NDArray[np.float32]) -> list[float]:
        """Score each row alone, whatever comes with it."""
        return [float(self._score(rows[at : at + 1])[0]) for at in range(len(rows))]

    def scores(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the same as an array of shape (rows,)."""
        return np.array(self.score(rows), np.float64)


def probe_batches(score: Score, rows: NDArray[np.float32]) -> BatchFinding:
    """Score rows alone and in batches of every size, and compare the bits.

    It also warms the model up.

    Args:
        rows: What it is tried on, float32, shape (rows, features).
    """
    alone: list[tuple[int, float]] = []
    for at in range(len(rows)):
        made = _tried(score, rows[at : at + 1])
        if made is not None:
            alone.append((at, float(made[0])))
    if not alone:
        return BatchFinding("one_by_one", 0, 0, np.nan)
    known = rows[[at for at, _ in alone]]
    expected = np.array([one for _, one in alone])
    for size in BATCH_SIZES:
        # every size begins elsewhere, so that rows meet other rows in other places
        places = (np.arange(size) + size * 7) % len(known)
        found = _tried(score, known[places])
        if found is None:
            return BatchFinding("one_by_one", len(known), size, np.nan)
        if found.tobytes() != expected[places].tobytes():
            difference = float(np.nanmax(np.abs(found - expected[places])))
            return BatchFinding("one_by_one", len(known), size, difference)
    return BatchFinding("any", len(known), 0, 0.0)


def _tried(score: Score, rows: NDArray[np.float32]) -> NDArray[np.float64] | None:
    try:
        found = np.array(score(rows), np.float64)
    except Exception:  # noqa: BLE001  a model of the user's; that it failed is the finding
        return None
    return found if found.shape == (len(rows),) else None
