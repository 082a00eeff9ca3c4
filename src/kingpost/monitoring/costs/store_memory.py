"""Usage and reviews in memory, for as long as the process lives."""

from collections.abc import Mapping, Sequence

from kingpost.monitoring.costs.usage import GivenReview, Usage, UsagePlace, merged

__all__ = ["MemoryCosts"]


class MemoryCosts:
    """A `CostStore` that forgets."""

    def __init__(self) -> None:
        self._usage: Mapping[UsagePlace, Usage] = {}
        self._reviews: dict[tuple[str, bytes, str], GivenReview] = {}

    def add(self, usage: Mapping[UsagePlace, Usage]) -> None:
        self._usage = merged([self._usage, usage])

    def usage(
        self, since_day: int, until_day: int, *, tenant: str | None = None
    ) -> Mapping[UsagePlace, Usage]:
        return {
            place: usage
            for place, usage in self._usage.items()
            if since_day <= place.day < until_day and tenant in (None, place.tenant)
        }

    def newest_day(self) -> int | None:
        return max((place.day for place in self._usage), default=None)

    def add_reviews(self, reviews: Sequence[GivenReview]) -> None:
        for one in reviews:
            self._reviews[one.tenant, one.record, one.by] = one

    def reviews(
        self, since_us: int, until_us: int, *, tenant: str | None = None
    ) -> Sequence[GivenReview]:
        found = [
            one
            for one in self._reviews.values()
            if since_us <= one.at_us < until_us and tenant in (None, one.tenant)
        ]
        return sorted(found, key=lambda one: one.offset)
