"""Making a network smaller and faster, behind a gate on quality and on speed.

The rule: what is no better is refused, with the numbers. Quality is measured on labelled rows
of the user's, speed as the model would be served: one that may not be batched is timed row by
row.
"""

import time
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kingpost.models.batching import Batching, OneByOne, Score, probe_batches
from kingpost.models.dataset import TrainingSet
from kingpost.models.errors import CannotOptimise, OptimisedWorse
from kingpost.models.formats.networks import prune_units, quantise
from kingpost.models.measured import evaluate
from kingpost.models.onnx import OnnxScorer

__all__ = ["Measured", "Optimised", "optimise"]

_PROBED_ROWS = 100
_BATCH = 64
_ROUNDS = 15
_CALLS = 200
_NOISE = 1.05
"""What two measurements of the same model may differ by."""


class Measured(NamedTuple):
    """How good and how fast a model is.

    Attributes:
        row_us: Microseconds for one row, the median.
        batch_us: Microseconds a row in batches of 64, scored as `batching` says.
    """

    average_precision: float
    roc_auc: float
    size_bytes: int
    row_us: float
    batch_us: float
    batching: Batching


@dataclass(frozen=True, eq=False)
class Optimised:
    """A smaller model that passed the gate.

    Attributes:
        difference: The greatest difference of a score on the rows.
        units: How many hidden units were left out.
    """

    onnx: bytes
    before: Measured
    after: Measured
    difference: float
    units: int


def optimise(
    model: bytes,
    data: TrainingSet,
    *,
    int8: bool = True,
    prune: float = 0.0,
    most_loss: float = 0.005,
    alone: bool = False,
) -> Optimised:
    """Quantise a network, leave out units, or both, and check that it was worth it.

    Args:
        data: Labelled rows that the model has not learned from.
        int8: Write weights in int8.
        prune: The share of each hidden layer's units to leave out, 0 to less than 1.
        most_loss: By how much average precision may fall.
        alone: Judge the speed of single rows only, for a server that is seldom asked at once.

    Raises:
        CannotOptimise: It is no network, or nothing was asked for.
        OptimisedWorse: It lost too much, is slower, or is neither smaller nor faster.
        OneClassOnly: All rows are positive, or none.
        ExtraMissing: onnx is not installed.
    """
    if not int8 and not prune:
        raise CannotOptimise("nothing was asked for: int8, or a share of units to leave out")
    made, units = prune_units(model, prune) if prune else (model, 0)
    made = quantise(made) if int8 else made
    old, new = _Tried(model, data), _Tried(made, data)
    (old_row, old_batch), (new_row, new_batch) = _times(old.score, new.score, data.x)
    before, after = old.measured(old_row, old_batch), new.measured(new_row, new_batch)
    difference = float(np.max(np.abs(old.scores - new.scores)))
    reasons = tuple(_reasons(before, after, most_loss, alone=alone))
    if reasons:
        raise OptimisedWorse(reasons, difference)
    return Optimised(made, before, after, difference, units)


def _reasons(before: Measured, after: Measured, most_loss: float, *, alone: bool) -> list[str]:
    found: list[str] = []
    loss = before.average_precision - after.average_precision
    if not loss <= most_loss:
        found.append(
            f"average precision falls by {loss:.4f} (from {before.average_precision:.4f} to "
            f"{after.average_precision:.4f}; at most {most_loss:g} is allowed)"
        )
    for what, old, new in (
        ("one row", before.row_us, after.row_us),
        (f"a row in batches of {_BATCH}", before.batch_us, after.batch_us),
    )[: 1 if alone else 2]:
        if new > old * _NOISE:
            found.append(f"{what} takes {new:.1f} us instead of {old:.1f}")
    is_faster = after.row_us * _NOISE < before.row_us
    if not is_faster and after.size_bytes >= before.size_bytes:
        found.append(
            f"it is no faster, and has {after.size_bytes:,} bytes instead of {before.size_bytes:,}"
        )
    return found


class _Tried:
    """A model with its scores, ready to be timed as it would be served."""

    def __init__(self, model: bytes, data: TrainingSet) -> None:
        scorer = OnnxScorer(model)
        finding = probe_batches(scorer.score, data.x[:_PROBED_ROWS])
        self.batching: Batching = finding.batching
        alone = OneByOne(scorer.score)
        is_safe = finding.batching == "any"
        self.score: Score = scorer.score if is_safe else alone.score
        self.scores = scorer.scores(data.x) if is_safe else alone.scores(data.x)
        self._evaluation, self._bytes = evaluate(data, self.scores), len(model)

    def measured(self, row_us: float, batch_us: float) -> Measured:
        """Put the facts together with the times."""
        found = self._evaluation
        return Measured(
            found.average_precision, found.roc_auc, self._bytes, row_us, batch_us, self.batching
        )


def _times(
    old: Score, new: Score, x: NDArray[np.float32]
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Time both in turns, so that other work on the machine meets both alike.

    Returns:
        For each, microseconds of one row and of a row in a batch: the median of the rounds.
    """
    row, batch = x[:1], np.resize(x, (_BATCH, x.shape[1]))
    rounds = [(*_round(old, row, batch), *_round(new, row, batch)) for _ in range(_ROUNDS)]
    old_row, old_batch, new_row, new_batch = np.median(np.array(rounds), axis=0).tolist()
    return (old_row, old_batch), (new_row, new_batch)


def _round(
    score: Score, row: NDArray[np.float32], batch: NDArray[np.float32]
) -> tuple[float, float]:
    return _call_us(score, row, _CALLS), _call_us(score, batch, _CALLS // 10) / len(batch)


def _call_us(score: Score, rows: NDArray[np.float32], calls: int) -> float:
    started = time.perf_counter_ns()
    for _ in range(calls):
        score(rows)
    return (time.perf_counter_ns() - started) / calls / 1000
