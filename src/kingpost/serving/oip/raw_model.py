"""The model behind a decision: rows of features in, scores out, no gate and no event.

The rule: what came in one turn of the event loop is scored together, and every row's score
has the same bits as if it had come alone; a request that the model breaks on fails alone.
One `inference` entry in the journal stands for each request, and is durable before its
scores leave. Where the model declares a cache, it is the one that its decision uses.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial
from hashlib import sha256
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kingpost.access import Fields
from kingpost.core import Clock, TimeOrderedIds, id_text
from kingpost.decisions import ServedDecision
from kingpost.journal import Entry
from kingpost.models import model_input
from kingpost.records import INFERENCE_FORMAT, InferenceRecord, encode_inference
from kingpost.serving.decision_route import RETRY_AFTER_S
from kingpost.serving.errors import Overloaded
from kingpost.serving.metrics import Metrics
from kingpost.serving.oip.asked import named_inputs, rows_of, wanted_outputs
from kingpost.serving.oip.errors import BadTensor, ModelFailed
from kingpost.serving.oip.limits import check_rows
from kingpost.serving.oip.messages import (
    Call,
    Charge,
    Failed,
    InferRequest,
    InferResponse,
    ModelMetadata,
    TensorMetadata,
    Told,
)
from kingpost.serving.oip.tensors import FLOATS, INTEGERS, Tensor
from kingpost.serving.problems import code_of
from kingpost.serving.shell import Shell

__all__ = ["FEATURES", "SCORES", "RawModel", "Scored", "ScoredRows"]

FEATURES, SCORES = "features", "scores"
SUFFIX = ".model"
"""What the model behind a decision is called: the decision's name, and this."""

ROWS_AT_ONCE = 256
"""Rows scored before others get their turn: some milliseconds of a model of trees."""

_log = logging.getLogger(__name__)


class ScoredRows(NamedTuple):
    """Scores, float64, shape (rows,), and the id of what is on record."""

    scores: NDArray[np.float64]
    record: str


Scored = Callable[[ScoredRows | Failed], None]


class _Waiting(NamedTuple):
    call: Call
    rows: NDArray[np.float32]
    scored: Scored


class _Made(NamedTuple):
    """Scores, and which of them were found: both of shape (rows,)."""

    scores: NDArray[np.float64]
    found: NDArray[np.bool_]


