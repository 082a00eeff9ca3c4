"""What was used: counts of one decision on one day, which can be added in any order.

Days are of the wall clock, UTC: bills go by it, not by when requests happened.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from kingpost.monitoring.observations import OUTCOMES
from kingpost.records import ReviewVerdict

__all__ = [
    "DAY_US",
    "CostNews",
    "GivenReview",
    "RecordCost",
    "TokenCost",
    "Tokens",
    "Usage",
    "UsagePlace",
    "merged",
    "usage_of",
]

DAY_US = 24 * 3600 * 1_000_000


class UsagePlace(NamedTuple):
    """Whose usage it is, and of which day: days since 1970."""

    tenant: str
    decision: str
    day: int


class RecordCost(NamedTuple):
    """What one record took.

    Attributes:
        offset: Where it lies in the journal.
        outcome: A place in `OUTCOMES`.
        is_shadow: Whether its answer went to nobody.
        compute_us: Time of features, model and gate.
        size_bytes: What it takes in the journal, with its request.
    """

    offset: int
    tenant: str
    decision: str
    at_us: int
    outcome: int
    is_shadow: bool
    compute_us: int
    size_bytes: int


class TokenCost(NamedTuple):
    """The tokens that a record's model used of another model, such as a language model."""

    offset: int
    tenant: str
    decision: str
    at_us: int
    model: str
    input_tokens: int
    output_tokens: int


class GivenReview(NamedTuple):
    """A review as somebody gave it.

    Attributes:
        asked: Whether a task asked for it.
    """

    offset: int
    tenant: str
    decision: str
    at_us: int
    record: bytes
    by: str
    verdict: ReviewVerdict
    positive: bool
    asked: bool


@dataclass
class CostNews:
    """What a part of the journal says of costs, each list in its order."""

    records: list[RecordCost] = field(default_factory=list[RecordCost])
    tokens: list[TokenCost] = field(default_factory=list[TokenCost])
    reviews: list[GivenReview] = field(default_factory=list[GivenReview])


class Tokens(NamedTuple):
    """Tokens read and written."""

    input_tokens: int
    output_tokens: int


@dataclass(slots=True)
class Usage:
    """What was used.

    Attributes:
        outcomes: Answered decisions by their outcome, as in `OUTCOMES`.
        shadows: Records of releases whose answer went to nobody; their time and bytes count.
        compute_us: Time of features, model and gate.
        size_bytes: Written into the journal.
        approved, overridden: Reviews that were asked for.
        corrected: Overrides that nobody had asked for.
        tokens: By model.
    """

    outcomes: list[int] = field(default_factory=lambda: [0] * len(OUTCOMES))
    shadows: int = 0
    compute_us: int = 0
    size_bytes: int = 0
    approved: int = 0
    overridden: int = 0
    corrected: int = 0
    tokens: dict[str, Tokens] = field(default_factory=dict[str, Tokens])

    @property
    def decisions(self) -> int:
        """Decisions answered, however they ended."""
        return sum(self.outcomes)

    def add(self, other: "Usage") -> None:
        """Add what another one counts."""
        self.outcomes = [
            mine + its for mine, its in zip(self.outcomes, other.outcomes, strict=True)
        ]
        self.shadows += other.shadows
        self.compute_us += other.compute_us
        self.size_bytes += other.size_bytes
        self.approved += other.approved
        self.overridden += other.overridden
        self.corrected += other.corrected
        for model, tokens in other.tokens.items():
            self.add_tokens(model, *tokens)

    def add_tokens(self, model: str, input_tokens: int, output_tokens: int) -> None:
        """Add tokens of a model."""
        known = self.tokens.get(model, Tokens(0, 0))
        self.tokens[model] = Tokens(known[0] + input_tokens, known[1] + output_tokens)


def usage_of(news: CostNews) -> Mapping[UsagePlace, Usage]:
    """Count what is new, by whose and when it was."""
    found: dict[UsagePlace, Usage] = {}

    def of(tenant: str, decision: str, at_us: int) -> Usage:
        place = UsagePlace(tenant, decision, at_us // DAY_US)
        usage = found.get(place)
        if usage is None:
            usage = found[place] = Usage()
        return usage

    for _, tenant, decision, at_us, outcome, is_shadow, compute_us, size_bytes in news.records:
        usage = of(tenant, decision, at_us)
        if is_shadow:
            usage.shadows += 1
        else:
            usage.outcomes[outcome] += 1
        usage.compute_us += compute_us
        usage.size_bytes += size_bytes
    for _, tenant, decision, at_us, model, read, written in news.tokens:
        of(tenant, decision, at_us).add_tokens(model, read, written)
    for review in news.reviews:
        usage = of(review.tenant, review.decision, review.at_us)
        if review.verdict == "approved":
            usage.approved += review.asked
        elif review.asked:
            usage.overridden += 1
        else:
            usage.corrected += 1
    return found


def merged(parts: Iterable[Mapping[UsagePlace, Usage]]) -> Mapping[UsagePlace, Usage]:
    """Add up what was counted apart, as by several servers."""
    whole: dict[UsagePlace, Usage] = {}
    for part in parts:
        for place, usage in part.items():
            whole.setdefault(place, Usage()).add(usage)
    return whole
