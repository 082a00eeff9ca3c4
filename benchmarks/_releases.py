"""How releases are judged: what is worse is found soon, and what is not is left alone.

In virtual time: requests are drawn, assigned and told to the judge that a server asks, in
batches of up to 16, and it is asked every half second at 1,000 requests a second.
"""

import statistics
from collections.abc import Iterator

import numpy as np

from benchmarks._figures import figure_at, say
from kingpost.decisions import ReleaseJudge, Seen
from kingpost.registry import ReleasePlan, Stage

__all__ = ["run_releases"]

HARMFUL, IDENTICAL = 200, 1_000
SHARE, MOST_CANARY = 0.1, 2_000
ERRORS, WORSE_BY, UNDECIDED = 0.02, 0.05, 0.15
BATCH, ASKED_EVERY = 16, 500
PLAN = ReleasePlan(stages=(Stage(share=SHARE),))


def run_releases() -> bool:
    """Print what became of simulated releases; say whether the bars are met."""
    found = [canary for seed in range(HARMFUL) if (canary := _released(seed, WORSE_BY))]
    caught = len(found) / HARMFUL
    median = statistics.median(found) if found else float("inf")
    say(f"releases: {caught:.1%} of the worse ones ended, median after {median:g} canary requests")
    figure_at("caught_releases", caught, "share", 0.95, more_is_better=True)
    figure_at("caught_after", median, "canary requests", MOST_CANARY, more_is_better=False)
    harmless = sum(_released(HARMFUL + seed, 0.0) is not None for seed in range(IDENTICAL))
    say(f"releases: {harmless} of {IDENTICAL:,} identical ones ended")
    figure_at("harmless_rollbacks", harmless / IDENTICAL, "share", 0.02, more_is_better=False)
    return caught >= 0.95 and harmless <= 0.02 * IDENTICAL


def _released(seed: int, worse_by: float) -> int | None:
    """Release something, and return after how many canary requests it was ended, if it was."""
    judge = ReleaseJudge(PLAN)
    canaries = asked = requests = 0
    for new, champion in _batches(np.random.default_rng(seed), worse_by):
        judge.note(new, champion)
        canaries += len(new.failed)
        requests += len(new.failed) + len(champion.failed)
        if requests - asked >= ASKED_EVERY:
            asked = requests
            if judge.judge().worse:
                return canaries
        if canaries >= MOST_CANARY:
            return None
    return None


def _batches(rng: np.random.Generator, worse_by: float) -> Iterator[tuple[Seen, Seen]]:
    """Draw the batches of a release, all requests of both sides at once."""
    sizes = rng.integers(1, BATCH + 1, 2 * MOST_CANARY * int(1 / SHARE) // BATCH * 2)
    shares = rng.binomial(sizes, SHARE)
    new = _Requests(rng, int(shares.sum()), len(sizes), ERRORS + worse_by)
    champion = _Requests(rng, int((sizes - shares).sum()), len(sizes), ERRORS)
    for number, of_new in zip(sizes.tolist(), shares.tolist(), strict=True):
        yield new.next(of_new), champion.next(number - of_new)


class _Requests:
    """Requests of one bundle, taken batch by batch."""

    def __init__(self, rng: np.random.Generator, number: int, calls: int, errors: float) -> None:
        self._failed: list[float] = (rng.random(number) < errors).astype(float).tolist()
        self._undecided: list[float] = (rng.random(number) < UNDECIDED).astype(float).tolist()
        self._scores: list[float] = rng.beta(0.5, 5.0, number).tolist()
        self._calls = iter(rng.lognormal(6.0, 0.5, calls).tolist())
        self._at = 0

    def next(self, number: int) -> Seen:
        begin, end = self._at, self._at + number
        self._at = end
        call_us = next(self._calls)
        return Seen(
            failed=self._failed[begin:end],
            undecided=self._undecided[begin:end],
            scores=self._scores[begin:end],
            call_us=call_us if number else None,
        )
