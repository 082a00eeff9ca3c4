"""A decision as a model: a tensor per field of its request, a row per decision.

The rule: a row is decided as if it had come by itself to `/v1/decisions/{name}`: the same
contract, features, model, gate and durable record, found again under the same keys. All
rows are checked before the first is decided; there is an answer when every row has one.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import msgspec

from kingpost.access import Fields
from kingpost.contracts import ContractViolation, Field
from kingpost.core import Clock, id_text
from kingpost.decisions import Ask, ServedDecision, exposed
from kingpost.records import DecisionRecord, Outcome
from kingpost.serving.decision_route import RETRY_AFTER_S, failure_of
from kingpost.serving.errors import Overloaded
from kingpost.serving.extraction import ExtractionGuard
from kingpost.serving.metrics import Metrics
from kingpost.serving.oip.asked import named_inputs, rows_of, wanted_outputs
from kingpost.serving.oip.errors import BadTensor
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
from kingpost.serving.oip.tensors import FLOATS, INTEGERS, Tensor, numbers, texts
from kingpost.serving.problems import code_of
from kingpost.serving.shell import Settled, Shell

__all__ = ["Decided", "DecisionModel"]

_NAMED = ("score", "confidence", "outcome", "reason", "record")
_FROM = {
    "text": frozenset(("BYTES",)),
    "time": frozenset(("BYTES",)),
    "integer": INTEGERS,
    "number": FLOATS | INTEGERS,
    "boolean": frozenset(("BOOL",)),
    "vector": FLOATS | INTEGERS,
}
_DATATYPE = {
    "text": "BYTES",
    "time": "BYTES",
    "integer": "INT64",
    "number": "FP64",
    "boolean": "BOOL",
    "vector": "FP32",
}
_INFINITE, _MISSING = float("inf"), float("nan")
_encode = msgspec.json.Encoder().encode
_answers: "msgspec.json.Decoder[dict[str, bool | float | None] | None]" = msgspec.json.Decoder(
    dict[str, bool | float | None] | None
)

Decided = Callable[["Sequence[DecisionRecord] | Failed"], None]
"""Told the record of every row, or why there is no answer."""


class DecisionModel:
    """One decision, for callers who speak of models."""

    def __init__(
        self,
        served: ServedDecision,
        shell: Shell,
        metrics: Metrics,
        clock: Clock,
        charge: Charge,
        *,
        max_waiting: int,
        guard: ExtractionGuard | None = None,
    ) -> None:
        self._guard, self._exposure = guard, served.decision.exposure
        self.served = served
        self.scope = served.decision.name
        self._name = served.decision.name
        self._contract = served.decision.request
        self._label = _label_of(served)
        self._charge, self._cost = charge, served.decision.cost
        self._shell, self._metrics, self._clock = shell, metrics, clock
        self._counts, self._max_waiting = metrics.by_decision[self._name], max_waiting
        self.metadata = _metadata(served, self._label)
        self._gives = tuple(one.name for one in self.metadata.outputs)

    def swap(self, served: ServedDecision) -> None:
        """Say of another bundle that it runs; the engine decides by it already."""
        self.served, self.metadata = served, _metadata(served, self._label)

    def infer(self, call: Call, request: InferRequest, told: Told) -> Fields:
        """Decide the rows of some tensors; see `ServedModel.infer`."""
        names = wanted_outputs(request, self._gives)
        bodies = self._bodies(request.inputs)

        def decided(made: Sequence[DecisionRecord] | Failed) -> None:
            if isinstance(made, Failed):
                told(made)
                return
            alone = id_text(made[0].id) if len(made) == 1 else None
            outputs = self._outputs(names, made)
            version = made[0].bundle.hex() if made else self.metadata.versions[0]
            told(InferResponse(self._name, version, outputs, request.id, record=alone))

        return self.decide(call, bodies, decided)

    def decide(self, call: Call, bodies: Sequence[bytes], decided: Decided) -> Fields:
        """Decide some requests together.

        Args:
            bodies: Each as `/v1/decisions/{name}` takes it.

        Returns:
            As `ServedModel.infer`.

        Raises:
            BadInference, TooManyRows: There are none, or more than are taken at a time.
            ContractViolation: One of them breaks its contract; none was decided.
            RateLimited: They are more than the caller may ask now.
            Overloaded: They are more than can be held now.
            ExtractionBudgetSpent: They are more answers than the caller may still collect.
        """
        check_rows(len(bodies))
        fields = self._charge(call.principal, len(bodies), len(bodies) * self._cost)
        metrics = self._metrics
        if metrics.waiting + len(bodies) > self._max_waiting:
            raise Overloaded(RETRY_AFTER_S)
        asks = [self._ask(call, body, row, len(bodies)) for row, body in enumerate(bodies)]
        if self._guard is not None:
            self._admit(self._guard, call, asks)
        metrics.waiting += len(asks)
        gathering = _Gathering(len(asks), decided)
        for row, ask in enumerate(asks):
            self._shell.submit(ask, partial(self._settle, gathering, row, call.arrived_ns))
        return fields

    def _admit(self, guard: ExtractionGuard, call: Call, asks: Sequence[Ask]) -> None:
        engine = self._shell.engine
        for ask in asks:
            if not engine.has_answered(ask.tenant, self._name, ask.event, ask.body):
                guard.admit(call.principal, ask.event)

    def count_refusal(self, code: str) -> None:
        """Count a request of which nothing was decided."""
        self._counts.count("", code)

    def values_of(self, record: DecisionRecord) -> dict[str, object]:
        """Return what a record answers, by the names of the outputs; None where nothing is."""
        answer = _answers.decode(record.answer) or {}
        return {
            self._label: answer.get(self.served.decision.model.label.field),
            "score": answer.get("score"),
            "confidence": record.confidence,
            "outcome": str(record.outcome),
            "reason": record.reason,
            "record": id_text(record.id),
        }

    def body_of(self, row: dict[str, object]) -> bytes:
        """Write a request from values by field; NaN is no value."""
        return _encode(row)

    def _ask(self, call: Call, body: bytes, row: int, rows: int) -> Ask:
        try:
            event = self._contract.decode(body)
        except ContractViolation as violation:
            if rows == 1:
                raise
            where = f"{violation.field or 'the whole'} of row {row}"
            raise ContractViolation(
                violation.contract, where, violation.expected, violation.found
            ) from None
        key = call.idempotency_key
        return Ask(
            self._name,
            call.principal.tenant,
            call.principal.id,
            event,
            body,
            call.trace_id,
            call.session,
            key if key is None or rows == 1 else f"{key}#{row}",
            call.arrived_ns,
        )

    def _settle(
        self, gathering: "_Gathering", row: int, arrived_ns: int, settled: Settled | Exception
    ) -> None:
        self._metrics.waiting -= 1
        outcome, code = "", "ok"
        made: DecisionRecord | Exception
        if isinstance(settled, Settled):
            made, outcome = settled.record, settled.record.outcome
            if self._guard is not None and not settled.is_repeat:
                self._guard.learn(made)
            made = exposed(made, self._exposure)
            if outcome is Outcome.FAILED:
                made = failure_of(settled.record)
        else:
            made = settled
        if isinstance(made, Exception):
            code = code_of(made)
        self._counts.note(outcome, code, (self._clock.monotonic_ns() - arrived_ns) / 1e9)
        gathering.settle(row, made)

    def _bodies(self, inputs: Sequence[Tensor]) -> Sequence[bytes]:
        fields = self._contract.by_name
        named = named_inputs(inputs, fields)
        rows = rows_of(named.values())
        columns = {
            name: _column(fields[name], named[name], rows) for name in fields if name in named
        }
        body_of, names = self.body_of, tuple(columns)
        return [
            body_of(dict(zip(names, row, strict=True)))
            for row in zip(*columns.values(), strict=True)
        ]

    def _outputs(self, names: Sequence[str], made: Sequence[DecisionRecord]) -> list[Tensor]:
        answers = [_answers.decode(one.answer) or {} for one in made]
        return [self._output(name, made, answers) for name in names]

    def _output(
        self,
        name: str,
        made: Sequence[DecisionRecord],
        answers: Sequence[Mapping[str, bool | float | None]],
    ) -> Tensor:
        match name:
            case "score":
                return numbers(name, "FP64", [one.get(name, _MISSING) for one in answers])
            case "confidence":
                return numbers(name, "FP64", [one.confidence for one in made])
            case "outcome":
                return texts(name, [one.outcome for one in made])
            case "reason":
                return texts(name, [one.reason for one in made])
            case "record":
                return texts(name, [id_text(one.id) for one in made])
            case _:
                field = self.served.decision.model.label.field
                return numbers(name, "BOOL", [one.get(field, False) for one in answers])


class _Gathering:
    """The rows of one request, until all of them are settled."""

    __slots__ = ("_decided", "_failed", "_left", "_made")

    def __init__(self, rows: int, decided: Decided) -> None:
        self._made: list[DecisionRecord | None] = [None] * rows
        self._left, self._decided = rows, decided
        self._failed: Failed | None = None

    def settle(self, row: int, made: DecisionRecord | Exception) -> None:
        if isinstance(made, Exception):
            if self._failed is None:
                self._failed = Failed(made, row if len(self._made) > 1 else None)
        else:
            self._made[row] = made
        self._left -= 1
        if not self._left:
            whole = [one for one in self._made if one is not None]
            self._decided(self._failed or whole)


def _column(field: Field, tensor: Tensor, rows: int) -> Sequence[object]:
    if tensor.datatype not in _FROM[field.kind]:
        expected = _DATATYPE[field.kind]
        raise BadTensor(tensor.name, f"expected datatype {expected}, found {tensor.datatype}")
    inner = tensor.shape[1:]
    if field.kind == "vector":
        if inner != (field.dimension,):
            raise BadTensor(
                tensor.name,
                f"expected shape [{rows}, {field.dimension}], found {list(tensor.shape)}",
            )
    elif inner not in ((), (1,)):
        raise BadTensor(
            tensor.name, f"expected shape [{rows}] or [{rows}, 1], found {list(tensor.shape)}"
        )
    if isinstance(tensor.values, list):
        return tensor.texts()
    values: list[object] = tensor.values.tolist()
    if tensor.datatype in FLOATS and (_INFINITE in values or -_INFINITE in values):
        # JSON would say null, which is no value
        raise BadTensor(tensor.name, "expected finite numbers, found an infinite one")
    if field.kind == "vector":
        return [
            values[start : start + field.dimension]
            for start in range(0, len(values), field.dimension)
        ]
    return values


def _label_of(served: ServedDecision) -> str:
    field = served.decision.model.label.field
    return "answer" if field in _NAMED else field


def _metadata(served: ServedDecision, label: str) -> ModelMetadata:
    decision = served.decision
    inputs = tuple(
        TensorMetadata(
            field.name,
            _DATATYPE[field.kind],
            (-1, field.dimension) if field.kind == "vector" else (-1,),
        )
        for field in decision.request.fields
    )
    datatypes = {"score": "FP64", "confidence": "FP64"}
    outputs = (
        TensorMetadata(label, "BOOL", (-1,)),
        *(TensorMetadata(name, datatypes.get(name, "BYTES"), (-1,)) for name in _NAMED),
    )
    properties = {
        "kind": "decision",
        "request": decision.request.name,
        "bundle": served.bundle.hex(),
        "model": served.model.hex(),
        "optional_inputs": ",".join(
            field.name for field in decision.request.fields if not field.required
        ),
    }
    return ModelMetadata(
        decision.name, (served.bundle.hex(),), "kingpost_decision", inputs, outputs, properties
    )
