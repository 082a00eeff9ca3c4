"""How good a bundle's model is on the newest labelled requests, and how many of them there are.

The rule: what is compared was scored on the same rows, with features as of each request.
Pure but for what is handed in; reading the journal is left to others.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from kingpost.contracts import ColumnBatch
from kingpost.core import duration_us
from kingpost.decisions.declare import Decision
from kingpost.decisions.labels import Labelled, labelled_requests
from kingpost.decisions.training import TrainingPlan, training_set
from kingpost.features import History
from kingpost.models import Evaluation, OnnxScorer, evaluate

__all__ = ["LabelsSoFar", "judge_model", "labels_so_far"]

_REMEMBERED_US = duration_us("28d")
"""So far before a period rows are looked at, to tell which of its rows count."""


class LabelsSoFar(NamedTuple):
    """The labelled requests there are.

    Attributes:
        end_us: Just after the newest one; 0 where there is none.
        learned: How many could be learned from, were the last `judged_us` judged on.
        positives: How many of these are positive.
        period_us: How long a time these cover.
    """

    end_us: int
    learned: int
    positives: int
    period_us: int


def labels_so_far(
    decision: Decision, histories: Mapping[str, History], *, since_us: int | None, judged_us: int
) -> LabelsSoFar:
    """Count the labelled requests of a tenant.

    Args:
        since_us: Requests before do not count.
        judged_us: How long the period is that would be judged on: the last one.
    """
    labelled = labelled_requests(decision, histories, known_until_us=None, since_us=since_us)
    if not len(labelled):
        return LabelsSoFar(0, 0, 0, 0)
    at_us = _event_times(decision, labelled)
    end_us = int(at_us.max()) + 1
    until_us = end_us - judged_us
    rows = np.flatnonzero((at_us < until_us) & (labelled.known_us < until_us))
    if not len(rows):
        return LabelsSoFar(end_us, 0, 0, 0)
    learned_us = at_us[rows]
    return LabelsSoFar(
        end_us,
        len(rows),
        int(np.count_nonzero(labelled.labels[rows])),
        int(learned_us.max() - learned_us.min()),
    )


def judge_model(
    decision: Decision,
    histories: Mapping[str, History],
    model: bytes,
    plan: TrainingPlan,
    from_us: int,
    until_us: int,
) -> Evaluation | None:
    """Judge an ONNX model on the labelled requests of a period; None where none counts.

    Raises:
        OneClassOnly: All rows that count are positive, or none.
    """
    data = training_set(
        decision,
        histories,
        since_us=from_us - _REMEMBERED_US,
        entity=plan.entity,
        threads=plan.threads,
    )
    rows = plan.judged(data, from_us, until_us) if len(data) else np.empty(0, np.int64)
    if not len(rows):
        return None
    judged = data.take(rows)
    return evaluate(judged, OnnxScorer(model).scores(judged.x))


def _event_times(
    decision: Decision, labelled: Labelled
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    events: ColumnBatch = labelled.requests.events
    return events.numbers(decision.request.event_time.name).astype(np.int64)
