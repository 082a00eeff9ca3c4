"""`/v1/models`: predictions in the REST form of TensorFlow Serving.

A row of `instances` for a decision is the request itself, as `/v1/decisions/{name}` takes
it; for the model behind it, a list of its features. `inputs` has the same by columns.

Source: https://www.tensorflow.org/tfx/serving/api_rest, its version 1.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from kingpost.access import Fields
from kingpost.records import DecisionRecord
from kingpost.serving.errors import MethodNotAllowed, RouteNotFound
from kingpost.serving.http import HttpAnswer, Receive, Scope, Send, TakesAnswer, trace_id_of
from kingpost.serving.oip.decision_model import DecisionModel
from kingpost.serving.oip.errors import BadInference
from kingpost.serving.oip.http_errors import error_answer
from kingpost.serving.oip.inference import Inference
from kingpost.serving.oip.messages import Call, Failed
from kingpost.serving.oip.model_route import Door, ModelRoute
from kingpost.serving.oip.raw_model import FEATURES, RawModel, ScoredRows
from kingpost.serving.oip.tf_documents import (
    PredictDocument,
    metadata_document,
    status_document,
)

__all__ = ["TfServingRoutes"]

_MODEL = re.compile(
    r"/v1/models/(?P<name>[^/:]+)(?:/versions/(?P<version>[^/:]+))?(?P<verb>:predict|/metadata)?"
)
_SIGNATURES = (None, "", "serving_default")
_HEADERS = ((b"content-type", b"application/json"),)
_LONGEST = 200
_encode = msgspec.json.Encoder().encode
_body_from = msgspec.json.Decoder(PredictDocument).decode
_row_from = msgspec.json.Decoder(list[float]).decode
_rows_from = msgspec.json.Decoder(list[list[float]]).decode
_raws_from = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_columns_from = msgspec.json.Decoder(dict[str, list[object]]).decode
T = TypeVar("T")


class _Predicts:
    """Reads a prediction, asks the model, and writes what came of it."""

    route = "/v1/models/{name}:predict"
    media_types: tuple[bytes, ...] = (
        b"application/json",
        b"text/plain",
        b"application/x-www-form-urlencoded",
    )
    # curl's own, which users of TensorFlow Serving send

    def __init__(self, inference: Inference) -> None:
        self._inference = inference

    def __call__(
        self,
        name: str,
        version: str | None,
        call: Call,
        headers: Mapping[bytes, bytes],
        body: bytes,
        answer: TakesAnswer,
    ) -> Fields:
        asked = _read(body)
        by_rows = asked.instances is not None
        model = self._inference.permitted(name, version, call.principal)
        if isinstance(model, RawModel):
            scored = partial(_scored, call, answer, by_rows)
            return model.score(call, _features(model, asked), scored)
        decided = partial(_decided, model, call, answer, by_rows)
        return model.decide(call, _requests(model, asked), decided)


class TfServingRoutes:
    """The routes, as an ASGI application."""

    def __init__(self, door: Door) -> None:
        self._door, self._inference = door, door.inference
        self._predicts = _Predicts(door.inference)

    def fast_routes(self) -> Iterator[tuple[bytes, ModelRoute]]:
        """Yield the routes that a connection of our own may answer, with their paths."""
        for name in self._inference.models:
            yield f"/v1/models/{name}:predict".encode(), self._route(name, None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path, method = scope["path"], scope["method"]
        found = _MODEL.fullmatch(path)
        if found is not None and found["verb"] == ":predict" and method == "POST":
            await self._route(found["name"], found["version"])(scope, receive, send)
            return
        headers: dict[bytes, bytes] = dict(scope["headers"])
        try:
            answer = self._told(method, found, headers)
        except Exception as error:  # noqa: BLE001  the boundary of a request
            answer = error_answer(error, trace_id_of(headers.get(b"traceparent")))
        await answer.send(send)

    def _route(self, name: str, version: str | None) -> ModelRoute:
        return ModelRoute(self._door, self._predicts, name, version)

    def _told(
        self, method: str, found: re.Match[str] | None, headers: Mapping[bytes, bytes]
    ) -> HttpAnswer:
        if found is None:
            raise RouteNotFound
        allowed = "POST" if found["verb"] == ":predict" else "GET"
        if method != allowed:
            raise MethodNotAllowed(allowed)
        _, fields = self._inference.caller(headers.get(b"authorization"))
        model = self._inference.model_metadata(found["name"], found["version"])
        if found["verb"] == "/metadata":
            return HttpAnswer(200, (*_HEADERS, *fields), _encode(metadata_document(model)))
        is_ready = self._inference.not_ready() is None
        return HttpAnswer(
            200, (*_HEADERS, *fields), _encode(status_document(model, is_ready=is_ready))
        )


def _read(body: bytes) -> PredictDocument:
    try:
        asked = _body_from(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        text = (
            str(error).replace("`$.", "`").replace("`$`", "the body").replace("Object", "The body")
        )
        said = text[:_LONGEST] if text.isprintable() else "the body is not a prediction"
        raise BadInference(said) from None
    if asked.signature_name not in _SIGNATURES:
        raise BadInference("there is one signature, `serving_default`")
    has_columns = bytes(asked.inputs) not in (b"", b"null")
    if (asked.instances is not None) == has_columns:
        raise BadInference("a prediction has either `instances` or `inputs`")
    return asked


def _requests(model: DecisionModel, asked: PredictDocument) -> Sequence[bytes]:
    """Return the requests to a decision: a row as it came, or made of columns."""
    if asked.instances is not None:
        return [bytes(one) for one in asked.instances]
    columns = _as(asked.inputs, _columns_from, "`inputs` is an object of lists, by field")
    lengths = {len(column) for column in columns.values()}
    if len(lengths) != 1:
        raise BadInference("the columns of `inputs` are of different lengths, or there are none")
    return [
        model.body_of(dict(zip(columns, row, strict=True)))
        for row in zip(*columns.values(), strict=True)
    ]


def _features(model: RawModel, asked: PredictDocument) -> NDArray[np.float32]:
    """Return the rows of features, each a list, or an object that holds it."""
    expected = f"a row is a list of numbers, or {{{FEATURES!r}: [...]}}"
    if asked.instances is not None:
        return model.rows_from([_row(one, expected) for one in asked.instances])
    raw = asked.inputs
    if bytes(raw).lstrip()[:1] == b"{":
        raw = _as(raw, _raws_from, expected).get(FEATURES, msgspec.Raw(b"null"))
    return model.rows_from(_as(raw, _rows_from, f"`inputs` holds lists: {expected}"))


def _row(one: msgspec.Raw, expected: str) -> list[float]:
    if bytes(one).lstrip()[:1] == b"{":
        one = _as(one, _raws_from, expected).get(FEATURES, msgspec.Raw(b"null"))
    return _as(one, _row_from, expected)


def _as(raw: msgspec.Raw, read: Callable[[bytes], T], expected: str) -> T:
    try:
        return read(bytes(raw))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise BadInference(f"expected: {expected}") from None


def _scored(call: Call, answer: TakesAnswer, by_rows: bool, made: ScoredRows | Failed) -> None:
    if isinstance(made, Failed):
        answer(error_answer(made.error, call.trace_id, made.row))
    else:
        record = (b"kingpost-record", made.record.encode())
        answer(_predicted(made.scores.tolist(), record, by_rows=by_rows))


def _decided(
    model: DecisionModel,
    call: Call,
    answer: TakesAnswer,
    by_rows: bool,
    made: Sequence[DecisionRecord] | Failed,
) -> None:
    if isinstance(made, Failed):
        answer(error_answer(made.error, call.trace_id, made.row))
        return
    rows = [model.values_of(one) for one in made]
    answer(
        _predicted(
            rows if by_rows else {name: [row[name] for row in rows] for name in rows[0]},
            by_rows=by_rows,
        )
    )


def _predicted(found: object, *headers: tuple[bytes, bytes], by_rows: bool) -> HttpAnswer:
    body = _encode({"predictions" if by_rows else "outputs": found})
    return HttpAnswer(200, (*_HEADERS, *headers), body)
