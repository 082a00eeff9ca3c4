"""Checks of the protocol over gRPC: the same sentences as over REST, and its own."""

from collections.abc import Callable
from typing import Any, cast

from kingpost.serving.conformance.asserted import expect, need_model
from kingpost.serving.conformance.grpc_messages import messages
from kingpost.serving.conformance.grpc_target import GrpcAnswered, GrpcTarget
from kingpost.serving.conformance.infer_checks import example_in_bytes
from kingpost.serving.conformance.suite import Check, LeftOut
from kingpost.serving.conformance.target import Target, tensors

__all__ = ["grpc_checks"]

_NOBODY = "no-such-model-is-served-here"
_CONTENTS = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
Spoils = Callable[[Any], object]


def grpc_checks(grpc: GrpcTarget) -> tuple[Check, ...]:
    """Return the checks of one server's gRPC side."""
    return _Checks(grpc).all()


class _Checks:
    """The checks, over one connection."""

    def __init__(self, grpc: GrpcTarget) -> None:
        self._grpc = grpc

    def all(self) -> tuple[Check, ...]:
        one = self._refused
        return (
            Check("grpc-live", "ServerLive says that the server lives", self._live),
            Check("grpc-ready", "ServerReady says that models can be asked", self._ready),
            Check("grpc-server", "ServerMetadata is what REST says", self._server),
            Check("grpc-model-ready", "ModelReady says that a model can be asked", self._is_ready),
            Check("grpc-model", "ModelMetadata is what REST says", self._model),
            Check("grpc-unknown-model", "An unknown model is NOT_FOUND", self._unknown),
            Check("grpc-infer-raw", "Raw contents are answered", self._raw),
            Check("grpc-infer-typed", "Typed contents are answered alike", self._typed),
            Check("grpc-id", "`id` comes back", self._id),
            Check("grpc-outputs", "Of `outputs`, those alone are answered", self._outputs),
            Check("grpc-both", "Both kinds of contents are refused", one(_both)),
            Check("grpc-raw-missing", "Fewer raw contents than inputs are refused", one(_fewer)),
            Check("grpc-raw-short", "Raw contents too short are refused", one(_short)),
            Check("grpc-shape", "A negative dimension is refused", one(_negative)),
            Check("grpc-datatype", "An unknown datatype is refused", one(_datatype)),
            Check("grpc-input", "An unknown input is refused", one(_input)),
            Check("grpc-output", "An unknown output is refused", one(_output)),
            Check("grpc-no-message", "Bytes that are no message are refused", self._no_message),
            Check("grpc-method", "An unknown method is UNIMPLEMENTED", self._method),
            Check("grpc-still-answers", "After all of that it answers as before", self._raw),
        )

    def _live(self, _: Target) -> None:
        expect(self._ok("ServerLive", "Nothing", "Live").live, "it says that it does not")

    def _ready(self, _: Target) -> None:
        expect(self._ok("ServerReady", "Nothing", "Ready").ready, "it says that it is not")

    def _server(self, target: Target) -> None:
        found = self._ok("ServerMetadata", "Nothing", "Server")
        rest = target.get("/v2").document
        expect(found.name == rest.get("name"), f"name: {found.name!r}")
        expect(list(found.extensions) == target.extensions, f"extensions: {found.extensions}")

    def _is_ready(self, target: Target) -> None:
        need_model(target)
        expect(self._ok("ModelReady", "Named", "Ready", name=target.model).ready, "it is not")

    def _model(self, target: Target) -> None:
        need_model(target)
        found = self._ok("ModelMetadata", "Named", "Model", name=target.model)
        for which in ("inputs", "outputs"):
            told = [(one.name, one.datatype, list(one.shape)) for one in getattr(found, which)]
            rest = [
                (one["name"], one["datatype"], one["shape"])
                for one in tensors(target.metadata, which)
            ]
            expect(told == rest, f"{which}: {told}")

    def _unknown(self, _: Target) -> None:
        found = self._grpc.ask("ModelMetadata", messages()["Named"](name=_NOBODY), "Model")
        expect(found.status == "NOT_FOUND", found.status)

    def _raw(self, target: Target) -> None:
        found = self._inferred(_request(target))
        expect(found.model_name == target.model, f"model_name: {found.model_name!r}")
        expect(len(found.outputs) > 0, "no outputs")

    def _typed(self, target: Target) -> None:
        typed = self._inferred(_typed_request(target))
        raw = self._inferred(_request(target))
        for one, other in zip(typed.outputs, raw.outputs, strict=True):
            same = (one.name, one.datatype, one.shape) == (other.name, other.datatype, other.shape)
            expect(same, f"{one.name}: other than with raw contents")

    def _id(self, target: Target) -> None:
        request = _request(target)
        request.id = "42"
        found = self._inferred(request).id
        expect(found == "42", f"id: {found!r}")

    def _outputs(self, target: Target) -> None:
        request = _request(target)
        name = str(tensors(target.metadata, "outputs")[-1]["name"])
        request.outputs.add(name=name)
        found = [one.name for one in self._inferred(request).outputs]
        expect(found == [name], f"{found} where {name!r} was asked for")

    def _no_message(self, _: Target) -> None:
        found = self._grpc.ask("ModelInfer", b"\xff\xff\xff", "InferResponse")
        expect(found.status not in ("OK", "UNAVAILABLE"), found.status)

    def _method(self, _: Target) -> None:
        found = self._grpc.ask("NoSuchMethod", b"", "Nothing")
        expect(found.status == "UNIMPLEMENTED", found.status)

    def _refused(self, spoil: Spoils) -> Callable[[Target], None]:
        def run(target: Target) -> None:
            request = _request(target)
            spoil(request)
            found = self._grpc.ask("ModelInfer", request, "InferResponse")
            expect(found.status == "INVALID_ARGUMENT", f"{found.status}: {found.said}")

        return run

    def _ok(self, method: str, asks: str, answers: str, **fields: str) -> Any:
        return _message(self._grpc.ask(method, messages()[asks](**fields), answers))

    def _inferred(self, request: Any) -> Any:
        return _message(self._grpc.ask("ModelInfer", request, "InferResponse"))


