"""Scores kept for equal rows, as it is declared.

    model=kp.model("fraud", trainer=train, label=…, cache=kp.cache(entries=50_000, ttl="1h"))

The rule: a decision whose score was found is a decision like any other, with its event, its
gate and its record, which says that the score was found.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from kingpost.core import BadDuration, Clock, caller_place, duration_us
from kingpost.decisions.errors import WrongDecision
from kingpost.models import ScoreCache

__all__ = ["Cache", "cache", "score_caches"]

MOST_ENTRIES = 1_000_000
MOST_MB = 4096


@dataclass(frozen=True)
class Cache:
    """How many scores of a model are kept, and for how long; as from `cache`.

    Attributes:
        entries, size_bytes: The most of each model that runs.
        ttl_us: None keeps a score while there is room.
    """

    entries: int
    size_bytes: int
    ttl_us: int | None

    def open(self, clock: Clock) -> ScoreCache:
        """Return an empty cache."""
        ttl_ns = None if self.ttl_us is None else self.ttl_us * 1000
        return ScoreCache(self.entries, self.size_bytes, ttl_ns, clock)


def cache(*, entries: int = 10_000, size_mb: int = 64, ttl: str | timedelta | None = None) -> Cache:
    """Keep a model's scores, so that equal rows of a tenant are scored once.

    Worth it for a model that takes longer than its rows take to be compared, and whose rows
    repeat; windows over the requests themselves make every row another one.

    Args:
        entries: The most scores that are kept, 1 to 1,000,000; the one unused for longest goes.
        size_mb: The most memory that they take, in MiB, 1 to 4,096.
        ttl: How long a score is kept, as `"1h"`; without, while there is room. It is what the
            model would say again in any case.

    Raises:
        WrongDecision: A bound cannot be one.
    """
    place = caller_place()
    for name, given, most in (("entries", entries, MOST_ENTRIES), ("size_mb", size_mb, MOST_MB)):
        if not 1 <= given <= most:
            raise WrongDecision(f"{name} is {given}", f"give 1 to {most:,}", place)
    try:
        ttl_us = None if ttl is None else duration_us(ttl)
    except BadDuration as error:
        raise WrongDecision(str(error), "write it so", place) from error
    return Cache(entries, size_mb << 20, ttl_us)


def score_caches(declared: Mapping[str, Cache | None], clock: Clock) -> Mapping[str, ScoreCache]:
    """Open what is declared, by decision; empty where nothing is."""
    return {name: one.open(clock) for name, one in declared.items() if one is not None}
