"""The inference service over gRPC: the same core, the statuses of gRPC."""

import asyncio
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from kingpost.access import Limits
from kingpost.core import rate_of
from kingpost.serving.grpc import Call, Method, Status
from kingpost.serving.grpc.heads import Head
from kingpost.serving.grpc.hpack import Field
from kingpost.serving.oip import GrpcMethods
from tests.model_house import FEATURES, VERSION, ModelHouse, in_bytes, play

pb: Any = import_module("tritonclient.grpc.service_pb2")  # it has no types
PAYMENT = {"id": "p1", "at": "2024-05-01T12:00:00Z", "card": "c1", "shop": "s1"}


class Told:
    """How one call ended."""

    def __init__(self) -> None:
        self.message, self.status, self.said = b"", Status.OK, ""
        self.fields: dict[str, str] = {}
        self.is_over = asyncio.Event()

    def answer(self, call: Call, message: bytes, fields: Sequence[Field]) -> None:
        self.message = message
        self._end(fields)

    def fail(self, call: Call, status: Status, message: str, fields: Sequence[Field]) -> None:
        self.status, self.said = status, message
        self._end(fields)

    def _end(self, fields: Sequence[Field]) -> None:
        assert not self.is_over.is_set()
        self.fields = {name.decode(): value.decode() for name, value in fields}
        self.is_over.set()


async def ask(
    house: ModelHouse, method: str, message: Any, key: dict[str, str] | None = None, **others: str
) -> Told:
    """Call a method and wait for its end."""
    methods = GrpcMethods(house.app.inference).methods
    chosen: Method = methods[f"/inference.GRPCInferenceService/{method}".encode()]
    headers = (house.key if key is None else key) | others
    metadata = {n.replace("_", "-").encode(): value.encode() for n, value in headers.items()}
    told = Told()
    call = Call(1, Head(b"/", metadata, None, False, False, None, None), 0, told)
    take = chosen(call)
    if take is not None:
        take(message if isinstance(message, bytes) else message.SerializeToString())
    await told.is_over.wait()
    return told


def payments(*amounts: float, **others: str) -> Any:
    """Write a request to the decision, by typed contents."""
    message = pb.ModelInferRequest(model_name="fraud", **others)
    for name, value in PAYMENT.items():
        values = [f"{value}-{row}" if name == "id" else value for row in range(len(amounts))]
        made = message.inputs.add(name=name, datatype="BYTES", shape=[len(amounts)])
        made.contents.bytes_contents.extend(one.encode() for one in values)
    made = message.inputs.add(name="amount", datatype="FP64", shape=[len(amounts)])
    made.contents.fp64_contents.extend(amounts)
    return message


def features(*rows: float) -> Any:
    """Write a request to the model, by raw contents."""
    message = pb.ModelInferRequest(model_name="fraud.model", id="7")
    message.inputs.add(name="features", datatype="FP32", shape=[len(rows), FEATURES])
    values = np.repeat(np.array(rows, "<f4")[:, None], FEATURES, axis=1)
    message.raw_input_contents.append(values.tobytes())
    return message


def test_a_decision_is_asked_by_typed_contents_and_answers_so() -> None:
    async def scene(house: ModelHouse) -> None:
        told = await ask(house, "ModelInfer", payments(900, 30))
        read = pb.ModelInferResponse.FromString(told.message)
        outputs = {one.name: one.contents for one in read.outputs}
        assert list(outputs["fraud"].bool_contents) == [True, False]
        assert len(set(outputs["record"].bytes_contents)) == 2
        assert (read.model_name, read.model_version) == ("fraud", VERSION)
        assert list(read.raw_output_contents) == []

    house = play(scene)
    assert len(house.entries("record")) == 2


def test_the_model_is_asked_by_raw_contents_and_answers_so() -> None:
    async def scene(house: ModelHouse) -> None:
        told = await ask(house, "ModelInfer", features(3, 900))
        read = pb.ModelInferResponse.FromString(told.message)
        assert read.id == "7"
        assert [one.name for one in read.outputs] == ["scores"]
        assert len(read.raw_output_contents[0]) == 16
        assert len(read.parameters["kingpost-record"].string_param) == 36

    house = play(scene)
    assert [one.rows for one in house.inferences()] == [2]


def test_what_the_server_and_its_models_are_is_told() -> None:
    async def scene(house: ModelHouse) -> None:
        named = pb.ModelMetadataRequest(name="fraud")
        live = await ask(house, "ServerLive", b"", {})
        ready = await ask(house, "ServerReady", b"", {})
        server = await ask(house, "ServerMetadata", b"", {})
        model_ready = await ask(house, "ModelReady", named)
        model = await ask(house, "ModelMetadata", named)
        assert pb.ServerLiveResponse.FromString(live.message).live
        assert pb.ServerReadyResponse.FromString(ready.message).ready
        assert pb.ServerMetadataResponse.FromString(server.message).name == "kingpost"
        assert pb.ModelReadyResponse.FromString(model_ready.message).ready
        assert list(pb.ModelMetadataResponse.FromString(model.message).versions) == [VERSION]
        house.app.begin_drain()
        ready = await ask(house, "ServerReady", b"", {})
        assert not pb.ServerReadyResponse.FromString(ready.message).ready

    play(scene)


