"""A token is asked for once, in time, and no secret is told to anybody."""

import asyncio
import logging
import pickle
import threading
from urllib.parse import parse_qs

import msgspec
import pytest

from kingpost.calls import (
    AsyncServiceClient,
    AuthFailed,
    Broken,
    CallAnswer,
    CallFailed,
    CallRequest,
    CallSurroundings,
    ClientCredentials,
    MemoryTokens,
    RefreshToken,
    Service,
    ServiceClient,
    Token,
)
from tests.virtual_service import VirtualService, VirtualTime, answer

URL = "https://pay.example/v1"
TOKEN_URL = "https://login.example/token"
CREDENTIALS = ClientCredentials(TOKEN_URL, "me", "s3cret", scope="pay", margin_s=30)


class Issuer:
    """Gives tokens t1, t2, … and takes calls with the valid ones; thread-safe."""

    def __init__(self, time: VirtualTime, *, lifetime_s: int = 300, rotates: bool = False) -> None:
        self.time, self.lifetime_s, self.rotates = time, lifetime_s, rotates
        self.given = 0
        self.forms: list[dict[str, list[str]]] = []
        self.valid: set[str] = set()
        self.used: list[str] = []
        self.fails: list[CallAnswer | Broken] = []
        self._lock = threading.Lock()

    def __call__(self, request: CallRequest) -> CallAnswer | Broken:
        with self._lock:
            if request.url == TOKEN_URL:
                return self._token(request)
            used = request.headers["authorization"].removeprefix("Bearer ")
            self.used.append(used)
            return answer(200 if used in self.valid else 401)

    def _token(self, request: CallRequest) -> CallAnswer | Broken:
        self.forms.append(parse_qs(request.body.decode()))
        if self.fails:
            return self.fails.pop(0)
        self.given += 1
        self.valid = {f"t{self.given}"}
        told: dict[str, object] = {
            "access_token": f"t{self.given}",
            "expires_in": self.lifetime_s,
        }
        if self.rotates:
            told["refresh_token"] = f"r{self.given}"
        return answer(200, msgspec.json.encode(told))


def house(
    auth: ClientCredentials | RefreshToken = CREDENTIALS,
    *,
    lifetime_s: int = 300,
    rotates: bool = False,
) -> tuple[ServiceClient, Issuer, VirtualService]:
    there = VirtualService()
    issuer = Issuer(there.time, lifetime_s=lifetime_s, rotates=rotates)
    there.answers = issuer
    return there.client(Service("pay", URL, auth=auth)), issuer, there


def test_one_token_serves_calls_until_a_margin_before_its_end() -> None:
    client, issuer, there = house()

    for _ in range(3):
        client.get()
    there.time.sleep(269)
    client.get()
    there.time.sleep(2)
    client.get()

    assert issuer.used == ["t1"] * 4 + ["t2"]


def test_a_short_lived_token_is_used_for_most_of_its_life() -> None:
    client, issuer, there = house(lifetime_s=1)

    for _ in range(20):
        client.get()
        there.time.sleep(0.1)

    assert issuer.given == 3


def test_credentials_are_sent_as_the_standard_says() -> None:
    client, issuer, there = house()

    client.get()

    assert issuer.forms == [{"grant_type": ["client_credentials"], "scope": ["pay"]}]
    assert there.sent[0].headers["authorization"] == "Basic bWU6czNjcmV0"


def test_a_refused_token_is_replaced_once_and_the_call_sent_once_more() -> None:
    client, issuer, _ = house()
    client.get()
    issuer.valid = set()

    assert client.get().status == 200
    assert issuer.used == ["t1", "t1", "t2"]


def test_a_service_that_refuses_also_the_new_token_is_not_asked_for_ever() -> None:
    client, issuer, there = house()
    client.get()

    def refuse(request: CallRequest) -> CallAnswer | Broken:
        return issuer(request) if request.url == TOKEN_URL else answer(401)

    there.answers = refuse

    assert client.get().status == 401
    assert issuer.given == 2


def test_a_token_that_another_call_has_replaced_is_not_replaced_again() -> None:
    client, issuer, there = house()
    client.get()
    issuer.valid = set()
    others: list[int] = []

    def answers(request: CallRequest) -> CallAnswer | Broken:
        if not others and request.url != TOKEN_URL:
            others.append(1)
            refused = issuer(request)
            others.append(client.get().status)  # meanwhile another call finds it stale too
            return refused
        return issuer(request)

    there.answers = answers

    assert client.get().status == 200
    assert others == [1, 200]
    assert issuer.given == 2


