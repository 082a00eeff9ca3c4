"""How right the answers were, once labels are known, and how often people changed them.

The rule: what is measured on few is compared with room to spare, four standard errors and
some more, so that chance alone opens no incident.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kingpost.monitoring.profile import Profile
from kingpost.monitoring.words import ratio_text
from kingpost.stats import standard_error

__all__ = ["OVERRIDE_HOURS", "QUALITY_HOURS", "Finding", "Quality", "override_finding"]

QUALITY_HOURS = 7 * 24
OVERRIDE_HOURS = 24
_FEWEST_ANSWERS = 50
_FEWEST_REVIEWS = 20
_ERRORS = 4.0
_QUALITY_MARGIN = 0.05
_OVERRIDE_MARGIN = 0.1
_UNKNOWN_OVERRIDE_LIMIT = 0.8


class Finding(NamedTuple):
    """One measure beside its limit.

    Attributes:
        title: What an incident of it would be called.
    """

    column: str
    window: str
    value: float
    limit: float
    rows: int
    breached: bool
    title: str


class Quality:
    """Right and wrong answers of the last seven days of which labels are known, by hour."""

    def __init__(self) -> None:
        self._hours: dict[int, NDArray[np.int64]] = {}
        self._total = np.zeros(4, np.int64)
        self._newest: int | None = None

    def add(self, hour: int, counts: NDArray[np.int64]) -> None:
        """Add true positives, false positives, true negatives and false negatives."""
        if self._newest is None or hour > self._newest:
            self._newest = hour
            for old in [one for one in self._hours if one <= hour - QUALITY_HOURS]:
                self._total -= self._hours.pop(old)
        if hour > self._newest - QUALITY_HOURS:
            self._hours[hour] = self._hours.get(hour, np.zeros(4, np.int64)) + counts
            self._total += counts

    def findings(self, profile: Profile | None) -> list[Finding]:
        """Compare precision and recall with those that were promised."""
        if profile is None:
            return []
        right, wrong, _, missed = self._total.tolist()
        return [
            _below(column, right, rows, promised)
            for column, rows, promised in (
                ("precision", right + wrong, profile.precision),
                ("recall", right + missed, profile.recall),
            )
            if promised is not None and rows >= _FEWEST_ANSWERS
        ]


def _below(column: str, right: int, rows: int, promised: float) -> Finding:
    value = right / rows
    limit = max(0.0, promised - _ERRORS * standard_error(promised, rows) - _QUALITY_MARGIN)
    return Finding(
        column,
        "week",
        value,
        limit,
        rows,
        value < limit,
        f"{column} is {ratio_text(value)} in the last 7 days with labels, {ratio_text(promised)} "
        f"in training, limit {ratio_text(limit)}",
    )


def override_finding(profile: Profile | None, approved: int, overridden: int) -> Finding | None:
    """Compare how often people changed answers with how often they should have to.

    Returns:
        None for too few reviews.
    """
    rows = approved + overridden
    if rows < _FEWEST_REVIEWS:
        return None
    usual = None if profile is None else profile.review_wrong_share
    limit = _UNKNOWN_OVERRIDE_LIMIT
    expected = ""
    if usual is not None:
        limit = usual + _ERRORS * standard_error(usual, rows) + _OVERRIDE_MARGIN
        expected = f", {ratio_text(usual)} expected"
    value = overridden / rows
    return Finding(
        "",
        "day",
        value,
        limit,
        rows,
        value > limit,
        f"reviewers overrode {ratio_text(value)} of {rows} reviews in the last 24 hours{expected}, "
        f"limit {ratio_text(limit)}",
    )
