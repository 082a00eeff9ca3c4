"""`inference.GRPCInferenceService`: the Open Inference Protocol over gRPC.

The rule: who asks is known before the message is taken. Errors are the statuses of gRPC,
with our code, the trace and what else is known as trailing metadata.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import msgspec

from kingpost.access import Fields
from kingpost.serving.grpc import Call as GrpcCall
from kingpost.serving.grpc import Method, Status, TakesMessage
from kingpost.serving.http import trace_id_of, visible_header
from kingpost.serving.oip.grpc_messages import (
    read_infer,
    read_model,
    write_flag,
    write_infer,
    write_model,
    write_server,
)
from kingpost.serving.oip.http_errors import ErrorDocument, error_answer
from kingpost.serving.oip.inference import Inference
from kingpost.serving.oip.messages import Call, Failed, InferResponse

__all__ = ["INFERENCE_SERVICE", "GrpcMethods"]

INFERENCE_SERVICE = "inference.GRPCInferenceService"
_STATUSES = {
    400: Status.INVALID_ARGUMENT,
    401: Status.UNAUTHENTICATED,
    403: Status.PERMISSION_DENIED,
    404: Status.NOT_FOUND,
    409: Status.ALREADY_EXISTS,
    413: Status.RESOURCE_EXHAUSTED,
    429: Status.RESOURCE_EXHAUSTED,
    503: Status.UNAVAILABLE,
}
"""By the status that HTTP has for an error; all others are internal."""
_OF_HTTP = (b"content-type", b"connection", b"www-authenticate", b"kingpost-record")
_error_from = msgspec.json.Decoder(ErrorDocument).decode

Answers = Callable[[bytes], bytes]
"""Makes the answer to a message."""


class GrpcMethods:
    """The methods of the service.

    Attributes:
        methods: By their paths.
    """

    def __init__(self, inference: Inference) -> None:
        self._inference = inference
        of_service: dict[str, Method] = {
            "ServerLive": self._open(lambda _: write_flag(flag=True)),
            "ServerReady": self._open(lambda _: write_flag(flag=inference.not_ready() is None)),
            "ServerMetadata": self._open(lambda _: write_server(inference.server())),
            "ModelReady": self._keyed(self._model_ready),
            "ModelMetadata": self._keyed(self._model_metadata),
            "ModelInfer": self._infer,
        }
        self.methods: Mapping[bytes, Method] = {
            f"/{INFERENCE_SERVICE}/{name}".encode(): one for name, one in of_service.items()
        }

    def _open(self, answers: Answers) -> Method:
        """Make a method that answers everybody."""
        return lambda call: partial(_answer, call, answers, ())

    def _keyed(self, answers: Answers) -> Method:
        """Make a method that answers whoever has a key."""

        def begin(call: GrpcCall) -> TakesMessage | None:
            try:
                _, fields = self._inference.caller(call.metadata.get(b"authorization"))
            except Exception as error:  # noqa: BLE001  the boundary of a call
                _fail(call, error, _trace_id(call))
                return None
            return partial(_answer, call, answers, fields)

        return begin

    def _model_ready(self, message: bytes) -> bytes:
        self._inference.model(*read_model(message))
        return write_flag(flag=self._inference.not_ready() is None)

    def _model_metadata(self, message: bytes) -> bytes:
        return write_model(self._inference.model_metadata(*read_model(message)))

    def _infer(self, call: GrpcCall) -> TakesMessage | None:
        arrived_ns = self._inference.clock.monotonic_ns()
        metadata = call.metadata
        trace_id = _trace_id(call)
        try:
            principal, fields = self._inference.caller(metadata.get(b"authorization"))
            asks = Call(
                principal,
                trace_id,
                arrived_ns,
                visible_header(metadata, b"kingpost-session"),
                visible_header(metadata, b"idempotency-key"),
            )
        except Exception as error:  # noqa: BLE001  the boundary of a call
            _fail(call, error, trace_id)
            return None
        return partial(self._asked, call, asks, fields)

    def _asked(self, call: GrpcCall, asks: Call, fields: Fields, message: bytes) -> None:
        name = ""
        left = [fields]
        try:
            asked = read_infer(message)
            name = asked.model.name
            told = partial(_told, call, asks.trace_id, asked.is_raw, left)
            left[0] = self._inference.infer(*asked.model, asks, asked.request, told) or fields
        except Exception as error:  # noqa: BLE001  the boundary of a call
            self._inference.refused(name, error)
            _fail(call, error, asks.trace_id, fields=fields)


def _answer(call: GrpcCall, answers: Answers, fields: Fields, message: bytes) -> None:
    try:
        answer = answers(message)
    except Exception as error:  # noqa: BLE001  the boundary of a call
        _fail(call, error, _trace_id(call), fields=fields)
    else:
        call.answer(answer, fields)


def _told(
    call: GrpcCall,
    trace_id: str,
    is_raw: bool,
    left: Sequence[Fields],
    made: InferResponse | Failed,
) -> None:
    if isinstance(made, Failed):
        _fail(call, made.error, trace_id, made.row, fields=left[0])
    else:
        call.answer(write_infer(made, is_raw=is_raw), left[0])


def _fail(
    call: GrpcCall, error: Exception, trace_id: str, row: int | None = None, *, fields: Fields = ()
) -> None:
    """Fail a call as HTTP would answer the error."""
    answer = error_answer(error, trace_id, row)
    document = _error_from(answer.body)
    known = {
        b"kingpost-code": document.code,
        b"kingpost-trace-id": document.trace_id,
        b"kingpost-row": "" if document.row is None else str(document.row),
        b"kingpost-record": document.record or "",
    }
    trailing = [(name, value.encode()) for name, value in known.items() if value]
    told = dict(fields) | {n: v for n, v in answer.headers if n not in _OF_HTTP}
    status = _STATUSES.get(answer.status, Status.INTERNAL)
    call.fail(status, document.error, [*trailing, *told.items()])


def _trace_id(call: GrpcCall) -> str:
    return trace_id_of(call.metadata.get(b"traceparent"))
