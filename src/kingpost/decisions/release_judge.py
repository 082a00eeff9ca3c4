"""The judge of a release: is the new bundle worse than the champion?

The rule: it may be asked at any time, and ends a release of something no worse with a chance
of `alpha` at most, all measures and all processes together: each test has its part of it.
What is slow, and which scores are unusual, is set by the champion's first requests and then
stays, so that no test looks at what it judges by.

Pure: what the bundles did is told, the evidence of other processes is given.
"""

import math
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from kingpost.registry import Evidence, Judged, Measure, ReleasePlan
from kingpost.stats import Excess, ExcessTest, Sample

__all__ = ["Judgement", "ReleaseJudge", "Seen"]

_FIRST = 200
"""So many of the champion's requests say what is usual."""
_USUAL_CALLS = 0.9
_SLOWER, _SLOWER_US = 1.5, 1_000
"""A call is slow above 1.5 times the champion's 90th percentile and 1 ms above it."""
_TAIL = 0.1

_TESTS: Mapping[Measure, tuple[str, ...]] = {
    "errors": ("errors",),
    "latency": ("latency",),
    "score": ("score_high", "score_low"),
    "undecided": ("undecided",),
    "business": ("business",),
}


@dataclass(slots=True)
class Seen:
    """What one bundle did in a batch.

    Attributes:
        failed, undecided: 1 for each request that was, 0 for each that was not.
        scores: Of those that have one.
        call_us: What the call of its model took; None where there was none.
    """

    failed: list[float] = field(default_factory=list[float])
    undecided: list[float] = field(default_factory=list[float])
    scores: list[float] = field(default_factory=list[float])
    call_us: float | None = None


class Judgement(tuple[Evidence, ...]):
    """The evidence of each test, and whether one of them says that the bundle is worse."""

    @property
    def worse(self) -> tuple[Evidence, ...]:
        """The measures by which it is worse."""
        return tuple(one for one in self if one.e_value >= one.needed)


class ReleaseJudge:
    """Judges one release by what this process sees of it.

    Args:
        begun: Where the tests left off before a restart, by name.
        usual: What was usual then; see `usual`.
    """

    def __init__(
        self,
        plan: ReleasePlan,
        *,
        begun: Mapping[str, Excess] | None = None,
        usual: Mapping[str, float] | None = None,
    ) -> None:
        begun = begun or {}
        names = [(one, name) for one in plan.judged for name in _TESTS[one.measure]]
        self._declared: dict[str, Judged] = {name: one for one, name in names}
        self._tests = {
            name: ExcessTest(
                margin=one.margin, alpha=plan.alpha / len(names), begun=begun.get(name)
            )
            for one, name in names
        }
        self._usual = dict(usual or {})
        self._first_calls: list[float] = []
        self._first_scores: list[float] = []
        self._lock = threading.Lock()  # one thread tells, another one asks

    def note(self, new: Seen, champion: Seen) -> None:
        """Take note of a batch."""
        with self._lock:
            self._note_each("errors", new.failed, champion.failed)
            self._note_each("undecided", new.undecided, champion.undecided)
            if "latency" in self._tests:
                self._note_calls(new.call_us, champion.call_us)
            if "score_high" in self._tests:
                self._note_scores(new.scores, champion.scores)

    def note_value(self, measure: Measure, value: float, *, is_new: bool) -> None:
        """Take note of what became of one answer: a loss, 0 to 1."""
        with self._lock:
            self._note_each(measure, (value,) if is_new else (), () if is_new else (value,))

    def state(self) -> tuple[Mapping[str, Excess], Mapping[str, float]]:
        """Return how far the tests are, and what is usual."""
        with self._lock:
            return {name: test.state for name, test in self._tests.items()}, dict(self._usual)

    def judge(self, others: Iterable[Mapping[str, Excess]] = ()) -> Judgement:
        """Judge by all evidence there is.

        Args:
            others: The states of the other processes.
        """
        parts = [self.state()[0], *others]
        return Judgement(
            self._evidence(name, Excess.merged(part[name] for part in parts if name in part))
            for name in self._tests
        )

    def _evidence(self, name: str, merged: Excess) -> Evidence:
        test = self._tests[name]
        return Evidence(
            measure=name,
            margin=self._declared[name].margin,
            requests=merged.first.number,
            rate=round(merged.first.mean, 6),
            champion_requests=merged.second.number,
            champion_rate=round(merged.second.mean, 6),
            e_value=merged.e_value,
            needed=1 / test.alpha,
        )

    def _note_each(self, name: str, new: Sequence[float], champion: Sequence[float]) -> None:
        test = self._tests.get(name)
        if test is not None:
            test.observe_each(new, champion)

    def _note_calls(self, new: float | None, champion: float | None) -> None:
        limit = self._usual.get("slow_us")
        if limit is None:
            if champion is not None:
                self._first_calls.append(champion)
            if len(self._first_calls) >= _FIRST:
                usual = _quantile(self._first_calls, _USUAL_CALLS)
                self._usual["slow_us"] = max(usual * _SLOWER, usual + _SLOWER_US)
            return
        # one call serves a batch: it is one observation, however many it served
        self._tests["latency"].observe(_above(new, limit), _above(champion, limit))

    def _note_scores(self, new: Sequence[float], champion: Sequence[float]) -> None:
        high = self._usual.get("high_score")
        if high is None:
            self._first_scores.extend(champion)
            if len(self._first_scores) >= _FIRST:
                self._usual["high_score"] = _quantile(self._first_scores, 1 - _TAIL)
                self._usual["low_score"] = _quantile(self._first_scores, _TAIL)
            return
        low = self._usual["low_score"]
        self._tests["score_high"].observe_each(
            [float(one > high) for one in new], [float(one > high) for one in champion]
        )
        self._tests["score_low"].observe_each(
            [float(one < low) for one in new], [float(one < low) for one in champion]
        )


def _above(value: float | None, limit: float) -> Sample:
    return Sample(0, 0.0) if value is None else Sample(1, float(value > limit))


def _quantile(values: list[float], share: float) -> float:
    found = sorted(one for one in values if not math.isnan(one))
    return found[min(int(share * len(found)), len(found) - 1)] if found else 0.0
