"""Signing in by an issuer's account, from the link on the page to the session."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from kingpost.access import MemoryKeys, MemorySessions, Sessions, read_roles
from kingpost.console import Issuer, IssuerSettings, SignIn
from kingpost.console.error_pages import answer_error
from kingpost.core import KingpostError
from tests.fake_issuer import SECRET, URL, FakeIssuer
from tests.tiny_app import FakeClock

HERE = "https://kingpost.example"


class House:
    """A console whose door knows the fake issuer, and a browser before it."""

    def __init__(self, answers: Callable[[httpx.Request], httpx.Response] | None = None) -> None:
        self.fake, self.clock = FakeIssuer(), FakeClock()
        keys, store = MemoryKeys(), MemorySessions()
        settings = IssuerSettings(
            URL, "kingpost", SECRET, read_roles("ml-ops=records;app=decide"), "roles", "acme"
        )
        http = httpx.Client(transport=httpx.MockTransport(answers or self.fake))
        door = SignIn(
            Sessions(lambda: store, lambda: keys, self.clock),
            lambda: keys,
            self.clock,
            public_url=HERE,
            issuer=Issuer(settings, self.clock, http=http),
        )
        pages = Starlette(
            routes=[Route("/records", self.who), *door.routes()],
            exception_handlers={KingpostError: answer_error},
        )
        transport = httpx.ASGITransport(door.guard(pages))
        self.browser = httpx.AsyncClient(transport=transport, base_url=HERE)

    async def who(self, request: Request) -> Response:
        return PlainTextResponse(f"{request.state.principal.tenant}/{request.state.principal.by}")

    async def ask(self, wanted: str = "/records") -> dict[str, str]:
        """Follow the link; return what the issuer was asked."""
        sent = await self.browser.get("/login/oidc", params={"next": wanted})
        assert sent.status_code == 303
        assert sent.headers["location"].startswith(f"{URL}/auth?")
        self.fake.asked = dict(parse_qsl(urlsplit(sent.headers["location"]).query))
        return self.fake.asked

    async def come_back(self, **answer: str) -> httpx.Response:
        return await self.browser.get("/login/oidc/callback", params=answer)


def run(scene: Callable[[House], Awaitable[None]], house: House | None = None) -> None:
    house = house or House()

    async def play() -> None:
        async with house.browser:
            await scene(house)

    asyncio.run(asyncio.wait_for(play(), 20))


def test_the_page_offers_the_issuers_accounts() -> None:
    async def scene(house: House) -> None:
        page = await house.browser.get("/login", params={"next": "/records?a=1&b=2"})

        assert "Sign in with login.example" in page.text
        assert 'href="/login/oidc?next=/records%3Fa%3D1%26b%3D2"' in page.text

    run(scene)


def test_who_comes_back_from_the_issuer_is_on_the_page_they_wanted() -> None:
    async def scene(house: House) -> None:
        asked = await house.ask("/records?a=1")
        answer = await house.come_back(state=asked["state"], code="a-code")

        assert (answer.status_code, answer.headers["location"]) == (303, "/records?a=1")
        assert (await house.browser.get("/records")).text == "acme/ann@acme.example"
        assert "__Host-kingpost-issuer" not in house.browser.cookies

    run(scene)


def test_the_issuer_sends_people_back_to_the_public_address() -> None:
    async def scene(house: House) -> None:
        asked = await house.ask()

        assert asked["redirect_uri"] == f"{HERE}/login/oidc/callback"

    run(scene)


@pytest.mark.parametrize("wanted", ["//evil.example", "https://evil.example", "/login", "x"])
def test_the_way_back_leads_to_no_other_host(wanted: str) -> None:
    async def scene(house: House) -> None:
        asked = await house.ask(wanted)
        answer = await house.come_back(state=asked["state"], code="a-code")

        assert answer.headers["location"] == "/"

    run(scene)


def test_an_answer_counts_once() -> None:
    async def scene(house: House) -> None:
        asked = await house.ask()
        await house.come_back(state=asked["state"], code="a-code")

        again = await house.come_back(state=asked["state"], code="a-code")

        assert again.status_code == 403
        assert "begun in another browser" in again.text

    run(scene)


def test_an_answer_that_another_browser_asked_for_signs_nobody_in() -> None:
    async def scene(house: House) -> None:
        attackers = await house.ask()
        house.browser.cookies.clear()
        await house.ask()

        answer = await house.come_back(state=attackers["state"], code="a-code")

        assert answer.status_code == 403
        assert "__Host-kingpost" not in house.browser.cookies

    run(scene)


def test_who_says_no_to_the_issuer_is_back_at_the_form() -> None:
    async def scene(house: House) -> None:
        asked = await house.ask()
        answer = await house.come_back(state=asked["state"], error="access_denied")

        assert answer.status_code == 403
        assert "access_denied" in answer.text
        assert "Sign in with login.example" in answer.text

    run(scene)


@pytest.mark.parametrize("role", ["emperor", "app"])
def test_who_has_no_role_for_the_console_is_told_so(role: str) -> None:
    async def scene(house: House) -> None:
        house.fake.claims["roles"] = [role]
        asked = await house.ask()
        answer = await house.come_back(state=asked["state"], code="a-code")

        assert answer.status_code == 403
        assert "no role" in answer.text or "lacks the scopes" in answer.text
        assert "__Host-kingpost" not in house.browser.cookies

    run(scene)


def test_an_issuer_that_does_not_answer_leaves_the_key_as_a_way_in() -> None:
    async def scene(house: House) -> None:
        house.fake.answers["openid-configuration"] = httpx.Response(500)

        answer = await house.browser.get("/login/oidc")

        assert answer.status_code == 503
        assert "Issuer login.example cannot be asked" in answer.text
        assert 'name="key"' in answer.text

    run(scene)


def test_what_the_issuer_says_is_shown_as_text() -> None:
    async def scene(house: House) -> None:
        asked = await house.ask()
        answer = await house.come_back(state=asked["state"], error="<script>x</script>")

        assert "<script" not in answer.text

    run(scene)


def test_an_issuer_that_hangs_keeps_nobody_else_from_the_pages() -> None:
    goes_on = threading.Event()

    def hang(request: httpx.Request) -> httpx.Response:
        goes_on.wait(10)
        return httpx.Response(503)

    async def scene(house: House) -> None:
        many = [asyncio.create_task(house.browser.get("/login/oidc")) for _ in range(120)]
        while sum(task.done() for task in many) < 20:  # more than may wait are refused at once
            await asyncio.sleep(0.001)

        try:
            page = await asyncio.wait_for(house.browser.get("/login"), 2)
        finally:
            goes_on.set()

        assert page.status_code == 200
        answers = await asyncio.gather(*many)
        assert {answer.status_code for answer in answers} == {503}
        assert sum("too many people" in answer.text for answer in answers) == 20

    run(scene, House(hang))
