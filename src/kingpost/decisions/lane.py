"""Scoring: the requests of a batch that go to one model go together.

The rule: a model that fails on one row fails that row. The call is made again row by row,
so that nobody's answer depends on who else was asking.
"""

from array import array
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kingpost.decisions.answer import Verdict, judge, matching_rule
from kingpost.decisions.complaints import Complaints
from kingpost.decisions.served import ServedDecision
from kingpost.models import FoundScores, ScoreCache, model_input
from kingpost.records import Outcome

__all__ = ["FEATURE_ERROR", "Lane", "found_scores", "lane_scores", "no_verdict", "row_verdict"]

FEATURE_ERROR = "feature_error"
"""The reason of a row that a function of the user's broke on."""


class Lane(NamedTuple):
    """The requests of a batch that go to one model together; `values` row by row."""

    served: ServedDecision
    values: "array[float]"


def lane_scores(lane: Lane, complaints: Complaints) -> Sequence[float | None]:
    """Score the rows of a lane; None for a row that the model failed on."""
    return _row_scores(lane.served, _rows(lane), complaints)


def found_scores(
    lane: Lane, tenants: Sequence[str], kept: ScoreCache, complaints: Complaints
) -> FoundScores:
    """Score the rows of a lane as `lane_scores` does, but for those that were scored before.

    Args:
        tenants: Who asks, row by row.
    """
    served = lane.served
    return kept.scores(
        served.model, tenants, _rows(lane), lambda rows: _row_scores(served, rows, complaints)
    )


def _rows(lane: Lane) -> NDArray[np.float32]:
    width = lane.served.width
    return model_input(np.frombuffer(lane.values, np.float64).reshape(-1, width))


def _row_scores(
    served: ServedDecision, rows: NDArray[np.float32], complaints: Complaints
) -> Sequence[float | None]:
    together = _scores(served, rows, complaints)
    if together is not None or len(rows) == 1:
        return [None] if together is None else together
    # one row may have failed the call: it must not fail the others
    scores: list[float | None] = []
    for row in range(len(rows)):
        alone = _scores(served, rows[row : row + 1], complaints)
        scores.append(None if alone is None else alone[0])
    return scores


def no_verdict(reason: str) -> Verdict:
    """Make the verdict of a row that has failed."""
    return Verdict(b"null", 0.0, Outcome.FAILED, reason)


def row_verdict(
    served: ServedDecision, values: Sequence[float], row: int, score: float | None
) -> Verdict:
    """Judge what a model said to a row; None is that it failed.

    Args:
        values: Row by row, as in a lane.
    """
    if score is None:
        return no_verdict("model_error")
    rules = served.rules
    start = row * served.width
    return judge(
        score,
        label=served.label,
        threshold=served.threshold,
        gate=served.decision.gate,
        rule=matching_rule(rules, values, start) if rules else None,
    )


def _scores(
    served: ServedDecision, rows: NDArray[np.float32], complaints: Complaints
) -> list[float] | None:
    if not len(rows):
        return []
    try:
        scores = [float(score) for score in served.scorer.score(rows)]
        if len(scores) != len(rows):
            raise ValueError(f"the model gave {len(scores)} scores for {len(rows)} rows")
    except Exception as error:  # noqa: BLE001  a model of the user's: the others go on
        complaints.log("model_failed", served.decision.name, error)
        return None
    return scores
