"""What happened to a decision over a stretch of stream time, in equal steps.

The rule: the number of steps is bounded whatever the traffic, so a page costs the same with
a thousand records and with a million. Summaries of several bundles are added up, but for
the columns: those of one bundle can only be compared with its own reference.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, reduce

import numpy as np
from numpy.typing import NDArray

from kingpost.monitoring import HOUR_US, MINUTE_US, MonitorStore, Resolution, StageName, Summary
from kingpost.records import Outcome
from kingpost.stats import BinMismatch, LogHistogram

__all__ = ["SPANS", "Series", "Span", "Step", "read_series", "span_named"]

_DAY_US = 24 * HOUR_US


@dataclass(frozen=True)
class Span:
    """A length of time to look at, and into which steps it is cut.

    Attributes:
        window: The monitors' window that a step is most like.
    """

    name: str
    title: str
    length_us: int
    step_us: int
    resolution: Resolution
    window: str

    @property
    def step_title(self) -> str:
        """How long a step is, for people: `5 minutes`."""
        if self.step_us % HOUR_US:
            return f"{self.step_us // MINUTE_US} minutes"
        if self.step_us == _DAY_US:
            return "day"
        hours = self.step_us // HOUR_US
        return "hour" if hours == 1 else f"{hours} hours"


SPANS = (
    Span("3h", "3 hours", 3 * HOUR_US, 5 * MINUTE_US, "minute", "fast"),
    Span("24h", "24 hours", _DAY_US, HOUR_US, "hour", "hour"),
    Span("7d", "7 days", 7 * _DAY_US, 3 * HOUR_US, "hour", "hour"),
    Span("28d", "28 days", 28 * _DAY_US, _DAY_US, "hour", "day"),
)


def span_named(name: str) -> Span:
    """Return a span by its name; a day when there is none of this name."""
    return next((span for span in SPANS if span.name == name), SPANS[1])


@dataclass(frozen=True)
class Step:
    """One step: the summaries of each bundle that ran in it."""

    start_us: int
    parts: Mapping[bytes, Summary]

    @property
    def rows(self) -> int:
        """Decisions."""
        return sum(part.rows for part in self.parts.values())

    def outcome(self, outcome: Outcome) -> int:
        """Decisions that ended so."""
        return sum(part.outcomes[outcome] for part in self.parts.values())

    @property
    def positives(self) -> int:
        """Decisions that were answered positive."""
        return sum(part.positives for part in self.parts.values())

    @property
    def answered(self) -> int:
        """Decisions that gave an answer."""
        return sum(part.answered for part in self.parts.values())

    @property
    def scored(self) -> int:
        """Decisions that had a score."""
        return sum(part.scored for part in self.parts.values())

    @property
    def confidence_sum(self) -> float:
        """Sum of their confidences."""
        return sum(part.confidence_sum for part in self.parts.values())

    @property
    def reviews(self) -> tuple[int, int]:
        """Reviews that let the answer stand, and that did not."""
        parts = self.parts.values()
        return sum(part.approved for part in parts), sum(part.overridden for part in parts)

    @property
    def labelled(self) -> tuple[int, int, int, int]:
        """Labelled decisions: true and false positives, true and false negatives."""
        parts = self.parts.values()
        return (
            sum(part.true_positives for part in parts),
            sum(part.false_positives for part in parts),
            sum(part.true_negatives for part in parts),
            sum(part.false_negatives for part in parts),
        )

    def stage(self, name: StageName) -> LogHistogram:
        """Return the time spent in a stage."""
        found = [part.stage(name) for part in self.parts.values()]
        return reduce(LogHistogram.merge, found) if found else LogHistogram.empty()


@dataclass(frozen=True)
class Series:
    """The steps of a span, the oldest first, also those in which nothing happened.

    Attributes:
        end_us: Where the last one ends: the first whole step after the last event.
    """

    span: Span
    end_us: int
    steps: Sequence[Step]

    @property
    def starts_us(self) -> Sequence[int]:
        """Where each step begins."""
        return [step.start_us for step in self.steps]

    @property
    def since_us(self) -> int:
        """Where the first one begins."""
        return self.end_us - self.span.length_us

    @cached_property
    def whole(self) -> Step:
        """All steps together."""
        parts = [part for step in self.steps for part in step.parts.values()]
        return Step(self.since_us, _merged(parts))

    def column(self, bundle: bytes, at: int) -> NDArray[np.int64] | None:
        """Return the bins of a bundle's column, shape (steps, bins); None when it did not run."""
        found = [
            step.parts[bundle].columns[at] if bundle in step.parts else None for step in self.steps
        ]
        first = next((one for one in found if one is not None), None)
        if first is None:
            return None
        nothing = np.zeros_like(first)
        return np.stack([nothing if one is None else one for one in found])


def read_series(
    monitors: MonitorStore,
    tenant: str,
    decision: str,
    span: Span,
    last_event_us: int,
    *,
    bundle: bytes | None = None,
) -> Series:
    """Read what happened in the span that ends with the last event.

    Args:
        bundle: Only what this one answered.

    Raises:
        MonitorStoreFailed: The store cannot be reached.
    """
    end_us = (last_event_us // span.step_us + 1) * span.step_us
    since_us = end_us - span.length_us
    by_step: dict[int, list[Summary]] = {}
    for one in monitors.summaries(tenant, decision, since_us, end_us, span.resolution):
        if bundle is None or one.bundle == bundle:
            at = one.start_us // span.step_us * span.step_us
            by_step.setdefault(at, []).append(one)
    steps = [
        Step(start, _merged(by_step.get(start, ())))
        for start in range(since_us, end_us, span.step_us)
    ]
    return Series(span, end_us, steps)


def _merged(parts: Iterable[Summary]) -> Mapping[bytes, Summary]:
    by_bundle: dict[bytes, list[Summary]] = {}
    for part in parts:
        by_bundle.setdefault(part.bundle, []).append(part)
    return {bundle: _added(found) for bundle, found in by_bundle.items()}


def _added(parts: Sequence[Summary]) -> Summary:
    """Merge all at once: a sum over a month's hours is made without hundreds between."""
    first = parts[0]
    if len(parts) == 1:
        return first
    for part in parts:
        if part.widths != first.widths:
            raise BinMismatch(first.widths, part.widths)
    return replace(first, counts=np.sum([part.counts for part in parts], axis=0))