def test_a_rotated_refresh_token_is_kept_before_it_is_used() -> None:
    kept = MemoryTokens()
    auth = RefreshToken(TOKEN_URL, "me", "r0", store=lambda: kept)
    client, issuer, there = house(auth, lifetime_s=60, rotates=True)

    client.get()
    there.time.sleep(60)
    client.get()
    again, second, _ = house(auth, rotates=True)
    there.time.sleep(1)
    second.valid = {"t2"}
    again.get()

    assert [form["refresh_token"] for form in issuer.forms] == [["r0"], ["r1"]]
    assert issuer.forms[0]["client_id"] == ["me"]
    assert second.forms == []
    assert kept.load() == Token("t2", there.time.start_us + 120_000_000, "r2", 60_000_000)


def test_what_another_process_has_kept_is_taken_before_asking() -> None:
    kept = MemoryTokens()
    auth = RefreshToken(TOKEN_URL, "me", "r0", store=lambda: kept)
    client, issuer, _ = house(auth)
    kept.save(Token("t9", refresh="r9"))
    issuer.valid = {"t9"}

    assert client.get().status == 200
    assert issuer.forms == []


def test_an_issuer_that_fails_is_asked_again_like_the_service() -> None:
    client, issuer, _ = house()
    issuer.fails = [answer(503), Broken("lost", "ReadError")]

    assert client.get().status == 200
    assert len(issuer.forms) == 3


def test_a_token_that_still_lasts_serves_while_the_issuer_fails() -> None:
    client, issuer, there = house()
    client.get()
    there.time.sleep(280)
    issuer.fails = [answer(503)]

    assert client.get().status == 200
    assert issuer.used == ["t1", "t1"]


def test_an_issuer_that_is_down_ends_as_a_failed_call() -> None:
    client, issuer, _ = house()
    issuer.fails = [answer(503)] * 4

    with pytest.raises(CallFailed, match="no access token: status 503"):
        client.get()


@pytest.mark.parametrize(
    "told", [answer(400, b"s3cret"), answer(200, b"s3cret"), answer(200, b'{"expires_in": 3}')]
)
def test_an_issuer_that_refuses_is_told_of_without_any_secret(
    told: CallAnswer, caplog: pytest.LogCaptureFixture
) -> None:
    client, issuer, _ = house()
    issuer.fails = [told]

    with caplog.at_level(logging.DEBUG), pytest.raises(AuthFailed) as caught:
        client.get()

    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    shown = (repr(client.service), repr(caught.value), str(caught.value), caplog.text)
    assert not any("s3cret" in one for one in shown)


def test_of_200_threads_one_asks_with_a_refresh_token_of_one_use() -> None:
    client, issuer, there = house(RefreshToken(TOKEN_URL, "me", "r0"), rotates=True)
    client.get()
    there.time.sleep(300)
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda: statuses.append(client.get().status)) for _ in range(200)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert statuses == [200] * 200
    assert [form["refresh_token"] for form in issuer.forms] == [["r0"], ["r1"]]


def test_of_many_tasks_one_asks_for_the_token() -> None:
    time = VirtualTime()
    issuer = Issuer(time)
    asking = overlapping = 0

    async def exchange(request: CallRequest, within_s: float) -> CallAnswer | Broken:
        nonlocal asking, overlapping
        if request.url == TOKEN_URL:
            asking += 1
            overlapping = max(overlapping, asking)
        await asyncio.sleep(0)
        got = issuer(request)
        if request.url == TOKEN_URL:
            asking -= 1
        return got

    async def calls() -> list[int]:
        surroundings = CallSurroundings(clock=time)
        service = Service("pay", URL, auth=CREDENTIALS, bulkhead=200)
        client = AsyncServiceClient(service, surroundings, exchange=exchange)
        first = await asyncio.gather(*(client.get() for _ in range(200)))
        issuer.valid = set()
        second = await asyncio.gather(*(client.get() for _ in range(200)))
        return [one.status for one in (*first, *second)]

    assert asyncio.run(calls()) == [200] * 400
    assert (issuer.given, overlapping) == (2, 1)
