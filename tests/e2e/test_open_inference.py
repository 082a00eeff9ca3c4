"""The real clients of the Open Inference Protocol against a real server."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from kingpost.core import SystemDisk
from kingpost.journal import scan
from kingpost.records import InferenceRecord, decode_inference
from tests.cli_app import PreparedShop
from tests.served_shop import ServedShop

triton: Any = import_module("tritonclient.http")  # it has no types
InferenceServerException: type[Exception] = import_module(
    "tritonclient.utils"
).InferenceServerException
AT = "2018-08-12T00:00:00Z"
MODEL = "risk.model"


class Client:
    """`tritonclient[http]`, with the key of the shop."""

    def __init__(self, shop: ServedShop) -> None:
        self.real = triton.InferenceServerClient(shop.url.removeprefix("http://"))
        self._headers = shop.headers

    @property
    def headers(self) -> dict[str, str]:
        """The key; made anew, since the client adds its own to what it is given."""
        return dict(self._headers)

    def infer(self, model: str, *inputs: Any, binary: bool, **asked: object) -> Any:
        names = [one["name"] for one in self.metadata(model)["outputs"]]
        outputs = [triton.InferRequestedOutput(name, binary_data=binary) for name in names]
        return self.real.infer(model, inputs, outputs=outputs, headers=self.headers, **asked)

    def metadata(self, model: str) -> dict[str, list[dict[str, str]]]:
        return self.real.get_model_metadata(model, headers=self.headers)


def tensor(name: str, datatype: str, values: "NDArray[np.generic]", *, binary: bool) -> Any:
    """Make an input as the client does."""
    made = triton.InferInput(name, list(values.shape), datatype)
    made.set_data_from_numpy(values, binary_data=binary)
    return made


def orders(run: str, *amounts: float, binary: bool) -> list[Any]:
    """Make the tensors of some orders."""
    count = len(amounts)

    def texts(values: list[str]) -> "NDArray[np.generic]":
        return np.array([value.encode() for value in values], np.object_)

    return [
        tensor("id", "BYTES", texts([f"{run}{row}" for row in range(count)]), binary=binary),
        tensor("at", "BYTES", texts([AT] * count), binary=binary),
        tensor("customer", "BYTES", texts([f"c{row}" for row in range(count)]), binary=binary),
        tensor("amount", "FP64", np.array(amounts), binary=binary),
    ]


@pytest.fixture(scope="module")
def shop(
    prepared_shop: PreparedShop, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServedShop]:
    directory = tmp_path_factory.mktemp("shop")
    secret = prepared_shop.copied(directory)
    with ServedShop(directory, secret, "--no-watch") as server:
        yield server
        assert server.end() == 0
    assert "Traceback" not in server.log.read_text()


@pytest.fixture(scope="module")
def client(shop: ServedShop) -> Client:
    return Client(shop)


def inferences(shop: ServedShop) -> list[InferenceRecord]:
    """Read the inferences that are on record, beside the running server."""
    return [
        decode_inference(entry.body)
        for commit in scan(shop.directory / "data" / "journal" / "data", disk=SystemDisk())
        for entry in commit.entries
        if entry.kind == "inference"
    ]


def test_the_client_finds_a_server_and_its_models(client: Client) -> None:
    assert client.real.is_server_live()
    assert client.real.is_server_ready()
    assert client.real.get_server_metadata()["extensions"] == ["binary_tensor_data"]
    for name in ("risk", MODEL):
        assert client.real.is_model_ready(name, headers=client.headers)
        version = client.metadata(name)["versions"][0]
        assert client.real.is_model_ready(name, version, headers=client.headers)
    assert not client.real.is_model_ready("nobody", headers=client.headers)


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "json"])
def test_a_decision_is_made_by_the_client(shop: ServedShop, client: Client, binary: bool) -> None:
    made = client.infer("risk", *orders(f"d{binary}", 20.5, 300.0, binary=binary),
                        binary=binary, request_id="7")  # fmt: skip

    assert made.get_response()["id"] == "7"
    fraud, score = made.as_numpy("fraud"), made.as_numpy("score")
    assert (fraud.dtype, fraud.shape, score.dtype) == (np.bool_, (2,), np.float64)
    for row, identifier in enumerate(made.as_numpy("record").tolist()):
        text = identifier.decode() if isinstance(identifier, bytes) else identifier
        record = shop.client.get(f"/v1/records/{text}").json()
        assert record["event"]["key"] == f"d{binary}{row}"
        assert record["answer"]["score"] == score[row]


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "json"])
def test_the_model_behind_gives_the_scores_of_the_records(
    shop: ServedShop, client: Client, binary: bool
) -> None:
    made = client.infer("risk", *orders(f"m{binary}", 11.0, 222.0, binary=True), binary=True)
    rows: list[list[float]] = []
    for identifier in made.as_numpy("record").tolist():
        record = shop.client.get(f"/v1/records/{identifier.decode()}").json()
        rows.append([np.nan if one is None else one for one in record["features"].values()])
    features = np.array(rows, np.float32)
    if not binary:
        features = np.nan_to_num(features)  # JSON has no NaN
    before = len(inferences(shop))

    scores = client.infer(
        MODEL, tensor("features", "FP32", features, binary=binary), binary=binary
    ).as_numpy("scores")

    if binary:
        assert scores.tolist() == made.as_numpy("score").tolist()
    assert (scores.dtype, scores.shape) == (np.float64, (2,))
    (record,) = inferences(shop)[before:]
    assert (record.model, record.rows) == (MODEL, 2)


def test_what_is_wrong_reaches_the_client_as_its_own_error(client: Client) -> None:
    wrong = tensor("features", "FP32", np.zeros((1, 1), np.float32), binary=True)

    with pytest.raises(InferenceServerException, match="expected shape"):
        client.infer(MODEL, wrong, binary=True)
    with pytest.raises(InferenceServerException, match="no model of this name"):
        client.real.infer("nobody", [wrong], headers=client.headers)
    with pytest.raises(InferenceServerException, match="version does not run"):
        client.real.infer(MODEL, [wrong], model_version="1", headers=client.headers)
    with pytest.raises(InferenceServerException, match="key"):
        client.real.infer(MODEL, [wrong])


def test_a_large_request_goes_its_way_and_is_scored_row_by_row(
    shop: ServedShop, client: Client
) -> None:
    width = int(client.metadata(MODEL)["inputs"][0]["shape"][1])
    rng = np.random.default_rng(7)
    features = rng.gamma(2, 30, (4096, width)).astype(np.float64)

    together = client.infer(MODEL, tensor("features", "FP64", features, binary=True), binary=True)
    single = [
        client.infer(MODEL, tensor("features", "FP64", features[row : row + 1], binary=True),
                     binary=True).as_numpy("scores")[0]
        for row in range(0, 4096, 512)
    ]  # fmt: skip

    assert features.nbytes > 256 * 1024
    assert together.as_numpy("scores")[::512].tolist() == single


def test_a_client_of_tensorflow_serving_is_answered(shop: ServedShop) -> None:
    row = {"id": "tf-1", "at": AT, "customer": "c1", "amount": 12.5}
    told = httpx.post(
        f"{shop.url}/v1/models/risk:predict", json={"instances": [row]}, headers=shop.headers
    ).json()

    (prediction,) = told["predictions"]
    assert shop.client.get(f"/v1/records/{prediction['record']}").json()["event"]["body"] == row
