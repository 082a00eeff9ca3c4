"""Tokens and limits over the API: both forms of the decision route, and every other route."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import httpx
import pytest

from kingpost.access import (
    FetchedKeys,
    IssuerKeys,
    KeyRing,
    Limits,
    MemoryKeys,
    Tokens,
    TokenSettings,
    create_key,
)
from kingpost.core import rate_of
from kingpost.serving import ServingSettings, build_app
from tests.fast_lane_house import Answered, Form, House, Line
from tests.local_issuer import AUDIENCE, EC, ISSUER, signed
from tests.simulated_disk import SimulatedDisk
from tests.tiny_app import FakeClock, open_engine, payment

FORMS: tuple[Form, ...] = ("fast", "asgi", "worker")
THREE = Limits(rate_of("3/s"), rate_of("100/m"), rate_of("50/h"))


def tokens_of(clock: FakeClock, limits: Limits | None = None) -> Tokens:
    document = json.dumps({"keys": [EC.as_dict(private=False)]}).encode()
    keys = IssuerKeys(FetchedKeys("here", lambda: document, 300), clock)
    keys.refresh()
    return Tokens(
        TokenSettings(issuer=ISSUER, audience=AUDIENCE, tenant="acme"), keys, clock, limits
    )


def token_of(clock: FakeClock, **said: object) -> str:
    return signed(EC, now_s=clock.us / 1e6, **said)  # pyright: ignore[reportArgumentType]


def answers(house: House, form: Form, requests: list[bytes]) -> list[Answered]:
    async def play() -> list[Answered]:
        line = Line(house, form)
        for request in requests:
            line.send(request)
            await asyncio.sleep(0)
        found = await line.answered(len(requests))
        line.close()
        return found

    return asyncio.run(play())


def headers_of(answer: Answered) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in answer.headers}


def test_both_forms_limit_alike_and_tell_what_is_left() -> None:
    found: dict[Form, list[Answered]] = {}
    for form in FORMS:
        house = House(limits=THREE)
        requests = [house.request(payment(f"p{number}")) for number in range(4)]
        requests.append(house.request(payment("p9"), scope=None))
        found[form] = answers(house, form, requests)
        house.app.close()

    assert found["fast"] == found["asgi"] == found["worker"]
    first, *_, refused, nobody = found["fast"]
    assert headers_of(first)["ratelimit"] == '"requests";r=2;t=1, "rows";r=99;t=1, "cost";r=49;t=72'
    assert headers_of(first)["ratelimit-policy"] == (
        '"requests";q=3;w=1, "rows";q=100;w=60, "cost";q=50;w=3600'
    )
    assert (refused.status, json.loads(refused.body)["code"]) == (429, "rate_limited")
    assert headers_of(refused)["retry-after"] == "1"
    assert headers_of(refused)["ratelimit"].startswith('"requests";r=0;t=1')
    assert "ratelimit" not in headers_of(nobody)


@pytest.mark.parametrize("form", FORMS)
def test_an_error_after_the_door_tells_what_is_left_too(form: Form) -> None:
    house = House(limits=THREE)

    answer = answers(house, form, [house.request(b"{")])[0]

    house.app.close()
    assert answer.status == 422
    assert headers_of(answer)["ratelimit"].startswith('"requests";r=2')


@pytest.mark.parametrize("form", FORMS)
def test_a_token_is_let_in_by_both_forms_and_stands_in_the_record(form: Form) -> None:
    clock = FakeClock()
    house = House(tokens=tokens_of(clock))
    good, late = token_of(clock), token_of(clock, exp=int(clock.us / 1e6) - 60)
    narrow = token_of(clock, scope="decide:other")
    sent = [
        house.request(payment(f"p{number}"), f"authorization: Bearer {token}", scope=None)
        for number, token in enumerate((good, late, narrow, good))
    ]

    found = answers(house, form, sent)

    assert [answer.status for answer in found] == [200, 401, 403, 200]
    assert json.loads(found[1].body)["code"] == "token_refused"
    assert headers_of(found[1])["www-authenticate"] == 'Bearer error="invalid_token"'
    record = house.app.engine.record("acme", json.loads(found[0].body)["id"])
    house.app.close()
    assert record is not None
    assert record.record.principal == "jwt:scorer"


def with_api(
    play: Callable[[httpx.AsyncClient, dict[str, str]], Coroutine[Any, Any, None]], limits: Limits
) -> None:
    async def run() -> None:
        clock, store = FakeClock(), MemoryKeys()
        engine = open_engine(Path("/journal/data"), disk=SimulatedDisk(), clock=clock)
        app = build_app(engine, KeyRing(store, clock), ServingSettings(), clock)
        scopes = ["decide", "ingest", "records", "metrics"]
        made = create_key(store, clock, tenant="acme", scopes=scopes, limits=limits)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            await play(client, {"authorization": f"Bearer {made.secret}"})
        app.close()

    asyncio.run(run())


def test_every_route_that_asks_who_it_is_counts_a_request() -> None:
    async def play(client: httpx.AsyncClient, key: dict[str, str]) -> None:
        for path in ("/v1/decisions", "/v1/records/x", "/metrics"):
            answer = await client.get(path, headers=key)
            assert answer.status_code in (200, 404)
            assert answer.headers["ratelimit-policy"].startswith('"requests";q=3;w=1')
        refused = await client.get("/v1/decisions", headers=key)
        assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
        assert refused.headers.get_list("ratelimit") == [refused.headers["ratelimit"]]
        assert (await client.get("/health/live", headers=key)).status_code == 200

    with_api(play, THREE)


def test_events_count_by_their_rows() -> None:
    async def play(client: httpx.AsyncClient, key: dict[str, str]) -> None:
        rows = b"\n".join(payment(f"p{number}") for number in range(6))
        sent = key | {"content-type": "application/x-ndjson"}
        first = await client.post("/v1/events/payment", content=rows, headers=sent)
        second = await client.post("/v1/events/payment", content=rows, headers=sent)
        assert (first.status_code, first.json()["accepted"]) == (200, 6)
        assert (second.status_code, second.json()["code"]) == (429, "rate_limited")
        assert "rows is 10/m" in second.json()["detail"]

    with_api(play, Limits(rows=rate_of("10/m")))
