"""The Open Inference Protocol over REST: what is told, asked, answered and refused."""

import asyncio
import json
import struct
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from kingpost.access import Limits
from kingpost.core import rate_of
from kingpost.records import decode_record
from kingpost.serving import ServingSettings
from tests.model_house import (
    BINARY,
    FEATURES,
    VERSION,
    ModelHouse,
    binary_body,
    in_bytes,
    play,
    tensor,
)
from tests.tiny_app import payment

AT = "2018-08-01T12:00:00Z"
INFER = "/v2/models/fraud.model/infer"


def rows(*amounts: float, run: str = "p") -> list[dict[str, object]]:
    """Write payments as tensors."""
    number = len(amounts)
    return [
        tensor("id", "BYTES", *(f"{run}{row}" for row in range(number))),
        tensor("at", "BYTES", *[AT] * number),
        tensor("card", "BYTES", *(f"c{row}" for row in range(number))),
        tensor("shop", "BYTES", *["s1"] * number),
        tensor("amount", "FP64", *amounts),
    ]


def features(*amounts: float) -> dict[str, object]:
    """Write rows of features as a tensor."""
    data = [[amount] * FEATURES for amount in amounts]
    return tensor("features", "FP32", *data, shape=[len(amounts), FEATURES])


def test_the_server_says_what_it_is_without_a_key() -> None:
    async def scene(house: ModelHouse) -> None:
        for path in ("/v2", "/v2/"):
            told = (await house.get(path, {})).json()
            assert (told["name"], told["extensions"]) == ("kingpost", ["binary_tensor_data"])
        assert (await house.get("/v2/health/live", {})).json() == {"live": True}
        assert (await house.get("/v2/health/ready", {})).json() == {"ready": True}
        house.app.begin_drain()
        ready = await house.get("/v2/health/ready", {})
        assert (ready.status_code, ready.json()["ready"]) == (503, False)
        model = await house.get("/v2/models/fraud/ready")
        assert (model.status_code, model.json()["ready"]) == (503, False)
        assert (await house.get("/v2/health/live", {})).status_code == 200

    play(scene)


def test_a_decision_and_the_model_behind_it_say_what_they_take() -> None:
    async def scene(house: ModelHouse) -> None:
        for part in ("", f"/versions/{VERSION}"):
            decision = (await house.get(f"/v2/models/fraud{part}")).json()
            model = (await house.get(f"/v2/models/fraud.model{part}")).json()
            assert decision["versions"] == model["versions"] == [VERSION]
            named = {one["name"]: one["datatype"] for one in decision["inputs"]}
            assert named["amount"] == "FP64"
            assert named["at"] == "BYTES"
            assert decision["properties"]["optional_inputs"] == "channel"
            assert [one["name"] for one in decision["outputs"]][:2] == ["fraud", "score"]
            assert model["properties"]["batching"] == "any"
            assert model["inputs"] == [
                {"name": "features", "datatype": "FP32", "shape": [-1, FEATURES]}
            ]
            ready = await house.get(f"/v2/models/fraud{part}/ready")
            assert ready.json() == {"name": "fraud", "ready": True}

    play(scene)


def test_every_row_is_a_recorded_decision() -> None:
    async def scene(house: ModelHouse) -> None:
        answered = await house.infer("fraud", rows(900, 20, 600), id="q-1")
        told = answered.json()
        outputs = {one["name"]: one["data"] for one in told["outputs"]}
        assert (told["id"], told["model_version"]) == ("q-1", VERSION)
        assert outputs["fraud"] == [True, False, True]
        assert outputs["score"] == pytest.approx([0.9, 0.02, 0.6])
        assert outputs["outcome"] == ["decided", "decided", "review"]
        for row, identifier in enumerate(outputs["record"]):
            record = (await house.get(f"/v1/records/{identifier}")).json()
            assert record["event"]["key"] == f"p{row}"
            assert record["outcome"] == outputs["outcome"][row]

    house = play(scene)
    records = [decode_record(one.body) for one in house.entries("record")]
    assert [one.event_key for one in records] == ["p0", "p1", "p2"]
    assert len(house.entries("event")) == 3


