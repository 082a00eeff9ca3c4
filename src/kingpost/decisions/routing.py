"""Which bundle answers a request while a release goes on.

The rule: who asks decides, not chance and not the process. A keyed hash of the tenant and the
assigning field lies below the share of the release or not: the same in every process and
after every restart, another one for every release, and who is in at 5% is in at 25%.
"""

from array import array
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from operator import attrgetter
from typing import NamedTuple, Protocol

from kingpost.contracts import Event
from kingpost.core import Clock
from kingpost.decisions.ask import Ask
from kingpost.decisions.complaints import Complaints
from kingpost.decisions.drafts import Draft
from kingpost.decisions.lane import Lane, found_scores, lane_scores
from kingpost.decisions.release_judge import ReleaseJudge, Seen
from kingpost.decisions.served import ServedDecision
from kingpost.models import ScoreCache
from kingpost.records import DecisionRecord, Outcome, Role
from kingpost.registry import LiveRelease, ReleasePlan

__all__ = [
    "Assignment",
    "Route",
    "Routed",
    "TakesShadows",
    "VersionCounts",
    "routed_scores",
    "see",
    "tenants_of",
    "value_reader",
]

_WHOLE = 1 << 64


class Assignment:
    """Who gets the new bundle of a release.

    Args:
        release: Its id: the key of the hash.
        share: The part of all values that it answers, 0 to 1.

    Attributes:
        has_names: Whether the plan names values that it always answers.
    """

    def __init__(self, release: str, plan: ReleasePlan, share: float) -> None:
        self._key = release.encode()[:64]
        self._below = round(share * _WHOLE)
        self._keys, self._prefixes = frozenset(plan.keys), plan.prefixes
        self.has_names = bool(plan.keys or plan.prefixes)

    def is_named(self, value: str) -> bool:
        """Tell whether a value is one of the plan's keys, or begins as one of its prefixes."""
        return value in self._keys or (bool(self._prefixes) and value.startswith(self._prefixes))

    def is_drawn(self, tenant: str, value: str) -> bool:
        """Tell whether a value of a tenant's is in the share."""
        text = f"{tenant}\0{value}".encode(errors="surrogatepass")
        drawn = blake2b(text, digest_size=8, key=self._key).digest()
        return int.from_bytes(drawn, "big") < self._below


@dataclass(slots=True)
class VersionCounts:
    """What one bundle of a release has done in this process.

    Attributes:
        calls, calls_us: Calls of its model, and what they took.
    """

    requests: int = 0
    failures: int = 0
    calls: int = 0
    calls_us: float = 0.0
    dropped: int = 0


class Routed(NamedTuple):
    """Requests of a decision that were decided together, for those who look on."""

    drafts: Sequence[Draft]
    records: Sequence[DecisionRecord]
    scores: Sequence[float | None]
    values: "array[float]"
    call_us: Mapping[bytes, float]


class TakesShadows(Protocol):
    """Decides requests once more, for nobody; must not wait."""

    def offer(self, route: "Route", routed: Routed) -> None:
        """Take a batch, or drop it when there is no room."""
        ...


