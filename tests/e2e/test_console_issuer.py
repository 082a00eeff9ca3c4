"""Signing in with the accounts of a running OpenID Connect issuer, over real sockets."""

import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect

from tests.e2e.browser import Chromium
from tests.e2e.console_data import ConsoleData
from tests.served_shop import ServedShop, until

STYLE = "https://cdn.jsdelivr.net/"
SECRET = "issuer-secret-0123456789"
PEOPLE = (
    {"sub": "ann-17", "email": "ann@acme.example", "roles": ["ml-ops", "football"]},
    {"sub": "vera-3", "email": "vera@acme.example", "roles": ["viewer"]},
    {"sub": "otto-9", "email": "otto@acme.example", "roles": ["football"]},
)


@dataclass(frozen=True)
class Running:
    """A server that knows an issuer, and the issuer."""

    shop: ServedShop
    issuer: str


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    url = f"http://127.0.0.1:{free_port()}"
    people = [word for one in PEOPLE for word in ("--user-claims", json.dumps(one))]
    log = tmp_path_factory.mktemp("issuer") / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "oidc_provider_mock", "--port", url.rpartition(":")[2],
             "--require-nonce", "true", *people],
            stdout=output,
            stderr=output,
        )  # fmt: skip

        def answers() -> bool:
            assert process.poll() is None, log.read_text()
            try:
                return httpx.get(f"{url}/.well-known/openid-configuration").is_success
            except httpx.HTTPError:
                return False

        with process:
            try:
                until(answers, "the issuer answers")
                yield url
            finally:
                process.kill()


@pytest.fixture(scope="module")
def running(
    prepared: ConsoleData, issuer: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    data = prepared.copied(tmp_path_factory.mktemp("accounts"))
    (data.directory / "kingpost.toml").write_text(
        f'oidc_issuer = "{issuer}"\n'
        'oidc_client_id = "kingpost"\n'
        f'oidc_client_secret = "{SECRET}"\n'
        'oidc_roles = "ml-ops=records,review;viewer=records"\n'
    )
    with data.serve("--no-watch") as shop:
        yield Running(shop, issuer)
        assert shop.end() == 0
    kept = [path for path in data.directory.rglob("*") if path.name != "kingpost.toml"]
    assert not [path for path in kept if path.is_file() and holds_secret(path)]


def holds_secret(path: Path) -> bool:
    return SECRET.encode() in path.read_bytes()


def come_back(browser: httpx.Client, person: str, wanted: str = "/records") -> httpx.Response:
    """Follow the link, say who one is, and return what the console answers."""
    asked = browser.get("/login/oidc", params={"next": wanted})
    assert asked.status_code == 303, asked.text
    said = httpx.post(asked.headers["location"], data={"sub": person})
    assert said.status_code == 302, said.text
    return browser.get(said.headers["location"])


def test_somebody_with_a_role_is_signed_in_under_their_address(running: Running) -> None:
    with httpx.Client(base_url=running.shop.url) as browser:
        entered = come_back(browser, "ann-17", "/inbox?tab=mine")

        assert (entered.status_code, entered.headers["location"]) == (303, "/inbox?tab=mine")
        page = browser.get("/inbox?tab=mine")
        assert page.status_code == 200
        assert "ann@acme.example" in page.text


def test_somebody_without_a_role_is_told_so(running: Running) -> None:
    with httpx.Client(base_url=running.shop.url) as browser:
        refused = come_back(browser, "otto-9")

        assert refused.status_code == 403
        assert "otto@acme.example has no role" in refused.text
        assert browser.get("/records").status_code == 303


def test_a_role_gives_its_scopes_and_no_more(running: Running) -> None:
    with httpx.Client(base_url=running.shop.url) as browser:
        come_back(browser, "vera-3")
        page = browser.get("/inbox?queue=risk-desk").text
        token, task = (
            re.search(r'name="csrf" value="(.+?)"', page),
            re.search("/inbox/[0-9a-f-]{36}", page),
        )
        assert token
        assert task

        answer = browser.post(f"{task[0]}/approve", data={"csrf": token[1]})

        assert answer.status_code == 403


def test_an_answer_counts_once_and_only_in_the_browser_that_asked(running: Running) -> None:
    with httpx.Client(base_url=running.shop.url) as browser:
        asked = browser.get("/login/oidc")
        said = httpx.post(asked.headers["location"], data={"sub": "ann-17"})
        with httpx.Client(base_url=running.shop.url) as other:
            assert other.get(said.headers["location"]).status_code == 403
        assert browser.get(said.headers["location"]).status_code == 303

        assert browser.get(said.headers["location"]).status_code == 403


def test_a_code_that_was_used_is_refused_by_the_issuer_and_so_by_us(running: Running) -> None:
    with httpx.Client(base_url=running.shop.url) as browser:
        first = browser.get("/login/oidc")
        said = httpx.post(first.headers["location"], data={"sub": "ann-17"})
        used = httpx.URL(said.headers["location"])
        browser.get(used)
        again = httpx.URL(browser.get("/login/oidc").headers["location"])

        answer = browser.get(used.copy_set_param("state", again.params["state"]))

        assert answer.status_code == 403
        assert "invalid_grant" in answer.text


def test_who_does_not_agree_is_back_at_the_form(running: Running) -> None:
    with httpx.Client(base_url=running.shop.url) as browser:
        asked = browser.get("/login/oidc")
        question = httpx.URL(asked.headers["location"])
        said = httpx.post(question, data={"action": "deny"})
        denial = httpx.URL(said.headers["location"])

        # this issuer leaves the state out of a denial; RFC 6749, 4.1.2.1 wants it there
        answer = browser.get(denial.copy_set_param("state", question.params["state"]))

        assert answer.status_code == 403
        assert "access_denied" in answer.text


def test_a_person_signs_in_with_their_account_in_a_browser(
    running: Running, chromium: Chromium
) -> None:
    with chromium.window(running.shop.url) as window:
        window.expect(re.escape(running.issuer))  # the issuer's own page, and its style sheet
        window.expect(re.escape(STYLE))
        window.page.route(f"{STYLE}**", lambda route: route.fulfill(body=""))
        window.open("/incidents")
        window.page.get_by_role("link", name="Sign in with").click()
        window.page.wait_for_url(f"{running.issuer}/**")
        window.page.get_by_role("button", name="ann-17").click()

        expect(window.page.get_by_role("heading", level=1)).to_have_text("Incidents")
        expect(window.page.get_by_label("Account: ann@acme.example")).to_be_visible()


def test_keys_open_the_door_beside_an_issuer(
    running: Running, chromium: Chromium, prepared: ConsoleData
) -> None:
    with chromium.window(running.shop.url) as window:
        window.sign_in(prepared.viewer)

        expect(window.page.get_by_label("Account: vera")).to_be_visible()