def _message(answer: GrpcAnswered) -> Any:
    expect(answer.status == "OK", f"{answer.status}: {answer.said}")
    return answer.message


def _request(target: Target) -> Any:
    need_model(target)
    request = messages()["InferRequest"](model_name=target.model)
    for one, raw in example_in_bytes(target):
        request.inputs.add(name=one["name"], datatype=one["datatype"], shape=one["shape"])
        request.raw_input_contents.append(raw)
    return request


def _typed_request(target: Target) -> Any:
    request = _request(target)
    del request.raw_input_contents[:]
    for one, made in zip(tensors(target.example, "inputs"), request.inputs, strict=True):
        name = _CONTENTS.get(str(one["datatype"]))
        if name is None:
            raise LeftOut(f"{one['datatype']} has no typed contents")
        data = cast("list[object]", one["data"])
        texts = [str(each).encode() for each in data] if name == "bytes_contents" else data
        getattr(made.contents, name).extend(texts)
    return request


def _both(request: Any) -> None:
    request.inputs[0].contents.bytes_contents.append(b"x")


def _fewer(request: Any) -> None:
    request.inputs.add(name="x", datatype="FP32", shape=[1])


def _short(request: Any) -> None:
    request.raw_input_contents[0] = request.raw_input_contents[0][:-1]


def _negative(request: Any) -> None:
    request.inputs[0].shape[0] = -1


def _datatype(request: Any) -> None:
    request.inputs[0].datatype = "FLOAT"


def _input(request: Any) -> None:
    request.inputs[0].name = "no-such-input"


def _output(request: Any) -> None:
    request.outputs.add(name="no-such-output")
