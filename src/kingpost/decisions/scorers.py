"""A bundle's model, made ready to run: tried in batches, warm before it answers."""

import logging
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kingpost.decisions.declare import Decision
from kingpost.decisions.python_model import PythonScorer, is_python_model, python_model
from kingpost.decisions.served import Scorer
from kingpost.models import (
    BadModel,
    BatchFinding,
    OneByOne,
    OnnxScorer,
    TrainingSet,
    model_input,
    probe_batches,
    random_rows,
)
from kingpost.monitoring import Profile

__all__ = ["ReadyModel", "all_scores", "model_of", "ready_model"]

_DRAWN_ROWS = 64
_ROWS_PER_CALL = 8192

_log = logging.getLogger(__name__)


class ReadyModel(NamedTuple):
    """A model that has answered in private.

    Attributes:
        finding: Whether its batches are safe; `scorer` keeps to it.
    """

    scorer: Scorer
    finding: BatchFinding


def ready_model(decision: Decision, content: bytes, profile: Profile | None) -> ReadyModel:
    """Load a model, try it in batches, and fall back to scoring one by one where bits differ.

    Args:
        content: As the bundle names it.
        profile: Whose rows it is tried on; without one they are drawn.

    Raises:
        BadModel: It cannot be run, or is not the function that is declared.
    """
    scorer = model_of(decision, content)
    finding = probe_batches(scorer.score, _sample(decision, profile))
    told = {"decision": decision.name, "batching": finding.batching, "finding": str(finding)}
    if finding.batching == "any":
        _log.info("batches_probed", extra=told)
        return ReadyModel(scorer, finding)
    _log.warning("batches_differ", extra=told)
    return ReadyModel(OneByOne(scorer.score), finding)


def model_of(decision: Decision, content: bytes) -> Scorer:
    """Load a model as it is.

    Raises:
        BadModel: See `ready_model`.
    """
    predict = decision.model.predict
    if predict is None:
        if is_python_model(content):
            raise BadModel("it is a function, and the declaration has no `predict`")
        return OnnxScorer(content)
    if content != python_model(predict):
        raise BadModel("it is not the function that the declaration names as `predict`")
    return PythonScorer(predict)


def all_scores(scorer: Scorer, data: TrainingSet) -> NDArray[np.float64]:
    """Score all rows, shape (rows,).

    Raises:
        BadModel: It gives no score to some of them.
    """
    parts = [
        np.asarray(scorer.score(data.x[at : at + _ROWS_PER_CALL]), np.float64)
        for at in range(0, len(data), _ROWS_PER_CALL)
    ]
    scores = np.concatenate(parts) if parts else np.empty(0, np.float64)
    missing = int(np.count_nonzero(~np.isfinite(scores)))
    if missing:
        raise BadModel(f"it gives no score to {missing} of {len(data)} rows")
    return scores


def _sample(decision: Decision, profile: Profile | None) -> NDArray[np.float32]:
    if profile is not None and profile.background:
        return model_input(np.array(profile.background, np.float64))  # None becomes NaN
    return random_rows(len(decision.features), rows=_DRAWN_ROWS).x