async def statuses(house: ModelHouse) -> dict[str, tuple[Status, str]]:
    """Ask in all the ways that are refused."""
    named = pb.ModelMetadataRequest(name="none")
    both = payments(5)
    both.raw_input_contents.append(b"")
    mixed = features(1)
    mixed.inputs[0].contents.fp32_contents.append(1)
    unknown = payments(5)
    unknown.model_name = "none"
    version = payments(5, model_version="other")
    wrong = payments(5)
    wrong.inputs[4].contents.fp32_contents.append(1)
    half = payments(5)
    half.inputs[4].datatype = "FP16"
    asks = {
        "no key": ask(house, "ModelInfer", payments(5), {}),
        "no key for metadata": ask(house, "ModelMetadata", named, {}),
        "other scope": ask(house, "ModelInfer", payments(5), house.key_of("acme", "records")),
        "narrowed": ask(house, "ModelInfer", features(5), house.key_of("acme", "decide:fraud")),
        "unknown model": ask(house, "ModelInfer", unknown),
        "unknown model's metadata": ask(house, "ModelMetadata", named),
        "unknown version": ask(house, "ModelInfer", version),
        "no message": ask(house, "ModelInfer", b"\xff"),
        "no message for metadata": ask(house, "ModelMetadata", b"\x0a\xff"),
        "raw of too few": ask(house, "ModelInfer", both),
        "both forms": ask(house, "ModelInfer", mixed),
        "wrong contents": ask(house, "ModelInfer", wrong),
        "no contents of FP16": ask(house, "ModelInfer", half),
        "broken contract": ask(house, "ModelInfer", payments(5, -1)),
        "session": ask(house, "ModelInfer", payments(5), kingpost_session="a b"),
        "too many rows": ask(house, "ModelInfer", payments(*[5.0] * 4097)),
        "failed": ask(house, "ModelInfer", payments(5, 13)),
    }
    told = {name: await one for name, one in asks.items()}
    return {name: (one.status, one.fields["kingpost-code"]) for name, one in told.items()}


def test_every_refusal_has_its_status_and_code() -> None:
    async def scene(house: ModelHouse) -> None:
        assert await statuses(house) == {
            "no key": (Status.UNAUTHENTICATED, "api_key_missing"),
            "no key for metadata": (Status.UNAUTHENTICATED, "api_key_missing"),
            "other scope": (Status.PERMISSION_DENIED, "missing_scope"),
            "narrowed": (Status.PERMISSION_DENIED, "missing_scope"),
            "unknown model": (Status.NOT_FOUND, "model_not_found"),
            "unknown model's metadata": (Status.NOT_FOUND, "model_not_found"),
            "unknown version": (Status.NOT_FOUND, "model_version_not_found"),
            "no message": (Status.INVALID_ARGUMENT, "bad_inference"),
            "no message for metadata": (Status.INVALID_ARGUMENT, "bad_inference"),
            "raw of too few": (Status.INVALID_ARGUMENT, "bad_inference"),
            "both forms": (Status.INVALID_ARGUMENT, "bad_tensor"),
            "wrong contents": (Status.INVALID_ARGUMENT, "bad_tensor"),
            "no contents of FP16": (Status.INVALID_ARGUMENT, "bad_tensor"),
            "broken contract": (Status.INVALID_ARGUMENT, "contract_violation"),
            "session": (Status.INVALID_ARGUMENT, "bad_header"),
            "too many rows": (Status.RESOURCE_EXHAUSTED, "too_many_rows"),
            "failed": (Status.UNAVAILABLE, "decision_failed"),
        }

    play(scene)


def test_a_failed_row_and_the_trace_are_told() -> None:
    async def scene(house: ModelHouse) -> None:
        trace = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
        told = await ask(house, "ModelInfer", payments(5, 13), traceparent=trace)
        assert told.fields["kingpost-row"] == "1"
        assert told.fields["kingpost-trace-id"] == "a" * 32
        assert len(told.fields["kingpost-record"]) == 36

    play(scene)


def test_a_retry_under_the_same_key_repeats_the_answer() -> None:
    async def scene(house: ModelHouse) -> None:
        first = await ask(house, "ModelInfer", payments(5), idempotency_key="k")
        again = await ask(house, "ModelInfer", payments(5), idempotency_key="k")
        assert first.message == again.message

    house = play(scene)
    assert len(house.entries("record")) == 1


def test_limits_of_a_caller_are_told_behind_the_answer() -> None:
    async def scene(house: ModelHouse) -> None:
        key = house.key_of("acme", "decide", limits=Limits(requests=rate_of("2/1m")))
        told = [await ask(house, "ModelInfer", features(1), key) for _ in range(3)]
        assert [one.status for one in told] == [0, 0, Status.RESOURCE_EXHAUSTED]
        assert all("ratelimit" in one.fields for one in told)
        assert "retry-after" in told[2].fields

    play(scene)


@pytest.mark.parametrize("shape", [[-1, FEATURES], [1 << 40, FEATURES], [1] * 20])
def test_shapes_that_no_tensor_has_are_refused(shape: list[int]) -> None:
    async def scene(house: ModelHouse) -> None:
        message = features(1)
        del message.inputs[0].shape[:]
        message.inputs[0].shape.extend(shape)
        assert (await ask(house, "ModelInfer", message)).status == Status.INVALID_ARGUMENT

    play(scene)


def test_the_bytes_of_texts_may_be_raw() -> None:
    async def scene(house: ModelHouse) -> None:
        message = payments(900)
        for one in message.inputs:
            raw = b"".join(in_bytes(str(each, "utf-8")) for each in one.contents.bytes_contents)
            one.ClearField("contents")
            message.raw_input_contents.append(raw)
        message.raw_input_contents[-1] = b"\0\0\0\0\0\x20\x8c\x40"
        read = pb.ModelInferResponse.FromString((await ask(house, "ModelInfer", message)).message)
        assert len(read.raw_output_contents) == len(read.outputs)
        assert read.raw_output_contents[0] == b"\1"

    play(scene)
