"""`/v2`: the Open Inference Protocol v2 over REST."""

import re
from collections.abc import Iterator, Mapping
from functools import partial

import msgspec

from kingpost.access import Fields
from kingpost.serving.errors import MethodNotAllowed, RouteNotFound
from kingpost.serving.http import HttpAnswer, Receive, Scope, Send, TakesAnswer, trace_id_of
from kingpost.serving.oip.http_errors import error_answer
from kingpost.serving.oip.inference import Inference
from kingpost.serving.oip.messages import Call, Failed, InferResponse
from kingpost.serving.oip.model_route import Door, ModelRoute
from kingpost.serving.oip.rest_messages import (
    RestRequest,
    model_document,
    read_request,
    write_response,
)

__all__ = ["LiveDocument", "ModelReadyDocument", "ReadyDocument", "RestRoutes", "ServerDocument"]

_MODEL = re.compile(
    r"/v2/models/(?P<name>[^/]+)(?:/versions/(?P<version>[^/]+))?(?:/(?P<verb>ready|infer))?"
)
_HEADERS = ((b"content-type", b"application/json"), (b"cache-control", b"no-store"))
_encode = msgspec.json.Encoder().encode


class LiveDocument(msgspec.Struct):
    """Whether the server lives."""

    live: bool


class ReadyDocument(msgspec.Struct, omit_defaults=True):
    """Whether the server takes requests, and why it does not."""

    ready: bool
    error: str | None = None
    code: str | None = None


class ModelReadyDocument(msgspec.Struct, omit_defaults=True):
    """Whether a model takes requests, and why it does not."""

    name: str
    ready: bool
    error: str | None = None
    code: str | None = None


class ServerDocument(msgspec.Struct):
    """The server."""

    name: str
    version: str
    extensions: list[str]


class _Infers:
    """Reads an inference, asks the model, and writes what came of it."""

    media_types: tuple[bytes, ...] = (b"application/json", b"application/octet-stream")
    route = "/v2/models/{name}/infer"

    def __init__(self, inference: Inference) -> None:
        self._infer = inference.infer

    def __call__(
        self,
        name: str,
        version: str | None,
        call: Call,
        headers: Mapping[bytes, bytes],
        body: bytes,
        answer: TakesAnswer,
    ) -> Fields:
        asked = read_request(headers, body)
        told = partial(_answer, asked, call.trace_id, answer)
        return self._infer(name, version, call, asked.request, told)


class RestRoutes:
    """The routes of the protocol, as an ASGI application."""

    def __init__(self, door: Door) -> None:
        self._door, self._inference = door, door.inference
        self._infers = _Infers(door.inference)

    def fast_routes(self) -> Iterator[tuple[bytes, ModelRoute]]:
        """Yield the routes that a connection of our own may answer, with their paths."""
        for name, model in self._inference.models.items():
            yield f"/v2/models/{name}/infer".encode(), self._route(name, None)
            for version in model.metadata.versions:
                path = f"/v2/models/{name}/versions/{version}/infer"
                yield path.encode(), self._route(name, version)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path, method = scope["path"], scope["method"]
        found = _MODEL.fullmatch(path)
        if found is not None and found["verb"] == "infer" and method == "POST":
            await self._route(found["name"], found["version"])(scope, receive, send)
            return
        headers: dict[bytes, bytes] = dict(scope["headers"])
        try:
            answer = self._told(path, method, found, headers)
        except Exception as error:  # noqa: BLE001  the boundary of a request
            answer = error_answer(error, trace_id_of(headers.get(b"traceparent")))
        await answer.send(send)

    def _route(self, name: str, version: str | None) -> ModelRoute:
        return ModelRoute(self._door, self._infers, name, version)

    def _told(
        self, path: str, method: str, found: re.Match[str] | None, headers: Mapping[bytes, bytes]
    ) -> HttpAnswer:
        verb = "" if found is None else found["verb"]
        if found is None and path.removesuffix("/") not in _OF_SERVER:
            raise RouteNotFound
        allowed = "POST" if verb == "infer" else "GET"
        if method != allowed:
            raise MethodNotAllowed(allowed)
        if found is None:
            return _OF_SERVER[path.removesuffix("/")](self._inference)
        _, fields = self._inference.caller(headers.get(b"authorization"))
        if verb == "ready":
            answer = self._model_ready(found["name"], found["version"])
        else:
            model = self._inference.model_metadata(found["name"], found["version"])
            answer = _document(model_document(model))
        return answer.adding(fields)

    def _model_ready(self, name: str, version: str | None) -> HttpAnswer:
        self._inference.model(name, version)
        error = self._inference.not_ready()
        if error is None:
            return _document(ModelReadyDocument(name, ready=True))
        document = ModelReadyDocument(name, ready=False, error=str(error), code=error.code)
        return _document(document, 503)


def _live(_: Inference) -> HttpAnswer:
    return _document(LiveDocument(live=True))


def _ready(inference: Inference) -> HttpAnswer:
    error = inference.not_ready()
    if error is None:
        return _document(ReadyDocument(ready=True))
    return _document(ReadyDocument(ready=False, error=str(error), code=error.code), 503)


def _server(inference: Inference) -> HttpAnswer:
    name, version, extensions = inference.server()
    return _document(ServerDocument(name, version, list(extensions)))


_OF_SERVER = {"/v2": _server, "/v2/health/live": _live, "/v2/health/ready": _ready}


def _document(document: msgspec.Struct, status: int = 200) -> HttpAnswer:
    return HttpAnswer(status, _HEADERS, _encode(document))


def _answer(
    asked: RestRequest, trace_id: str, answer: TakesAnswer, made: InferResponse | Failed
) -> None:
    if isinstance(made, Failed):
        answer(error_answer(made.error, trace_id, made.row))
        return
    try:
        headers, body = write_response(made, asked)
    except Exception as error:  # noqa: BLE001  whoever waits must hear of it
        answer(error_answer(error, trace_id))
        return
    if made.record is not None:
        headers += ((b"kingpost-record", made.record.encode()),)
    answer(HttpAnswer(200, headers, body))