def test_a_row_is_answered_as_the_decision_route_answers_it() -> None:
    async def scene(house: ModelHouse) -> None:
        for amount in (5.0, 400.0, 900.5):
            alone = (await house.post("/v1/decisions/fraud", payment(f"a{amount}", amount))).json()
            told = (await house.infer("fraud", rows(amount, run=f"b{amount}"))).json()
            outputs = {one["name"]: one["data"][0] for one in told["outputs"]}
            assert outputs["fraud"] == alone["answer"]["fraud"]
            assert outputs["score"] == alone["answer"]["score"]
            assert outputs["confidence"] == alone["confidence"]
            assert (outputs["outcome"], outputs["reason"]) == (alone["outcome"], alone["reason"])

    play(scene)


def test_a_retry_gets_the_same_records() -> None:
    async def scene(house: ModelHouse) -> None:
        first = await house.infer("fraud", rows(900, 20))
        again = await house.infer("fraud", rows(900, 20))
        assert again.content == first.content

    assert len(play(scene).entries("record")) == 2


def test_only_what_is_asked_for_is_answered_and_a_column_may_have_two_dimensions() -> None:
    async def scene(house: ModelHouse) -> None:
        inputs = [{**one, "shape": [1, 1]} for one in rows(900)]
        answered = await house.infer("fraud", inputs, {"name": "outcome"}, {"name": "fraud"})
        told = answered.json()
        assert [one["name"] for one in told["outputs"]] == ["outcome", "fraud"]
        assert "kingpost-record" in answered.headers

    play(scene)


def test_binary_rows_give_what_json_rows_give() -> None:
    async def scene(house: ModelHouse) -> None:
        as_json = (await house.infer("fraud", rows(900, 20))).json()
        body, length = binary_body(
            [
                ("id", "BYTES", [2], in_bytes("p0", "p1")),
                ("at", "BYTES", [2, 1], in_bytes(AT, AT)),
                ("card", "BYTES", [2], in_bytes("c0", "c1")),
                ("shop", "BYTES", [2], in_bytes("s1", "s1")),
                ("amount", "FP64", [2], struct.pack("<2d", 900, 20)),
            ]
        )
        answered = await house.post("/v2/models/fraud/infer", body, **{BINARY: length})
        assert answered.json() == as_json

    play(scene)


def test_outputs_are_bytes_where_they_are_asked_for_as_bytes() -> None:
    async def scene(house: ModelHouse) -> None:
        answered = await house.infer(
            "fraud",
            rows(900, 20),
            {"name": "score", "parameters": {"binary_data": True}},
            {"name": "fraud", "parameters": {"binary_data": False}},
            {"name": "outcome"},
            parameters={"binary_data_output": True},
        )
        length = int(answered.headers[BINARY])
        told, tail = json.loads(answered.content[:length]), answered.content[length:]
        score, fraud, outcome = told["outputs"]
        assert answered.headers["content-type"] == "application/octet-stream"
        assert (score["parameters"], outcome["parameters"]) == (
            {"binary_data_size": 16},
            {"binary_data_size": 22},
        )
        assert fraud["data"] == [True, False]
        assert struct.unpack("<2d", tail[:16]) == pytest.approx((0.9, 0.02))
        assert tail[16:] == in_bytes("decided", "decided")

    play(scene)


@pytest.mark.parametrize(
    ("datatype", "form"), [("FP16", "<f2"), ("FP32", "<f4"), ("FP64", "<f8"), ("INT32", "<i4")]
)
def test_the_model_behind_takes_features_of_any_number_type(datatype: str, form: str) -> None:
    async def scene(house: ModelHouse) -> None:
        raw = np.full((2, FEATURES), 512, form).tobytes()
        body, length = binary_body([("features", datatype, [2, FEATURES], raw)])
        told = (await house.post(INFER, body, **{BINARY: length})).json()
        assert told["outputs"][0]["data"] == pytest.approx([0.512, 0.512])

    play(scene)


def test_an_inference_is_on_record_before_it_is_answered() -> None:
    async def scene(house: ModelHouse) -> None:
        answered = await house.infer("fraud.model", [features(900, 20)])
        assert answered.json()["outputs"][0]["data"] == pytest.approx([0.9, 0.02])
        assert "kingpost-record" in answered.headers

    house = play(scene)
    (record,) = house.inferences()
    assert (record.model, record.rows, record.tenant) == ("fraud.model", 2, "acme")
    assert (record.bundle.hex(), record.artefact) == (VERSION, b"m" * 32)
    assert not house.entries("event")


