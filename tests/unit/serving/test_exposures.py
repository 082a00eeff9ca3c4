"""What callers see over the API of a decision that does not show its scores in full."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import httpx

import kingpost as kp
from kingpost.access import KeyRing, MemoryKeys, Principal, create_key
from kingpost.decisions import Exposure
from kingpost.journal import scan
from kingpost.serving import ServingSettings, build_app
from kingpost.serving.consequences import extraction_incident
from kingpost.serving.exposures import Exposures
from kingpost.serving.extraction import SuspicionDocument
from tests.simulated_disk import SimulatedDisk
from tests.tiny_app import FakeClock, open_engine, payment, served

FRAUD = "/v1/decisions/fraud"
Ask = Callable[..., Coroutine[Any, Any, httpx.Response]]


def with_api(exposure: Exposure, play: Callable[[Ask], Coroutine[Any, Any, None]]) -> SimulatedDisk:
    disk = SimulatedDisk()

    async def run() -> None:
        clock, store = FakeClock(), MemoryKeys()
        engine = open_engine(Path("/journal/data"), disk=disk, clock=clock, exposure=exposure)
        app = build_app(engine, KeyRing(store, clock), ServingSettings(), clock)
        keys = {
            "both": ["decide", "records"],
            "auditor": ["records"],
        }
        secrets = {
            name: create_key(store, clock, tenant="acme", scopes=scopes).secret
            for name, scopes in keys.items()
        }
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:

            async def ask(path: str, body: bytes | None = None, by: str = "both") -> httpx.Response:
                headers = {"authorization": f"Bearer {secrets[by]}"}
                method = "GET" if body is None else "POST"
                return await client.request(method, path, content=body, headers=headers)

            await play(ask)
        await app.drain()

    asyncio.run(run())
    return disk


def test_who_may_ask_sees_rounded_scores_everywhere_and_an_auditor_all() -> None:
    async def play(ask: Ask) -> None:
        first = await ask(FRAUD, payment("p1", 987.6))
        again = await ask(FRAUD, payment("p1", 987.6))
        assert first.json()["answer"] == {"fraud": True, "score": 1.0}
        assert first.json()["confidence"] == 1.0
        assert again.content == first.content
        path = f"/v1/records/{first.json()['id']}"
        mine, whole = await ask(path), await ask(path, by="auditor")
        assert mine.json()["answer"] == first.json()["answer"]
        assert whole.json()["answer"]["score"] != 1.0
        assert round(whole.json()["confidence"], 4) == 0.9876

    with_api(kp.exposure(score_digits=1), play)


def test_a_hidden_confidence_is_null() -> None:
    async def play(ask: Ask) -> None:
        answer = (await ask(FRAUD, payment("p1", 500))).json()
        assert (answer["answer"], answer["confidence"], answer["reason"]) == (
            {"fraud": True},
            None,
            "",
        )
        assert answer["outcome"] == "review"

    with_api(kp.exposure(show=()), play)


def test_a_thief_gets_a_problem_and_the_journal_has_the_suspicion() -> None:
    async def play(ask: Ask) -> None:
        for number in range(400):
            body = payment(f"p{number}", 1 + 2.5 * number, card="c1")
            answer = await ask(FRAUD, body)
            if answer.status_code != 200:
                break
        assert answer.status_code == 429  # pyright: ignore[reportPossiblyUnboundVariable]
        assert answer.json()["code"] == "extraction_budget_spent"  # pyright: ignore[reportPossiblyUnboundVariable]
        assert (await ask(FRAUD, payment("p1", 3.5, card="c1"))).status_code == 200, "a retry"

    disk = with_api(kp.exposure(budget="300/d", entity="card", per_entity="1000/d"), play)

    found = [
        entry
        for commit in scan(Path("/journal/data"), disk=disk)
        for entry in commit.entries
        if entry.kind == "suspicion"
    ]
    assert [(entry.tenant, entry.topic) for entry in found] == [("acme", "fraud")]
    assert json.loads(found[0].body)["pattern"] == "sweep"


def test_the_incident_names_the_caller_and_says_what_to_do() -> None:
    incident = extraction_incident("acme", "fraud", SuspicionDocument("a1", "sweep", "so", 5))

    assert (incident.kind, incident.tenant, incident.is_open) == ("extraction", "acme", False)
    assert "a1" in incident.title
    assert incident.facts == ("so",)


def test_only_who_may_ask_sees_less() -> None:
    exposures = Exposures(served(exposure=kp.exposure(score_digits=2)))
    asker = Principal("a", "acme", frozenset({"decide:fraud", "records"}))
    auditor = Principal("b", "acme", frozenset({"records", "decide:other"}))

    assert exposures.of(asker, "fraud") is not None
    assert exposures.of(auditor, "fraud") is None
    assert exposures.of(asker, "other") is None
    assert Exposures(served()).of(asker, "fraud") is None


def test_the_inference_protocol_shows_no_more_and_has_no_raw_model() -> None:
    names = ("id", "at", "card", "shop")
    values = ("x1", "2018-08-01T12:00:00Z", "c1", "s1")
    inputs: list[dict[str, object]] = [
        {"name": name, "datatype": "BYTES", "shape": [1], "data": [value]}
        for name, value in zip(names, values, strict=True)
    ]
    inputs.append({"name": "amount", "datatype": "FP64", "shape": [1], "data": [876.5]})

    async def play(ask: Ask) -> None:
        answer = await ask("/v2/models/fraud/infer", json.dumps({"inputs": inputs}).encode())
        assert answer.status_code == 200
        outputs = {one["name"]: one["data"] for one in answer.json()["outputs"]}
        assert (outputs["score"], outputs["confidence"]) == ([0.9], [0.9])
        for number in range(2, 30):
            inputs[0]["data"] = [f"x{number}"]
            answer = await ask("/v2/models/fraud/infer", json.dumps({"inputs": inputs}).encode())
        assert answer.status_code == 429
        assert served()["fraud"].decision.model.name == "fraud"
        listed = [f"/v2/models/{name}" for name in ("fraud.model", "fraud-model", "fraud_model")]
        assert [(await ask(path)).status_code for path in listed] == [404] * 3

    with_api(kp.exposure(score_digits=1, budget="8/d", entity="card", patterns=()), play)
