"""The real gRPC client of the Open Inference Protocol against a real server."""

import queue
import signal
import threading
from collections.abc import Iterator
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from kingpost.core import SystemDisk
from kingpost.journal import scan
from kingpost.records import InferenceRecord, decode_inference
from tests.cli_app import PreparedShop
from tests.served_shop import ServedShop, recorded

triton: Any = import_module("tritonclient.grpc")  # it has no types
InferenceServerException: type[Exception] = import_module(
    "tritonclient.utils"
).InferenceServerException
AT = "2018-08-12T00:00:00Z"
MODEL = "risk.model"
HEALTH = "/grpc.health.v1.Health/Check"
MANY = 400


@pytest.fixture
def shop(prepared_shop: PreparedShop, directory: Any) -> Iterator[ServedShop]:
    secret = prepared_shop.copied(directory)
    with ServedShop(directory, secret, "--no-watch", "--grpc-port", "0") as server:
        yield server
        if server.process.poll() is None:
            assert server.end() == 0
    assert "Traceback" not in server.log.read_text()


@pytest.fixture
def directory(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return tmp_path_factory.mktemp("shop")


@pytest.fixture
def client(shop: ServedShop) -> Iterator[Any]:
    with triton.InferenceServerClient(shop.grpc) as one:
        yield one


def texts(*values: str) -> Any:
    return np.array([value.encode() for value in values], np.object_)


def tensor(name: str, datatype: str, values: Any) -> Any:
    """Make an input as the client does."""
    made = triton.InferInput(name, list(values.shape), datatype)
    made.set_data_from_numpy(values)
    return made


def orders(run: str, *amounts: float) -> list[Any]:
    """Make the tensors of some orders."""
    count = range(len(amounts))
    return [
        tensor("id", "BYTES", texts(*(f"{run}{row}" for row in count))),
        tensor("at", "BYTES", texts(*[AT] * len(amounts))),
        tensor("customer", "BYTES", texts(*(f"c{row}" for row in count))),
        tensor("amount", "FP64", np.array(amounts)),
    ]


def features(client: Any, shop: ServedShop, *values: float) -> Any:
    shape = client.get_model_metadata(MODEL, headers=shop.headers).inputs[0].shape
    return tensor(
        "features", "FP32", np.repeat(np.array(values, np.float32)[:, None], shape[1], axis=1)
    )


def inferences(directory: Any) -> list[InferenceRecord]:
    """Read the inferences that are on record."""
    return [
        decode_inference(entry.body)
        for commit in scan(directory / "data" / "journal" / "data", disk=SystemDisk())
        for entry in commit.entries
        if entry.kind == "inference"
    ]


def test_the_real_client_finds_the_server_its_models_and_their_answers(
    client: Any, shop: ServedShop, directory: Any
) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.get_server_metadata().name == "kingpost"
    assert client.is_model_ready("risk", headers=shop.headers)
    metadata = client.get_model_metadata("risk", headers=shop.headers)
    version = metadata.versions[0]

    decided = client.infer(
        "risk", orders("a", 12.5, 900.0), model_version=version, headers=shop.headers
    )
    scored = client.infer(
        MODEL, [features(client, shop, 1.0, 2.0, 3.0)], request_id="7", headers=shop.headers
    )

    records = [one.decode() for one in decided.as_numpy("record")]
    assert decided.as_numpy("score").shape == (2,)
    assert scored.get_response().id == "7"
    assert scored.as_numpy("scores").dtype == np.float64
    assert scored.as_numpy("scores").shape == (3,)
    over_http = shop.client.get(f"/v1/records/{records[0]}").json()
    assert over_http["answer"]["score"] == decided.as_numpy("score")[0]
    assert shop.end() == 0
    assert set(records) <= set(recorded(directory))
    assert [one.rows for one in inferences(directory)] == [3]


def test_errors_are_told_by_status_and_code(client: Any, shop: ServedShop) -> None:
    def refused(*asked: Any, **options: Any) -> str:
        with pytest.raises(InferenceServerException) as caught:
            client.infer(*asked, **options)
        status = caught.value.status()  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]
        return str(status)  # pyright: ignore[reportUnknownArgumentType]

    some = orders("b", 1.0)
    assert refused("risk", some) == "StatusCode.UNAUTHENTICATED"
    assert refused("none", some, headers=shop.headers) == "StatusCode.NOT_FOUND"
    assert refused("risk", some[:2], headers=shop.headers) == "StatusCode.INVALID_ARGUMENT"
    assert refused(MODEL, some, headers=shop.headers) == "StatusCode.INVALID_ARGUMENT"
    assert client.is_server_live()


def test_calls_in_flight_get_each_its_own_answer_and_a_drain_loses_none(
    client: Any, shop: ServedShop, directory: Any
) -> None:
    told: queue.Queue[tuple[int, Any, Any]] = queue.Queue()

    def tell(number: int, result: Any, error: Any) -> None:
        told.put((number, result, error))

    shape = client.get_model_metadata(MODEL, headers=shop.headers).inputs[0].shape
    alone = [
        client.infer(MODEL, [features(client, shop, float(one))], headers=shop.headers)
        for one in range(0, MANY, 40)
    ]
    for number in range(MANY):
        values = np.full((1, shape[1]), float(number), np.float32)
        client.async_infer(
            MODEL,
            [tensor("features", "FP32", values)],
            partial(tell, number),
            headers=shop.headers,
        )
    ending = threading.Timer(0.05, shop.process.send_signal, [signal.SIGTERM])
    ending.start()

    answers = dict[int, Any]()
    refused = 0
    for _ in range(MANY):
        number, result, error = told.get(timeout=60)
        if error is None:
            answers[number] = result.as_numpy("scores")[0]
        else:
            refused += 1
            assert str(error.status()) == "StatusCode.UNAVAILABLE"
    ending.join()
    with shop.process:
        assert shop.process.wait(30) == 0

    for place, one in enumerate(alone):
        if place * 40 in answers:
            assert answers[place * 40] == one.as_numpy("scores")[0]
    assert len(inferences(directory)) == len(answers) + len(alone)
    assert len(answers) + refused == MANY
    assert answers
