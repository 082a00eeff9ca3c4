"""Where each count lies in the vector of a summary.

First the single counts, then a histogram per stage, then the bins of each column of the
bundle's profile. Places are only ever added with a new format of summaries.
"""

from enum import IntEnum, auto
from typing import Literal

from kingpost.stats import HISTOGRAM_BINS

__all__ = ["COLUMNS_AT", "STAGES", "STAGES_AT", "Count", "StageName"]


class Count(IntEnum):
    """Places of the single counts."""

    @staticmethod
    def _generate_next_value_(name: str, start: int, count: int, last_values: list[int]) -> int:
        return count

    ROWS = auto()
    # in the order of `OUTCOMES`
    DECIDED = auto()
    FALLBACK = auto()
    REVIEW = auto()
    REFUSED = auto()
    FAILED = auto()
    POSITIVE = auto()
    NEGATIVE = auto()
    SCORED = auto()
    CONFIDENCE_MILLIONTHS = auto()
    OVER_TOTAL = auto()
    OVER_FEATURES = auto()
    OVER_MODEL = auto()
    TRUE_POSITIVE = auto()
    FALSE_POSITIVE = auto()
    TRUE_NEGATIVE = auto()
    FALSE_NEGATIVE = auto()
    APPROVED = auto()
    OVERRIDDEN = auto()


StageName = Literal["queue", "features", "model", "total"]
STAGES: tuple[StageName, ...] = ("queue", "features", "model", "total")
"""Stages with a histogram; `total` has the gate's time in it too."""

STAGES_AT = len(Count)
COLUMNS_AT = STAGES_AT + len(STAGES) * HISTOGRAM_BINS