@dataclass
class Route:
    """A release in this process: both bundles, ready to answer.

    Attributes:
        new: The bundle that is released, its role canary or shadow.
        value_of: What assigns a request.
        shadows: Where shadows are decided; None where there are none.
        answered: How many requests the new bundle has decided since this stage began here.
    """

    release: LiveRelease
    champion: ServedDecision
    new: ServedDecision
    assignment: Assignment
    value_of: Callable[[Event], object]
    judge: ReleaseJudge
    shadows: TakesShadows | None = None
    counts: dict[bytes, VersionCounts] = field(default_factory=dict[bytes, VersionCounts])
    answered: int = 0

    def __post_init__(self) -> None:
        for one in (self.champion, self.new):
            self.counts.setdefault(one.bundle, VersionCounts())

    def choose(self, ask: Ask) -> ServedDecision:
        """Return the bundle that answers a request."""
        if self.shadows is not None:
            return self.champion
        value = str(self.value_of(ask.event))
        assignment = self.assignment
        if assignment.is_drawn(ask.tenant, value) or assignment.is_named(value):
            return self.new
        return self.champion

    def note(self, routed: Routed) -> None:
        """Count and judge what was decided."""
        for bundle, call_us in routed.call_us.items():
            counts = self.counts[bundle]
            counts.calls += 1
            counts.calls_us += call_us
        for record in routed.records:
            counts = self.counts[record.bundle]
            counts.requests += 1
            counts.failures += record.outcome is Outcome.FAILED
            self.answered += record.role is not Role.CHAMPION
        if self.shadows is not None:
            self.shadows.offer(self, routed)
        else:
            self.judge.note(self._seen(routed, self.new), self._seen(routed, self.champion))

    def _seen(self, routed: Routed, version: ServedDecision) -> Seen:
        seen = Seen(call_us=routed.call_us.get(version.bundle))
        has_names = self.assignment.has_names
        for draft, record in zip(routed.drafts, routed.records, strict=True):
            if draft.served is version:
                # those named by the plan are no sample of all; but no bundle may fail them
                named = has_names and self.assignment.is_named(str(self.value_of(draft.ask.event)))
                see(seen, draft, record, routed.scores, only_failures=named)
        return seen


def see(
    seen: Seen,
    draft: Draft,
    record: DecisionRecord,
    scores: Sequence[float | None],
    *,
    only_failures: bool = False,
) -> None:
    """Add a request to what is seen of a bundle."""
    is_failed = record.outcome is Outcome.FAILED
    seen.failed.append(float(is_failed))
    if is_failed or only_failures:
        return
    seen.undecided.append(float(record.outcome is not Outcome.DECIDED))
    score = scores[draft.lane_row] if draft.lane_row >= 0 else None
    if score is not None:
        seen.scores.append(score)


def value_reader(decision_key: str, by: str) -> Callable[[Event], object]:
    """Return what reads the field that assigns a request."""
    return attrgetter(by or decision_key)


class RoutedScores(NamedTuple):
    """What the bundles of a release said to the rows of a lane.

    Attributes:
        scores: One per row.
        call_us: What each bundle's call took, microseconds; none where all of its rows were
            found.
        found: The rows whose score was not computed for them.
    """

    scores: Sequence[float | None]
    call_us: Mapping[bytes, float]
    found: Collection[int]


def routed_scores(
    lane: Lane,
    drafts: Sequence[Draft],
    complaints: Complaints,
    clock: Clock,
    kept: ScoreCache | None = None,
) -> RoutedScores:
    """Score the rows of a lane, each by the bundle that answers it.

    Args:
        drafts: Those of the lane's decision, in order.
        kept: Scores that were computed before; None where none are kept.
    """
    tenants: Mapping[int, str] = {} if kept is None else tenants_of(drafts)
    rows: dict[bytes, list[int]] = {}
    versions: dict[bytes, ServedDecision] = {}
    for draft in drafts:
        if draft.lane_row >= 0:
            versions[draft.served.bundle] = draft.served
            rows.setdefault(draft.served.bundle, []).append(draft.lane_row)
    width = lane.served.width
    scores: list[float | None] = [None] * (len(lane.values) // width)
    took: dict[bytes, float] = {}
    all_found: set[int] = set()
    for bundle, chosen in rows.items():
        values = lane.values
        if len(rows) > 1:
            values = array("d")
            for row in chosen:
                values.extend(lane.values[row * width : (row + 1) * width])
        begun_ns = clock.monotonic_ns()
        mine, found = Lane(versions[bundle], values), ()
        if kept is None:
            made = lane_scores(mine, complaints)
        else:
            made, found = found_scores(mine, [tenants[row] for row in chosen], kept, complaints)
        if len(found) < len(chosen):
            took[bundle] = (clock.monotonic_ns() - begun_ns) / 1000
        all_found.update(chosen[at] for at in found)
        for row, score in zip(chosen, made, strict=True):
            scores[row] = score
    return RoutedScores(scores, took, all_found)


def tenants_of(drafts: Sequence[Draft]) -> Mapping[int, str]:
    """Return who asks, by the row of the lane."""
    return {draft.lane_row: draft.ask.tenant for draft in drafts if draft.lane_row >= 0}
