"""Where usage and reviews are kept: what a store of them can do.

Writing is the observer's alone, in the transaction of its step. All of it follows from the
journal: a store that is lost is made anew.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from kingpost.monitoring.costs.usage import GivenReview, Usage, UsagePlace

__all__ = ["CostStore"]


class CostStore(Protocol):
    """Usage by tenant, decision and day. Calls may raise `MonitorStoreFailed`."""

    def add(self, usage: Mapping[UsagePlace, Usage]) -> None:
        """Add to what is there."""
        ...

    def usage(
        self, since_day: int, until_day: int, *, tenant: str | None = None
    ) -> Mapping[UsagePlace, Usage]:
        """Return what was used from a day on and before another, of one tenant or of all."""
        ...

    def newest_day(self) -> int | None:
        """Return the newest day that has any; None when there is none."""
        ...

    def add_reviews(self, reviews: Sequence[GivenReview]) -> None:
        """Keep reviews; of several by one person of one record the last one."""
        ...

    def reviews(
        self, since_us: int, until_us: int, *, tenant: str | None = None
    ) -> Sequence[GivenReview]:
        """Return the reviews given from a time on and before another, in the journal's order."""
        ...