class RawModel:
    """The model of one decision, asked directly."""

    def __init__(
        self,
        served: ServedDecision,
        shell: Shell,
        metrics: Metrics,
        clock: Clock,
        charge: Charge,
        *,
        max_waiting: int,
    ) -> None:
        self.name = served.decision.name + SUFFIX
        self.scope = self.name
        self.metadata = _metadata(self.name, served)
        self._served, self._shell = served, shell
        self._kept = shell.engine.score_caches.get(served.decision.name)
        self._metrics, self._clock, self._max_waiting = metrics, clock, max_waiting
        self._charge, self._cost = charge, served.decision.cost
        self._ids = TimeOrderedIds(clock)
        self._width = len(served.decision.features)
        self._arrived: list[_Waiting] = []
        self._running: set[asyncio.Task[None]] = set()

    def swap(self, served: ServedDecision) -> None:
        """Score by the model of another bundle, from the next batch on."""
        self._served, self.metadata = served, _metadata(self.name, served)

    def infer(self, call: Call, request: InferRequest, told: Told) -> Fields:
        """Score the rows of one tensor; see `ServedModel.infer`."""
        names = wanted_outputs(request, (SCORES,))
        tensor = named_inputs(request.inputs, (FEATURES,))[FEATURES]
        rows = self._rows(tensor)

        def scored(made: ScoredRows | Failed) -> None:
            if isinstance(made, Failed):
                told(made)
                return
            outputs = [Tensor(name, "FP64", (len(made.scores),), made.scores) for name in names]
            version = self.metadata.versions[0]
            told(InferResponse(self.name, version, outputs, request.id, record=made.record))

        return self.score(call, rows, scored)

    def score(self, call: Call, rows: NDArray[np.float32], scored: Scored) -> Fields:
        """Score rows of features, together with what else comes in this turn of the loop.

        Args:
            rows: float32, shape (rows, features), in the order of the bundle.

        Returns:
            As `ServedModel.infer`.

        Raises:
            BadInference, TooManyRows: There are none, or more than are taken at a time.
            RateLimited: They are more than the caller may ask now.
            Overloaded: More is asked than can be held now.
        """
        check_rows(len(rows))
        fields = self._charge(call.principal, len(rows), len(rows) * self._cost)
        if self._metrics.waiting >= self._max_waiting:
            raise Overloaded(RETRY_AFTER_S)
        self._metrics.waiting += 1
        self._arrived.append(_Waiting(call, rows, scored))
        if len(self._arrived) == 1:
            asyncio.get_running_loop().call_soon(self._tick)
        return fields

    def rows_from(self, values: Sequence[Sequence[float]]) -> NDArray[np.float32]:
        """Put rows of numbers in the form that `score` takes.

        Raises:
            BadTensor: A row has another number of features than the model.
        """
        for row in values:
            if len(row) != self._width:
                raise BadTensor(
                    FEATURES, f"expected {self._width} features a row, found {len(row)}"
                )
        return model_input(np.array(values, np.float64).reshape(-1, self._width))

    def count_refusal(self, code: str) -> None:
        """Count a request of which nothing was scored."""
        self._metrics.count_inference(self.name, code, 0)

    def _rows(self, tensor: Tensor) -> NDArray[np.float32]:
        if tensor.datatype not in FLOATS and tensor.datatype not in INTEGERS:
            raise BadTensor(FEATURES, f"expected datatype FP32, found {tensor.datatype}")
        rows = rows_of((tensor,))
        if tensor.shape[1:] != (self._width,):
            raise BadTensor(
                FEATURES, f"expected shape [{rows}, {self._width}], found {list(tensor.shape)}"
            )
        values = tensor.numbers().reshape(rows, self._width)
        if values.dtype == np.float32:
            return np.ascontiguousarray(values, np.float32)
        return model_input(values.astype(np.float64))

    def _tick(self) -> None:
        batch, self._arrived = self._arrived, []
        task = asyncio.get_running_loop().create_task(self._answer(batch))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _answer(self, batch: Sequence[_Waiting]) -> None:
        told: list[ScoredRows | Failed]
        try:
            told = await self._recorded(batch)
        except Exception as error:  # noqa: BLE001  the boundary of a batch
            told = [Failed(error)] * len(batch)
        self._metrics.waiting -= len(batch)
        for one, made in zip(batch, told, strict=True):
            code = code_of(made.error) if isinstance(made, Failed) else "ok"
            self._metrics.count_inference(self.name, code, len(one.rows))
            one.scored(made)

    async def _recorded(self, batch: Sequence[_Waiting]) -> list[ScoredRows | Failed]:
        told: list[ScoredRows | Failed] = []
        entries: list[Entry] = []
        served = self._served  # another may take over while these are scored
        for one, made in zip(batch, await self._scores(served, batch), strict=True):
            if made is None:
                told.append(Failed(ModelFailed(self.name)))
                continue
            record = self._record(served, one, made)
            entries.append(Entry("inference", record.tenant, self.name, encode_inference(record)))
            told.append(ScoredRows(made.scores, id_text(record.id)))
        if entries:
            await self._shell.append(entries)
        return told

    async def _scores(
        self, served: ServedDecision, batch: Sequence[_Waiting]
    ) -> list[_Made | None]:
        if len(batch) == 1:
            return [await self._try(served, batch)]
        together = await self._try(served, batch)
        if together is None:  # the rows of one may have failed the call: not those of others
            return [await self._try(served, [one]) for one in batch]
        ends = np.cumsum([len(one.rows) for one in batch])[:-1]
        parts = zip(np.split(together.scores, ends), np.split(together.found, ends), strict=True)
        return [_Made(scores, found) for scores, found in parts]

    async def _try(self, served: ServedDecision, batch: Sequence[_Waiting]) -> _Made | None:
        rows = batch[0].rows if len(batch) == 1 else np.concatenate([one.rows for one in batch])
        made = _Made(np.empty(len(rows), np.float64), np.zeros(len(rows), np.bool_))
        asking: list[str] = []
        if self._kept is not None:
            for one in batch:
                asking += [one.call.principal.tenant] * len(one.rows)
        try:
            for start in range(0, len(rows), ROWS_AT_ONCE):
                if start:
                    await asyncio.sleep(0)
                part = slice(start, start + ROWS_AT_ONCE)
                if self._kept is None:
                    made.scores[part] = _exactly(served, rows[part])
                else:
                    compute = partial(_exactly, served)
                    scores, found = self._kept.scores(
                        served.model, asking[part], rows[part], compute
                    )
                    made.scores[part] = scores
                    made.found[[start + at for at in found]] = True
        except Exception as error:  # noqa: BLE001  a model of the user's: the others go on
            _log.warning("model_failed", extra={"model": self.name, "reason": type(error).__name__})
            return None
        return made

    def _record(self, served: ServedDecision, one: _Waiting, made: _Made) -> InferenceRecord:
        call = one.call
        return InferenceRecord(
            format=INFERENCE_FORMAT,
            id=self._ids.next(),
            at_us=self._clock.now_us(),
            model=self.name,
            bundle=served.bundle,
            artefact=served.model,
            principal=call.principal.id,
            tenant=call.principal.tenant,
            trace_id=call.trace_id,
            session=call.session,
            rows=len(one.rows),
            inputs_digest=sha256(one.rows.astype("<f4").tobytes()).digest(),
            scores_digest=sha256(made.scores.astype("<f8").tobytes()).digest(),
            cached=int(made.found.sum()),
        )


def _exactly(served: ServedDecision, rows: NDArray[np.float32]) -> Sequence[float]:
    scores = served.scorer.score(rows)
    if len(scores) != len(rows):
        raise ValueError(f"the model gave {len(scores)} scores for {len(rows)} rows")
    return scores


def _metadata(name: str, served: ServedDecision) -> ModelMetadata:
    features = served.decision.features.names
    properties = {
        "kind": "model",
        "decision": served.decision.name,
        "bundle": served.bundle.hex(),
        "model": served.model.hex(),
        "features": ",".join(features),
        "batching": served.batching,
    }
    is_function = served.decision.model.predict is not None
    platform = "python_function" if is_function else "onnx_onnxv1"
    return ModelMetadata(
        name,
        (served.bundle.hex(),),
        platform,
        (TensorMetadata(FEATURES, "FP32", (-1, len(features))),),
        (TensorMetadata(SCORES, "FP64", (-1,)),),
        properties,
    )
