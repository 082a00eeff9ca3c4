"""Scores that were computed before, found again by what they depend on.

The rule: a score is found only under the digest of the model that gave it, the exact bytes
of the row and the tenant that asked. So a model that is swapped or rolled back never answers
with another one's score, and no tenant can tell what another one asked. Equal rows that come
together are scored once, also where nothing is kept yet.

For one thread; knows no decision and no server.
"""

from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kingpost.core import Clock

__all__ = ["CacheCounts", "FoundScores", "ScoreCache"]

ENTRY_BYTES = 256
"""What an entry takes beside its row: keys, numbers and its place in the order."""

_Key = tuple[str, bytes]
Compute = Callable[[NDArray[np.float32]], Sequence[float | None]]


class FoundScores(NamedTuple):
    """A score per row, None where there is none, and the rows that were not scored for it."""

    scores: Sequence[float | None]
    found: Collection[int]


@dataclass(slots=True)
class CacheCounts:
    """What a cache has done.

    Attributes:
        hits: Rows whose score was kept.
        shared: Rows that were scored as an equal row beside them.
        misses: Rows that the model scored.
        outgrown: Entries that went because there was no room.
        expired: Entries that went because of their age.
        invalidated: Entries that went with their model, or were told to go.
    """

    hits: int = 0
    shared: int = 0
    misses: int = 0
    outgrown: int = 0
    expired: int = 0
    invalidated: int = 0


class _Kept(NamedTuple):
    score: float
    until_ns: int


class ScoreCache:
    """Keeps the scores of the models that answer one decision.

    Args:
        entries: The most scores of a model that are kept; the one unused for longest goes.
        size_bytes: The most memory that they may take.
        ttl_ns: How long a score is kept; None keeps it while there is room.

    Attributes:
        counts: What it has done so far.
    """

    def __init__(self, entries: int, size_bytes: int, ttl_ns: int | None, clock: Clock) -> None:
        self._entries, self._size_bytes = entries, size_bytes
        self._ttl_ns, self._clock = ttl_ns, clock
        self._models: dict[bytes, OrderedDict[_Key, _Kept]] = {}
        self._sizes: dict[bytes, int] = {}
        self.counts = CacheCounts()

    def __len__(self) -> int:
        """Return how many scores are kept."""
        return sum(map(len, self._models.values()))

    @property
    def held_bytes(self) -> int:
        """About how much memory they take."""
        return sum(self._sizes.values())

    def scores(
        self,
        model: bytes,
        tenants: Sequence[str],
        rows: NDArray[np.float32],
        compute: Compute,
    ) -> FoundScores:
        """Find the scores of some rows; compute those that are not there, each once.

        Args:
            model: The digest of the model.
            tenants: Who asks, row by row.
            rows: float32, shape (rows, features), as the model takes them.
            compute: Gives a score per row; what it has none for is not kept. It is not called
                where all are found.
        """
        counts, width = self.counts, rows.shape[1] * rows.itemsize
        kept = self._models.setdefault(model, OrderedDict())
        now_ns = 0 if self._ttl_ns is None else self._clock.monotonic_ns()
        whole = rows.tobytes()
        scores: list[float | None] = [None] * len(rows)
        found: set[int] = set()
        missing: dict[_Key, list[int]] = {}
        for at, tenant in enumerate(tenants):
            key = tenant, whole[at * width : (at + 1) * width]
            one = kept.get(key)
            if one is not None and now_ns <= one.until_ns:
                kept.move_to_end(key)
                scores[at] = one.score
                found.add(at)
            else:
                missing.setdefault(key, []).append(at)
        counts.hits += len(found)
        if not missing:
            return FoundScores(scores, found)
        firsts = [places[0] for places in missing.values()]
        computed = compute(rows if len(firsts) == len(rows) else rows[firsts])
        counts.misses += len(firsts)
        until_ns = 0 if self._ttl_ns is None else now_ns + self._ttl_ns
        for (key, places), score in zip(missing.items(), computed, strict=True):
            counts.shared += len(places) - 1
            if score is None:
                continue
            self._keep(model, kept, key, _Kept(score, until_ns))
            for at in places:
                scores[at] = score
            found.update(places[1:])
        return FoundScores(scores, found)

    def retain(self, models: Collection[bytes]) -> None:
        """Forget the scores of every model but these."""
        for model in [one for one in self._models if one not in models]:
            self.counts.invalidated += len(self._models.pop(model))
            self._sizes.pop(model, None)

    def clear(self) -> None:
        """Forget every score."""
        self.retain(())

    def _keep(self, model: bytes, kept: OrderedDict[_Key, _Kept], key: _Key, one: _Kept) -> None:
        size_bytes = self._sizes.get(model, 0)
        if kept.pop(key, None) is not None:
            self.counts.expired += 1
            size_bytes -= _size_bytes(key)
        kept[key] = one
        size_bytes += _size_bytes(key)
        while len(kept) > self._entries or size_bytes > self._size_bytes:
            gone, _ = kept.popitem(last=False)
            size_bytes -= _size_bytes(gone)
            self.counts.outgrown += 1
        self._sizes[model] = size_bytes


def _size_bytes(key: _Key) -> int:
    return ENTRY_BYTES + len(key[0]) + len(key[1])
