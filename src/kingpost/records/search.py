"""Finding records: what a list shows of each, and what a search can do.

The rule: a search holds nothing that the journal does not have. It can be thrown away and
is then made anew from the records, the labels and the reviews that lie there.

A label counts for the records that were there before it, and of several the last one
counts, as in training. Of several reviews the last one stands.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import msgspec

from kingpost.records.record import Outcome
from kingpost.records.review import Review, ReviewVerdict

__all__ = ["JoinedLabel", "KnownLabel", "RecordLine", "RecordQuery", "RecordSearch"]


class RecordLine(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A record in brief, with what became known of it later.

    Attributes:
        offset: Where it lies in the data partition.
        event_time_us: When the request's event happened; `at_us`, when it was decided.
        positive: What the model answered; None where there is no answer.
        label: What turned out to be true; None while it is not known.
        label_known_us: When that became known.
        review: What a person said of it; None while nobody did.
        review_positive: The answer that stands since then.
        took_us: How long deciding took, all stages together.
    """

    id: bytes
    offset: int
    tenant: str
    decision: str
    bundle: bytes
    model: bytes
    principal: str = ""
    event_key: str
    session: str | None
    trace_id: str
    event_time_us: int
    at_us: int
    outcome: Outcome
    positive: bool | None
    score: float | None
    confidence: float
    label: bool | None = None
    label_known_us: int | None = None
    review: ReviewVerdict | None = None
    review_positive: bool | None = None
    reviewed_by: str = ""
    review_reason: str = ""
    reviewed_us: int | None = None
    took_us: int = 0

    @property
    def stands(self) -> bool | None:
        """The answer that stands: the review's, else the model's."""
        return self.positive if self.review_positive is None else self.review_positive

    @property
    def is_mistaken(self) -> bool:
        """Whether the answer that stands turned out to be wrong."""
        stands = self.stands
        return self.label is not None and stands is not None and self.label != stands

    @property
    def place(self) -> tuple[int, int]:
        """Where it stands in a list, for `RecordQuery.before`."""
        return self.event_time_us, self.offset


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordQuery:
    """Which records, and from where on.

    Attributes:
        text: Only those whose id, event key, session or trace id is exactly this.
        review: Only those that a person judged so, or, `"none"`, that nobody judged.
        model: Only those that this bundle, or this model, has answered: a SHA-256 digest.
        principal: Only those that this API key or user has asked.
        mistaken: Only those whose standing answer the label contradicts.
        since_us, until_us: Only those that happened from a moment on and before another.
        decided_since_us, decided_until_us: The same of when they were decided; no index knows
            that, so it is asked of every record that the rest of the query finds.
        missed_us: Only those that failed or took longer than this; no index knows that either.
        before: `place` of the last line of the page before.
        limit: The most that are returned.
    """

    tenant: str
    decision: str
    text: str = ""
    outcome: Outcome | None = None
    review: ReviewVerdict | Literal["none"] | None = None
    model: bytes = b""
    principal: str = ""
    mistaken: bool = False
    since_us: int | None = None
    until_us: int | None = None
    decided_since_us: int | None = None
    decided_until_us: int | None = None
    missed_us: int | None = None
    before: tuple[int, int] | None = None
    limit: int = 50


class KnownLabel(NamedTuple):
    """What turned out to be true of a request.

    Attributes:
        known_us: When that was known.
        offset: Where it lies in the data partition; it counts for the records before it.
    """

    event_key: str
    positive: bool
    known_us: int
    offset: int


class JoinedLabel(NamedTuple):
    """A label, and what there is to say of the record that it was joined to.

    Attributes:
        record: The record's id.
        positive: What the model answered; None where there is no answer.
        was: The label that the record had before; None when this is its first.
    """

    label: KnownLabel
    record: bytes
    bundle: bytes
    event_time_us: int
    outcome: Outcome
    positive: bool | None
    was: bool | None


class RecordSearch(Protocol):
    """The records of all tenants. Every call may raise `RecordSearchFailed`."""

    def add(self, lines: Sequence[RecordLine]) -> None:
        """Add records; one that is known already stays as it is."""
        ...

    def label(
        self, tenant: str, decision: str, labels: Sequence[KnownLabel]
    ) -> Sequence[JoinedLabel]:
        """Join labels, in the order in which they became known, to the records they are about."""
        ...

    def review(self, tenant: str, reviews: Sequence[Review]) -> Sequence[RecordLine]:
        """Note reviews in their order; return the records known here as they stand then."""
        ...

    def remove(self, ranges: Sequence[tuple[int, int]]) -> int:
        """Let go of the records at offsets from one to before another; return how many."""
        ...

    def get(self, tenant: str, identifier: bytes) -> RecordLine | None:
        """Return a record in brief by its id; None when the tenant has none of this id."""
        ...

    def find(self, query: RecordQuery) -> Sequence[RecordLine]:
        """Return the records asked for, those whose event is newest first."""
        ...

    def count(self, tenant: str, decision: str) -> int:
        """Return how many records a decision has."""
        ...

    def decisions(self, tenant: str) -> Sequence[str]:
        """Return the names of the decisions that have records, sorted."""
        ...

    def last_at(self, tenant: str) -> int | None:
        """Return when the tenant's last decision was made; None when there is none."""
        ...
