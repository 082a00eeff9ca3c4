"""Answers whose score was found, over HTTP: decisions and models, records and metrics."""

import asyncio
from collections.abc import Mapping

import httpx
from prometheus_client.parser import text_string_to_metric_families

import kingpost as kp
from tests.model_house import FEATURES, ModelHouse, play, tensor
from tests.tiny_app import ByAmount, payment

CACHE = kp.cache(entries=50)
DECIDE = "/v1/decisions/fraud"


def rows(*amounts: float) -> dict[str, object]:
    values = [value for amount in amounts for value in (amount, *range(1, FEATURES))]
    return tensor("features", "FP32", *values, shape=[len(amounts), FEATURES])


async def rows_counted(house: ModelHouse) -> Mapping[str, float]:
    text = (await house.get("/metrics")).text
    return {
        sample.labels["result"]: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "kingpost_score_cache_rows_total"
    }


def scores_of(answer: httpx.Response) -> list[float]:
    assert answer.status_code == 200, answer.text
    found: list[float] = answer.json()["outputs"][0]["data"]
    return found


def test_a_decision_whose_score_was_found_says_so_on_record() -> None:
    async def scene(house: ModelHouse) -> None:
        first, second = [
            (await house.post(DECIDE, payment(f"p{card}", 800, card=card))).json()
            for card in ("c1", "c2")
        ]
        stored = [(await house.get(f"/v1/records/{one['id']}")).json() for one in (first, second)]

        assert first["answer"] == second["answer"]
        assert [one["is_cached"] for one in stored] == [False, True]
        assert await rows_counted(house) == {"hits": 1, "shared": 0, "misses": 1}

    play(scene, scorer=ByAmount(), cache=CACHE)


def test_a_model_asked_directly_scores_a_row_once() -> None:
    model = ByAmount()

    async def scene(house: ModelHouse) -> None:
        first = await house.infer("fraud.model", [rows(100, 200, 100)])
        second = await house.infer("fraud.model", [rows(200, 300)])

        assert scores_of(first)[0] == scores_of(first)[2]
        assert scores_of(second)[0] == scores_of(first)[1]
        assert await rows_counted(house) == {"hits": 1, "shared": 1, "misses": 3}

    house = play(scene, scorer=model, cache=CACHE)

    assert model.batches == [2, 1]
    assert [(one.rows, one.cached) for one in house.inferences()] == [(3, 1), (2, 1)]


def test_requests_to_a_model_that_are_in_flight_together_share_their_rows() -> None:
    model = ByAmount()

    async def scene(house: ModelHouse) -> None:
        asked = (house.infer("fraud.model", [rows(*range(600))]) for _ in range(4))
        answers = await asyncio.gather(*asked)

        assert all(scores_of(one) == scores_of(answers[0]) for one in answers)

    house = play(scene, scorer=model, cache=kp.cache(entries=1000))

    assert sum(model.batches) == 600
    assert sorted(one.cached for one in house.inferences()) == [0, 600, 600, 600]


def test_tenants_find_nothing_of_each_other() -> None:
    async def scene(house: ModelHouse) -> None:
        await house.infer("fraud.model", [rows(100)])
        house.key = house.key_of("other", "decide", "metrics")
        await house.infer("fraud.model", [rows(100)])

        assert await rows_counted(house) == {"hits": 0, "shared": 0, "misses": 2}

    play(scene, scorer=ByAmount(), cache=CACHE)


def test_a_request_that_the_model_breaks_on_fails_alone() -> None:
    async def scene(house: ModelHouse) -> None:
        asked = (house.infer("fraud.model", [rows(amount)]) for amount in (100, 666, 100))
        answers = await asyncio.gather(*asked)

        assert [one.status_code for one in answers] == [200, 500, 200]

    play(scene, scorer=ByAmount(), cache=CACHE)


def test_without_a_cache_nothing_is_kept_and_nothing_counted() -> None:
    model = ByAmount()

    async def scene(house: ModelHouse) -> None:
        for _ in range(2):
            await house.infer("fraud.model", [rows(100, 100)])

        assert "score_cache" not in (await house.get("/metrics")).text

    house = play(scene, scorer=model)

    assert model.batches == [2, 2]
    assert [one.cached for one in house.inferences()] == [0, 0]