class Counting:
    """A model that says how many rows came together, and breaks on 666."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def score(self, rows: NDArray[np.float32]) -> Sequence[float]:
        self.batches.append(len(rows))
        if (rows == 666).any():
            raise ArithmeticError("the model broke")
        return (rows[:, 0] / 1000).tolist()


def test_concurrent_inferences_are_scored_together_and_kept_apart() -> None:
    scorer = Counting()

    async def scene(house: ModelHouse) -> None:
        asked = [house.infer("fraud.model", [features(n, n + 100)]) for n in range(1, 33)]
        for n, answered in enumerate(await asyncio.gather(*asked), 1):
            found = answered.json()["outputs"][0]["data"]
            assert found == pytest.approx([n / 1000, (n + 100) / 1000])

    house = play(scene, scorer=scorer)
    assert len(scorer.batches) < 32
    assert len({one.id for one in house.inferences()}) == 32


def test_rows_that_break_the_model_fail_nobody_else() -> None:
    async def scene(house: ModelHouse) -> None:
        asked = [house.infer("fraud.model", [features(amount)]) for amount in (1, 666, 2)]
        first, broken, last = await asyncio.gather(*asked)
        assert (first.status_code, last.status_code) == (200, 200)
        assert (broken.status_code, broken.json()["code"]) == (500, "model_failed")

    assert len(play(scene, scorer=Counting()).inferences()) == 2


def test_many_rows_are_scored_in_turns() -> None:
    scorer = Counting()

    async def scene(house: ModelHouse) -> None:
        amounts = [float(one % 600) for one in range(1000)]
        found = (await house.infer("fraud.model", [features(*amounts)])).json()
        assert found["outputs"][0]["data"] == pytest.approx([one / 1000 for one in amounts])

    play(scene, ServingSettings(max_body_bytes=1 << 20), scorer)
    assert scorer.batches == [256, 256, 256, 232]


def test_a_failed_row_fails_its_request_and_is_decided_again() -> None:
    async def scene(house: ModelHouse) -> None:
        failed = await house.infer("fraud", rows(20, 666, 30))
        told = failed.json()
        assert (failed.status_code, told["code"], told["row"]) == (503, "decision_failed", 1)
        record = (await house.get(f"/v1/records/{told['record']}")).json()
        assert record["outcome"] == "failed"

    play(scene)


def test_a_row_that_breaks_its_contract_is_named_and_none_is_decided() -> None:
    async def scene(house: ModelHouse) -> None:
        refused = await house.infer("fraud", rows(20, -1, 30))
        told = refused.json()
        assert (refused.status_code, told["code"]) == (400, "contract_violation")
        assert "amount of row 1" in told["error"]

    assert not play(scene).entries("record")


def test_a_conflict_names_its_row() -> None:
    async def scene(house: ModelHouse) -> None:
        await house.infer("fraud", rows(20, 30))
        refused = (await house.infer("fraud", rows(20, 31))).json()
        assert (refused["code"], refused["row"]) == ("event_conflict", 1)

    play(scene)


def test_session_trace_and_idempotency_key_reach_every_record() -> None:
    async def scene(house: ModelHouse) -> None:
        body: dict[str, object] = {"inputs": rows(20, 30)}
        trace = "0af7651916cd43dd8448eb211c80319c"
        await house.post(
            "/v2/models/fraud/infer", body, kingpost_session="s-1", idempotency_key="k-1",
            traceparent=f"00-{trace}-b7ad6b7169203331-01",
        )  # fmt: skip
        records = [decode_record(one.body) for one in house.entries("record")]
        assert [one.session for one in records] == ["s-1", "s-1"]
        assert [one.idempotency_key for one in records] == ["k-1#0", "k-1#1"]
        assert {one.trace_id for one in records} == {trace}

    play(scene)


@pytest.mark.parametrize(
    ("scope", "model", "status"),
    [
        ("decide", "fraud", 200),
        ("decide", "fraud.model", 200),
        ("decide:fraud", "fraud", 200),
        ("decide:fraud", "fraud.model", 403),
        ("decide:fraud.model", "fraud.model", 200),
        ("decide:fraud.model", "fraud", 403),
        ("records", "fraud", 403),
        ("records", "fraud.model", 403),
    ],
)
def test_a_key_reaches_what_it_may(scope: str, model: str, status: int) -> None:
    async def scene(house: ModelHouse) -> None:
        house.key = house.key_of("acme", scope)
        inputs = rows(20) if model == "fraud" else [features(20)]
        answered = await house.infer(model, inputs)
        assert answered.status_code == status

    play(scene)


@pytest.mark.parametrize("path", ["/v2/models/fraud", "/v2/models/fraud/ready"])
def test_models_are_not_told_of_without_a_key(path: str) -> None:
    async def scene(house: ModelHouse) -> None:
        refused = await house.get(path, {})
        assert (refused.status_code, refused.json()["code"]) == (401, "api_key_missing")
        assert refused.headers["www-authenticate"] == "Bearer"

    play(scene)


def test_the_body_is_not_read_for_somebody_without_a_key() -> None:
    async def scene(house: ModelHouse) -> None:
        refused = await house.client.post(INFER, content=b"x" * 10_000_000)
        assert refused.status_code == 401

    play(scene)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v2/models/nobody", 404, "model_not_found"),
        ("/v2/models/fraud/versions/1", 404, "model_version_not_found"),
        ("/v2/models/fraud/versions/1/ready", 404, "model_version_not_found"),
        ("/v2/models/fraud/infer", 405, "method_not_allowed"),
        ("/v2/models/fraud/generate", 404, "not_found"),
        ("/v2/models", 404, "not_found"),
        ("/v2/repository/index", 404, "not_found"),
    ],
)
def test_what_is_not_there_is_said(path: str, status: int, code: str) -> None:
    async def scene(house: ModelHouse) -> None:
        refused = await house.get(path)
        assert (refused.status_code, refused.json()["code"]) == (status, code)
        assert refused.headers["content-type"] == "application/json"
        assert refused.json()["error"]

    play(scene)


WHOLE = {"inputs": [features(1)]}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "bad_inference"),
        (b"[]", "bad_inference"),
        (b"{}", "bad_inference"),
        (b"\xff", "bad_inference"),
        (b'{"inputs":' + b"[" * 100_000, "bad_inference"),
        ({"inputs": []}, "bad_inference"),
        ({"inputs": [features()]}, "bad_inference"),
        ({"inputs": [features(1), features(1)]}, "bad_tensor"),
        ({"inputs": [{**features(1), "name": "x"}]}, "bad_tensor"),
        ({"inputs": [{**features(1), "datatype": "BYTES"}]}, "bad_tensor"),
        ({"inputs": [{**features(1), "datatype": "FP8"}]}, "bad_tensor"),
        ({"inputs": [{**features(1), "shape": [1, 6]}]}, "bad_tensor"),
        ({"inputs": [{**features(1), "shape": [FEATURES]}]}, "bad_tensor"),
        ({"inputs": [{**features(1), "shape": [-1, FEATURES]}]}, "bad_inference"),
        ({"inputs": [{**features(1), "data": None}]}, "bad_tensor"),
        ({"inputs": [{**features(1), "parameters": {"binary_data_size": 28}}]}, "bad_tensor"),
        ({**WHOLE, "outputs": [{"name": "x"}]}, "bad_tensor"),
        ({**WHOLE, "outputs": [{"name": "scores"}, {"name": "scores"}]}, "bad_tensor"),
        ({**WHOLE, "parameters": {"binary_data_output": "yes"}}, "bad_inference"),
        (
            {**WHOLE, "outputs": [{"name": "scores", "parameters": {"classification": 2}}]},
            "bad_tensor",
        ),
        (
            {"inputs": [{"name": "features", "datatype": "FP32", "shape": [1, 7],
                         "parameters": {"shared_memory_region": "r"}}]},
            "bad_tensor",
        ),
    ],
)  # fmt: skip
def test_a_request_that_is_none_is_refused(body: bytes | Mapping[str, object], code: str) -> None:
    async def scene(house: ModelHouse) -> None:
        refused = await house.post(INFER, body)
        assert (refused.status_code, refused.json()["code"]) == (400, code)
        assert len(refused.content) < 600

    assert not play(scene).inferences()


@pytest.mark.parametrize("length", ["-1", "x", "99999", "9" * 5000])
def test_a_wrong_length_of_the_json_is_refused(length: str) -> None:
    async def scene(house: ModelHouse) -> None:
        refused = await house.post(INFER, WHOLE, **{BINARY: length})
        assert (refused.status_code, refused.json()["code"]) == (400, "bad_header")

    play(scene)


@pytest.mark.parametrize(("size", "tail"), [(28, 27), (28, 29), (27, 28), (1 << 40, 28)])
def test_binary_data_that_do_not_add_up_are_refused(size: int, tail: int) -> None:
    async def scene(house: ModelHouse) -> None:
        inputs = [{"name": "features", "datatype": "FP32", "shape": [1, FEATURES],
                   "parameters": {"binary_data_size": size}}]  # fmt: skip
        head = json.dumps({"inputs": inputs}).encode()
        refused = await house.post(INFER, head + b"\0" * tail, **{BINARY: str(len(head))})
        assert refused.status_code == 400

    play(scene)


def test_too_much_is_refused() -> None:
    async def scene(house: ModelHouse) -> None:
        raw = np.zeros((4097, FEATURES), "<f2").tobytes()
        body, length = binary_body([("features", "FP16", [4097, FEATURES], raw)])
        rows = await house.post(INFER, body, **{BINARY: length})
        assert (rows.status_code, rows.json()["code"]) == (413, "too_many_rows")
        large = await house.post(INFER, b" " * (2 << 20))
        assert (large.status_code, large.json()["code"]) == (413, "body_too_large")
        zipped = await house.post(INFER, WHOLE, content_encoding="gzip")
        assert zipped.status_code == 415

    play(scene, ServingSettings(max_inference_bytes=1 << 20))


def test_more_rows_than_can_wait_are_sent_away() -> None:
    async def scene(house: ModelHouse) -> None:
        refused = await house.infer("fraud", rows(*[20.0] * 9))
        assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
        assert refused.headers["retry-after"] == "1"
        assert house.app.metrics.waiting == 0
        assert (await house.infer("fraud", rows(*[20.0] * 8))).status_code == 200

    play(scene, ServingSettings(max_waiting=8))


def test_a_caller_is_limited_by_requests_and_by_rows() -> None:
    async def scene(house: ModelHouse) -> None:
        limits = Limits(requests=rate_of("6/h"), rows=rate_of("5/h"))
        house.key = house.key_of("acme", "decide", limits=limits)
        told = await house.get("/v2/models/fraud")
        assert '"requests";r=5;' in told.headers["ratelimit"]
        told = await house.infer("fraud", rows(20, 30, 40))
        assert told.status_code == 200
        assert told.headers.get_list("ratelimit") == ['"requests";r=4;t=1200, "rows";r=2;t=2160']
        for inputs, model in (([features(1, 2, 3)], "fraud.model"), (rows(1, 2, 3), "fraud")):
            refused = await house.infer(model, inputs)
            assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
            assert len(refused.headers.get_list("ratelimit")) == 1
        assert (await house.infer("fraud.model", [features(1, 2)])).status_code == 200
        house.key = {**house.key, "x": "y"}
        assert (await house.get("/v1/models/fraud")).status_code == 200
        refused = await house.infer("fraud.model", [features(1)])
        assert refused.status_code == 429

    house = play(scene)
    assert sum(one.rows for one in house.inferences()) == 2


def test_nan_is_no_value_and_infinity_is_refused() -> None:
    async def scene(house: ModelHouse) -> None:
        for value, code in ((float("nan"), "contract_violation"), (float("inf"), "bad_tensor")):
            texts = [("id", "p"), ("at", AT), ("card", "c"), ("shop", "s")]
            body, length = binary_body(
                [
                    *((name, "BYTES", [1], in_bytes(text)) for name, text in texts),
                    ("amount", "FP32", [1], struct.pack("<f", value)),
                ]
            )
            refused = await house.post("/v2/models/fraud/infer", body, **{BINARY: length})
            assert refused.json()["code"] == code

    play(scene)


def test_what_is_asked_of_models_is_counted() -> None:
    async def scene(house: ModelHouse) -> None:
        await house.infer("fraud", rows(20, 30))
        await house.infer("fraud.model", [features(1, 2, 3)])
        await house.infer("fraud.model", [])
        told = (await house.get("/metrics")).text
        for line in (
            'kingpost_requests_total{code="ok",decision="fraud",outcome="decided"} 2.0',
            'kingpost_inferences_total{code="ok",model="fraud.model"} 1.0',
            'kingpost_inference_rows_total{code="ok",model="fraud.model"} 3.0',
            'kingpost_inferences_total{code="bad_inference",model="fraud.model"} 1.0',
        ):
            assert line in told

    play(scene)
