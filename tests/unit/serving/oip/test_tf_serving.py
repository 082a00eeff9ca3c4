"""TensorFlow Serving's REST form, over decisions and the models behind them."""

from collections.abc import Mapping

import pytest

from tests.model_house import FEATURES, VERSION, ModelHouse, play

AT = "2018-08-01T12:00:00Z"
FRAUD = "/v1/models/fraud:predict"
MODEL = "/v1/models/fraud.model:predict"


def payments(*amounts: float) -> list[dict[str, object]]:
    """Write payments as rows."""
    return [
        {"id": f"p{row}", "at": AT, "card": f"c{row}", "shop": "s", "amount": amount}
        for row, amount in enumerate(amounts)
    ]


def test_rows_are_decided_and_recorded() -> None:
    async def scene(house: ModelHouse) -> None:
        body: dict[str, object] = {
            "signature_name": "serving_default",
            "instances": payments(900, 20),
        }
        for path in (FRAUD, f"/v1/models/fraud/versions/{VERSION}:predict"):
            first, second = (await house.post(path, body)).json()["predictions"]
            assert (first["fraud"], second["fraud"]) == (True, False)
            assert first["score"] == pytest.approx(0.9)
            record = (await house.get(f"/v1/records/{second['record']}")).json()
            assert record["event"]["key"] == "p1"

    assert len(play(scene).entries("record")) == 2


def test_a_row_is_the_request_that_the_decision_route_takes() -> None:
    async def scene(house: ModelHouse) -> None:
        row = b'{"id":"p","at":"2018-08-01T12:00:00Z","card":"c","shop":"s","amount":20}'
        predicted = await house.post(FRAUD, b'{"instances":[' + row + b"]}")
        decided = await house.post("/v1/decisions/fraud", row)
        assert decided.headers["idempotency-replayed"] == "true"
        assert predicted.json()["predictions"][0]["record"] == decided.json()["id"]

    play(scene)


def test_columns_are_answered_by_columns() -> None:
    async def scene(house: ModelHouse) -> None:
        rows = payments(900, 20)
        inputs = {name: [row[name] for row in rows] for name in rows[0]}
        outputs = (await house.post(FRAUD, {"inputs": inputs})).json()["outputs"]
        assert outputs["fraud"] == [True, False]
        assert outputs["outcome"] == ["decided", "decided"]

    play(scene)


def test_the_model_behind_gives_scores() -> None:
    async def scene(house: ModelHouse) -> None:
        row = [500.0] * FEATURES
        for body in ({"instances": [row, row]}, {"instances": [row, {"features": row}]}):
            told = await house.post(MODEL, dict(body))
            assert told.json() == {"predictions": [0.5, 0.5]}
            assert "kingpost-record" in told.headers
        for inputs in ([row], {"features": [row]}):
            assert (await house.post(MODEL, {"inputs": inputs})).json() == {"outputs": [0.5]}

    assert len(play(scene).inferences()) == 4


def test_a_model_tells_its_state_and_signature() -> None:
    async def scene(house: ModelHouse) -> None:
        (state,) = (await house.get("/v1/models/fraud")).json()["model_version_status"]
        assert (state["version"], state["state"]) == (VERSION, "AVAILABLE")
        told = (await house.get(f"/v1/models/fraud.model/versions/{VERSION}/metadata")).json()
        signature = told["metadata"]["signature_def"]["signature_def"]["serving_default"]
        assert told["model_spec"]["name"] == "fraud.model"
        assert signature["inputs"]["features"]["dtype"] == "DT_FLOAT"
        sizes = [one["size"] for one in signature["inputs"]["features"]["tensor_shape"]["dim"]]
        assert sizes == ["-1", str(FEATURES)]
        house.app.begin_drain()
        (state,) = (await house.get("/v1/models/fraud")).json()["model_version_status"]
        assert state["state"] == "LOADING"

    play(scene)


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        (FRAUD, b"", 400, "bad_inference"),
        (FRAUD, {}, 400, "bad_inference"),
        (FRAUD, {"instances": []}, 400, "bad_inference"),
        (FRAUD, {"instances": [], "inputs": {}}, 400, "bad_inference"),
        (FRAUD, {"instances": [1]}, 400, "contract_violation"),
        (FRAUD, {"instances": [{"id": "p"}]}, 400, "contract_violation"),
        (FRAUD, {"inputs": {}}, 400, "bad_inference"),
        (FRAUD, {"inputs": {"id": 1}}, 400, "bad_inference"),
        (FRAUD, {"inputs": {"id": ["a"], "at": []}}, 400, "bad_inference"),
        (FRAUD, {"instances": payments(1), "signature_name": "x"}, 400, "bad_inference"),
        (MODEL, {"instances": [[1.0]]}, 400, "bad_tensor"),
        (MODEL, {"instances": [{"x": [1.0]}]}, 400, "bad_inference"),
        (MODEL, {"instances": ["x"]}, 400, "bad_inference"),
        (MODEL, {"inputs": {"x": [[1.0]]}}, 400, "bad_inference"),
        ("/v1/models/x:predict", {"instances": []}, 404, "model_not_found"),
        ("/v1/models/fraud/versions/1:predict", {"instances": []}, 404, "model_version_not_found"),
        ("/v1/models/fraud:classify", {"instances": []}, 404, "not_found"),
        ("/v1/models/fraud", {}, 405, "method_not_allowed"),
    ],
)
def test_what_cannot_be_predicted_is_refused(
    path: str, body: bytes | Mapping[str, object], status: int, code: str
) -> None:
    async def scene(house: ModelHouse) -> None:
        refused = await house.post(path, body)
        assert (refused.status_code, refused.json()["code"]) == (status, code)
        assert refused.json()["error"]

    assert not play(scene).entries("record")
